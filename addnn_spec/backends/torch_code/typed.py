"""What a type checker knows of `forward`: which variables and expressions are tensors.

Calls of modules are `Any` to it; torch's functions, the `forward` of a base, and arithmetic of
tensors are not. A variable with an annotation stays a tensor, any other is what it was given last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from addnn_spec.backends.torch_code.forward import Assign, Copy, Fork, ForStatement, Statement
from addnn_spec.backends.torch_code.paths import OWN_FORWARD
from addnn_spec.backends.torch_code.tree import Name, Tree, walk
from addnn_spec.ops.code import Call, Infix, Item, Method, Prefix

_FUNCTION = re.compile(r"(F|torch)\.\w+")
"""All that steps call of `F` and of `torch` itself is typed; `torch.fft` and others are not."""


def bindings(statements: Iterable[Statement]) -> Iterator[Assign | Copy]:
    """Yield what gives variables their values, as it stands in the text."""
    for statement in statements:
        if isinstance(statement, Fork):
            yield from statement.before
            yield from statement.then
            yield from statement.then_copies
            yield from statement.orelse
            yield from statement.else_copies
        elif isinstance(statement, ForStatement):
            yield from statement.before
            yield from statement.body
        else:
            yield statement


def tensor_variables(inputs: Iterable[str], statements: Iterable[Statement]) -> set[str]:
    """Return the variables that are known to be tensors after the statements."""
    declared = set(inputs)
    known = set(declared)
    for statement in statements:
        if isinstance(statement, Assign):
            tree = None if statement.step.loop or statement.step.run else statement.tree
            typed = _is_tensor(tree, known)
        else:
            typed = False  # it depends on the arm, or on there being a turn
        for binding in bindings([statement]):
            names = re.findall(r"\w+", binding.targets)
            if binding.annotation:
                declared.update(names)
            known.update(names) if typed and len(names) == 1 else known.difference_update(names)
        known |= declared
    return known


def untyped(tree: Tree, known: set[str]) -> list[str] | None:
    """Return the variables that must be known to be tensors, too, for the expression to be one.

    None if it is not, whatever they are.
    """
    names = {node.text for node in walk(tree) if isinstance(node, Name)}
    if not _is_tensor(tree, known | names):
        return None
    return sorted(name for name in names - known if not _is_tensor(tree, known | names - {name}))


def _is_tensor(tree: Tree, known: set[str]) -> bool:
    match tree:
        case Name(text):
            return text in known
        case Call(fn, _):
            return fn == OWN_FORWARD or _FUNCTION.fullmatch(fn) is not None
        case Method(value, _, _) | Item(value, _) | Prefix(_, value):
            return _is_tensor(value, known)
        case Infix(_, left, right):
            return _are_tensors((left, right), known)
    return False


def _are_tensors(operands: Sequence[Tree], known: set[str]) -> bool:
    """Return True if each is a tensor or a number, and not all are numbers."""
    tensors = [value for value in operands if not isinstance(value, int | float)]
    return bool(tensors) and all(_is_tensor(value, known) for value in tensors)
