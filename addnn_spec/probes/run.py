"""`probe`: the indices of a network's nodes on data, as a run that can be kept and shown."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Unpack

import torch
from torch import nn

from addnn_spec import __version__
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.files import check_writable, write_atomic
from addnn_spec.graph import Graph
from addnn_spec.network import Network, load
from addnn_spec.passes.dims import check_dims
from addnn_spec.passes.memory import at
from addnn_spec.probes.live import module_nodes, plain, takes_whole_numbers
from addnn_spec.probes.nodes import (
    ProbeNode,
    graph_nodes,
    nearest,
    select,
    sources,
)
from addnn_spec.probes.probe_run import ProbeRun
from addnn_spec.runtime.data import open_data
from addnn_spec.runtime.data_notes import small, unlike
from addnn_spec.runtime.devices import Place, device_errors, own_device, picked
from addnn_spec.runtime.keymap import Keys
from addnn_spec.runtime.keywords import ProbeKeywords
from addnn_spec.runtime.other_measures import Measure
from addnn_spec.runtime.preparing import Expected
from addnn_spec.runtime.probing import Measured, Probe, Prober, Progress
from addnn_spec.runtime.processes import Exchange, join
from addnn_spec.runtime.run_record import (
    NetworkRecord,
    NodeRecord,
    OptionsRecord,
    PlanRecord,
    RunRecord,
    read_run,
)
from addnn_spec.runtime.samples import Feed, make_feed
from addnn_spec.runtime.settings import Settings, settings_of
from addnn_spec.runtime.taps import is_probed, names_taken
from addnn_spec.runtime.weights import Weights, load_weights
from addnn_spec.sizes import symbols

INITIALISED = "as initialised"
_EVERY = 30.0  # seconds between saves of what is done
_ANEW = "cka takes all nodes in one run: stopped, it begins anew, and does not go on"


@dataclass(frozen=True)
class Request:
    """What is asked of a run, beside the network and the data; see `probe`.

    `measures` are functions in place of those that the settings name. `before` is an earlier run:
    if it was of the same network and data, taken in the same way, what stands in it is not measured
    again. `fresh` says of a live module that it has just been made: without weights its parameters
    are nobody's. `keys` maps the names of weights to those of the network. `announce` gets the
    plan, and what must be known of the run, before the start.
    """

    settings: Settings = Settings()
    measures: Mapping[str, Measure] | None = None
    output: Path | None = None
    before: RunRecord | None = None
    fresh: bool = False
    keys: Keys | None = None
    announce: Callable[[Prober, PlanRecord, Sequence[str]], None] = lambda prober, plan, notes: None
    progress: Progress = lambda share, what: None


def probe(
    network: Network | nn.Module | str | Path,
    *,
    train: Any,
    test: Any = None,
    weights: Weights | None = None,
    keys: Keys | None = None,
    measures: Sequence[str] | Mapping[str, Measure] = (),
    output: str | Path | None = None,
    **options: Unpack[ProbeKeywords],
) -> ProbeRun:
    """Take the Separation Index (labels) or Smoothness Index (targets) at a network's nodes.

    `network` is a spec's file or a packaged network's name, a loaded `Network`, or any `nn.Module`:
    there hooks see submodules alone, unless it was emitted with `--probes`. `train` and `test` are
    what `open_data` takes: a bundled set's name, a path, a Dataset, or a pair (x, y) of arrays.
    `weights` and `keys` are what `Network.build` takes; a live module gets them in a copy.
    `measures` names others of `MEASURES`, or `cka`, or maps names to functions of a node's `Rows`.
    `output` is a file for the run: what is done is saved there also when the run is stopped, and an
    unfinished run there with the same network, data and options is gone on with.

    `options` are the fields of `runtime.settings.Settings`: `samples`, `nodes`, `order` …

    The module is left as it was, to the bit: mode, gradients, running statistics, random state.

    Raises `DiagnosticError` for a spec, weights, data or options that cannot be used.
    """
    own = dict(measures) if isinstance(measures, Mapping) else None
    request = Request(
        settings_of({**options, "measures": measures}),
        own,
        None if output is None else Path(output),
        keys=keys,
    )
    return run_probe(network, train, test, weights, request)


def run_probe(
    network: Network | nn.Module | str | Path,
    train: Any,
    test: Any,
    weights: Weights | None,
    request: Request,
    *,
    settings: tuple[str, ...] = (),
) -> ProbeRun:
    """`probe`, from a request. `settings` are the words that shaped the spec, for the record.

    Raises `DiagnosticError` as `probe` does.
    """
    with device_errors():
        exchange = join(own_device(request.settings.device))
        request = replace(request, settings=_placed(request.settings))
        return _Runner(network, train, test, weights, request, settings, exchange).run()


def _placed(settings: Settings) -> Settings:
    """Return the settings, with a device for `auto`."""
    return settings.model_copy(update={"device": picked(settings.device)})


class UnsavedRunError(DiagnosticError):
    """A finished run whose file could not be written; `run` has all of it."""

    def __init__(self, run: ProbeRun, error: DiagnosticError) -> None:
        super().__init__(*error.diagnostics)
        self.run = run


def is_run(path: Path) -> bool:
    """Return True if a file is a run's, finished or not."""
    try:
        read_run(path)
    except Refusal:
        return False
    return True


class _Runner:
    """One run: prepare, plan, measure, record."""

    def __init__(
        self,
        network: Network | nn.Module | str | Path,
        train: Any,
        test: Any,
        weights: Weights | None,
        request: Request,
        settings: tuple[str, ...],
        exchange: Exchange,
    ) -> None:
        self.request, self.exchange = request, exchange
        if request.output is not None and exchange.rank == 0:
            check_writable(request.output)
        self.network = load(network) if isinstance(network, str | Path) else network
        if isinstance(self.network, nn.Module):
            self.network = plain(self.network)
        elif not isinstance(self.network, Network):
            raise Refusal(
                "E0607",
                f"{str(self.network)[:80]} is no network",
                help="give a spec, a packaged network's name, or a live nn.Module, not its class",
            )
        live = isinstance(self.network, nn.Module)
        self.feed = self._feed(train, test)
        place = Place.of(request.settings.device, request.settings.precision)
        self.nodes: list[ProbeNode]
        if isinstance(self.network, Network):
            self.module = self._built(self.network, weights)
            self.nodes = graph_nodes(
                self.network.graph, self._dims(self.network), request.settings.mode
            )
        else:
            self.module = self._loaded(self.network, weights)
        placed = place.network(self.module)
        if not isinstance(self.network, Network):
            inputs = place.inputs(self.feed.first())
            names = names_taken(placed, self.feed.names)
            self.nodes = module_nodes(placed, inputs, request.settings.mode, names)
        self.named = self._network_record(weights, settings, live)
        self.chosen = select(self.nodes, request.settings.nodes)
        exact = request.settings.reduction != "flatten" or request.settings.sequence != "flatten"
        self.above = sources(self.chosen, exact=exact or self.feed.splits[0].positions is not None)
        probes = [
            Probe(node.label, node.key, node.key_call, node.layout, node.samples)
            for node in self.chosen
            if node.label not in self.above
        ]
        self.prober = Prober(
            placed,
            probes,
            self.feed,
            request.settings,
            measures=request.measures,
            exchange=exchange,
        )
        self.done: dict[str, Measured] = {}
        self.notes = [*self.prober.notes]
        self.saved = time.monotonic()

    def _built(self, network: Network, weights: Weights | None) -> nn.Module:
        """Return the live module of a network; without weights it is initialised by `seed`."""
        # On the CPU a seed gives the same weights whatever the device, and the caller's random
        # state stays as it is.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(self.request.settings.seed)
            return network.build(weights, keys=self.request.keys, probes=True)

    def _loaded(self, module: nn.Module, weights: Weights | None) -> nn.Module:
        """Return a live module, or a copy of it with other weights."""
        if weights is None and self.request.keys is None:
            return module
        copied = deepcopy(module)
        load_weights(copied, weights, keys=self.request.keys)
        return copied

    def _feed(self, train: Any, test: Any) -> Feed:
        opened = open_data(train)
        tested = open_data(test).train if test is not None else opened.test
        settings = self.request.settings
        network = self.network if isinstance(self.network, Network) else None
        alone = network is not None and _alone(network.graph)
        return make_feed(
            opened.train,
            tested,
            samples=settings.samples,
            seed=settings.seed,
            task=settings.task,
            preparation=settings,
            expected=None if network is None else _expected(network.graph, alone),
            whole=isinstance(self.network, nn.Module) and takes_whole_numbers(self.network),
            alone=alone,
            apart=settings.neighbours == "others",
            mask=settings.mask,
            each=settings.sequence == "each",
        )

    def _dims(self, network: Network) -> dict[str, int]:
        """Return the symbolic sizes that the samples give; 1 for the batch's."""
        dims: dict[str, int] = {}
        graph, own = network.graph, 0 if self.feed.alone else 1
        for id, values in zip(_inputs(graph), self.feed.first(), strict=True):
            shape = graph.node(id).outputs[0].shape
            for size, given in zip(shape[own:], values.shape[own:], strict=True):
                named = symbols(size)
                if len(named) == 1 and str(size) == named[0].name:
                    if dims.setdefault(named[0].name, given) != given:
                        message = (
                            f"{named[0].name} is {dims[named[0].name]} and {given} in the data"
                        )
                        raise Refusal("E0612", message)
        check_dims(graph, dims)
        for id in _inputs(graph):
            for symbol in symbols(graph.node(id).outputs[0].shape[0]):
                dims.setdefault(symbol.name, 1)
        self.dims = dims
        return dims

    def _network_record(
        self, weights: Weights | None, settings: tuple[str, ...], live: bool
    ) -> NetworkRecord:
        network = self.network
        name = network.name if isinstance(network, Network) else type(network).__name__
        fresh = isinstance(network, Network) or self.request.fresh
        given = INITIALISED if fresh and weights is None else "as given"
        common: dict[str, Any] = {
            "name": name,
            "settings": settings,
            "weights": Path(weights).name if isinstance(weights, str | Path) else given,
            "weights_sha256": _digest(self.module),
            "parameters": sum(p.numel() for p in self.module.parameters()),
        }
        if not isinstance(network, Network):
            origin: Literal["probes", "module"] = "probes" if is_probed(self.module) else "module"
            return NetworkRecord(**common, origin=origin)
        assert not live
        source = network.session.source
        return NetworkRecord(
            **common,
            origin="spec",
            spec=source.name.replace("\\", "/").rsplit("/", 1)[-1],
            spec_sha256=sha256(source.text.encode()).hexdigest(),
            macs=at(network.costs.main.total.macs, self.dims),
        )

    def run(self) -> ProbeRun:
        """Measure what an earlier run has not; save what is done, whatever happens."""
        if self.request.settings.mode == "train":
            warnings.warn("probing in training mode, as asked for", stacklevel=4)
        known = self._known()
        self.notes += known
        self.plan = self._plan()
        self._resume()
        if self.exchange.rank == 0:
            once = [_ANEW] if self.request.settings.cka and self.request.output is not None else []
            self.request.announce(self.prober, self._plan(), [*known, *once])
        try:
            self.prober.run(self._receive, self.request.progress)
        # Also where Ctrl-C stops it: the run can be gone on with.
        except BaseException:
            self._save(self._record(complete=False))
            raise
        self.notes += unlike(self._record(complete=True))
        run = ProbeRun(self._record(complete=True))
        try:
            self._save(run.record)
        except DiagnosticError as error:
            raise UnsavedRunError(run, error) from error
        return run

    def _known(self) -> list[str]:
        """Return the notes on the run as a whole that are known before it."""
        found = []
        if self.request.settings.mode == "train":
            found.append("training mode was asked for: norms use each batch's own statistics")
        if self.named.origin == "module":
            unseen = "read by hooks: functional values between submodules are unseen"
            found.append(f"{unseen}; emitted with --probes, or from its spec, all are seen")
        if self.named.weights == INITIALISED and self.named.parameters:
            own = self.named.origin == "module"
            unless = f", unless {self.named.name} loads its own" if own else ""
            drawn = f"drawn by seed {self.request.settings.seed}"
            found.append(f"no weights were given: fresh random parameters, {drawn}{unless}")
        kinds = {node.label: node.kind for node in self.nodes}
        for node in self.chosen if self.request.settings.nodes == ("features",) else ():
            if node.root != "" and kinds[node.root] == "input" and "output" not in node.end:
                raw = f"{node.label}, what {self.named.name}'s fully connected layers read, is its"
                found.append(f"{raw} raw input: no other layer has worked on it")
        return [*found, *self.feed.notes, *small(self.feed.record, self.request.settings.order)]

    def _receive(self, item: Measured) -> None:
        self.done[item.label] = item
        if item.note:
            self.notes.append(item.note)
        if time.monotonic() - self.saved > _EVERY:
            with suppress(DiagnosticError):  # told at the end, where it is still so
                self._save(self._record(complete=False))

    def _save(self, record: RunRecord) -> None:
        self.saved = time.monotonic()
        if self.request.output is not None and self.exchange.rank == 0:
            write_atomic(self.request.output, record.text())

    def _resume(self) -> None:
        """Take over the nodes of an earlier equal run, and plan for the rest."""
        before = self.request.before or self._unfinished()
        if before is None or self.request.settings.cka:  # CKA takes all nodes in one run
            return
        mine = self._record(complete=False)
        for part in ("network", "data", "options", "versions"):
            if getattr(mine, part) != getattr(before, part):
                return
        for node in before.nodes:
            if node.train is not None:
                self.done[node.label] = Measured(
                    label=node.label,
                    train=node.train,
                    test=node.test,
                    cross=node.cross,
                    measures=node.measures,
                )
        self.prober.plan_for(self.done)

    def _unfinished(self) -> RunRecord | None:
        """Return the run that stands at the output, if it was stopped."""
        path = self.request.output
        if path is None or not path.is_file():
            return None
        try:
            before = read_run(path)
        except Refusal:
            return None
        return None if before.complete else before

    def _plan(self) -> PlanRecord:
        prober = self.prober
        macs = self.named.macs
        return PlanRecord(
            m=self.feed.record.train.m,
            passes=prober.passes,
            bytes=prober.plan.bytes,
            operations=prober.cost.operations,
            reads=prober.cost.reads,
            forward_operations=None if macs is None else 2.0 * macs * prober.forwards(),
        )

    def _record(self, complete: bool) -> RunRecord:
        settings = self.request.settings
        asked = settings.model_dump(exclude={"batch"})
        options = OptionsRecord(
            **asked,
            batch=self.prober.batch,
            threads=torch.get_num_threads(),
            processes=self.exchange.size,
        )
        return RunRecord(
            complete=complete,
            versions={
                "addnn_spec": __version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
            },
            network=self.named,
            data=self.feed.record,
            options=options,
            plan=self.plan,
            chance=self.prober.scorer.chance(),
            nodes=tuple(self._nodes()),
            cka=self.prober.cka,
            notes=(*self.notes, *((_ANEW,) if settings.cka and not complete else ())),
        )

    def _nodes(self) -> list[NodeRecord]:
        feeds = nearest(self.nodes, {node.label for node in self.chosen})
        records = []
        for node in self.chosen:
            found = self.prober.found.get(node.label)
            result = self.done.get(node.label)
            records.append(
                NodeRecord(
                    path=node.path,
                    call=node.call,
                    kind=node.kind,
                    operator=node.operator,
                    depth=node.depth,
                    block=node.block,
                    inputs=feeds[node.label],
                    dense=node.dense,
                    shape=node.shape if found is None else found.shape,
                    dimensions=0 if found is None else found.size.dimensions,
                    parameters=node.parameters,
                    macs=node.macs,
                    as_above=self.above.get(node.label),
                    train=None if result is None else result.train,
                    test=None if result is None else result.test,
                    cross=None if result is None else result.cross,
                    measures={} if result is None else result.measures,
                )
            )
        return records


def _alone(graph: Graph) -> bool:
    """Return True if the inputs have no dimension for samples: they begin with different sizes, or
    with a symbol that stands again behind it (a graph's nodes, and its adjacency)."""
    shapes = [graph.node(id).outputs[0].shape for id in _inputs(graph)]
    firsts = {str(shape[0]) if shape else "" for shape in shapes}
    again = (str(size) for shape in shapes for size in shape[1:] if not isinstance(size, int))
    return len(firsts) > 1 or any(size in firsts for size in again)


def _expected(graph: Graph, alone: bool) -> list[Expected]:
    wanted = []
    for id in _inputs(graph):
        node = graph.node(id)
        kind = node.outputs[0]
        sample = kind.shape if alone else kind.shape[1:]
        shape = tuple(size if isinstance(size, int) else None for size in sample)
        of_one = alone and len(shape) == 4 and shape[0] in (None, 1) and kind.dtype == "float"
        wanted.append(Expected(node.name, shape, kind.dtype, of_one))
    return wanted


def _inputs(graph: Graph) -> tuple[int, ...]:
    """Return the inputs that evaluation needs."""
    return tuple(id for id in graph.inputs if not graph.node(id).training)


def _digest(module: nn.Module) -> str:
    digest = sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        # Hashed as bytes: numpy has no bfloat16, and sparse tensors have no memory to view.
        dense = value.detach().cpu().to_dense() if value.layout != torch.strided else value.detach()
        digest.update(dense.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
