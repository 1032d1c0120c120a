"""How values flow between the recorded nodes of a run."""

from __future__ import annotations

from addnn_spec.runtime.record import NodeRecord, RunRecord, Split

SPLITS: tuple[Split, ...] = ("train", "test", "cross")
LEGEND: dict[Split, str] = {"train": "train", "test": "test, same m", "cross": "cross"}


def flow(run: RunRecord) -> dict[str, tuple[str, ...]]:
    """For each node the labels of the nodes whose values it reads, in the order of computing.

    What leaves a recorded block leaves it as the block's value, so a reader outside takes the
    block's label, not that of the last node inside. Labels that the run does not hold, or that come
    later, are left out.
    """
    known = {node.label: node for node in run.nodes}
    place = {label: number for number, label in enumerate(known)}
    blocks = [node for node in run.nodes if node.kind == "block"]
    found: dict[str, tuple[str, ...]] = {}
    for node in run.nodes:
        labels = {_leaving(known[label], node, blocks) for label in node.inputs if label in known}
        earlier = [label for label in labels if place[label] < place[node.label]]
        found[node.label] = tuple(sorted(earlier, key=place.__getitem__))
    return found


def _leaving(source: NodeRecord, reader: NodeRecord, blocks: list[NodeRecord]) -> str:
    """The outermost block that `source` is the end of and that `reader` stands outside of."""
    around = [
        block
        for block in blocks
        if source.label in block.inputs
        and source.path.startswith(f"{block.path}.")
        and not f"{reader.path}.".startswith(f"{block.path}.")
        and source.depth < block.depth < reader.depth
    ]
    return min(around, key=lambda block: len(block.path)).label if around else source.label


def trunk(run: RunRecord) -> tuple[str, ...]:
    """The nodes that every way from the inputs to the last node passes, in order.

    Among them alone "before" and "after" have a meaning: the ends of parallel branches are not on
    the trunk.
    """
    if not run.nodes:
        return ()
    reads = flow(run)
    passed: dict[str, tuple[str, ...]] = {}
    for node in run.nodes:
        ways = [passed[label] for label in reads[node.label]]
        common = [x for x in ways[0] if all(x in way for way in ways[1:])] if ways else []
        passed[node.label] = (*common, node.label)
    return passed[run.nodes[-1].label]
