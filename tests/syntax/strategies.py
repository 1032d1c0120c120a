"""Random syntax trees, such as the parser makes them: with parentheses where they are needed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.table import load_table

NOWHERE = Span(Source("tree.net", ""), 0, 0)
_NAMES = ["x", "y", "width", "Conv2d", "ReLU", "_", "a_1", "int", "training", "stages", "LayerNorm"]
_TEXT = st.text(alphabet="ab.0 {}#é-", max_size=6)

names = st.sampled_from(_NAMES) | st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True
).filter(lambda name: name not in load_table().keywords)


def _tuples(items: st.SearchStrategy[Any], low: int = 0, high: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=low, max_size=high).map(tuple)


def _node(kind: Any, *parts: Any, **named: Any) -> st.SearchStrategy[Any]:
    spans = {name: st.just(NOWHERE) for name in ("span", "name_span", "op_span", "path_span")}
    given = {name: spans[name] for name in kind.__dataclass_fields__ if name in spans}
    return st.builds(kind, *parts, **named, **given)


def _number(text: str) -> ast.Number:
    return ast.Number(int(text) if text.isdigit() else float(text), text, NOWHERE)


numbers = (
    st.integers(0, 10**18 - 1).map(str)
    | st.sampled_from(["0.5", "1e-6", "12.25", "1E5", "0.0", "2.5e+3"])
).map(_number)
targets = st.recursive(
    _node(ast.Target, names), lambda inner: _node(ast.Targets, _tuples(inner, 1)), max_leaves=4
).map(lambda t: t if isinstance(t, ast.Targets) else ast.Targets((t,), NOWHERE))
flat_targets = _node(ast.Targets, _tuples(_node(ast.Target, names), 1))


def _merged(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """No two pieces of text side by side, none empty."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return tuple(found)


plain_texts = _tuples(_TEXT, 0, 1).map(lambda parts: ast.Text(_merged(parts), NOWHERE))
_constants = _node(ast.Constant, st.sampled_from([True, False, None]))


def _holes() -> st.SearchStrategy[Any]:
    atoms = _node(ast.Name, names) | numbers
    sums = _node(ast.Binary, st.sampled_from(["+", "-", "*"]), atoms, atoms)
    calls = _node(
        ast.Call, _node(ast.Name, names), _tuples(_node(ast.Argument, st.none(), sums)), st.none()
    )
    return atoms | sums | calls


texts = _tuples(_TEXT | _holes(), 0, 4).map(lambda parts: ast.Text(_merged(parts), NOWHERE))


def _paren(value: Any, *kinds: Any) -> Any:
    """The value, in parentheses if it is one of these kinds."""
    return ast.Paren(value, NOWHERE) if isinstance(value, kinds) else value


_LOOSE = (ast.Chain, ast.Conditional)
_OPERATORS = (*_LOOSE, ast.Binary, ast.Unary)


def _expressions(chains: st.SearchStrategy[Any], bodies: st.SearchStrategy[Any]) -> Any:
    """One more level of expressions, over chains."""
    tight = chains.map(lambda value: _paren(_unbraced(value), *_OPERATORS))
    loose = chains.map(lambda value: _paren(_unbraced(value), *_LOOSE, ast.Binary, ast.Unary))
    args = _tuples(_node(ast.Argument, st.none() | names, chains))
    exprs = chains.map(lambda value: _paren(_unbraced(value), ast.Chain))
    iterables = exprs | _node(ast.Range, exprs, exprs)
    clauses = _node(ast.Clause, targets, iterables, st.none() | exprs)
    slices = _node(ast.Slice, st.none() | exprs, st.none() | exprs)
    calls = _node(ast.Call, tight, args, st.none())
    braced = _node(
        ast.Call, _node(ast.Name, names) | tight.filter(_is_name), st.none() | args, bodies
    )
    return st.one_of(
        _node(ast.ListExpr, _tuples(chains)),
        _node(ast.TupleExpr, _tuples(chains, 1)),
        _node(ast.Paren, chains),
        _node(ast.Comprehension, chains, _tuples(clauses, 1, 2)),
        _node(ast.Attribute, tight, names),
        _node(ast.Subscript, tight, _tuples(exprs | slices, 1)),
        calls,
        braced,
        _node(ast.Unary, st.just("-"), tight),
        _node(ast.Unary, st.just("not"), tight),
        _node(ast.Binary, st.sampled_from(_BINARY), loose, loose),
        _node(ast.Binary, st.just("**"), tight, tight),
        st.lists(loose, min_size=2, max_size=5).map(_sum),
        _node(ast.Conditional, exprs, exprs, exprs),
    )


_BINARY = ["+", "*", "/", "//", "%", "@", "==", "<=", ">", "in", "not in", "and", "or"]


def _is_name(value: Any) -> bool:
    return isinstance(value, ast.Name)


def _unbraced(value: Any) -> Any:
    """A layer with braces is no operand: it stands in parentheses."""
    return _paren(value, ast.Call) if isinstance(value, ast.Call) and value.body else value


def _sum(values: list[Any]) -> Any:
    total = values[0]
    for i, value in enumerate(values[1:]):
        total = ast.Binary("-" if i % 2 else "+", total, value, NOWHERE, NOWHERE)
    return total


def _labels(core: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    quoted = st.builds(lambda t, c: ast.Element(t, c, NOWHERE, True), texts, core)
    named = st.builds(lambda n, c: ast.Element(ast.Text((n,), NOWHERE), c, NOWHERE), names, core)
    return _node(ast.Element, st.none(), core, quoted=st.just(False)) | quoted | named


def _elements(chains: Any, bodies: Any) -> tuple[Any, Any]:
    """Elements, and conditions and loops."""
    exprs = chains.map(lambda value: _paren(_unbraced(value), ast.Chain))
    args = _tuples(_node(ast.Argument, st.none() | names, chains))
    layers = _node(ast.Layer, names, st.none() | args, st.none() | bodies)
    repeats = _node(ast.Repeat, exprs, st.none() | _node(ast.Target, names), bodies)
    ifs = _node(ast.If, exprs, bodies, st.none() | bodies)
    ifs |= _node(ast.If, exprs, bodies, ifs)
    control = ifs | _node(ast.For, targets, exprs | _node(ast.Range, exprs, exprs), bodies)
    return _labels(layers | repeats | control | bodies), control


def _is_chain(elements: tuple[Any, ...]) -> bool:
    """A lone `if` or `for` would be a statement."""
    first = elements[0]
    return (
        len(elements) > 1 or first.label is not None or not isinstance(first.core, ast.If | ast.For)
    )


def _statements(chains: Any, elements: Any, control: Any) -> Any:
    exprs = chains.map(lambda value: _paren(_unbraced(value), ast.Chain))
    symbolic = _node(ast.Dim, _node(ast.Name, names), exprs)
    shapes = _node(ast.Shape, _tuples(symbolic | _node(ast.Dim, exprs, st.none())))
    target = _node(ast.Target, names)
    dtypes = st.sampled_from(["float", "int", "bool"])
    labels = st.tuples(names.map(lambda n: ast.Text((n,), NOWHERE)), st.just(False)) | st.tuples(
        texts, st.just(True)
    )
    return st.one_of(
        _node(ast.Let, flat_targets, chains),
        _node(ast.Bind, flat_targets, _tuples(chains, 1)),
        _node(ast.Typed, target, shapes, chains),
        _node(ast.Return, _tuples(chains, 1)),
        _node(ast.Input, target, dtypes, shapes, st.booleans()),
        _node(ast.Output, target, st.none() | shapes, st.none() | chains, st.booleans()),
        _node(ast.Module, target, elements),
        st.builds(
            lambda n, s, v: ast.Parameter(n[0], s, v, NOWHERE, n[1]),
            labels,
            shapes,
            st.none() | chains,
        ),
        st.builds(
            lambda n, d, s, v: ast.Buffer(n[0], d, s, v, NOWHERE, n[1]),
            labels,
            dtypes,
            shapes,
            chains,
        ),
        _node(ast.Assert, exprs, st.none() | plain_texts),
        control,
    )


def _body_of_statements(items: tuple[Any, ...]) -> ast.Body:
    lone = len(items) == 1 and isinstance(items[0], ast.If | ast.For)
    return ast.Body("lone" if lone else "statements", items, NOWHERE)


def _level(chains: Any, bodies: Any) -> tuple[Any, Any]:
    """Chains and bodies one level further out."""
    values = _expressions(chains, bodies)
    elements, control = _elements(chains, bodies)
    heads = values.map(lambda value: _paren(value, ast.Chain))
    outer = heads | _node(ast.Chain, heads, _tuples(elements, 1))
    sequences = _tuples(elements, 1).filter(_is_chain)
    chain_bodies = sequences.map(lambda items: ast.Body("chain", items, NOWHERE))
    statements = _tuples(_statements(chains, elements, control), 1).map(_body_of_statements)
    return outer | chains, chain_bodies | statements | bodies


def _build() -> tuple[Any, Any, Any, Any]:
    chains: Any = _node(ast.Name, names) | numbers | _constants | texts
    bodies: Any = st.just(ast.Body("empty", (), NOWHERE))
    for _ in range(3):
        chains, bodies = _level(chains, bodies)
    exprs = chains.map(lambda value: _paren(_unbraced(value), ast.Chain))
    return chains, exprs, bodies, _tuples(_node(ast.Param, names, st.none() | exprs))


_chains, _exprs, _bodies, _params = _build()
_paths = st.text(alphabet="ab/.", max_size=6)
_imports = _node(ast.Import, _paths, _tuples(_node(ast.ImportName, names, st.none() | names), 1))
files = _tuples(
    st.one_of(
        _imports,
        _node(ast.Let, flat_targets, _chains),
        _node(ast.Fn, names, _params, _exprs),
        _node(ast.Block, names, _params, st.none() | _params, _bodies),
        _node(ast.Network, names, _params, _bodies),
        _node(ast.Alias, names, _exprs),
    )
).map(lambda items: ast.File(items, (), NOWHERE))
