"""Several tensors made one, and one made several."""

from collections.abc import Sequence

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Composed, Example, Operator, TensorType
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.checks import name_of, state_equal, wrap_dim
from addnn_spec.ops.code import Arg, Call, Code, In, Item, Method, Seq
from addnn_spec.ops.fields import Dim, PositiveInt
from addnn_spec.ops.reach import Reach, Reaches
from addnn_spec.ops.shapes import AnySize, promote, show
from addnn_spec.sizes import Facts, Size, SizeError, source

_X = TensorType("float", (2, 6, 4))

_MOST_PARTS = 10_000
"""More outputs of one operator than this are a mistake."""


class _Join(Operator):
    family = "merge"
    input_names = ("tensors",)
    variadic = True
    torch_name = ""

    def _check_shapes(self, inputs: tuple[TensorType, ...], free: int | None) -> None:
        """All shapes are the first's, but in the dimension `free`."""
        first = inputs[0]
        for number, x in enumerate(inputs):
            if x.rank != first.rank:
                raise Refusal(
                    "E0302",
                    f"{name_of(self)} takes tensors of one rank, not {first} and {x}",
                    input=number,
                    note=f"this is {x}",
                )
            for place, (size, wanted) in enumerate(zip(x.shape, first.shape, strict=True)):
                if place != free and size != wanted:
                    known = isinstance(size, int) and isinstance(wanted, int)
                    raise Refusal(
                        "E0303",
                        f"{name_of(self)} cannot join {first} and {x}: "
                        f"{wanted} and {size} at dimension {place}",
                        input=number,
                        note=f"this is {x}",
                        help=None
                        if known
                        else f"if they are equal, state it: assert {wanted} == {size}",
                    )

    def _check_some(self, inputs: tuple[TensorType, ...]) -> None:
        if not inputs:
            raise Refusal("E0202", f"{name_of(self)} takes one tensor or more, not none")


class Concat(_Join):
    """Tensors one after the other along a dimension: `(a, b) -> Concat`, `torch.cat`.

    `[N, C₁, *]`, `[N, C₂, *]` … → `[N, C₁ + C₂ + …, *]`;
    by default along dimension 1, the channels.
    """

    dim: Dim = 1

    def infer(self, *inputs: TensorType) -> TensorType:
        self._check_some(inputs)
        first = inputs[0]
        dim = wrap_dim(self, self.dim, first.rank)
        self._check_shapes(inputs, dim)
        joined: Size = 0
        for x in inputs:
            joined = joined + x.shape[dim]
        shape = (*first.shape[:dim], joined, *first.shape[dim + 1 :])
        return TensorType(promote(*(x.dtype for x in inputs)), shape)

    def composed(self, dim: int, *inputs: TensorType) -> Composed | None:
        if dim != self.dim % inputs[0].rank:
            return None
        return Composed("+", tuple((place, dim) for place in range(len(inputs))))

    def channels(self, *inputs: TensorType) -> Channels | None:
        return Channels("joins", self.dim % inputs[0].rank)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.cat", (Arg(_all_of(inputs)), Arg(self.dim, "dim", 0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_X, TensorType("float", (2, 3, 4)))),
            Example(cls(dim=-1), (_X, TensorType("int", (2, 6, 1)), _X)),
            Example(cls(dim=0), (_X,)),
        )


class Stack(_Join):
    """Tensors of one shape along a new dimension: `(a, b) -> Stack`, `torch.stack`.

    n times `[*]` → `[n, *]`, the new dimension at `dim`.
    """

    dim: Dim = 0

    def infer(self, *inputs: TensorType) -> TensorType:
        self._check_some(inputs)
        first = inputs[0]
        dim = wrap_dim(self, self.dim, first.rank + 1)
        self._check_shapes(inputs, None)
        shape = (*first.shape[:dim], len(inputs), *first.shape[dim:])
        return TensorType(promote(*(x.dtype for x in inputs)), shape)

    def composed(self, dim: int, *inputs: TensorType) -> Composed | None:
        own = self.dim % (inputs[0].rank + 1)
        return Composed("+", (len(inputs),)) if dim == own else None

    def reach(self, *inputs: TensorType) -> Reaches:
        dim = self.dim % (inputs[0].rank + 1)
        return tuple(Reach(other + (other >= dim)) for other in range(inputs[0].rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.stack", (Arg(_all_of(inputs)), Arg(self.dim, "dim", 0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_X, _X, _X)),
            Example(cls(dim=-1), (_X, TensorType("int", (2, 6, 4)))),
        )


class _Parts(Operator):
    """What gives several outputs, each a view of the input."""

    family = "merge"
    torch_name = ""
    view = True
    reshapes = True
    output_names = ("parts",)
    lists_outputs = True

    def functional(self, input: TensorType) -> Code | None:
        return Item(self._cut(), (0,)) if self._is_single(input) else self._cut()

    def _is_single(self, x: TensorType) -> bool:
        """Return True if there is one part, which is taken out of torch's tuple."""
        parts = self.infer(x)
        return isinstance(parts, tuple) and len(parts) == 1

    def _cut(self) -> Code:
        """Return the expression that gives the tuple of all parts."""
        raise TypeError(f"{type(self).__name__} has no code")

    def _parts(self, x: TensorType, dim: int, sizes: Sequence[Size]) -> tuple[TensorType, ...]:
        return tuple(x.with_shape(*x.shape[:dim], size, *x.shape[dim + 1 :]) for size in sizes)

    def _check_count(self, count: int, argument: str) -> None:
        if count > _MOST_PARTS:
            raise Refusal(
                "E0201",
                f"{name_of(self)} would give {count} outputs; {_MOST_PARTS} are the most",
                about=argument,
            )


class Split(_Parts):
    """A dimension in parts: of one size, the last what is left, or of the sizes in a list.

    `Split(2)`: `[N, 6, *]` → three of `[N, 2, *]`; `Split([1, 5])`: `[N, 1, *]` and `[N, 5, *]`. By
    default along the channels, dimension 1.
    """

    split_size_or_sections: AnySize | tuple[AnySize, ...]
    dim: Dim = 1

    def infer(self, input: TensorType) -> tuple[TensorType, ...]:
        dim = wrap_dim(self, self.dim, input.rank)
        given = self.split_size_or_sections
        for size in given if isinstance(given, tuple) else (given,):
            if isinstance(size, int) and size < 1:
                raise Refusal(
                    "E0304",
                    f"Split takes sizes of 1 and more, not {size}",
                    about="split_size_or_sections",
                )
        if isinstance(given, tuple):
            self._check_sum(input.shape[dim], given)
            return self._parts(input, dim, given)
        return self._parts(input, dim, self._equal_parts(input.shape[dim], given))

    def channels(self, input: TensorType) -> Channels | None:
        return Channels("parts", self.dim % input.rank)

    def _check_sum(self, size: Size, sections: tuple[Size, ...]) -> None:
        total: Size = 0
        for section in sections:
            total = total + section
        if total != size:
            raise Refusal(
                "E0303",
                f"Split's sizes {show(sections)} sum to {total}, not to {size}",
                about="split_size_or_sections",
                help=state_equal(total, size),
            )

    def _equal_parts(self, size: Size, part: Size) -> Sequence[Size]:
        if isinstance(size, int) and isinstance(part, int):
            whole, rest = divmod(size, part)
            # Before the list is made: there may be very many parts.
            self._check_count(whole + 1, "split_size_or_sections")
            return [part] * whole + ([rest] if rest else [])
        try:
            count = Facts().exact_div(size, part)
        except SizeError:
            count = size
        if not isinstance(count, int):
            raise Refusal(
                "E0308",
                f"Split must know how many parts of {part} there are in {size}",
                about="split_size_or_sections",
                help="say how many: Chunk(2)",
            )
        self._check_count(count, "split_size_or_sections")
        return [part] * count

    def _cut(self) -> Code:
        given: Code = self.split_size_or_sections
        if isinstance(given, tuple):  # torch's own annotation wants a list
            given = Seq(given, brackets=True)
        return Call("torch.split", (Arg(In(0)), Arg(given), Arg(self.dim, "dim", 0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(split_size_or_sections=2), (_X,)),
            Example(cls(split_size_or_sections=4), (_X,)),
            Example(cls(split_size_or_sections=(1, 3), dim=-1), (_X,)),
        )


class Chunk(_Parts):
    """A dimension in `chunks` equal parts; where they cannot be equal, the last is smaller.

    `Chunk(3)`: `[N, 6, *]` → three of `[N, 2, *]`. By default along the channels, dimension 1.
    Where torch would give fewer parts (5 in 4), it is an error.
    """

    chunks: PositiveInt
    dim: Dim = 1

    def infer(self, input: TensorType) -> tuple[TensorType, ...]:
        dim = wrap_dim(self, self.dim, input.rank)
        self._check_count(self.chunks, "chunks")
        size = input.shape[dim]
        if not isinstance(size, int):
            return self._parts(input, dim, [self._exact(size)] * self.chunks)
        # torch's rule: all parts have the size rounded up, but for the last.
        part = -(-size // self.chunks)
        last = size - part * (self.chunks - 1)
        if last < 1:
            raise Refusal(
                "E0305",
                f"Chunk cannot make {self.chunks} parts of {size}: of {part} each, they are "
                f"{-(-size // part)}",
                about="chunks",
            )
        return self._parts(input, dim, [part] * (self.chunks - 1) + [last])

    def composed(self, dim: int, input: TensorType) -> Composed | None:
        return Composed("//", ((0, dim), self.chunks)) if dim == self.dim % input.rank else None

    def channels(self, input: TensorType) -> Channels | None:
        return Channels("parts", self.dim % input.rank)

    def _exact(self, size: Size) -> Size:
        try:
            return Facts().exact_div(size, self.chunks)
        except SizeError:
            raise Refusal(
                "E0305",
                f"Chunk cannot tell that {self.chunks} divides {size}",
                about="chunks",
                help=f"if it does, state it first: assert ({source(size)}) % {self.chunks} == 0",
            ) from None

    def _is_single(self, x: TensorType) -> bool:
        return self.chunks == 1

    def _cut(self) -> Code:
        return Method(In(0), "chunk", (Arg(self.chunks), Arg(self.dim, "dim", 0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(chunks=3), (_X,)),
            Example(cls(chunks=1), (_X,)),
            Example(cls(chunks=2, dim=-1), (TensorType("int", (2, 5)),)),
        )


class Unbind(_Parts):
    """The places of a dimension, which is dropped, one by one: `q, k, v = x -> Unbind(0)`.

    `[n, *]` → n of `[*]`. The size must be known.
    """

    dim: Dim = 0

    def infer(self, input: TensorType) -> tuple[TensorType, ...]:
        dim = wrap_dim(self, self.dim, input.rank)
        size = input.shape[dim]
        if not isinstance(size, int):
            raise Refusal(
                "E0308",
                f"Unbind must know how many outputs there are, and the size is {size}",
                about="dim",
                note=f"the input is {input}",
            )
        self._check_count(size, "dim")
        return (input.with_shape(*input.shape[:dim], *input.shape[dim + 1 :]),) * size

    def reach(self, input: TensorType) -> Reaches:
        dim, rank = self.dim % input.rank, input.rank
        return tuple(None if d == dim else Reach(d - (d > dim)) for d in range(rank))

    def _cut(self) -> Code:
        return Method(In(0), "unbind", (Arg(self.dim, None, 0),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_X,)), Example(cls(dim=-2), (_X,)))


def _all_of(inputs: tuple[TensorType, ...]) -> Seq:
    return Seq(tuple(In(number) for number in range(len(inputs))))
