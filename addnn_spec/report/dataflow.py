"""The flow of values between the recorded nodes of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from addnn_spec.runtime.run_record import NodeRecord, RunRecord, Split

SPLITS: tuple[Split, ...] = ("train", "test", "cross")
LEGEND: dict[Split, str] = {"train": "train", "test": "test, same m", "cross": "cross"}


def flow(run: RunRecord) -> dict[str, tuple[str, ...]]:
    """Return for each node the labels of those whose values it reads, in the order of computing.

    What leaves a recorded block leaves it as the block's value, so a reader outside takes the
    block's label, not that of the last node inside. Labels that the run does not hold, or that come
    later, are left out.
    """
    known = {node.label: node for node in run.nodes}
    place = {label: number for number, label in enumerate(known)}
    blocks: dict[str, list[NodeRecord]] = {}  # by what they end with
    for node in run.nodes:
        if node.kind == "block":
            for label in node.inputs:
                blocks.setdefault(label, []).append(node)
    found: dict[str, tuple[str, ...]] = {}
    for node in run.nodes:
        labels = {
            _leaving(known[label], node, blocks.get(label, ()))
            for label in node.inputs
            if label in known
        }
        # A run that was written by hand may hold a cycle: what comes later is no source.
        earlier = [label for label in labels if place[label] < place[node.label]]
        found[node.label] = tuple(sorted(earlier, key=place.__getitem__))
    return found


def _leaving(source: NodeRecord, reader: NodeRecord, blocks: Iterable[NodeRecord]) -> str:
    """Return the outermost block that ends in `source` and does not hold `reader`."""
    around = [
        block
        for block in blocks
        if source.path.startswith(f"{block.path}.")
        and not f"{reader.path}.".startswith(f"{block.path}.")
        and source.depth < block.depth < reader.depth
    ]
    return min(around, key=lambda block: len(block.path)).label if around else source.label


def trunk(run: RunRecord) -> tuple[str, ...]:
    """Return the nodes that every way from the inputs to the last node passes, in order.

    Among them alone "before" and "after" have a meaning: the ends of parallel branches are not on
    the trunk.
    """
    if not run.nodes:
        return ()
    before: dict[str, str | None] = {}  # the last node that every way to a node passes
    level: dict[str, int] = {}
    for label, sources in flow(run).items():
        common: str | None = sources[0] if sources else None
        # Dominators, in one go: nodes come in the order of computing, so those of all sources are
        # known.
        for source in sources[1:]:
            common = _common(common, source, before, level)
        before[label] = common
        level[label] = 0 if common is None else level[common] + 1
    ways: list[str] = []
    at: str | None = run.nodes[-1].label
    while at is not None:
        ways.append(at)
        at = before[at]
    return tuple(reversed(ways))


def _common(
    a: str | None, b: str | None, before: Mapping[str, str | None], level: Mapping[str, int]
) -> str | None:
    """Return the last node that all ways to both pass."""
    while a != b:
        if a is None or b is None:
            return None
        # The deeper one climbs, until both ways have met.
        if level[a] < level[b]:
            a, b = b, a
        a = before[a]
    return a
