"""Plans: a network with edits, each of which gives a new text and says what becomes of the weights.

A plan is a value. `cut`, `narrow` and `replace` return the plan of the edited network, checked: the
new text has been elaborated, and is what was planned. Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from addnn_spec.compiler import Session
from addnn_spec.design.carried import with_comments
from addnn_spec.design.copied_blocks import Taken, Unwritable
from addnn_spec.design.cuts import cut_edit
from addnn_spec.design.edits import Edit, Rows, Shared, Slices, keys_of
from addnn_spec.design.narrowing import free_class, narrow_edit
from addnn_spec.design.patches import Unpatched
from addnn_spec.design.patching import patched_text, without_asserts
from addnn_spec.design.repeats import turns_edit
from addnn_spec.design.replacing import insert_edit, replace_edit
from addnn_spec.design.rewording import reworded
from addnn_spec.design.uses import UsesOf
from addnn_spec.design.writing import write_body, write_inputs
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.graph import Graph
from addnn_spec.network import Network, load
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.unfold import unfold
from addnn_spec.passes.widths import Widths, channel_classes
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source


@dataclass(frozen=True)
class Plan:
    """A changed network, and how its weights come from those of the first one."""

    network: Network
    slices: tuple[Slices, ...] = ()
    """For each edit, in order: what becomes of the tensors of the network before it."""
    notes: tuple[str, ...] = ()
    """What an edit has cost of what the text said."""
    folder: Path | None = field(default=None, repr=False)
    """Where the imports of a user's file are looked up."""

    @property
    def graph(self) -> Graph:
        return self.network.graph

    @property
    def text(self) -> str:
        """The new spec, whole: one file."""
        return self.network.session.source.text

    @cached_property
    def widths(self) -> Widths:
        """The channel classes of the network in its present form."""
        return channel_classes(self.graph)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the network's `state_dict`."""
        return tuple(keys_of(self.graph))

    # --------------------------------------------------------------------------------------- edits

    def alone(self) -> Plan:
        """Return the plan of the network alone in its file: blocks of the user's other files are
        copied in, other networks left out."""
        return self.narrow({})

    def cut(self, path: str, head: str = "linear", classes: int | None = None) -> Plan:
        """Return the plan of the network up to a node, and a new head behind it.

        `head` is `linear` (maps are averaged where the flattened map has over 4,096 values or a
        size that is not known), or `mlp:128`, one hidden layer more. Raises `Refusal` (E0620).
        """
        return self._edited(cut_edit(self.graph, self.widths, path, head, classes))

    def narrow(self, keep: Mapping[int, Sequence[int]]) -> Plan:
        """Return the plan with fewer channels: for each named class the channels to keep.

        Classes are numbered as `widths` has them. Raises `Refusal` (E0620) for one that is frozen.
        """
        rows = {number: tuple(sorted(set(kept))) for number, kept in keep.items()}
        return self._edited(narrow_edit(self.graph, self.widths, rows))

    def widen(self, sizes: Mapping[int, int]) -> Plan:
        """Return the plan with more channels: for each named class their new number.

        What is added are copies of the channels there are, one after the other, and weights that
        read them are shared among the copies: the network computes what it did before (Net2Net,
        Chen et al., 2016). Raises `Refusal` (E0620) for one that is frozen.
        """
        rows = {}
        for number, size in sizes.items():
            found = free_class(self.widths, number)
            if size < found.size:
                raise Refusal("E0620", f"{found.name} has {found.size} channels, {size} are fewer")
            if size > (most := self.network.session.limits.elements):
                raise Refusal(
                    "E0620", f"{found.name} cannot have {size:,} channels: {most:,} at most"
                )
            rows[number] = tuple(channel % found.size for channel in range(size))
        return self._edited(narrow_edit(self.graph, self.widths, rows))

    def repeated(self, path: str, turns: int) -> Plan:
        """Return the plan with another number of turns of a labelled repeat.

        Turns that are added are like the last one, which must give what it takes; their weights are
        new. Raises `Refusal` (E0620).
        """
        if turns > (most := self.network.session.limits.nodes):
            raise Refusal("E0620", f"{path} cannot have {turns:,} turns: {most:,} at most")
        return self._edited(turns_edit(self.graph, self.widths, path, turns))

    def replaced(self, path: str, text: str) -> Plan:
        """Return the plan with another element in a node's place: `replaced("relu", "GELU")`.

        It keeps the node's label; its weights are new, and so are those that no longer fit what
        they read. Raises `Refusal`: E0620 for what is no element, E0621 where the text has an error
        or is more than that element.
        """
        return self._edited(replace_edit(self.graph, self.widths, path, text))

    def inserted(self, path: str, text: str) -> Plan:
        """Return the plan with a labelled element behind a node:
        `inserted("stage1", "extra: Conv2d(16, 3, padding = 1)")`. Raises `Refusal` as `replaced`.
        """
        return self._edited(insert_edit(self.graph, self.widths, path, text))

    def _edited(self, edit: Edit) -> Plan:
        """Return the plan of an edited text, once it has been checked: the user's own text if it
        can be patched, else one written from the graph."""
        notes: list[str] = []
        network = self._patched(edit, notes) or self._written(edit)
        # What was put in place of something may read or make other sizes: weights that no longer
        # fit are new.
        slices = edit.slices if edit.narrowed else _fitting(edit.slices, self.graph, network.graph)
        return replace(
            self, network=network, slices=(*self.slices, slices), notes=(*self.notes, *notes)
        )

    def _patched(self, edit: Edit, notes: list[str]) -> Network | None:
        """Return the network with the edit made in its text; None if the text then is not what was
        planned. Assertions that no longer hold are removed, and noted."""
        ways = (
            (network, follow)
            # From the text as it is to what is said otherwise most: the first that is right is
            # kept.
            for network in reworded(self.network, self.folder)
            for follow in (True, False)
        )
        for network, follow in ways:
            try:
                found, gone = self._patched_network(network, edit, follow=follow)
            except (DiagnosticError, Unpatched, Unwritable):
                continue
            if _reads_alike(self.graph, found.graph, edit):
                notes += [f"{one} no longer holds, and is left out" for one in gone]
                return found
        return None

    def _patched_network(
        self, network: Network, edit: Edit, *, follow: bool
    ) -> tuple[Network, list[str]]:
        """Return the edited network, and the asserts that are left out."""
        graph, file = network.graph, network.session.file
        widths = self.widths  # by path the same, however the network is said
        own = {} if graph.definition is None else graph.definition.env.names
        taken = Taken({name: bound.value for name, bound in own.items()})
        uses = UsesOf(widths.unfolded, taken, edit.changes, edit.narrowed)
        text = patched_text(graph, widths, file, edit, uses, taken, follow=follow)
        gone = list[str]()
        try:
            found = self._read(format_source(Source(file.source.name, text)))
        except DiagnosticError as error:
            text, gone = without_asserts(error.diagnostics)
            found = self._read(format_source(Source(file.source.name, text)))
        edit.check(found.graph, unfold(found.graph))
        return found, gone

    def _written(self, edit: Edit) -> Network:
        graph, taken = self.graph, Taken()
        uses = UsesOf(self.widths.unfolded, taken, edit.changes, edit.narrowed)
        try:
            body = "\n".join(write_body(graph, edit.changes, uses))
            text = "\n".join([*taken.lines(), "", f"network {graph.name} {{\n{body}\n}}", ""])
            name = self.network.session.source.name
            network = self._read(_head_comment(self) + format_source(Source(name, text)))
        except DiagnosticError as error:
            if error.diagnostics[0].code == "E0620":
                raise
            said = error.diagnostics[0].message
            given = edit.changes.texts or edit.changes.inserted
            what = "what was given" if given else "the text that was written"
            raise Refusal("E0621", f"{what} has an error: {said}") from error
        edit.check(network.graph, unfold(network.graph))
        return network

    def _read(self, text: str) -> Network:
        """Return the network of an edited text; lines that stay keep their comments."""
        before, definition = self.network.session.source, self.graph.definition
        name = self.graph.name if definition is None else definition.name
        text = with_comments(text, before, name, self.graph.name)
        source = Source(before.name, text)
        return Network(Session(source, folder=self.folder), self.graph.name)

    # ------------------------------------------------------------------------------------- weights

    def apply(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new network's tensors, made from those of the network that the plan began
        with.

        Tensors of torch or numpy. A new head's are not among them.
        """
        found: dict[str, Any] = dict(weights)
        for step in self.slices:
            kept = {}
            for key, rows in step.items():
                if key in found:
                    kept[key] = _sliced(found[key], rows)
            found = kept
        return found


def start(network: Network | str | Path) -> Plan:
    """Return the plan of a network in which nothing is changed yet: `start("ResNet18")`."""
    if not isinstance(network, Network):
        network = load(network)
    return Plan(network)


def _reads_alike(old: Graph, new: Graph, edit: Edit) -> bool:
    """Return True if a network has its old inputs, and no weights but those that stay and those
    that the edit says."""
    count = len(old.inputs)
    if write_inputs(old)[:count] != write_inputs(new)[:count]:
        return False
    if not edit.changes.cut:
        return True
    labels = {match[1] for match in re.finditer(r"(\w+): ", edit.changes.head)}
    added = (key for key in weights_of(new) if key not in edit.slices)
    return all(key.partition(".")[0] in labels for key in added)


def _fitting(slices: Slices, old: Graph, new: Graph) -> Slices:
    """Return the slices of the tensors that have kept their shape."""
    before, after = weights_of(old), weights_of(new)
    return {
        key: rows
        for key, rows in slices.items()
        if key in before and key in after and before[key].shape == after[key].shape
    }


def _sliced(tensor: Any, rows: tuple[Rows | None, ...]) -> Any:
    for axis, kept in enumerate(rows):
        if kept is not None:
            tensor = tensor[(slice(None),) * axis + (list(kept),)]
            if isinstance(kept, Shared):
                counts = Counter(kept)
                last = tensor.ndim - 1 - axis
                # A weight that reads k copies of a channel is divided by k, so that the sum is what
                # it was.
                tensor = tensor * _like(tensor, [1 / counts[place] for place in kept], last)
    return tensor


def _like(tensor: Any, values: list[float], after: int) -> Any:
    """Return numbers as a tensor of the same kind, with `1`s as further dimensions at its end."""
    import numpy as np

    found = np.asarray(values).reshape(-1, *[1] * after)
    return found if isinstance(tensor, np.ndarray) else tensor.new_tensor(found)


def _head_comment(plan: Plan) -> str:
    """Return the comment at the head of the file, its figures left out: they hold no longer."""
    rows = []
    for row in plan.text.splitlines():
        if not row.startswith("#"):
            break
        rows.append(row)
    kept = [row for row in rows if " parameters, " not in row]
    while kept and kept[-1].strip() == "#":
        kept.pop()
    return "\n".join([*kept, "", ""]) if kept else ""


__all__ = ["Plan", "start"]
