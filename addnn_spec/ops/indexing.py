"""Selection of parts of a tensor, by places that are known or by tensors of places."""

from collections.abc import Hashable, Mapping
from typing import ClassVar, Literal, NamedTuple

from pydantic import InstanceOf

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, check_rank, name_of, wrap_dim
from addnn_spec.ops.code import Arg, Call, Code, In, Item, Method, Seq, Support
from addnn_spec.ops.code import Slice as CodeSlice
from addnn_spec.ops.fields import Dim, PositiveInt
from addnn_spec.ops.reach import WHOLE, Reach, Reaches, one_place
from addnn_spec.ops.shapes import AnySize, check_positive
from addnn_spec.sizes import Size, ceil_div

_X = TensorType("float", (2, 3, 8))

Bounds = tuple[tuple[Size, Size], ...]


class IndexSlice:
    """`start:stop:step` in a subscript; None is the tensor's end on that side.

    The bounds may be symbolic sizes; the step is at least 1, as torch wants it.
    """

    __slots__ = ("start", "step", "stop")

    def __init__(self, start: Size | None = None, stop: Size | None = None, step: int = 1) -> None:
        self.start = start
        self.stop = stop
        self.step = step

    def identity(self) -> Hashable:
        """Return what tells it from other slices."""
        return (self.start, self.stop, self.step)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndexSlice) and self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(self.identity())

    def __str__(self) -> str:
        start = "" if self.start is None else str(self.start)
        stop = "" if self.stop is None else str(self.stop)
        return f"{start}:{stop}" if self.step == 1 else f"{start}:{stop}:{self.step}"

    __repr__ = __str__


class _Part(NamedTuple):
    """The range `start … stop` of a dimension of that size, counted from its front."""

    start: Size
    stop: Size
    size: Size

    @property
    def bounds(self) -> Bounds:
        """What must hold of symbolic sizes, that Python's slice does not cut it short."""
        pairs: Bounds = ((0, self.start), (self.stop, self.size))
        return tuple((a, b) for a, b in pairs if a != b and not _known(a, b))


class _Selection(Operator):
    family = "indexing"
    torch_name = ""
    view = True
    reshapes = True

    def _part(self, size: Size, start: Size | None, stop: Size | None, argument: str) -> _Part:
        """Return the range of a slice, in Python's sense; E0304 if it is empty."""
        begin, end = (
            place if not (isinstance(place, int) and place < 0) else size + place
            for place in (0 if start is None else start, size if stop is None else stop)
        )
        # As Python does: a known size cuts a slice short. A symbolic one must not, which `requires`
        # has proved.
        if isinstance(size, int):
            begin, end = (
                min(max(place, 0), size) if isinstance(place, int) else place
                for place in (begin, end)
            )
        length = end - begin
        if isinstance(length, int) and length < 1:
            raise Refusal(
                "E0304",
                f"{name_of(self)} takes nothing of a dimension of size {size}",
                about=argument,
                note=f"{IndexSlice(start, stop)} is empty here",
            )
        return _Part(begin, end, size)

    def _seen(self, to: int, part: _Part, step: int = 1) -> Reach | None:
        begin = part.start
        return Reach(to, begin, begin, step) if isinstance(begin, int) else None

    @staticmethod
    def _seen_at(size: Size, index: Size) -> Reach | None:
        at = size + index if isinstance(index, int) and index < 0 else index
        return one_place(at) if isinstance(at, int) else None

    def _place(self, size: Size, index: Size, argument: str = "index") -> Bounds:
        """Return what must hold that a place is in a dimension; E0306 if it is known not to be."""
        # So many elements the dimension must have for the place to be in it.
        needed = index + 1
        if isinstance(index, int):
            needed = index + 1 if index >= 0 else -index
        if not _known(needed, size):
            below: Bounds = () if isinstance(index, int) else ((0, index),)
            return below if needed == size else (*below, (needed, size))
        if isinstance(needed, int) and isinstance(size, int) and needed > size:
            raise Refusal(
                "E0306",
                f"{name_of(self)} takes place {index} of a dimension of size {size}",
                about=argument,
                help=f"places are {-size} … {size - 1}",
            )
        return ()


class GetItem(_Selection):
    """A part of a tensor, by torch's basic indexing: `x[:, 0]`, `x[1:3]`, `x[-1]`, `x[:, ::2]`.

    A number takes a place and drops the dimension, a slice keeps it: `x[:, 0, 2:5]` of `[A, B, C]`
    is `[A, 3]`; a step takes every so many: `ceil((stop - start)/step)`. Dimensions that are not
    named stay whole. A known size cuts a slice short, as in Python; a symbolic bound must lie
    within its dimension.
    """

    sign = "[ ]"

    index: tuple[AnySize | InstanceOf[IndexSlice], ...]

    def infer(self, input: TensorType) -> TensorType:
        if len(self.index) > input.rank:
            raise Refusal(
                "E0302",
                f"{len(self.index)} indices are more than a tensor of rank {input.rank} has",
                input=0,
                note=f"this is {input}",
            )
        shape: list[Size] = []
        for size, item in zip(input.shape, self.index, strict=False):
            if isinstance(item, IndexSlice):
                part = self._part(size, item.start, item.stop, "index")
                shape.append(ceil_div(part.stop - part.start, item.step))
            else:
                self._place(size, item)
        return input.with_shape(*shape, *input.shape[len(self.index) :])

    def requires(self, input: TensorType) -> Bounds:
        found: list[tuple[Size, Size]] = []
        for size, item in zip(input.shape, self.index, strict=False):
            if isinstance(item, IndexSlice):
                found += self._part(size, item.start, item.stop, "index").bounds
            else:
                found += self._place(size, item)
        return tuple(found)

    def reach(self, input: TensorType) -> Reaches:
        found: list[Reach | None] = []
        to = 0
        items = (*self.index, *(IndexSlice(),) * (input.rank - len(self.index)))
        for size, item in zip(input.shape, items, strict=True):
            if isinstance(item, IndexSlice):
                part = self._part(size, item.start, item.stop, "index")
                found.append(self._seen(to, part, item.step))
                to += 1
            else:
                found.append(self._seen_at(size, item))
        return tuple(found)

    def functional(self, *inputs: TensorType) -> Code | None:
        index = tuple(
            CodeSlice(item.start, item.stop, None if item.step == 1 else item.step)
            if isinstance(item, IndexSlice)
            else item
            for item in self.index
        )
        return Item(In(0), index) if index else In(0)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(index=(IndexSlice(), 0)), (_X,)),
            Example(cls(index=(-1,)), (_X,)),
            Example(cls(index=(IndexSlice(), IndexSlice(1), IndexSlice(2, -1))), (_X,)),
            Example(cls(index=(IndexSlice(None, 1), -1, IndexSlice(-3))), (_X,)),
            Example(cls(index=(IndexSlice(), IndexSlice(step=2), IndexSlice(1, None, 3))), (_X,)),
            Example(cls(index=(IndexSlice(), 1, IndexSlice(None, -1, 2))), (_X,)),
        )


class Select(_Selection):
    """One place of a dimension, which is dropped: `[A, B, C]` at `Select(1, 0)` → `[A, C]`."""

    dim: Dim
    index: AnySize

    def infer(self, input: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        self._place(input.shape[dim], self.index)
        return input.with_shape(*input.shape[:dim], *input.shape[dim + 1 :])

    def requires(self, input: TensorType) -> Bounds:
        return self._place(input.shape[self.dim], self.index)

    def reach(self, input: TensorType) -> Reaches:
        dim = self.dim % input.rank
        seen = self._seen_at(input.shape[dim], self.index)
        return (*map(Reach, range(dim)), seen, *map(Reach, range(dim, input.rank - 1)))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "select", (Arg(self.dim), Arg(self.index)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1, index=0), (_X,)),
            Example(cls(dim=-1, index=-1), (_X,)),
        )


class Slice(_Selection):
    """The places `start`, `start + step` … before `stop` of a dimension: `Slice(1, 0, 4)`.

    `[*, L, *]` → `[*, ceil((stop - start)/step), *]`; a missing bound is the dimension's end.
    """

    dim: Dim
    start: AnySize | None = None
    stop: AnySize | None = None
    step: PositiveInt = 1

    def infer(self, input: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        part = self._part(input.shape[dim], self.start, self.stop, "stop")
        taken = ceil_div(part.stop - part.start, self.step)
        return input.with_shape(*input.shape[:dim], taken, *input.shape[dim + 1 :])

    def requires(self, input: TensorType) -> Bounds:
        return self._part(input.shape[self.dim], self.start, self.stop, "stop").bounds

    def reach(self, input: TensorType) -> Reaches:
        dim = self.dim % input.rank
        part = self._part(input.shape[dim], self.start, self.stop, "stop")
        return _along(input, dim, self._seen(dim, part, self.step))

    def functional(self, input: TensorType) -> Code | None:
        taken = CodeSlice(self.start, self.stop, None if self.step == 1 else self.step)
        before = wrap_dim(self, self.dim, input.rank)
        return Item(In(0), (*[CodeSlice(None, None)] * before, taken))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1, start=0, stop=2), (_X,)),
            Example(cls(dim=-1, start=-4), (_X,)),
            Example(cls(dim=2, start=1, step=3), (_X,)),
            Example(cls(dim=1, start=0, stop=2, step=2), (_X,)),
            Example(cls(dim=-1, stop=-1, step=2), (_X,)),
        )


class Narrow(_Selection):
    """`length` places of a dimension from `start` on: `[*, L, *]` → `[*, length, *]`."""

    dim: Dim
    start: AnySize
    length: AnySize

    def infer(self, input: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        size, end = input.shape[dim], self._end(input.shape[dim])
        if isinstance(self.length, int) and self.length < 1:
            raise Refusal(
                "E0304", f"Narrow takes {self.length} places, not 1 or more", about="length"
            )
        if isinstance(size, int):
            self._place(size, self.start, "start")
            if isinstance(end, int) and end > size:
                raise Refusal(
                    "E0306",
                    f"Narrow takes places up to {end} of a dimension of size {size}",
                    about="length",
                )
        return input.with_shape(*input.shape[:dim], self.length, *input.shape[dim + 1 :])

    def requires(self, input: TensorType) -> Bounds:
        size = input.shape[self.dim]
        return (*self._place(size, self.start), *_Part(0, self._end(size), size).bounds)

    def _end(self, size: Size) -> Size:
        front = isinstance(self.start, int) and self.start < 0
        return (size + self.start if front else self.start) + self.length

    def reach(self, input: TensorType) -> Reaches:
        dim = self.dim % input.rank
        start = self._end(input.shape[dim]) - self.length
        return _along(input, dim, self._seen(dim, _Part(start, 0, 0)))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "narrow", (Arg(self.dim), Arg(self.start), Arg(self.length)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1, start=1, length=2), (_X,)),
            Example(cls(dim=2, start=-4, length=3), (_X,)),
        )


class _Lookup(Operator):
    """Selection by a tensor of places."""

    family = "indexing"
    torch_name = ""
    reshapes = True
    method: ClassVar[str]

    dim: Dim

    def reach(self, input: TensorType, *rest: TensorType | None) -> Reaches:
        """Give no reach: an index may name any place."""
        return _along(input, self.dim % input.rank, WHOLE)

    def places(self, input: TensorType, *rest: TensorType | None) -> Mapping[int, Size]:
        return {1: input.shape[self.dim]}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), self.method, (Arg(self.dim), Arg(In(1))))


class IndexSelect(_Lookup):
    """The places of a dimension that an index lists: `(table, index) -> IndexSelect(0)`.

    `[*, L, *]`, int `[n]` → `[*, n, *]`.
    """

    method = "index_select"

    def infer(self, input: TensorType, index: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        check_dtype(self, index, "int", input=1)
        check_rank(self, index, "n", input=1)
        return input.with_shape(*input.shape[:dim], index.shape[0], *input.shape[dim + 1 :])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=0), (TensorType("float", (9, 4)), TensorType("int", (16,)))),
            Example(cls(dim=-1), (_X, TensorType("int", (5,)))),
        )


class Gather(_Lookup):
    """The places of a dimension that an index gives, each for its own row (`torch.gather`).

    `[*, L, *]`, int `[*, n, *]` → `[*, n, *]`: the index's shape, which elsewhere is no larger.
    """

    method = "gather"

    def infer(self, input: TensorType, index: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        check_dtype(self, index, "int", input=1)
        if index.rank != input.rank:
            raise Refusal(
                "E0302",
                f"Gather takes an index of the input's rank, {input.rank}, not of rank "
                f"{index.rank}",
                input=1,
                note=f"this is {index}",
            )
        for place, (size, wanted) in enumerate(zip(input.shape, index.shape, strict=True)):
            if place != dim and isinstance(size, int) and isinstance(wanted, int) and wanted > size:
                raise Refusal(
                    "E0303",
                    f"Gather's index {index} is larger than its input {input} at dimension {place}",
                    input=1,
                    note=f"{wanted} here, {size} in the input",
                )
        return input.with_shape(*index.shape)

    def requires(self, input: TensorType, index: TensorType) -> Bounds:
        pairs = zip(index.shape, input.shape, strict=True)
        dim = self.dim % input.rank
        return tuple(
            (a, b)
            for place, (a, b) in enumerate(pairs)
            if place != dim and a != b and not _known(a, b)
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1), (_X, TensorType("int", (2, 5, 8)))),
            Example(cls(dim=-1), (_X, TensorType("int", (1, 3, 2)))),
        )


_REDUCE_SLICES = Support(
    "reduce_slices",
    '''\
def reduce_slices(x: Tensor, dim: int, index: Tensor, size: int, reduce: str) -> Tensor:
    """The slices of a dimension that have the same index as one; 0 where no slice has it."""
    places = index.view(-1, *(1 for _ in x.shape[dim + 1 :])).expand_as(x)
    reduced = x.new_zeros((*x.shape[:dim], size, *x.shape[dim + 1 :]))
    return reduced.scatter_reduce(dim, places, x, reduce, include_self=False)
''',
)


class IndexReduce(Operator):
    """The inverse of `IndexSelect`: slices with the same place in an index become one.

    `[*, L, *]`, int `[L]` → `[*, size, *]`: slice i of the result is the sum, or as `reduce` says,
    of those where the index is i, and 0 where there are none. Messages along a graph's edges to
    their nodes are `(messages, target) -> IndexReduce(nodes)`.
    """

    family = "indexing"
    torch_name = ""

    size: AnySize
    reduce: Literal["sum", "prod", "mean", "amax", "amin"] = "sum"
    dim: Dim = 0

    def infer(self, input: TensorType, index: TensorType) -> TensorType:
        dim = wrap_dim(self, self.dim, input.rank)
        check_dtype(self, input, "float", *(() if self.reduce == "mean" else ("int",)))
        check_dtype(self, index, "int", input=1)
        check_rank(self, index, "L", input=1)
        check_equal(self, "index's length", index.shape[0], input.shape[dim], input=1)
        check_positive(self, "size", self.size, "size")
        return input.with_shape(*input.shape[:dim], self.size, *input.shape[dim + 1 :])

    def reach(self, input: TensorType, *rest: TensorType | None) -> Reaches:
        return _along(input, self.dim % input.rank, WHOLE)

    def places(self, *inputs: TensorType) -> Mapping[int, Size]:
        return {1: self.size}

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    @property
    def support(self) -> tuple[Support, ...]:
        return () if self.reduce == "sum" else (_REDUCE_SLICES,)

    def functional(self, input: TensorType, index: TensorType) -> Code | None:
        dim = wrap_dim(self, self.dim, input.rank)
        # Sums need no function of the file: `index_add` is one call.
        if self.reduce == "sum":
            zeros = Method(In(0), "new_zeros", (Arg(Seq(self.infer(input, index).shape)),))
            return Method(zeros, "index_add", (Arg(dim), Arg(In(1)), Arg(In(0))))
        args = (In(0), dim, In(1), self.size, self.reduce)
        return Call("reduce_slices", tuple(Arg(value) for value in args))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        index = TensorType("int", (3,))
        return (
            Example(cls(size=4), (TensorType("float", (3, 5)), index)),
            Example(cls(size=4, dim=1), (_X, index)),
            Example(cls(size=4, reduce="amax", dim=-2), (_X, index)),
            Example(cls(size=3, reduce="mean"), (TensorType("float", (3, 5)), index)),
        )


def _along(x: TensorType, dim: int, seen: Reach | None) -> Reaches:
    """Each element sees itself, but along one dimension."""
    return tuple(seen if other == dim else Reach(other) for other in range(x.rank))


def _known(*sizes: Size) -> bool:
    return all(isinstance(size, int) for size in sizes)
