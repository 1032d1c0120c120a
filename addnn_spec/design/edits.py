"""What an edit is: what the text says otherwise, what becomes of the weights, what must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from addnn_spec.design.writing import TextChanges
from addnn_spec.diagnostics import Refusal, near
from addnn_spec.graph import OWN, Graph
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.unfold import Unfolded

if TYPE_CHECKING:
    from addnn_spec.design.narrowing import Narrowed

Rows = tuple[int, ...]
"""Places of an axis, in the old tensor."""


class Shared(tuple[int, ...]):
    """Places of an axis that weights read of which some are copies of one: each copy carries its
    part of the weight, so that together they give the same."""


Slices = Mapping[str, tuple[Rows | None, ...]]
"""By key of the new `state_dict`: for each axis of the old tensor, which places stay; None: all."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a network, planned."""

    changes: TextChanges
    slices: Slices
    check: Callable[[Graph, Unfolded], None]
    """Raises `Refusal` (E0621) where the new text's graph is not what was planned."""
    narrowed: Narrowed | None = None
    """The new sizes, where some are new."""


def scope_of_owner(owner: str) -> str:
    """Return what the keys of a node's weights begin with."""
    return owner[: -len(OWN)] if owner == OWN or owner.endswith(f".{OWN}") else f"{owner}."


def keys_of(graph: Graph) -> list[str]:
    return list(weights_of(graph))


def no_node(path: str, known: Iterable[str]) -> Refusal:
    """Return the refusal of a path, with one that is near it, or ends alike."""
    paths = list(known)
    close = near(path, paths) or near(path, {one.rpartition(".")[2]: one for one in paths})
    ends = [one for one in paths if close and (one == close[0] or one.endswith(f".{close[0]}"))]
    first = list(dict.fromkeys(one.partition(".")[0] for one in paths))
    help = f"did you mean {ends[0]}?" if ends else f"there are {', '.join(first[:_SHOWN])}"
    return Refusal("E0620", f"there is no node {path}", help=help)


_SHOWN = 12


__all__ = ["Edit", "Rows", "Shared", "Slices", "keys_of", "no_node", "scope_of_owner"]
