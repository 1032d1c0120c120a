"""How channels pass an operator, beyond what its `reach` says: for widths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Side = Literal["in", "out"] | None
"""What an axis of a weight counts: the channels that flow in, those that flow out, or neither."""


class Channels(NamedTuple):
    """What an operator does with channels, which its first input has along `axis`.

    * `makes`: each output channel is of all input channels (`Conv2d`); the output has as many as
      the attribute `fields[0]` says, along the same axis
    * `keeps`: each output channel is of the one input channel of its place (`BatchNorm2d`, a
      depthwise convolution); `fields` are the attributes that say their number
    * `joins`: the inputs' channels one after the other (`Concat`)
    * `parts`: its outputs are the input's channels in parts (`Split`)
    * `pads`: channels of zeros are put before and after (`Pad`)
    """

    does: Literal["makes", "keeps", "joins", "parts", "pads"]
    axis: int
    fields: tuple[str, ...] = ()
    tensors: Mapping[str, tuple[Side, ...]] = {}
    """By the operator's names in its `state_dict`; those that are left out have no channels."""
    zeros: tuple[int, int] = (0, 0)
    """How many channels of zeros stand before and after."""


__all__ = ["Channels", "Side"]
