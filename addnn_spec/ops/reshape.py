"""Operators that give the same elements another shape or order."""

from typing import Annotated

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Composed, Example, Operator, TensorType
from addnn_spec.ops.checks import name_of, state_equal, wrap_dim
from addnn_spec.ops.code import Arg, Call, Code, In, Method
from addnn_spec.ops.fields import Dim, Dims, PositiveInt
from addnn_spec.ops.reach import Reach, Reaches, one_place, repeated
from addnn_spec.ops.shapes import AnySize, Listed, Sizes, product, show, wrap_dims
from addnn_spec.sizes import Facts, Size, SizeError

_MAP = TensorType("float", (2, 3, 4, 5))
_ROWS = TensorType("float", (2, 5, 12))


class _View(Operator):
    family = "reshape"
    view = True
    reshapes = True


def _moved(order: tuple[int, ...]) -> Reaches:
    """Return what is seen where the output's dimensions are the input's in this order."""
    return tuple(Reach(order.index(dim)) for dim in range(len(order)))


def _mirrored(dim: int, size: Size) -> Reach | None:
    return Reach(dim, size - 1, size - 1, -1) if isinstance(size, int) else None


class _Regrouped(_View):
    """Elements in the same order, in other dimensions; those before and after stay."""

    def reach(self, input: TensorType) -> Reaches:
        x, output = input, self.infer(input)
        assert isinstance(output, TensorType)
        # Dimensions before the first that changes keep their places from the front, those behind
        # the last that changes keep theirs from the back.
        same = [a == b for a, b in zip(x.shape, output.shape, strict=False)]
        before = same.index(False) if False in same else len(same)
        shift = output.rank - x.rank
        found: list[Reach | None] = [Reach(dim) if dim < before else None for dim in range(x.rank)]
        for dim in reversed(range(before, x.rank)):
            if dim + shift < before or x.shape[dim] != output.shape[dim + shift]:
                break
            found[dim] = Reach(dim + shift)
        return tuple(found)


class Flatten(_Regrouped):
    """The dimensions `start_dim` to `end_dim` as one. `[N, C, H, W]` → `[N, C·H·W]`."""

    start_dim: Dim = 1
    end_dim: Dim = -1

    def infer(self, input: TensorType) -> TensorType:
        start = wrap_dim(self, self.start_dim, input.rank, "start_dim")
        end = wrap_dim(self, self.end_dim, input.rank, "end_dim")
        if start > end:
            raise Refusal(
                "E0306",
                f"Flatten's start_dim {self.start_dim} comes after its end_dim {self.end_dim}",
                about="start_dim",
            )
        return input.with_shape(
            *input.shape[:start], product(input.shape[start : end + 1]), *input.shape[end + 1 :]
        )

    def composed(self, dim: int, input: TensorType) -> Composed | None:
        start, end = self.start_dim % input.rank, self.end_dim % input.rank
        if dim != start:
            return None
        return Composed("*", tuple((0, one) for one in range(start, end + 1)))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "flatten", (Arg(self.start_dim), Arg(self.end_dim, None, -1)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_MAP,)),
            Example(cls(start_dim=2), (_MAP,)),
            Example(cls(start_dim=0, end_dim=1), (_MAP,)),
            Example(cls(start_dim=-3, end_dim=-2), (_MAP,)),
        )


class _Sized(_Regrouped):
    """What takes sizes, of which one may be -1: what is left."""

    def _complete(
        self, sizes: tuple[Size, ...], total: Size, argument: str, x: TensorType
    ) -> tuple[Size, ...]:
        """Return the sizes, with -1 replaced, so that they hold `total` elements.

        Raises E0201 for two -1 or a size below 1, E0303 where they do not hold as many, E0305 where
        what is left for -1 is not a whole number.
        """
        if sizes.count(-1) > 1:
            raise Refusal(
                "E0201", f"{name_of(self)} can infer one size -1, not several", about=argument
            )
        for size in sizes:
            if isinstance(size, int) and size < 1 and size != -1:
                raise Refusal(
                    "E0201",
                    f"{name_of(self)} takes sizes of 1 and more, or -1, not {size}",
                    about=argument,
                )
        given = product(size for size in sizes if size != -1)
        if -1 not in sizes:
            self._check_total(given, total, argument)
            return sizes
        try:
            left = Facts().exact_div(total, given)
        except SizeError as error:
            fact = error.fact
            raise Refusal(
                "E0305",
                f"{name_of(self)} cannot tell what -1 is in {show(sizes)}: "
                f"{total} elements over {given}",
                about=argument,
                note=f"{error.message}; its input here is {x}",
                help=f"if it always is, state it first: assert {fact}" if fact else None,
            ) from None
        return tuple(left if size == -1 else size for size in sizes)

    def _check_total(self, given: Size, total: Size, argument: str) -> None:
        if given == total:
            return
        raise Refusal(
            "E0303",
            f"the sizes of {name_of(self)} hold {given} elements, and its input has {total}",
            about=argument,
            help=state_equal(given, total),
        )


class Unflatten(_Sized):
    """One dimension as several: `Unflatten(-1, [heads, d])`, `[N, L, h·d]` → `[N, L, h, d]`.

    One of the sizes may be -1: what is left.
    """

    dim: Dim
    unflattened_size: tuple[AnySize, ...]

    def infer(self, input: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        if not self.unflattened_size:
            raise Refusal("E0201", "Unflatten takes one size or more", about="unflattened_size")
        sizes = self._complete(self.unflattened_size, input.shape[dim], "unflattened_size", input)
        return input.with_shape(*input.shape[:dim], *sizes, *input.shape[dim + 1 :])

    def composed(self, dim: int, input: TensorType) -> Composed | None:
        item = dim - self.dim % input.rank
        given = 0 <= item < len(self.unflattened_size) and self.unflattened_size[item] != -1
        return Composed("+", (("unflattened_size", item),)) if given else None

    def decisive(self, input: TensorType) -> Size:
        return input.shape[self.dim]

    def constructor(self, input: TensorType) -> Call | None:
        # A module is made before any tensor is there to read a size off.
        known = all(isinstance(size, int) for size in self.unflattened_size)
        return super().constructor(input) if known else None

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call(
            "torch.unflatten",
            (Arg(In(0)), Arg(self.dim), Arg(_one_inferred(self.unflattened_size))),
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=-1, unflattened_size=(3, 4)), (_ROWS,)),
            Example(cls(dim=2, unflattened_size=(2, -1, 3)), (_ROWS,)),
        )


class Reshape(_Sized):
    """The elements in order, in another shape: `Reshape([N, 1, 28, 28])`, `Reshape(-1, 64)`.

    `[*]` → `shape`. One size may be -1: what is left, by exact division. Sizes may be symbolic.
    """

    torch_name = ""
    collect = "shape"

    shape: Sizes

    def infer(self, input: TensorType) -> TensorType:
        return input.with_shape(*self._complete(self.shape, input.numel, "shape", input))

    def decisive(self, input: TensorType) -> Size | None:
        return input.shape[-1] if input.rank else None

    def functional(self, *inputs: TensorType) -> Code | None:
        sizes = _one_inferred(self.shape)
        return Method(In(0), "reshape", tuple(map(Arg, sizes)) or (Arg(()),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(shape=(2, 3, 20)), (_MAP,)),
            Example(cls(shape=(-1, 15)), (_MAP,)),
        )


class Permute(_View):
    """The dimensions in another order: `Permute(0, 2, 1)`, `[A, B, C]` → `[A, C, B]`.

    `dims` names each of the input's dimensions once; a list may be given, `Permute([0, 2, 1])`.
    """

    torch_name = ""
    collect = "dims"

    dims: Annotated[tuple[int, ...], Listed]

    def infer(self, input: TensorType) -> TensorType:
        if len(self.dims) != input.rank:
            raise Refusal(
                "E0302",
                f"Permute orders {len(self.dims)} dimensions, and its input has {input.rank}",
                input=0,
                note=f"this is {input}",
            )
        return input.with_shape(*(input.shape[dim] for dim in self._order(input)))

    def _order(self, x: TensorType) -> tuple[int, ...]:
        return wrap_dims(self, self.dims, x.rank, "dims") if self.dims else ()

    def reach(self, input: TensorType) -> Reaches:
        return _moved(self._order(input))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "permute", tuple(map(Arg, self.dims)) or (Arg(()),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dims=(0, 2, 3, 1)), (_MAP,)),
            Example(cls(dims=(-1, 0, 1)), (_ROWS,)),
        )


class Transpose(_View):
    """Two dimensions swapped: `Transpose(1, 2)`, `[A, B, C]` → `[A, C, B]`."""

    torch_name = ""

    dim0: Dim
    dim1: Dim

    def infer(self, input: TensorType) -> TensorType:
        return input.with_shape(*(input.shape[dim] for dim in self._order(input)))

    def _order(self, x: TensorType) -> tuple[int, ...]:
        first = wrap_dim(self, self.dim0, x.rank, "dim0")
        second = wrap_dim(self, self.dim1, x.rank, "dim1")
        order = list(range(x.rank))
        order[first], order[second] = second, first
        return tuple(order)

    def reach(self, input: TensorType) -> Reaches:
        return _moved(self._order(input))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "transpose", (Arg(self.dim0), Arg(self.dim1)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim0=1, dim1=2), (_ROWS,)),
            Example(cls(dim0=-2, dim1=-1), (_MAP,)),
        )


class Movedim(_View):
    """Dimensions moved to other places, the others in order: `Movedim(1, -1)`.

    `[N, C, H, W]` → `[N, H, W, C]`.
    """

    torch_name = ""

    source: Dims
    destination: Dims

    def infer(self, input: TensorType) -> TensorType:
        return input.with_shape(*(input.shape[dim] for dim in self._order(input)))

    def _order(self, x: TensorType) -> tuple[int, ...]:
        source = wrap_dims(self, self.source, x.rank, "source")
        destination = wrap_dims(self, self.destination, x.rank, "destination")
        if len(source) != len(destination):
            raise Refusal(
                "E0201",
                f"Movedim moves {len(source)} dimensions to {len(destination)} places",
                about="destination",
            )
        moved = dict(zip(destination, source, strict=True))
        others = (dim for dim in range(x.rank) if dim not in source)
        return tuple(moved[to] if to in moved else next(others) for to in range(x.rank))

    def reach(self, input: TensorType) -> Reaches:
        return _moved(self._order(input))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "movedim", (Arg(self.source), Arg(self.destination)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(source=1, destination=-1), (_MAP,)),
            Example(cls(source=(0, 3), destination=(-1, 0)), (_MAP,)),
        )


class Squeeze(_View):
    """Without dimensions of size 1: the named ones (other sizes stay), or all.

    `[A, 1, B]` at `Squeeze(1)` → `[A, B]`. A symbolic size may be 1 or more, so it is refused.
    """

    torch_name = ""

    dim: Dims | None = None

    def infer(self, input: TensorType) -> TensorType:
        dims = wrap_dims(self, self.dim, input.rank)
        for dim in dims:
            if not isinstance(input.shape[dim], int):
                raise Refusal(
                    "E0308",
                    f"Squeeze must know whether the size {input.shape[dim]} is 1",
                    about=None if self.dim is None else "dim",
                    help="name the dimensions to drop: Squeeze(1)" if self.dim is None else None,
                )
        return input.with_shape(*(input.shape[dim] for dim in self._kept(input)))

    def _kept(self, x: TensorType) -> list[int]:
        dims = wrap_dims(self, self.dim, x.rank)
        return [dim for dim, size in enumerate(x.shape) if dim not in dims or size != 1]

    def reach(self, input: TensorType) -> Reaches:
        kept = self._kept(input)
        dims = range(input.rank)
        return tuple(Reach(kept.index(dim)) if dim in kept else one_place(0) for dim in dims)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "squeeze", () if self.dim is None else (Arg(self.dim),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 1, 3, 1))
        return (
            Example(cls(dim=1), (x,)),
            Example(cls(), (x,)),
            Example(cls(dim=(0, -1)), (x,)),
        )


class Unsqueeze(_View):
    """With a dimension of size 1 more, at `dim`: `Unsqueeze(1)`, `[A, B]` → `[A, 1, B]`."""

    torch_name = ""

    dim: Dim

    def infer(self, input: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank + 1)
        return input.with_shape(*input.shape[:dim], 1, *input.shape[dim:])

    def reach(self, input: TensorType) -> Reaches:
        dim = self.dim % (input.rank + 1)
        return tuple(Reach(other + (other >= dim)) for other in range(input.rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "unsqueeze", (Arg(self.dim),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(dim=1), (_ROWS,)), Example(cls(dim=-1), (_ROWS,)))


class Expand(_View):
    """Dimensions of size 1 stretched, and new ones in front: `Expand([N, 1, width])`.

    `[1, 1, C]` → `[N, 1, C]`. -1 leaves a size as it is. Nothing is copied.
    """

    torch_name = ""
    collect = "sizes"

    sizes: Sizes

    def infer(self, input: TensorType) -> TensorType:
        return input.with_shape(*(after for _, after in self._sizes(input)))

    def _sizes(self, x: TensorType) -> list[tuple[Size | None, Size]]:
        """For each dimension of the result its size before, None if it is new, and after."""
        new = len(self.sizes) - x.rank
        if new < 0:
            raise Refusal(
                "E0302",
                f"Expand gives {len(self.sizes)} sizes for {x.rank} dimensions",
                about="sizes",
                note=f"the input is {x}",
            )
        found: list[tuple[Size | None, Size]] = []
        for place, after in enumerate(self.sizes):
            before = x.shape[place - new] if place >= new else None
            if after == -1 and before is not None:
                after = before
            if isinstance(after, int) and after < 1:
                raise Refusal(
                    "E0201", f"Expand takes sizes of 1 and more, not {after}", about="sizes"
                )
            if before not in (None, 1, after):
                raise Refusal(
                    "E0303",
                    f"Expand cannot stretch {before} to {after}: only a size of 1",
                    about="sizes",
                    help=state_equal(before, after),
                )
            found.append((before, after))
        return found

    def functional(self, input: TensorType) -> Code | None:
        sizes = [-1 if before == after else after for before, after in self._sizes(input)]
        return Method(In(0), "expand", tuple(map(Arg, sizes)) or (Arg(()),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        token = TensorType("float", (1, 1, 6))
        return (
            Example(cls(sizes=(4, 1, 6)), (token,)),
            Example(cls(sizes=(2, 3, -1, 6)), (token,)),
        )


class Tile(Operator):
    """The tensor side by side with itself, `dims[i]` times along each dimension (`torch.tile`).

    `[A, B]` at `Tile(2, 3)` → `[2·A, 3·B]`; fewer numbers count for the last dimensions.
    """

    family = "reshape"
    torch_name = ""
    collect = "dims"
    reshapes = True

    dims: Annotated[tuple[PositiveInt, ...], Listed]

    def infer(self, input: TensorType) -> TensorType:
        rank = max(input.rank, len(self.dims))
        shape = (1,) * (rank - input.rank) + input.shape
        times = (1,) * (rank - len(self.dims)) + self.dims
        return input.with_shape(*(size * n for size, n in zip(shape, times, strict=True)))

    def reach(self, input: TensorType) -> Reaches | None:
        times = (1,) * (input.rank - len(self.dims)) + self.dims
        if len(times) > input.rank:
            return None
        return tuple(Reach(dim) if n == 1 else None for dim, n in enumerate(times))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "tile", (Arg(self.dims),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dims=(2, 1)), (_ROWS,)),
            Example(cls(dims=(2, 1, 1, 3)), (_ROWS,)),
        )


class RepeatInterleave(Operator):
    """Each place of a dimension `repeats` times in a row; without `dim`, each element of all.

    `[*, L, *]` → `[*, repeats·L, *]`.
    """

    family = "reshape"
    torch_name = ""
    reshapes = True

    repeats: PositiveInt
    dim: Dim | None = None

    def infer(self, input: TensorType) -> TensorType:
        if self.dim is None:
            return input.with_shape(input.numel * self.repeats)
        dim = wrap_dim(self, self.dim, input.rank)
        return input.with_shape(
            *input.shape[:dim], input.shape[dim] * self.repeats, *input.shape[dim + 1 :]
        )

    def reach(self, input: TensorType) -> Reaches | None:
        if self.dim is None:
            return None
        rank = input.rank
        own = self.dim % rank
        return tuple(repeated(own, self.repeats) if d == own else Reach(d) for d in range(rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "repeat_interleave", (Arg(self.repeats), Arg(self.dim, "dim", None)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(repeats=3, dim=1), (_ROWS,)), Example(cls(repeats=2), (_ROWS,)))


class Roll(Operator):
    """Elements shifted around: what leaves at one end comes back at the other. `[*]` → `[*]`.

    Without `dims` the flattened elements are shifted.
    """

    family = "reshape"
    torch_name = ""
    reshapes = True

    shifts: int | tuple[int, ...]
    dims: Dims | None = None

    def infer(self, input: TensorType) -> TensorType:
        shifts = self.shifts if isinstance(self.shifts, tuple) else (self.shifts,)
        if self.dims is not None:
            wrap_dims(self, self.dims, input.rank, "dims")
        dims = self.dims if isinstance(self.dims, tuple) else (self.dims,)
        if len(shifts) != len(dims):
            raise Refusal(
                "E0201",
                f"Roll gets {len(shifts)} shifts for {len(dims)} dimensions",
                about="shifts",
            )
        return input

    def reach(self, input: TensorType) -> Reaches:
        """Return the reach; what comes back at the other end moves along no longer."""
        rank = input.rank
        moved = wrap_dims(self, self.dims, rank, "dims")
        return tuple(None if dim in moved else Reach(dim) for dim in range(rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "roll", (Arg(self.shifts), Arg(self.dims, None, None)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(shifts=(-2, 1), dims=(1, 2)), (_MAP,)),
            Example(cls(shifts=1, dims=-1), (_MAP,)),
            Example(cls(shifts=3), (_MAP,)),
        )


class Flip(Operator):
    """Dimensions in reverse order: `Flip(1)`. `[*]` → `[*]`."""

    family = "reshape"
    torch_name = ""
    collect = "dims"
    reshapes = True

    dims: Annotated[tuple[int, ...], Listed]

    def infer(self, input: TensorType) -> TensorType:
        wrap_dims(self, self.dims, input.rank, "dims")
        return input

    def reach(self, input: TensorType) -> Reaches:
        dims = wrap_dims(self, self.dims, input.rank, "dims")
        rows = enumerate(input.shape)
        return tuple(_mirrored(dim, size) if dim in dims else Reach(dim) for dim, size in rows)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "flip", tuple(map(Arg, self.dims)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(dims=(1,)), (_ROWS,)), Example(cls(dims=(0, -1)), (_ROWS,)))


def _one_inferred(sizes: tuple[Size, ...]) -> tuple[Size, ...]:
    """Return the sizes as emitted: where only one is symbolic it is left to torch, as -1."""
    symbolic = [size for size in sizes if not isinstance(size, int)]
    if len(symbolic) != 1 or -1 in sizes:
        return sizes
    return tuple(size if isinstance(size, int) else -1 for size in sizes)
