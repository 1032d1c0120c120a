"""What a class holds as code: an operator's module, or the function that it is in `forward`; the
calls that make parameters and buffers.
"""

from __future__ import annotations

import re
from collections import Counter

from addnn_spec.backends.torch_code.tree import (
    UNNAMED,
    Key,
    Leaf,
    Name,
    Submodule,
    Tree,
    rewrite,
    with_leaves,
)
from addnn_spec.graph import Node, Ref
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Arg, Call, Code, In, Infix, Invoke, Method, Own, Seq
from addnn_spec.ops.init import Init, init_code


def operator_module(applied: Applied) -> Tree | None:
    """Return the call that makes the operator's module, its literals as leaves, or None."""
    op, made = applied.op, applied.constructor()
    if made is None:
        return None
    required = [name for name, info in type(op).model_fields.items() if info.is_required()]
    hidden = {*op.hidden_fields, *op.layers}
    inferred, own = tuple(applied.inferred()), tuple(n for n in required if n not in hidden)
    call: Tree = made
    while isinstance(call, Call) and call.args and isinstance(call.args[0].value, Call):
        call = call.args[0].value  # in `weight_norm(…)`
    assert isinstance(call, Call)
    # Torch takes inferred sizes before those of the text, `Conv2d(in_channels, out_channels, …)`,
    # but for a few operators after them.
    room = sum(arg.name is None for arg in call.args) - len(own)  # others are keywords
    positional = own + inferred if op.inferred_last else inferred[: max(room, 0)] + own
    return with_leaves(made, UNNAMED, positional)


def functional_form(node: Node, applied: Applied) -> Tree | None:
    """Return the function that a node is in `forward`; None where it has to be a module."""
    return applied.functional() if applied.is_function(node.named) else None


def is_heavy(applied: Applied) -> bool:
    """Return True for an operator with multiply-accumulates."""
    macs = applied.macs()
    return not (isinstance(macs, int) and macs == 0)


_NUMBERED = re.compile(r"\.\d|_l\d")
"""A tensor that torch's class does not declare: `tail.0.weight`, `weight_ih_l0`."""


def bind(code: Tree, operands: list[Tree], own: Submodule | Name | None) -> Tree:
    """Return an operator's code with its inputs and its own module in place."""

    def change(tree: Tree) -> Tree | None:
        if isinstance(tree, In):
            return operands[tree.index]
        if isinstance(tree, Own):
            assert own is not None
            if not tree.name:
                return own
            if _NUMBERED.search(tree.name):
                return Method(own, "get_parameter", (Arg(Key(tree.name)),))
            if isinstance(own, Submodule):
                return Submodule(own.path, tree.name)
            return Name(f"{own.text}.{tree.name}")
        return None

    return rewrite(code, change)


def with_unused(op: Operator, call: Tree, node: Node, reads: Counter[Ref]) -> Tree:
    """Return the call that asks for no more outputs than are read."""
    extra = tuple(arg for port, arg in op.unused_outputs.items() if not reads[Ref(node.id, port)])
    return Invoke((*call.args, *extra)) if extra and isinstance(call, Invoke) else call


# --- tensors that a class declares ---------------------------------------------------------------
def parameter_values(
    init: Init | None, shape: tuple[Tree, ...], *, named: bool
) -> tuple[Tree, tuple[Code, ...]]:
    """Return what a parameter is made of, and the statements that fill it.

    A number that the text names is a factor of ones: whole numbers, too, give floats then.
    """
    if init is None or init.name == "zeros":
        return created("zeros", shape), ()
    if init.name == "ones":
        return created("ones", shape), ()
    if init.name != "constant":
        return created("empty", shape), (init_code(init, Own()),)
    value = dict(init.args)["val"]
    if named:
        return Infix("*", Leaf(value, UNNAMED), created("ones", shape)), ()
    if type(value) is float:
        return filled(shape, Leaf(value, UNNAMED)), ()
    return filled(shape, float(value)), ()  # of whole numbers torch would make whole ones


def filled(shape: tuple[Tree, ...], values: Leaf | float) -> Call:
    """Return a tensor of these values: nested tuples of the shape, or one number for all."""
    value = values.value if isinstance(values, Leaf) else values
    if isinstance(value, tuple) or not shape:
        return Call("torch.tensor", (Arg(values),))
    if type(value) is float and value in (0, 1):
        return created("ones" if value else "zeros", shape)
    return Call("torch.full", (Arg(Seq(shape)), Arg(values)))


def created(function: str, shape: tuple[Tree, ...]) -> Call:
    """Return `torch.empty(8, 4)`, and `torch.empty(())` of a tensor without dimensions."""
    return Call(f"torch.{function}", tuple(map(Arg, shape)) or (Arg(()),))
