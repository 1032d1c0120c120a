"""Layers that are filled alike: one function of the file fills them.

`weight_init` and `bias_init` are statements after a layer is made. Where several places of the text
have the same ones, each layer is handed to a function that the file has once, if that is shorter:
`init_linear(nn.Linear(width, 10))`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from addnn_spec.backends.torch_code.code_text import INDENT, CodeLine, layout
from addnn_spec.backends.torch_code.names import Namespace, snake_case
from addnn_spec.backends.torch_code.tree import Name, Tree, rewrite, without_defaults
from addnn_spec.graph import Graph, Written
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Code, Own, Support
from addnn_spec.source import Span
from addnn_spec.syntax.bindings import Bindings

_Place = tuple[int, int, int]


_FRAME = 2
"""The lines of a function beside its statements; of `initialized(…)` around a layer, too."""


class _Filled(NamedTuple):
    """A layer that is filled."""

    applied: Applied
    span: Span
    written: Written
    chained: bool
    """It is an element of a Sequential."""

    @property
    def statements(self) -> int:
        return len(self.applied.initialize())

    @property
    def lines(self) -> int:
        """As many lines as it takes without a function."""
        return self.statements + _FRAME * self.chained


class Initialisers:
    """The functions that fill layers, by what they do."""

    def __init__(self, graphs: Sequence[Graph] = ()) -> None:
        self._names: dict[str, str] = {}
        """The function's name, by what it does."""
        self.support: list[Support] = []
        self._own: set[_Place] = set()
        """Places of the text whose layers are filled in several ways, or by what has a name."""
        self._local = {name for graph in graphs for name in _names(graph)}
        """The names that blocks and networks give."""
        fills: dict[_Place, dict[str, _Filled]] = defaultdict(dict)
        for filled in _layers(graphs):
            # By the statements themselves: one place may fill its layers otherwise in each use.
            fills[_place(filled.span)].setdefault(repr(filled.applied.initialize()), filled)
        self._own = {place for place, ways in fills.items() if self._is_own(ways)}
        alike: dict[str, list[_Filled]] = defaultdict(list)
        for place, ways in fills.items():
            if place not in self._own:
                ((way, filled),) = ways.items()
                alike[way].append(filled)
        # The names of the specs' blocks are taken, before their classes are made.
        names = Namespace(_words(graphs))
        for way, layers in alike.items():
            # Only if the file gets shorter by it.
            if sum(filled.lines for filled in layers) > layers[0].statements + _FRAME:
                self._add(way, [filled.applied for filled in layers], names)

    def name(self, applied: Applied, span: Span) -> str | None:
        """Return the function that fills a layer, or None where only this one is filled so."""
        if _place(span) in self._own:
            return None
        return self._names.get(repr(applied.initialize()))

    def reads_names(self, place: Span) -> bool:
        """Return True if an initialiser's text reads names of its block: `normal(width ** -1)`."""
        return any(word in self._local for word in _NAME.findall(place.text))

    def _is_own(self, ways: Mapping[str, _Filled]) -> bool:
        """Return True if the layers of one place cannot be filled by a function of the file.

        They are filled in several ways, or with numbers that only their class has names for.
        """
        (filled, *others) = ways.values()
        return bool(others) or any(
            self.reads_names(place) for name, place in filled.written if name in _FIELDS
        )

    def _add(self, way: str, layers: Sequence[Applied], names: Namespace) -> None:
        made = {call.fn for applied in layers if (call := applied.constructor()) is not None}
        own = made.pop() if len(made) == 1 else "nn.Module"
        kind = own.rpartition(".")[2]
        name = names.unique("init_weights" if made else f"init_{snake_case(kind)}")
        self._names[way] = name
        argument = "layer"
        statements = [
            line
            for code in layers[0].initialize()
            for line in _statement(code, argument, typed=own != "nn.Module")
        ]
        rows = [
            f"def {name}({argument}: {own}) -> {own}:",
            *(line.text for line in statements),
            f"{INDENT}return {argument}",
        ]
        self.support.append(Support(name, "\n".join(rows)))


def _statement(code: Code, argument: str, *, typed: bool) -> list[CodeLine]:
    """Write a statement that fills a tensor of the function's argument."""

    def own(tree: Tree) -> Tree | None:
        if not isinstance(tree, Own):
            return None
        if not tree.name:
            return Name(argument)
        if typed and tree.name.isidentifier() and not _NUMBERED.search(tree.name):
            return Name(f"{argument}.{tree.name}")
        return Name(f'{argument}.get_parameter("{tree.name}")')

    return layout(without_defaults(rewrite(code, own)), 1)


_NUMBERED = re.compile(r"_l\d")
"""A tensor that torch's class does not declare: `weight_ih_l0`."""


_FIELDS = ("weight_init", "bias_init")
_NAME = re.compile(r"[A-Za-z_]\w*\b(?!\s*=)")
"""A word that is no argument's name."""


def _names(graph: Graph) -> frozenset[str]:
    return frozenset() if graph.definition is None else Bindings(graph.definition.node).names


def _layers(graphs: Iterable[Graph]) -> Iterator[_Filled]:
    """Yield the layers that are filled."""
    for graph in graphs:
        for node in graph.nodes():
            if isinstance(node.op, Operator) and node.module is None and not node.layers:
                applied = node.applied
                if applied is not None and applied.initialize():
                    chained = graph.kind == "chain"
                    yield _Filled(applied, node.span, node.written, chained)
        for module in graph.modules:
            applied = module.applied
            if applied is not None and not module.layers and applied.initialize():
                yield _Filled(applied, module.span, module.written, chained=False)


def _place(span: Span) -> _Place:
    return (id(span.source), span.start, span.end)


def _words(graphs: Iterable[Graph]) -> set[str]:
    """Return all words of the specs, so that no function takes the name of something in them."""
    sources = {id(graph.span.source): graph.span.source for graph in graphs}
    return {word for source in sources.values() for word in re.findall(r"\w+", source.text)}
