"""The names of sizes of inputs: `in_channels` after what takes them, else by text or place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from addnn_spec.backends.torch_code.parameters import Leaves
from addnn_spec.backends.torch_code.tree import SizeOf

CHANNELS = frozenset({"in_channels", "num_channels", "num_features"})
"""The arguments that are the size of dimension 1."""
LAST = frozenset({"d_model", "embed_dim", "in1_features", "in_features", "input_size"}) | {
    "normalized_shape"
}
"""The arguments that are the size of the last dimension."""

_SPACE = {3: ("length",), 4: ("height", "width"), 5: ("depth", "height", "width")}
"""By rank, the dimensions that are neither samples nor channels."""


def takers(columns: Sequence[Leaves]) -> dict[tuple[str, int], str]:
    """Return the argument that takes each size of an input: torch's word."""
    found: dict[tuple[str, int], str] = {}
    for leaves in columns:
        match leaves.origins:
            case (SizeOf(input, dim), *_) if leaves.word in CHANNELS | LAST:
                found.setdefault((input, dim), leaves.word)
    return found


def axis(dim: int, rank: int, taken: Mapping[int, str], said: Mapping[int, str]) -> str:
    """Name a dimension of a tensor.

    `taken` are the arguments that are the sizes of its dimensions, `said` what the text calls them.
    """
    last = rank - 1
    featured = rank == 2 or taken.get(last) in LAST
    if taken.get(dim) in CHANNELS and rank > 2:
        return "channels"
    if dim == last and featured:
        return "features"
    if dim in said:
        return said[dim]
    if taken.get(dim) in LAST and not featured:  # behind a pooling, or transposed
        return "features"
    # Where nothing tells which dimension the channels are, three are samples, tokens, features.
    first = taken.get(1) in CHANNELS or said.get(1) == "channels" or said.get(last) == "width"
    known = first or featured or said.get(last) == "features" or rank == 3
    space = _SPACE.get(rank, ()) if known else ()
    names = ("channels", *space) if first else (*space, "features")
    return names[dim - 1] if space and dim > 0 else f"size_{dim}"
