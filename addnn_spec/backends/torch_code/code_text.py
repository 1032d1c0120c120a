"""Trees as text: one line where it fits, else one argument a line, as `ruff format` leaves it.

Only literals of checked types are written, and only through `repr`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeGuard

from addnn_spec.backends.torch_code.tree import (
    LITERALS,
    Attribute,
    Choice,
    Dimension,
    Display,
    Each,
    Factory,
    Formula,
    Key,
    Lambda,
    Listing,
    Made,
    Name,
    Spanned,
    Star,
    Template,
    Tree,
    Variable,
    bare,
    formula_part,
    walk,
    without_defaults,
)
from addnn_spec.ops.code import Arg, Call, Infix, Item, Literal, Method, Prefix, Seq, Slice
from addnn_spec.source import Span

WIDTH = 100
INDENT = "    "
_TABLE = 24
"""A tuple of more items is written as a table, as many on a line as fit."""
_DIGITS = 14
"""A number that is longer than this is no one's choice: it was computed."""
_LARGE = 1000
"""Fractions and roots are looked for up to this size."""

_CHOICE, _NOT, _COMPARISON = 1, 4, 5
_PRECEDENCE = {"or": 2, "and": 3, "|": 6, "^": 7, "&": 8, "<<": 9, ">>": 9, "+": 10, "-": 10}
_PRECEDENCE |= dict.fromkeys(
    ("==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"), _COMPARISON
)
_PRODUCT, _UNARY, _POWER, _ATOM = 11, 12, 13, 14


class CodeLine(NamedTuple):
    """A line of the emitted file, and the places of the spec that it comes from."""

    text: str
    spans: tuple[Span, ...] = ()
    prose: bool = False
    """Part of a docstring: what it names is not used."""


def literal(value: object) -> str:
    """Write a literal of a checked type as Python source."""
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return f'float("{value!r}")'
        return _computed(value) or repr(value).replace("e+", "e")
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Factory):
        return _factory(value)
    if isinstance(value, tuple):
        return _sequence([literal(item) for item in value], brackets=False)
    raise TypeError(f"no literal: {value!r}")


def _factory(factory: Factory) -> str:
    """Write what makes a layer: its class where that takes the sizes alone, or the module."""
    made = without_defaults(bare(factory.call))
    assert isinstance(made, Call)
    if factory.module:
        return flat(made)
    if [arg.value for arg in made.args] == [Variable(size) for size in factory.sizes]:
        return made.fn
    return f"lambda{' ' * bool(factory.sizes)}{', '.join(factory.sizes)}: {flat(made)}"


def _computed(value: float) -> str:
    """Write `1 / 3`, `512**0.5` or `512**-0.5` for a number of many digits that is exactly this."""
    if not (1 / _LARGE < value < _LARGE and len(repr(value)) > _DIGITS):
        return ""
    for divisor in range(2, _LARGE):
        if round(value * divisor) / divisor == value:
            return f"{round(value * divisor)} / {divisor}"
    for power in (0.5, -0.5):
        whole = round(value ** (1 / power))
        if whole > 1 and whole**power == value:
            return f"{whole}**{power}"
    return ""


def quoted(text: str) -> str:
    """Write a string literal, in double quotes where that needs no more escapes."""
    written = repr(text)
    if written[0] == "'" and '"' not in text:
        return '"' + written[1:-1] + '"'
    return written


def flat(tree: Tree) -> str:
    """Write the tree on one line."""
    return _flat(tree)[0]


def _flat(tree: Tree) -> tuple[str, int]:
    """Return the text, and how closely its outermost operator binds."""
    match tree:
        case Infix(op, left, right):
            return _infix(op, left, right)
        case Prefix(op, value):
            return _prefix(op, value)
        case Choice(then, condition, orelse):
            parts = (_bound(then, 2), "if", _bound(condition, 2), "else", _bound(orelse, 1))
            return " ".join(parts), _CHOICE
        case Each():
            element, loops = _loops(tree)
            heads = (f"for {', '.join(each.targets)} in {flat(each.iterable)}" for each in loops)
            return " ".join((flat(element), *heads)), 0
        case Spanned(value, _):
            return _flat(value)
        case Lambda(parameter, value):
            return f"lambda {parameter}: {flat(value)}", 0
        case Made(factory, args, module):
            name = _bound(factory, _ATOM)
            return (name if module else f"{name}({_flat_args(args)})"), _ATOM
        case Listing():
            clauses = (f"{prefix}{flat(part)}" for prefix, part, _ in _clauses(tree))
            return " ".join(clauses).join(_BRACKETS[tree.brackets]), _ATOM
        case Formula(text, parts):
            for place, part in enumerate(parts):
                text = text.replace(formula_part(place), _bound(part, _ATOM))
            return text, 0
    if isinstance(tree, Slice):
        return _index(tree), 0
    return _literal(tree) if isinstance(tree, LITERALS) else (_atom(tree), _ATOM)


def _literal(value: object) -> tuple[str, int]:
    text = literal(value)
    # What `_computed` has written is an expression, which binds as one.
    if isinstance(value, float) and "**" in text:
        return text, _POWER
    if isinstance(value, float) and " / " in text:
        return text, _PRODUCT
    return text, _UNARY if text[0] == "-" else _ATOM


def _prefix(op: str, value: Tree) -> tuple[str, int]:
    if op == "not":
        return f"not {_bound(value, _NOT)}", _NOT
    power = isinstance(value, Infix) and value.op == "**"
    return f"{op}{_bound(value, _ATOM if power else _UNARY)}", _UNARY


def _atom(tree: Tree) -> str:
    match tree:
        case Name(text) | Variable(text):
            return text
        case Key(text):
            return quoted(text)
        case Template(head, variable):
            escaped = quoted(head)[1:-1].replace("{", "{{").replace("}", "}}")
            return f'f"{escaped}{{{variable}}}"'
        case Call(fn, args):
            return f"{fn}({_flat_args(args)})"
        case Method(value, name, args):
            return f"{_bound(value, _ATOM)}.{name}({_flat_args(args)})"
        case Attribute(value, name):
            return f"{_bound(value, _ATOM)}.{name}"
        case Dimension(value, dim):
            return f"{_bound(value, _ATOM)}.shape[{dim}]"
        case Item(value, index):
            return f"{_bound(value, _ATOM)}[{', '.join(_index(i) for i in index)}]"
        case Seq(items, brackets):
            return _sequence([flat(item) for item in items], brackets)
        case Display(keys, items):
            pairs = zip(keys, items, strict=True)
            return f"{{{', '.join(f'{quoted(key)}: {flat(item)}' for key, item in pairs)}}}"
        case Star(value):
            return f"*{_star_operand(value)}"
    raise TypeError(f"no expression: {tree!r}")


def _sequence(items: list[str], brackets: bool) -> str:
    inner = ", ".join(items)
    if brackets:
        return f"[{inner}]"
    return f"({inner},)" if len(items) == 1 else f"({inner})"


def _bound(tree: Tree, precedence: int) -> str:
    text, own = _flat(tree)
    # `1.shape` is no Python.
    if precedence == _ATOM and isinstance(tree, int | float):
        return f"({text})"
    return text if own >= precedence else f"({text})"


def _infix(op: str, left: Tree, right: Tree) -> tuple[str, int]:
    if op == "**":
        # `-2**2` is −4: a base below 0 needs parentheses, and so does all that is no atom.
        base = str(left) if type(left) is int and left >= 0 else _bound(left, _ATOM)
        power = _bound(right, _UNARY)
        # As `ruff format` has it: `x**2`, but `(a + b) ** 2`.
        joint = "**" if base[0] != "(" and _simple(left) and _simple(right) else " ** "
        return f"{base}{joint}{power}", _POWER
    own = _precedence(op)
    chained = own + 1 if own == _COMPARISON else own  # a < b < c is another thing in Python
    # Operators bind to the left: `a - (b - c)` keeps its parentheses.
    return f"{_bound(left, chained)} {op} {_bound(right, own + 1)}", own


def _precedence(op: str) -> int:
    return _PRECEDENCE.get(op, _PRODUCT)


def _simple(tree: Tree) -> bool:
    """Return True for what a formatter writes without spaces around `**`."""
    if isinstance(tree, Prefix):
        return tree.op == "-" and _simple(tree.value)
    return isinstance(tree, Name | Variable | int | float) and not {"[", "/"} & set(flat(tree))


def _index(part: Tree) -> str:
    if not isinstance(part, Slice):
        return flat(part)
    start = "" if part.start is None else flat(part.start)
    stop = "" if part.stop is None else flat(part.stop)
    bounds: tuple[str, ...] = (start, stop)
    if part.step is not None:
        bounds = (start, stop, flat(part.step))
    # As `ruff format` has it: `x[1:n]`, but `x[n // 2 : m]`.
    if all(text.lstrip("-").replace("_", "").isalnum() or not text for text in bounds):
        return ":".join(bounds)
    first, *others = bounds
    spaced = "".join(f": {text} " if text else ":" for text in others)
    return f"{first} {spaced}".strip()


def _star_operand(value: Tree) -> str:
    return f"({flat(value)})" if isinstance(value, Each) else _bound(value, _ATOM)


def _flat_args(args: tuple[Arg, ...]) -> str:
    return ", ".join(f"{_keyword(arg)}{flat(arg.value)}" for arg in args)


def _keyword(arg: Arg) -> str:
    return "" if arg.name is None else f"{arg.name}="


def layout_statement(
    tree: Tree, indent: int, prefix: str = "", spans: tuple[Span, ...] = ()
) -> list[CodeLine]:
    """Lay out a statement as lines; one that holds a long table is kept from the formatter."""
    lines = layout(tree, indent, prefix, "", spans)
    if len(lines) == 1 or not any(_holds_table(node) for node in walk(tree)):
        return lines
    pad = INDENT * indent
    return [CodeLine(f"{pad}# fmt: off"), *lines, CodeLine(f"{pad}# fmt: on")]


def _is_table(tree: Tree) -> TypeGuard[tuple[Literal, ...]]:
    """Return True for a tuple too long for one item a line."""
    return type(tree) is tuple and len(tree) > _TABLE


def _fits(items: tuple[object, ...], indent: int) -> bool:
    """Return True if each item stands on a line."""
    return all(len(INDENT * indent + literal(item)) < WIDTH for item in items)


def _holds_table(tree: Tree) -> bool:
    return type(tree) is tuple and (_is_table(tree) or any(map(_holds_table, tree)))


def _table(items: tuple[object, ...], indent: int, spans: tuple[Span, ...]) -> list[CodeLine]:
    """Write the items in rows as wide as fits."""
    pad = INDENT * indent
    rows = [pad]
    for item in items:
        text = f"{literal(item)},"
        if len(rows[-1]) + 1 + len(text) > WIDTH and rows[-1] != pad:
            rows.append(pad)
        rows[-1] += text if rows[-1] == pad else f" {text}"
    return [CodeLine(row, spans) for row in rows]


def layout(
    tree: Tree, indent: int, prefix: str = "", suffix: str = "", spans: tuple[Span, ...] = ()
) -> list[CodeLine]:
    """Lay out the tree as lines at an indentation, after `prefix` and before `suffix`."""
    if isinstance(tree, Spanned):
        return layout(tree.value, indent, prefix, suffix, (tree.span,))
    text = f"{INDENT * indent}{prefix}{flat(tree)}{suffix}"
    if len(text) <= WIDTH or not _breaks(tree):
        return [CodeLine(text, (*spans, *_spans(tree)))]
    if isinstance(tree, Each):
        return _each(tree, indent, spans)
    if _is_table(tree) and _fits(tree, indent + 1):
        pad = INDENT * indent
        rows = _table(tree, indent + 1, spans)
        return [CodeLine(f"{pad}{prefix}(", spans), *rows, CodeLine(f"{pad}){suffix}", spans)]
    head, parts, tail = _exploded(tree, prefix, suffix)
    # As `ruff format` has it: first all arguments on a line of their own, then one a line.
    if isinstance(tree, Call | Method) and all(_is_plain(arg.value) for arg in tree.args):
        inner = INDENT * (indent + 1) + _flat_args(tree.args)
        if len(inner) <= WIDTH:
            pad = INDENT * indent
            return [
                CodeLine(pad + head, spans),
                CodeLine(inner, spans),
                CodeLine(pad + tail, spans),
            ]
    lines = [CodeLine(INDENT * indent + head, spans)]
    for part_prefix, part, part_suffix in parts:
        lines += layout(part, indent + 1, part_prefix, part_suffix, spans)
    return [*lines, CodeLine(INDENT * indent + tail, spans)]


def _is_plain(value: Tree) -> bool:
    """Return True for an argument that may stand beside others on a line."""
    return isinstance(value, (Name, Key, Infix, Prefix, Attribute, Dimension, *LITERALS))


_Part = tuple[str, Tree, str]


def _loops(each: Each) -> tuple[Tree, list[Each]]:
    """Return what loops within loops make, and the loops, the outer one first."""
    loops = [each]
    while isinstance(loops[-1].element, Each):
        loops.append(loops[-1].element)
    return loops[-1].element, loops


def _each(each: Each, indent: int, spans: tuple[Span, ...]) -> list[CodeLine]:
    element, loops = _loops(each)
    lines = layout(element, indent, "", "", spans)
    for loop in loops:
        lines += _turns(loop, indent, spans)
    return lines


def _turns(each: Each, indent: int, spans: tuple[Span, ...]) -> list[CodeLine]:
    targets = ", ".join(each.targets)
    turns = layout(each.iterable, indent, f"for {targets} in ", "", spans)
    if len(turns[0].text) <= WIDTH or "," not in targets:
        return turns
    outer, _, inner = targets.removesuffix(")").rpartition("(")
    head = f"for {outer}"
    pad, deep = INDENT * indent, INDENT * (indent + 1)
    names = [CodeLine(f"{deep}{name},", spans) for name in inner.split(", ")]
    rest = layout(each.iterable, indent, ") in ", "", spans)
    return [CodeLine(f"{pad}{head}(", spans), *names, *rest]


def _exploded(tree: Tree, prefix: str, suffix: str) -> tuple[str, list[_Part], str]:
    match tree:
        case Call(fn, args):
            return f"{prefix}{fn}(", _arg_parts(args), f"){suffix}"
        case Method(value, name, args):
            return f"{prefix}{_bound(value, _ATOM)}.{name}(", _arg_parts(args), f"){suffix}"
        case Seq(items, brackets):
            opening, closing = "[]" if brackets else "()"
            return f"{prefix}{opening}", [("", i, ",") for i in items], f"{closing}{suffix}"
        case Display(keys, items):
            parts = [(f"{quoted(k)}: ", i, ",") for k, i in zip(keys, items, strict=True)]
            return f"{prefix}{{", parts, f"}}{suffix}"
        case Listing():
            opening, closing = _BRACKETS[tree.brackets]
            return f"{prefix}{opening}", _clauses(tree), f"{closing}{suffix}"
        case Star(value):
            each = isinstance(value, Each)
            inner = (f"{prefix}*(", [("", value, "")], f"){suffix}")
            return inner if each else _exploded(value, f"{prefix}*", suffix)
        case Lambda(parameter, value):
            return _exploded(value, f"{prefix}lambda {parameter}: ", suffix)
        case Item(value, index):
            return f"{prefix}{_bound(value, _ATOM)}[", [("", i, ",") for i in index], f"]{suffix}"
        case Infix(op, left, Call() | Method() as right) if not isinstance(left, Infix):
            return _exploded(right, f"{prefix}{_bound(left, _precedence(op))} {op} ", suffix)
        case Infix(op, left, right):
            return f"{prefix}(", [("", left, ""), (f"{op} ", right, "")], f"){suffix}"
        case Choice(then, condition, orelse):
            parts = [("", then, ""), ("if ", condition, ""), ("else ", orelse, "")]
            return f"{prefix}(", parts, f"){suffix}"
    assert isinstance(tree, tuple)
    return f"{prefix}(", [("", item, ",") for item in tree], f"){suffix}"


_BRACKETS = {False: ("tuple(", ")"), True: ("[", "]")}
"""What stands around a tuple that is gone through, and around a list."""


def _clauses(tree: Listing) -> list[_Part]:
    parts: list[_Part] = [("", tree.element, "")]
    for targets, iterable, condition in zip(
        tree.targets, tree.iterables, tree.conditions, strict=True
    ):
        parts.append((f"for {targets} in ", iterable, ""))
        if condition is not True:
            parts.append(("if ", condition, ""))
    return parts


def _breaks(tree: Tree) -> bool:
    match tree:
        case Call(_, args) | Method(_, _, args):
            return bool(args)
        case Star(value):
            return isinstance(value, Each) or _breaks(value)
        case Seq(items, _) | Display(_, items):
            return bool(items)
        case Lambda(_, value):
            return _breaks(value)
        case Item(_, index):
            return len(index) > 1
    return isinstance(tree, Infix | Each | Choice | Listing) or (
        isinstance(tree, tuple) and bool(tree)
    )


def _arg_parts(args: tuple[Arg, ...]) -> list[_Part]:
    if len(args) == 1 and isinstance(args[0].value, Each):
        return [("", args[0].value, "")]
    return [(_keyword(arg), arg.value, ",") for arg in args]


def _spans(tree: Tree) -> tuple[Span, ...]:
    """Return the places of a tree that stands on one line."""
    found: dict[Span, None] = {}
    for node in walk(tree):
        if isinstance(node, Spanned):
            found[node.span] = None
    return tuple(found)
