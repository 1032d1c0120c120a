"""Small faults put into an emitted file: what a comparison of outputs must notice."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

CIRCULAR = "a circular padding"
_ACTIVATIONS = {
    "relu": "leaky_relu",
    "relu6": "leaky_relu",
    "silu": "mish",
    "gelu": "silu",
    "hardswish": "silu",
    "elu": "selu",
    "leaky_relu": "relu",
    "sigmoid": "tanh",
    "tanh": "sigmoid",
    "ReLU": "LeakyReLU",
    "ReLU6": "LeakyReLU",
    "SiLU": "Mish",
    "GELU": "SiLU",
    "Hardswish": "SiLU",
    "LeakyReLU": "ReLU",
    "Sigmoid": "Tanh",
    "Tanh": "Sigmoid",
}


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """What was changed, and the file with it: one change each, where the file has its place."""
    for name, change in _CHANGES.items():
        tree = ast.parse(text)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        calls.sort(key=lambda call: (call.lineno, call.col_offset))
        if any(change(call) for call in calls):  # the first that can be changed
            yield name, ast.unparse(tree)


def _called(call: ast.Call) -> str:
    """The last name of what is called: `relu` of `F.relu(…)`."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _keyword(call: ast.Call, name: str) -> ast.keyword | None:
    return next((item for item in call.keywords if item.arg == name), None)


def _is_conv(call: ast.Call) -> bool:
    return _called(call).startswith("Conv") and _called(call).endswith("d")


def _padding(call: ast.Call) -> bool:
    """The first padded convolution pads by wrapping round."""
    if not (_is_conv(call) and _keyword(call, "padding")):
        return False
    if _called(call).startswith("ConvTranspose"):  # it pads with zeros only
        return False
    call.keywords.append(ast.keyword("padding_mode", ast.Constant("circular")))
    return True


def _eps(call: ast.Call) -> bool:
    """The first BatchNorm's eps."""
    if not _called(call).startswith("BatchNorm"):
        return False
    call.keywords = [item for item in call.keywords if item.arg != "eps"]
    call.keywords.append(ast.keyword("eps", ast.Constant(0.1)))
    return True


def _stride(call: ast.Call) -> bool:
    """The first stride of a convolution or pool: one more."""
    stride = _keyword(call, "stride")
    if stride is None or not (_is_conv(call) or "pool" in _called(call).lower()):
        return False
    if isinstance(stride.value, ast.Tuple):
        return False
    stride.value = ast.BinOp(stride.value, ast.Add(), ast.Constant(1))
    return True


def _activation(call: ast.Call) -> bool:
    """The first activation: another that looks like it."""
    other = _ACTIVATIONS.get(_called(call))
    if other is None or not isinstance(call.func, ast.Attribute):
        return False
    call.func.attr = other
    if other[0].isupper() or call.keywords:  # `inplace` of modules
        call.keywords = []
    return True


_CHANGES: dict[str, Callable[[ast.Call], bool]] = {
    CIRCULAR: _padding,
    "another eps": _eps,
    "another stride": _stride,
    "another activation": _activation,
}
