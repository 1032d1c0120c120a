"""Arithmetic, comparison and logic: what the language's signs become on tensors.

Each takes two tensors, which broadcast as torch's, or one tensor and a number: `x + y`, `1 - x`,
`x -> Pow(2)`.
"""

from collections.abc import Mapping
from typing import ClassVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_min_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, FloatType, In, Infix, Method, Prefix
from addnn_spec.ops.shapes import Scalar, broadcast, dtype_of, product, promote
from addnn_spec.sizes import Size

_A = TensorType("float", (2, 3, 4))
_B = TensorType("float", (3, 1))
_I = TensorType("int", (2, 4))
_M = TensorType("bool", (2, 4))


class _Elementwise(Operator):
    """Operators whose result has one element for each of the broadcast inputs."""

    family = "arithmetic"
    torch_name = ""

    def flops(self, *inputs: TensorType | None) -> Mapping[FlopClass, Size]:
        return {"elementwise": product(broadcast(self, *(x.shape for x in inputs if x)))}


class _Binary(_Elementwise):
    """Two tensors, or one and a number on its right or left."""

    right: Scalar | None = None
    left: Scalar | None = None

    def infer(self, input: TensorType, other: TensorType | None = None) -> TensorType:
        tensors = self._tensors(input, other)
        dtypes = [x.dtype for x in tensors]
        if self.left is not None:
            dtypes.insert(0, dtype_of(self.left))
        if self.right is not None:
            dtypes.append(dtype_of(self.right))
        shape = broadcast(self, *(x.shape for x in tensors))
        return TensorType(self.result_dtype(dtypes), shape)

    def result_dtype(self, dtypes: list[DType]) -> DType:
        """Return the result's element type, of the left's and right's; E0307 for what torch
        refuses."""
        return promote(*dtypes)

    def functional(self, *inputs: TensorType | None) -> Code | None:
        return Infix(self.sign, *self.operands())

    def operands(self) -> tuple[Code, Code]:
        """Return what stands on the left and on the right."""
        if self.left is not None:
            return self.left, In(0)
        return In(0), In(1) if self.right is None else self.right

    def _tensors(self, *inputs: TensorType | None) -> list[TensorType]:
        if self.left is not None and self.right is not None:
            raise Refusal(
                "E0201",
                f"{name_of(self)} takes a number on one side only, not on both",
                about="left",
            )
        tensors = [x for x in inputs if x is not None]
        wanted = 2 if self.left is None and self.right is None else 1
        if len(tensors) < wanted:
            raise Refusal(
                "E0202", f"{name_of(self)} takes two tensors, or a tensor and a number", input=0
            )
        if len(tensors) > wanted:
            raise Refusal(
                "E0201",
                f"{name_of(self)} takes two tensors, or a tensor and a number, not all three",
                about="right" if self.left is None else "left",
            )
        return tensors

    def _refuse(self, dtypes: list[DType]) -> Refusal:
        return Refusal(
            "E0307",
            f"{name_of(self)} does not take {' and '.join(dtypes)}",
            input=0,
            help='make a mask a number first: mask -> Cast("float")',
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_A, _B)),
            Example(cls(right=2), (_A, None)),
            Example(cls(left=1.5), (_A, None)),
            Example(cls(), (_I, TensorType("float", (4,)))),
            Example(cls(right=2), (_I, None)),
        )


class Add(_Binary):
    """Sum of two tensors, or of one and a number: `x + y`. `[*]`, `[*]` → `[*]`, broadcast.

    The sum of booleans is their `or`.
    """

    sign = "+"
    symbol = "+"
    fresh_output = True

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_A, _B), "torch.add"),
            *super().examples()[1:],
            Example(cls(), (_M, _M), "torch.logical_or"),
        )


class Sub(_Binary):
    """Difference of two tensors, or of one and a number: `x - y`, `1 - x`, `x -> Sub(1)`.

    `[*]`, `[*]` → `[*]`, broadcast. Booleans are refused, as torch does.
    """

    sign = "-"
    symbol = "−"

    def result_dtype(self, dtypes: list[DType]) -> DType:
        if "bool" in dtypes:
            raise self._refuse(dtypes)
        return promote(*dtypes)


class Mul(_Binary):
    """Product, element by element: `x * y`, `2 * x`. `[*]`, `[*]` → `[*]`, broadcast."""

    sign = "*"
    symbol = "×"


class Div(_Binary):
    """Quotient: `x / y`, `x / 8`. `[*]`, `[*]` → `[*]`, broadcast; a float, of integers too."""

    sign = "/"
    symbol = "÷"

    def result_dtype(self, dtypes: list[DType]) -> DType:
        _check_divisor(self, self.right)
        return "float"


class _WholeDivision(_Binary):
    def result_dtype(self, dtypes: list[DType]) -> DType:
        _check_divisor(self, self.right)
        if dtypes[1] == "bool":  # a divisor that is 0 wherever it is false
            raise self._refuse(dtypes)
        return promote(*dtypes)


class FloorDiv(_WholeDivision):
    """Quotient, rounded down: `x // y`, `x // 2`. `[*]`, `[*]` → `[*]`, broadcast."""

    sign = "//"


class Mod(_WholeDivision):
    """Remainder, of the divisor's sign: `x % y`, `x % 2`. `[*]`, `[*]` → `[*]`, broadcast."""

    sign = "%"


class Pow(_Binary):
    """Power: `x ** y`, `x ** 2`, `x -> Pow(0.5)`. `[*]`, `[*]` → `[*]`, broadcast."""

    sign = "**"
    symbol = "^"

    def result_dtype(self, dtypes: list[DType]) -> DType:
        if set(dtypes) == {"bool"}:
            raise self._refuse(dtypes)
        if promote(*dtypes) == "int" and isinstance(self.right, int) and self.right < 0:
            raise Refusal(
                "E0201",
                f"Pow takes no integers to the power of {self.right}",
                about="right",
                help=f"use a float: x ** {self.right}.0",
            )
        return promote(*dtypes)


class _Comparison(_Binary):
    def result_dtype(self, dtypes: list[DType]) -> DType:
        return "bool"


class _Equality(_Comparison):
    def operands(self) -> tuple[Code, Code]:
        """Put the tensor first: to a type checker, `1 == x` is a boolean."""
        number = self.right if self.left is None else self.left
        return In(0), In(1) if number is None else number


class Equal(_Equality):
    """Where two tensors are equal: `x == y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = "=="


class NotEqual(_Equality):
    """Where two tensors differ: `x != y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = "!="


class Less(_Comparison):
    """Where the first is below the second: `x < y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = "<"


class LessEqual(_Comparison):
    """Where the first is not above the second: `x <= y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = "<="


class Greater(_Comparison):
    """Where the first is above the second: `x > y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = ">"


class GreaterEqual(_Comparison):
    """Where the first is not below the second: `x >= y`. `[*]`, `[*]` → bool `[*]`, broadcast."""

    sign = ">="


class Minimum(_Binary):
    """The lesser of two, each element; also with a number. `[*]`, `[*]` → `[*]`, broadcast."""

    def functional(self, *inputs: TensorType | None) -> Code | None:
        return _extreme("minimum", "max", self.operands())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_A, _B), "torch.minimum"), *super().examples()[1:])


class Maximum(_Binary):
    """The greater of two, each element; also with a number. `[*]`, `[*]` → `[*]`, broadcast."""

    def functional(self, *inputs: TensorType | None) -> Code | None:
        return _extreme("maximum", "min", self.operands())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_A, _B), "torch.maximum"), *super().examples()[1:])


class _Logic(_Elementwise):
    """Logic on masks, with `&` and `|`: Python's `and` has no meaning on tensors."""

    mask_sign: ClassVar[str]

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        for number, x in enumerate((input, other)):
            check_dtype(self, x, "bool", input=number)
        return TensorType("bool", broadcast(self, *(x.shape for x in (input, other))))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Infix(self.mask_sign, In(0), In(1))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_M, TensorType("bool", (3, 1, 4)))),)


class And(_Logic):
    """Where both masks are true: `a and b`. bool `[*]`, bool `[*]` → bool `[*]`, broadcast."""

    sign = "and"
    mask_sign = "&"


class Or(_Logic):
    """Where one mask or both are true: `a or b`. bool `[*]`, bool `[*]` → bool `[*]`, broadcast."""

    sign = "or"
    mask_sign = "|"


class Not(_Elementwise):
    """Where a mask is false: `not a`. bool `[*]` → bool `[*]`."""

    def infer(self, input: TensorType) -> TensorType:
        check_dtype(self, input, "bool")
        return input

    def functional(self, *inputs: TensorType) -> Code | None:
        return Prefix("~", In(0))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_M,), "torch.logical_not"),)


class Neg(_Elementwise):
    """The negative: `-x`. `[*]` → `[*]`."""

    sign = "-"

    def infer(self, input: TensorType) -> TensorType:
        check_dtype(self, input, "float", "int")
        return input

    def functional(self, *inputs: TensorType) -> Code | None:
        return Prefix("-", In(0))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_A,), "torch.neg"), Example(cls(), (_I,), "torch.neg"))


class Where(_Elementwise):
    """One value where a mask is true, another where it is not: `(mask, a, b) -> Where`.

    bool `[*]`, `[*]`, `[*]` → `[*]`, all broadcast. Either may be a number: `(mask, a) ->
    Where(right = 0)`, `(mask, b) -> Where(left = 1)`, `mask -> Where(1, 0)`.
    """

    left: Scalar | None = None
    right: Scalar | None = None

    def infer(
        self,
        condition: TensorType,
        input: TensorType | None = None,
        other: TensorType | None = None,
    ) -> TensorType:
        values = [x for x in (input, other) if x is not None]
        check_dtype(self, condition, "bool")
        numbers = [number for number in (self.left, self.right) if number is not None]
        if len(values) + len(numbers) != 2:
            raise Refusal(
                "E0202" if len(values) + len(numbers) < 2 else "E0201",
                f"Where takes two values, tensors or numbers, not {len(values) + len(numbers)}",
                input=0,
            )
        dtypes = (*(dtype_of(number) for number in numbers), *(x.dtype for x in values))
        shape = broadcast(self, condition.shape, *(x.shape for x in values))
        return TensorType(promote(*dtypes), shape)

    def functional(
        self,
        condition: TensorType,
        input: TensorType | None = None,
        other: TensorType | None = None,
    ) -> Code | None:
        tensors = (In(index) for index, x in ((1, input), (2, other)) if x is not None)
        values: list[Code] = [
            next(tensors) if number is None else number for number in (self.left, self.right)
        ]
        # Of ints and numbers torch makes floats of its default type, not of the network's.
        if (
            not any(x and x.dtype == "float" for x in (input, other))
            and self.infer(condition, input, other).dtype == "float"
        ):
            values[0] = _as_float(values[0], In(0))
        return Call("torch.where", tuple(map(Arg, (In(0), *values))))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        float_row = TensorType("float", (4,))
        return (
            Example(cls(), (_M, TensorType("float", (2, 1)), float_row), "torch.where"),
            Example(cls(), (_M, _I, float_row), "torch.where"),
            Example(cls(right=0.5), (_M, float_row, None)),
            Example(cls(left=1), (_M, float_row, None)),
            Example(cls(left=1, right=-1), (_M, None, None)),
            Example(cls(left=0.1, right=2), (_M, None, None)),
            Example(cls(right=0.1), (_M, _I, None)),
        )


def _as_float(value: Code, near: In) -> Code:
    """Return a number, or a tensor without floats, as a tensor of the network's floats."""
    if isinstance(value, In):
        return Method(value, "to", (Arg(FloatType()),))
    return Method(near, "new_full", (Arg(()), Arg(value), Arg(FloatType(), "dtype")))


class MatMul(Operator):
    """Matrix product: `a @ b`. `[*, n, k]`, `[*, k, m]` → `[*, n, m]`; leading sizes broadcast.

    Of a vector `[k]`, the missing size is 1, and left out of the result. MACs:
    leading sizes · n · k · m.
    """

    family = "arithmetic"
    torch_name = ""
    sign = "@"
    symbol = "@"

    def infer(self, input: TensorType, other: TensorType) -> TensorType:
        for number, x in enumerate((input, other)):
            check_min_rank(self, x, 1, input=number)
            check_dtype(self, x, "float", "int", input=number)
        if input.dtype != other.dtype:
            raise Refusal(
                "E0307",
                f"MatMul takes tensors of one element type, not {input.dtype} and {other.dtype}",
                input=1,
                note=f"this is {other.dtype}{other}",
            )
        batch, n, _, m = self._sizes(input, other)
        return input.with_shape(
            *batch, *([n] if input.rank > 1 else []), *([m] if other.rank > 1 else [])
        )

    def _sizes(self, a: TensorType, b: TensorType) -> tuple[tuple[Size, ...], Size, Size, Size]:
        """Return the broadcast leading sizes, then n, k and m."""
        n = a.shape[-2] if a.rank > 1 else 1
        k, m = b.shape[-2:] if b.rank > 1 else (b.shape[0], 1)
        if a.shape[-1] != k:
            known = isinstance(a.shape[-1], int) and isinstance(k, int)
            raise Refusal(
                "E0303",
                f"MatMul cannot multiply {a} and {b}: {a.shape[-1]} columns and {k} rows",
                input=1,
                note=f"this is {b}",
                help=None if known else f"if they are equal, state it: assert {a.shape[-1]} == {k}",
            )
        return broadcast(self, a.shape[:-2], b.shape[:-2]), n, k, m

    def macs(self, input: TensorType, other: TensorType) -> Size:
        batch, n, k, m = self._sizes(input, other)
        return product(batch) * n * k * m

    def functional(self, *inputs: TensorType) -> Code | None:
        return Infix(self.sign, In(0), In(1))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        def floats(*shape: int) -> TensorType:
            return TensorType("float", shape)

        return (
            Example(cls(), (floats(2, 5, 3, 4), floats(2, 5, 4, 6)), "torch.matmul"),
            Example(cls(), (floats(3, 4), floats(4, 6))),
            Example(cls(), (floats(5, 3, 4), floats(4, 6))),
            Example(cls(), (floats(2, 1, 3, 4), floats(5, 4, 6))),
            Example(cls(), (floats(4), floats(4, 6))),
            Example(cls(), (floats(4), floats(2, 4, 6))),
        )


def _check_divisor(operator: Operator, divisor: Scalar | None) -> None:
    if divisor == 0:
        raise Refusal("E0201", f"{name_of(operator)} by 0", about="right")


def _extreme(name: str, bound: str, operands: tuple[Code, Code]) -> Code:
    """`torch.minimum(x, y)`, or with a number `x.clamp(max=2)`."""
    numbers = [operand for operand in operands if not isinstance(operand, In)]
    if numbers:
        return Method(In(0), "clamp", (Arg(numbers[0], bound),))
    return Call(f"torch.{name}", tuple(Arg(operand) for operand in operands))
