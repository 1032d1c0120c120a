"""The Python interface: `load` a network, look at it, build it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.graph import Graph
from addnn_spec.packages import require
from addnn_spec.passes.costs import Costs, count_costs
from addnn_spec.passes.dims import check_dims
from addnn_spec.passes.summary import Summary, summarize

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from addnn_spec.backends.drawing import Drawing
    from addnn_spec.backends.lines import TableOptions, View
    from addnn_spec.backends.trace import Trace
    from addnn_spec.highlighting import SpecText
    from addnn_spec.runtime.keymap import Keys
    from addnn_spec.runtime.weights import Weights


@dataclass(frozen=True, slots=True)
class NetworkSummary(Summary):
    """A `Summary` that is printed as the table of `addnn summary`."""

    graph: Graph = field(kw_only=True, repr=False)

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def to_text(self, **options: Unpack[TableOptions]) -> str:
        """Return the table as text; the options are those of `addnn summary`: `sort="macs"`,
        `top=10`, `depth`, `open`, `fold="norms"`, `percent`, `flops`, `receptive_field`."""
        from addnn_spec.backends.table import plain_table

        return plain_table(self.graph, self, self._view(options))

    def to_csv(self, **options: Unpack[TableOptions]) -> str:
        """Return the table as CSV: plain numbers, and whole paths. Options as of `to_text`."""
        from addnn_spec.backends.table import csv_table

        return csv_table(self.graph, self, self._view(options))

    def to_markdown(self, **options: Unpack[TableOptions]) -> str:
        """Return the table as Markdown. Options as of `to_text`."""
        from addnn_spec.backends.table import markdown_table

        return markdown_table(self.graph, self, self._view(options))

    def to_latex(self, **options: Unpack[TableOptions]) -> str:
        """Return the table as LaTeX (booktabs). Options as of `to_text`."""
        from addnn_spec.backends.table import latex_table

        return latex_table(self.graph, self, self._view(options))

    def to_frame(self, **options: Unpack[TableOptions]) -> pd.DataFrame:
        """Return the table for pandas, a row a node, by path. Options as of `to_text`."""
        require("a table of pandas", "pandas", extra="report")
        import pandas as pd

        from addnn_spec.backends.table import records

        return pd.DataFrame(records(self.graph, self, self._view(options))).set_index("node")

    def _view(self, options: TableOptions) -> View:
        from addnn_spec.backends.lines import view_of

        return view_of(options, trainable=bool(self.frozen))


class Network:
    """A network of a spec, elaborated. Raises `DiagnosticError` with everything that is wrong."""

    def __init__(
        self, session: Session, name: str, settings: Mapping[str, Any] | None = None
    ) -> None:
        graph = session.graph(name, settings)
        if graph is None or session.collector.has_errors:
            raise DiagnosticError(*session.collector.errors, *session.collector.warnings)
        self.session = session
        self.name = name
        self._graph = graph

    def __repr__(self) -> str:
        total = self.costs.main.total
        return f"Network({self.name}: {total.params:,} parameters)"

    @property
    def graph(self) -> Graph:
        """The hierarchical graph, a class of this package: blocks are nodes that call graphs.

        Of the three graphs this one is not networkx's: `graph.nx` is its top level as networkx has
        it, and `flat()` makes one networkx graph of all.
        """
        return self._graph

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What the compiler found doubtful."""
        return self.session.collector.warnings

    @cached_property
    def costs(self) -> Costs:
        """Parameters, MACs and other operations, exact, as polynomials in the symbolic sizes."""
        return count_costs(self.graph)

    def show(self) -> SpecText:
        """Return the text of the file that the network stands in; a notebook shows it in colour."""
        from addnn_spec.highlighting import SpecText

        return SpecText(self.session.source.text)

    def trace(self, path: str) -> Trace:
        """Return what made a node's sizes, as a chain of places in the text:
        `print(net.trace("layer1.0.conv2"))`.

        Raises `DiagnosticError` where there is no such node.
        """
        from addnn_spec.backends.trace import trace

        return trace(self.graph, path)

    def flat(
        self, *, symbolic: bool = False, dims: Mapping[str, int] | None = None, **sizes: int
    ) -> Any:
        """Return one `networkx.MultiDiGraph` of the network: vertices by path, with their figures.

        They are at the default sizes, or at others (`flat(H=320)`), and plain numbers and texts:
        `networkx.write_graphml` and `node_link_data` take them as they are. With `symbolic` they
        are polynomials in the symbolic sizes, and objects of this package.
        """
        from addnn_spec.backends.flat import flat_graph, flat_numbers

        at = {**(dims or {}), **sizes}
        return flat_graph(self.graph) if symbolic else flat_numbers(self.graph, at)

    def summary(
        self,
        *,
        freeze: str = "",
        symbolic: bool = False,
        dims: Mapping[str, int] | None = None,
        **sizes: int,
    ) -> NetworkSummary:
        """Return the figures of the network at its default sizes, or at others: `summary(H=320)`;
        printed, they are the table of `addnn summary`.

        They are numbers; with `symbolic` those of `total` and of the rows are polynomials in the
        symbolic sizes, whose `at(N=4)` gives the number. A size that is called as an argument is
        goes into `dims`.
        """
        found = summarize(self.graph, {**(dims or {}), **sizes}, freeze, symbolic=symbolic)
        parts = {part.name: getattr(found, part.name) for part in fields(found)}
        return NetworkSummary(**parts, graph=self.graph)

    def source(self, *, probes: bool = False, options: Iterable[str] = ()) -> str:
        """Return the network as PyTorch source, which needs torch and the standard library alone.

        `options` are what else shaped it (`--set depth=18`), for the head of the text.
        """
        from addnn_spec.backends.torch_source import torch_source

        return torch_source(self.session, self.graph, probes=probes, options=options).text

    def build(
        self,
        weights: Weights | None = None,
        *,
        keys: Keys | None = None,
        freeze: str | None = None,
        new_head: bool = False,
        probes: bool = False,
    ) -> nn.Module:
        """Return the live `torch.nn.Module` of the emitted source.

        `weights` is a file (`.safetensors`, or a state dict that torch saved), a folder with one,
        an index of shards, or a mapping. `keys` maps their names to the network's: patterns and
        what stands in their place (`{"encoder.*": "layers.*"}`), a file of such, or a packaged
        map's name. `new_head` leaves a last layer of another size as it was initialised. `freeze`
        is a pattern of paths (`layer[1-3].*`): their parameters are not trained, and their norms
        stay in evaluation mode.

        Raises `DiagnosticError` where the weights do not fit; both sides are listed.
        """
        require("a live module", "torch", extra="torch")
        from addnn_spec.runtime.build import build_module

        source = self.source(probes=probes)
        return build_module(source, self.name, weights, keys=keys, freeze=freeze, new_head=new_head)

    def draw(
        self,
        *,
        depth: int | None = None,
        open: str | Iterable[str] = (),
        direction: Literal["TB", "LR"] = "TB",
        dims: Mapping[str, int] | None = None,
        **sizes: int,
    ) -> Drawing:
        """Return the drawing: a notebook shows it, `svg` and `dot` are its texts,
        `save("net.svg")` writes it.

        `depth` levels are open everywhere, and all inside of the paths that `open` has patterns of;
        without either as much as keeps the picture small. Data flows down, or to the right ("LR").
        """
        from addnn_spec.backends.drawing import Drawing
        from addnn_spec.backends.picture import DrawOptions

        opened = (open,) if isinstance(open, str) else tuple(open)
        at = {**(dims or {}), **sizes}
        check_dims(self.graph, at)
        return Drawing(self.graph, DrawOptions(opened, depth, at, direction))

    def export_onnx(
        self,
        path: str | Path,
        weights: Weights | None = None,
        *,
        keys: Keys | None = None,
        dynamic: Iterable[str] = (),
        dims: Mapping[str, int] | None = None,
        **sizes: int,
    ) -> None:
        """Write the network, in evaluation, as an ONNX file, at its default sizes or at others.

        The symbolic sizes that `dynamic` names stay open in the file (`dynamic=["N"]`).

        Raises `DiagnosticError` where the weights or sizes do not fit, and where torch cannot
        export it.
        """
        require("ONNX", "torch", "onnx", "onnxscript", extra="onnx")
        from addnn_spec.backends.example_inputs import example_inputs
        from addnn_spec.runtime.onnx import ExampleInput, export_network

        found = example_inputs(self.graph, {**(dims or {}), **sizes}, tuple(dynamic))
        inputs = [ExampleInput(*given) for given in found]
        export_network(self.build(weights, keys=keys), inputs, Path(path))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what a notebook shows: table, drawing and code in tabs."""
        from addnn_spec.backends.notebook import mime_bundle

        return mime_bundle(self.graph, self.source)


def load(
    spec: str | Path,
    network: str | None = None,
    *,
    ops: Iterable[str | ModuleType] = (),
    settings: Mapping[str, object] | None = None,
    **given: object,
) -> Network:
    """Return the network of a `.net` file, or a packaged one by its name (`load("ResNet50")`).

    A file with several networks needs `network`, or `nets.net:Name`. The network's parameters are
    given by name, `load("ResNet50", classes=10)`; one that is called as an argument is goes into
    `settings`. `ops` are modules with operators of one's own.

    Raises `DiagnosticError` with everything that is wrong.
    """
    from addnn_spec.catalogue import locate

    _register(ops)
    session, name = locate(str(spec), network)
    return Network(session, name, _values({**(settings or {}), **given}))


def loads(
    text: str,
    path: str | Path | None = None,
    network: str | None = None,
    *,
    ops: Iterable[str | ModuleType] = (),
    settings: Mapping[str, object] | None = None,
    **given: object,
) -> Network:
    """Return the network of a text, as `load` does that of a file.

    What it imports is looked up beside `path`, the file that it might be, which messages name;
    without one among the packaged files alone.

    Raises `DiagnosticError` with everything that is wrong.
    """
    from addnn_spec.catalogue import choose
    from addnn_spec.reading import decode

    _register(ops)
    source = decode("<text>" if path is None else str(path), text.encode("utf-8"))
    session = Session(source, folder=None if path is None else Path(path).parent)
    return Network(session, choose(session, network), _values({**(settings or {}), **given}))


def _register(ops: Iterable[str | ModuleType]) -> None:
    from addnn_spec.ops import register

    for module in ops:
        register(module)


def _values(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in settings.items()}


def _value(value: Any) -> Any:
    """Return a Python value as the language has it: lists are tuples."""
    if isinstance(value, list | tuple):
        return tuple(_value(item) for item in value)
    return value
