"""The pipeline, as straight-line calls: a text is parsed, its names are checked and defined, its
networks elaborated.

`Session` does so with one file and what it imports; what is wrong collects in `Session.collector`.
Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from addnn_spec.deep_recursion import deep_recursion
from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticError, Label, near
from addnn_spec.elaborate.definitions import define
from addnn_spec.elaborate.frame import Poison, Value
from addnn_spec.elaborate.network_graph import elaborate_network
from addnn_spec.elaborate.rules import begin
from addnn_spec.elaborate.set_values import setting
from addnn_spec.elaborate.watch import Watch
from addnn_spec.graph import Graph
from addnn_spec.limits import Limits
from addnn_spec.loading import Loader
from addnn_spec.reading import decode
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Definition, LayerValue

_NODES_A_NETWORK = 5
"""Checking a network of one node takes about as long as five further nodes."""


_VARIED_NODES = 20_000
"""As many nodes are made for a network's variants: `compile` stays within its time."""


class Session:
    """One `.net` file, its names defined; its networks are elaborated on request."""

    def __init__(
        self,
        source: Path | Source,
        *,
        name: str | None = None,
        folder: Path | None = None,
        limits: Limits | None = None,
        memoise: bool = True,
        texts: Mapping[Path, str] | None = None,
        watch: Callable[[], Watch] | None = None,
        damaged: bool = False,
    ) -> None:
        """Read the file at a path, or a text at hand whose imports are looked up in `folder`.

        An editor gives the `texts` of files that it has open, by their paths, links followed; has a
        `watch` look on, one for the file and for each network; and asks for what could be read of
        items that are `damaged` by syntax errors, for which what is wrong is to be told by another
        session. Raises `DiagnosticError` where the file cannot be read.
        """
        self.collector = Collector()
        self.limits = limits or Limits()
        self.memoise = memoise
        self._watch = watch
        self.watches: dict[str, Watch] = {}
        """Who looked on: by the name of the network, "" for the file's own names."""
        loader = Loader(self.collector, self.limits, texts)
        with deep_recursion():
            if isinstance(source, Source):
                file = loader.load_source(source, folder)
            else:
                file = loader.load(source, name)
            looking = self._looking("")
            self._env = define(file, self.collector, self.limits, watch=looking, damaged=damaged)
        self.file = file
        """The file, parsed, with those that it imports."""
        self.source = file.source
        self.files = loader.files
        """The files that were read: the spec's own, and all that are imported."""
        self._memos: WeakKeyDictionary[Graph, dict[Hashable, Any]] = WeakKeyDictionary()
        """Of each graph, what its elaboration remembers of its blocks."""
        self._networks = [i for i in file.tree.items if isinstance(i, ast.Network | ast.Alias)]
        self.networks = tuple(dict.fromkeys(item.name for item in self._networks))
        """The names of the file's networks, in order."""

    def _looking(self, name: str) -> Watch | None:
        if self._watch is None:
            return None
        self.watches[name] = watch = self._watch()
        return watch

    def value(self, name: str) -> Value:
        """Return what a name at the top of the file stands for; None if that is not known."""
        found = self._env.names.get(name)
        return None if found is None or isinstance(found.value, Poison) else found.value

    def layer(self, network: str) -> LayerValue | None:
        """Return the definition that a network's name stands for, with the arguments that an alias
        gave it."""
        found = self._env.names.get(network)
        value = found.value if found else None
        if isinstance(value, LayerValue) and isinstance(value.target, Definition):
            return value
        return None

    def parameters(self, network: str) -> tuple[ast.Param, ...]:
        """Return the parameters of a network that its alias left open."""
        layer = self.layer(network)
        if layer is None:
            return ()
        assert isinstance(layer.target, Definition)
        given = dict(layer.given)
        return tuple(param for param in layer.target.node.params if param.name not in given)

    def needs(self, network: str) -> tuple[str, ...]:
        """Return the parameters that must be given before a network can be elaborated."""
        return tuple(p.name for p in self.parameters(network) if p.default is None)

    def setting(self, name: str, text: str) -> Value:
        """Return the value that `--set name=text` gives; names of the file may stand in the text.

        Raises `DiagnosticError` where it has none.
        """
        return setting(name, text, self._env, self.limits)

    def graph(self, network: str, settings: Mapping[str, Value] | None = None) -> Graph | None:
        """Return the graph of a network, with values for parameters that are still open."""
        layer = self.layer(network)
        if layer is None:
            return None
        layer = self._set(layer, network, settings or {})
        if layer is None:
            return None
        watch = self._looking(network)
        context = begin(self.collector, self.limits, memoise=self.memoise, watch=watch)
        with deep_recursion():
            try:
                graph = elaborate_network(network, layer, context)
            except RecursionError:
                self._too_deep(layer)
                return None
        if graph is not None:
            self._memos[graph] = context.memo
            if watch is not None:
                watch.top.graph = graph
        return graph

    def variants(self, graph: Graph) -> list[Graph]:
        """Return a network's graph with one number at a time changed, of those that are left open.

        What does not depend on the number is shared with `graph`. Numbers that shape the network
        (in a loop, a condition, a `let`, a label) are not changed, nor are those that have no other
        value near. Of a network that is long to elaborate there are none.
        """
        layer = self.layer(graph.name)
        if layer is None:
            return []
        arguments = dict(graph.arguments)
        assert isinstance(layer.target, Definition)
        fixed = graph.given | _shaping(layer.target.node.body)
        given = tuple((name, value) for name, value in arguments.items() if name in graph.given)
        others = {n: _other_numbers(v) for n, v in arguments.items() if n not in fixed}
        nodes = sum(len(part.members) for part in graph.below())
        if nodes * sum(map(len, others.values())) > _VARIED_NODES:
            return []
        found: list[Graph] = []
        for name, numbers in others.items():
            for other in numbers:
                changed = LayerValue(layer.target, (*given, (name, other)), layer.spans)
                # What is wrong with another number is no mistake of the spec: nobody sees this
                # collector.
                context = begin(Collector(), self.limits, memoise=self.memoise)
                # By the network's own memo, blocks that the number does not reach are its very
                # graphs.
                context.memo = self._memos.get(graph, {})
                with deep_recursion(), suppress(RecursionError):
                    variant = elaborate_network(graph.name, changed, context)
                    if variant is not None:
                        found.append(variant)
                        break
        return found

    def _set(
        self, layer: LayerValue, network: str, settings: Mapping[str, Value]
    ) -> LayerValue | None:
        given = dict(layer.given)
        assert isinstance(layer.target, Definition)
        node = layer.target.node
        names = [param.name for param in node.params]
        for name, value in settings.items():
            if name in given:
                self._setting(f"{network} has {name} given already", "an alias gave it its value")
                return None
            if name not in names:
                close = near(name, names)
                known = f"it has {', '.join(names)}" if names else "it has none"
                self._setting(
                    f"{network} has no parameter {name}",
                    f"did you mean {close[0]}?" if close else known,
                )
                return None
            given[name] = value
        missing = [p for p in node.params if p.default is None and p.name not in given]
        if missing:
            self.collector.add(
                Diagnostic(
                    "E0217",
                    f"network {network} needs {', '.join(param.name for param in missing)}",
                    Label(missing[0].span, "declared here, without a default"),
                    help=f"give it: --set {missing[0].name}=…, or in an alias: network My = "
                    f"{network}(…)",
                )
            )
            return None
        return LayerValue(layer.target, tuple(given.items()), layer.spans)

    def _too_deep(self, layer: LayerValue) -> None:
        assert isinstance(layer.target, Definition)
        self.collector.add(
            Diagnostic(
                "E0502",
                f"network {layer.target.name} is nested too deeply",
                Label(layer.target.node.name_span),
                help="use fewer blocks and braces inside one another",
            )
        )

    def _too_many(self, first: ast.Network | ast.Alias, most: int) -> None:
        """Tell that there are too many networks, at the first that is."""
        count = len(self.networks)
        message = f"a file of {count:,} networks: {most:,} are checked at most"
        help = "check one by its name, FILE.net:Name, or raise the limit with --limit-nodes"
        self.collector.add(Diagnostic("E0503", message, Label(first.name_span), help=help))

    def _setting(self, message: str, help: str) -> None:
        self.collector.add(Diagnostic("E0218", message, None, help=help))

    def check(self, settings: Mapping[str, Mapping[str, Value]] | None = None) -> list[Diagnostic]:
        """Elaborate every network of the file that can be, and give all that was found.

        `settings` are the values of open parameters, by the name of the network. There may be one
        network for each five nodes of the limit: of more, none is looked at (E0503).
        """
        most = max(1, self.limits.nodes // _NODES_A_NETWORK)
        if len(self.networks) > most:
            named = {item.name: item for item in self._networks}
            self._too_many(named[self.networks[most]], most)
            return list(self.collector.diagnostics)
        for network in self.networks:
            layer = self._env.names.get(network)
            if layer is not None and not isinstance(layer.value, Poison):
                given = (settings or {}).get(network, {})
                if all(name in given for name in self.needs(network)):
                    self.graph(network, given)
        return list(self.collector.diagnostics)


_SHAPING = (ast.For, ast.Repeat, ast.If, ast.Conditional, ast.Comprehension, ast.Let, ast.Text)


def _shaping(body: ast.Body) -> frozenset[str]:
    """Return the names that decide what a body is made of."""
    found = (names_read(node) for node in walk(body) if isinstance(node, _SHAPING))
    return frozenset[str]().union(*found)


def _other_numbers(value: Value) -> tuple[Value, ...]:
    """Return numbers that an argument may have instead, the likeliest first; none for others."""
    if type(value) is int and value > 0:
        # Where one more does not fit (heads must divide a width), twice as many may.
        return (value + 1, 2 * value)
    return (value / 2,) if type(value) is float and value else ()


def check_text(text: str, *, name: str = "example.net") -> list[Diagnostic]:
    """Return all diagnostics of a text."""
    try:
        return Session(decode(name, text.encode())).check()
    except DiagnosticError as error:
        return list(error.diagnostics)
