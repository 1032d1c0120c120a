"""Tensors that a class declares: the call that makes a parameter's or a buffer's values."""

from __future__ import annotations

from addnn_spec.backends.torch_code.tree import Leaf, Tree
from addnn_spec.ops.code import Arg, Call, Seq
from addnn_spec.ops.init import Init


def constant(init: Init | None) -> float | None:
    """Return the number that fills a parameter, where it begins as one."""
    if init is None or init.name == "zeros":
        return 0.0
    if init.name == "ones":
        return 1.0
    return float(dict(init.args)["val"]) if init.name == "constant" else None


def filled(shape: tuple[Tree, ...], values: Leaf) -> Call:
    """Return a tensor of these values: nested tuples of the shape, or one number for all."""
    if isinstance(values.value, tuple) or not shape:
        return Call("torch.tensor", (Arg(values),))
    if type(values.value) is float and values.value in (0, 1):
        return made("ones" if values.value else "zeros", shape)
    return Call("torch.full", (Arg(Seq(shape)), Arg(values)))


def made(function: str, shape: tuple[Tree, ...]) -> Call:
    """Return `torch.empty(8, 4)`, and `torch.empty(())` of a tensor without dimensions."""
    return Call(f"torch.{function}", tuple(map(Arg, shape)) or (Arg(()),))
