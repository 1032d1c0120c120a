"""Operators of no other family: identity, Einstein sums, masks, distances."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import (
    check_dtype,
    check_equal,
    check_min_rank,
    check_rank,
    name_of,
)
from addnn_spec.ops.code import Arg, Call, Code, FloatType, In, Method
from addnn_spec.ops.fields import Finite, NonNegativeFloat, PositiveInt
from addnn_spec.ops.shapes import Int64, broadcast, product, promote
from addnn_spec.sizes import Size

_X = TensorType("float", (2, 3, 8))
_INTS = TensorType("int", (2, 5))
_MASK = TensorType("bool", (2, 5))

_EQUATION = re.compile(r"[A-Za-z.,]*(->[A-Za-z.]*)?")
_LABELS = re.compile(r"[A-Za-z]|\.\.\.")


class Identity(Operator):
    """The input itself. `[*]` → `[*]`."""

    family = "misc"
    view = True
    reshapes = True

    def functional(self, *inputs: TensorType) -> Code | None:
        return In(0)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_X,)), Example(cls(), (_MASK,)))


class Detach(Operator):
    """The input, through which no gradient flows. `[*]` → `[*]`."""

    family = "misc"
    torch_name = ""
    view = True
    reshapes = True

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "detach")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_X,)),)


class _Type(NamedTuple):
    """What a name of an element type stands for, and torch's method that gives it."""

    kind: DType
    method: str


_TYPES = {
    "float": _Type("float", "float"),
    "float32": _Type("float", "float"),
    "bfloat16": _Type("float", "bfloat16"),
    "float16": _Type("float", "half"),
    "int": _Type("int", "long"),
    "bool": _Type("bool", "bool"),
}


class Cast(Operator):
    """Another element type: `mask -> Cast("float")`, `x -> Cast(like = y)`. `[*]` → `[*]`.

    Floats become ints by dropping the fraction, and booleans as `x != 0`. "float" is the type of
    the network's floats, whatever it is, and leaves floats as they are; "float32", "bfloat16" and
    "float16" are these. With `like` the type is that tensor's, and leads back from one of these.
    """

    family = "misc"
    named_inputs = ("like",)
    torch_name = ""

    dtype: DType | Literal["float32", "bfloat16", "float16"] | None = None

    def infer(self, input: TensorType, like: TensorType | None = None) -> TensorType:
        if (like is None) == (self.dtype is None):
            raise Refusal(
                "E0202" if like is None else "E0201",
                'Cast takes a type, as in Cast("float"), or a tensor of that type, as in '
                f"Cast(like = y){'' if like is None else ', not both'}",
                about=None if like is None else "dtype",
            )
        return TensorType(like.dtype if like else _TYPES[self.dtype or "float"].kind, input.shape)

    @property
    def own_type(self) -> bool:
        return self.dtype in ("float32", "bfloat16", "float16")

    def functional(self, input: TensorType, like: TensorType | None = None) -> Code | None:
        if like is not None:
            return Method(In(0), "type_as", (Arg(In(1)),))
        if self.dtype == input.dtype:
            return In(0)
        if self.dtype == "float":
            return Method(In(0), "to", (Arg(FloatType()),))
        return Method(In(0), _TYPES[self.dtype or "float"].method)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dtype="float"), (_MASK, None)),
            Example(cls(dtype="int"), (_X, None)),
            Example(cls(dtype="bool"), (_INTS, None)),
            Example(cls(dtype="float"), (_X, None)),
            Example(cls(), (_MASK, _X)),
            Example(cls(), (_X, _INTS)),
        )


class _Sum(NamedTuple):
    """An Einstein sum: the labels of each operand and of the result, and the labels' sizes.

    Without those of operands where their size is 1: such a dimension stretches, and sums nothing.
    """

    operands: tuple[frozenset[str], ...]
    output: tuple[str, ...]
    sizes: Mapping[str, Size]

    def products(self) -> tuple[Size, Size]:
        """Multiply-accumulates, and other products, of torch's way: pairs from left to right.

        A label that only one of a pair has, and nothing later needs, is summed before.
        """
        macs: Size = 0
        others: Size = 0
        so_far = self.operands[0]
        for number, operand in enumerate(self.operands[1:], 2):
            needed = frozenset(self.output).union(*self.operands[number:])
            joint = (so_far & operand) | ((so_far | operand) & needed)
            work = product(self.sizes[label] for label in sorted(joint))
            if (so_far & operand) - needed:
                macs = macs + work
            else:
                others = others + work
            so_far = joint & needed
        return macs, others


class Einsum(Operator):
    """Einstein's sum over labelled dimensions: `(q, k) -> Einsum("bhid,bhjd->bhij")`.

    Labels that the result does not name are summed over; without `->` it has those that occur once,
    in alphabetical order. `...` stands for any leading dimensions. MACs: of two operands the
    product of all sizes that they share or the result keeps; of more, pair by pair from the left.
    """

    family = "misc"
    input_names = ("operands",)
    variadic = True
    torch_name = ""

    equation: str

    def infer(self, *inputs: TensorType) -> TensorType:
        for number, x in enumerate(inputs):
            check_dtype(self, x, "float", "int", input=number)
            if x.dtype != inputs[0].dtype:
                raise Refusal(
                    "E0307",
                    f"Einsum takes one element type, not {inputs[0].dtype} and {x.dtype}",
                    input=number,
                )
        parsed = self._parse(inputs)
        return inputs[0].with_shape(*(parsed.sizes[label] for label in parsed.output))

    def reach(self, *inputs: TensorType) -> None:
        """Rows of one input meet those of another: nothing that moves along evenly."""

    def _parse(self, inputs: tuple[TensorType, ...]) -> _Sum:
        text = self.equation.replace(" ", "")
        if not _EQUATION.fullmatch(text) or "." in text.replace("...", ""):
            raise self._wrong('is no equation like "ij,jk->ik"')
        left, _, right = text.partition("->")
        terms = left.split(",")
        if len(terms) != len(inputs):
            raise Refusal(
                "E0201",
                f"Einsum's equation has {len(terms)} operands, and {len(inputs)} tensors flow in",
                about="equation",
            )
        labels = [
            self._labels(term, x, n) for n, (term, x) in enumerate(zip(terms, inputs, strict=True))
        ]
        sizes = self._sizes(labels, inputs)
        output = self._output(right, labels) if "->" in text else _implicit(labels)
        operands = tuple(
            frozenset(label for label, size in zip(names, x.shape, strict=True) if size != 1)
            for names, x in zip(labels, inputs, strict=True)
        )
        return _Sum(operands, output, sizes)

    def _labels(self, term: str, x: TensorType, number: int) -> list[str]:
        """Return a label for each dimension; what `...` stands for is numbered from the last,
        "...1"."""
        found = _LABELS.findall(term)
        rest = x.rank - len(found) + ("..." in found)
        if found.count("...") > 1 or rest < 0 or (rest and "..." not in found):
            raise Refusal(
                "E0302",
                f'Einsum\'s "{term}" does not name the dimensions of {x}',
                input=number,
                note=f"this has {x.rank} dimensions",
            )
        return [name for label in found for name in (_leading(rest) if label == "..." else [label])]

    def _sizes(self, labels: list[list[str]], inputs: tuple[TensorType, ...]) -> dict[str, Size]:
        sizes: dict[str, Size] = {}
        for number, (names, x) in enumerate(zip(labels, inputs, strict=True)):
            for label, size in zip(names, x.shape, strict=True):
                # A size of 1 stretches to whatever size another operand gives the label.
                if sizes.get(label, 1) == 1:
                    sizes[label] = size
                elif size != 1:
                    check_equal(self, f"size of {label}", size, sizes[label], input=number)
        return sizes

    def _output(self, term: str, labels: list[list[str]]) -> tuple[str, ...]:
        known = {label for names in labels for label in names}
        leading = sum(label.startswith("...") for label in known)
        if leading and "..." not in term:
            raise self._wrong('names no "..." in its result')
        output = [
            name
            for label in _LABELS.findall(term)
            for name in (_leading(leading) if label == "..." else [label])
        ]
        if len(set(output)) < len(output) or not known.issuperset(output):
            raise self._wrong("has a result with labels that are twice there, or in no operand")
        return tuple(output)

    def _wrong(self, what: str) -> Refusal:
        return Refusal("E0201", f'Einsum\'s "{self.equation}" {what}', about="equation")

    def macs(self, *inputs: TensorType) -> Size:
        return self._parse(inputs).products()[0]

    def flops(self, *inputs: TensorType) -> Mapping[FlopClass, Size]:
        if len(inputs) == 1:
            return {"elementwise": inputs[0].numel}
        return {"elementwise": self._parse(inputs).products()[1]}

    def functional(self, *inputs: TensorType) -> Code | None:
        tensors = tuple(Arg(In(number)) for number in range(len(inputs)))
        return Call("torch.einsum", (Arg(self.equation), *tensors))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        def floats(*shape: int) -> TensorType:
            return TensorType("float", shape)

        return (
            Example(cls(equation="bhid,bhjd->bhij"), (floats(2, 4, 5, 6), floats(2, 4, 7, 6))),
            Example(cls(equation="ij->ji"), (floats(3, 4),)),
            Example(cls(equation="...ij,jk"), (floats(2, 5, 3, 4), floats(4, 6))),
            Example(cls(equation="i,j->ij"), (floats(3), floats(4))),
            Example(cls(equation="bi,ijk,bk->bj"), (floats(2, 3), floats(3, 4, 5), floats(2, 5))),
        )


class OneHot(Operator):
    """Each class number as a row with one 1. int `[*]` → int `[*, num_classes]`."""

    family = "misc"
    torch_name = ""

    num_classes: PositiveInt

    def infer(self, input: TensorType) -> TensorType:
        check_dtype(self, input, "int")
        return input.with_shape(*input.shape, self.num_classes)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.one_hot", (Arg(In(0)), Arg(self.num_classes)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(num_classes=4), (_INTS,)),)


class _Triangle(Operator):
    family = "misc"
    torch_name = ""

    diagonal: int = 0

    def infer(self, input: TensorType) -> TensorType:
        check_min_rank(self, input, 2)
        return input

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), name_of(self).lower(), (Arg(self.diagonal, None, 0),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_X,)),
            Example(cls(diagonal=-1), (_MASK,)),
            Example(cls(diagonal=1), (_INTS,)),
        )


class Triu(_Triangle):
    """The upper triangle of matrices, from a diagonal on, else 0. `[*, n, m]` → `[*, n, m]`."""


class Tril(_Triangle):
    """The lower triangle of matrices, up to a diagonal, else 0. `[*, n, m]` → `[*, n, m]`."""


class MaskedFill(Operator):
    """The input, with `value` where the mask is true: `(scores, mask) -> MaskedFill("-inf")`.

    `[*]`, bool `[*]` → `[*]`, broadcast. `value` is a number, "inf" or "-inf".
    """

    family = "misc"
    torch_name = ""

    value: Int64 | Finite | Literal["inf", "-inf"]

    def infer(self, input: TensorType, mask: TensorType) -> TensorType:
        check_dtype(self, input, "float", "int")
        check_dtype(self, mask, "bool", input=1)
        if input.dtype == "int" and not isinstance(self.value, int):
            raise Refusal("E0307", f"MaskedFill cannot put {self.value} among ints", about="value")
        return input.with_shape(*broadcast(self, input.shape, mask.shape))

    def functional(self, *inputs: TensorType) -> Code | None:
        text = isinstance(self.value, str)
        value = Call("float", (Arg(self.value),)) if text else self.value
        return Method(In(0), "masked_fill", (Arg(In(1)), Arg(value)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(value="-inf"), (TensorType("float", (3, 2, 5)), _MASK)),
            Example(cls(value=0.0), (TensorType("float", (5,)), _MASK)),
            Example(cls(value=-1), (_INTS, _MASK)),
        )


class Outer(Operator):
    """All products of two vectors' elements. `[n]`, `[m]` → `[n, m]`."""

    family = "misc"
    torch_name = ""

    def infer(self, input: TensorType, vec2: TensorType) -> TensorType:
        for number, x in enumerate((input, vec2)):
            check_rank(self, x, "n", input=number)
        return TensorType(promote(input.dtype, vec2.dtype), (input.shape[0], vec2.shape[0]))

    def flops(self, input: TensorType, vec2: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel * vec2.numel}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.outer", (Arg(In(0)), Arg(In(1))))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        a, b = TensorType("float", (3,)), TensorType("int", (4,))
        return (Example(cls(), (a, b), "torch.outer"),)


class Cdist(Operator):
    """The p-norm distances of all pairs of rows. `[*, P, M]`, `[*, R, M]` → `[*, P, R]`.

    Its cost is three operations (difference, power, sum) a coordinate of a pair, under "other".
    """

    family = "misc"
    torch_name = ""

    p: NonNegativeFloat = 2.0

    def infer(self, x1: TensorType, x2: TensorType) -> TensorType:
        for number, x in enumerate((x1, x2)):
            check_min_rank(self, x, 2, input=number)
            check_dtype(self, x, "float", input=number)
        check_equal(self, "number of columns", x2.shape[-1], x1.shape[-1], input=1)
        leading = broadcast(self, x1.shape[:-2], x2.shape[:-2])
        return x1.with_shape(*leading, x1.shape[-2], x2.shape[-2])

    def reach(self, *inputs: TensorType) -> None:
        """Rows of one input meet those of another: nothing that moves along evenly."""

    def flops(self, x1: TensorType, x2: TensorType) -> Mapping[FlopClass, Size]:
        return {"other": 3 * self.infer(x1, x2).numel * x1.shape[-1]}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.cdist", (Arg(In(0)), Arg(In(1)), Arg(self.p, "p", 2.0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        a, b = TensorType("float", (2, 5, 3)), TensorType("float", (4, 3))
        return (Example(cls(), (a, b)), Example(cls(p=1.0), (b, b)))


def _leading(count: int) -> list[str]:
    return [f"...{place}" for place in range(count, 0, -1)]


def _implicit(labels: list[list[str]]) -> tuple[str, ...]:
    """Return the result's labels where none are given: `...`, then those that occur once,
    sorted."""
    every = [label for names in labels for label in names]
    leading = max((int(label[3:]) for label in every if label.startswith("...")), default=0)
    once = sorted(label for label in every if every.count(label) == 1 and label[0] != ".")
    return (*_leading(leading), *once)
