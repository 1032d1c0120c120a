"""What `forward` reads first: the sizes of its inputs, `n, h, w, c = x.shape`.

A size that is read once stands where it is read, `x.shape[2]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from addnn_spec.backends.torch_code.body import ClassBody
from addnn_spec.backends.torch_code.body import Item as BodyItem
from addnn_spec.backends.torch_code.class_draft import DraftStep
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.tree import (
    Attribute,
    Dimension,
    Name,
    Tree,
    Value,
    rewrite,
    walk,
)
from addnn_spec.backends.torch_code.vectors import is_symbolic
from addnn_spec.ops.code import Item, Slice

_MOST_SKIPPED = 2
"""Sizes between those that are read together which may be unpacked to `_`."""


def sizes_at_head(
    body: ClassBody,
    flags: Mapping[int, Tree],
    derived: Mapping[str, Tree],
    skipped: Collection[int],
    columns: Columns,
) -> list[tuple[str, Tree]]:
    """Give each size of an input that `forward` reads several times a variable at its head, and let
    the body's steps read that.

    Return what gives them: the variables, and what they are. `skipped` inputs may not be there.
    """
    asked = [*flags.values(), *flags.values()]  # the tensor may have another variable by then
    trees = [*(step.tree for step in _steps(body)), *asked, *derived.values()]
    reads = Counter(node for tree in trees for node in walk(tree) if isinstance(node, Dimension))
    taken = [
        *(name for name, _ in body.drafts[0].inputs),
        *(n for s in _steps(body) for n in s.names),
    ]
    for name in taken:
        columns.scope.names.reserve(name)
    found: list[tuple[str, Tree]] = []
    for index, (name, _) in enumerate(body.drafts[0].inputs):
        types = [type for type in body.types[index] if type is not None]
        own = sorted((size for size in reads if size.value == Value(index)), key=lambda s: s.dim)
        alone = sum(reads[size] for size in own) < 2
        if alone or index in skipped or not types or len({type.rank for type in types}) > 1:
            continue
        rank = types[0].rank
        names = {}
        for size in own:
            symbolic = any(is_symbolic(type.shape[size.dim]) for type in types)
            names[size.dim] = columns.size_variable(size, name, rank, symbolic=symbolic)
        found += _read_together(Value(index), names, rank)
    if found:
        for place, item in enumerate(body.items):
            body.items[place] = _with_variables(item, columns)
    return found


def written(tree: Tree, inputs: Sequence[str]) -> Tree:
    """Return a tree over inputs, by their names."""
    return rewrite(tree, lambda t: Name(inputs[t.index]) if isinstance(t, Value) else None)


def _read_together(value: Value, names: Mapping[int, str], rank: int) -> Iterator[tuple[str, Tree]]:
    """Yield `h, w = x.shape[1:3]`; sizes that are far apart one by one."""
    first, last = min(names), max(names)
    # `_, _, _, _, w = x.shape` would say less than `w = x.shape[4]`.
    if last + 1 - first - len(names) > _MOST_SKIPPED:
        yield from ((name, Dimension(value, dim)) for dim, name in names.items())
        return
    if first == last:
        yield names[first], Dimension(value, first)
        return
    shape = Attribute(value, "shape")
    part = Slice(first or None, None if last == rank - 1 else last + 1)
    whole = part.start is None and part.stop is None
    targets = ", ".join(names.get(dim, "_") for dim in range(first, last + 1))
    yield targets, shape if whole else Item(shape, (part,))


def _steps(body: ClassBody) -> Iterator[DraftStep]:
    for item in body.items:
        if isinstance(item, DraftStep):
            yield item
        else:
            yield from (*item.then, *item.orelse)


def _with_variables(item: BodyItem, columns: Columns) -> BodyItem:
    if isinstance(item, DraftStep):
        return replace(item, tree=columns.with_variables(item.tree))
    item.then = [replace(step, tree=columns.with_variables(step.tree)) for step in item.then]
    item.orelse = [replace(step, tree=columns.with_variables(step.tree)) for step in item.orelse]
    return item
