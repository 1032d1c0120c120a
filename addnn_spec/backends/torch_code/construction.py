"""How graphs that have a class, or are a Sequential, are made where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from addnn_spec.backends.torch_code.list_inputs import ListInput
from addnn_spec.backends.torch_code.tree import Tree


@dataclass(frozen=True, slots=True)
class Form:
    """How a graph is made where it is used: the constructor call, its literals as leaves."""

    constructor: Tree
    ports: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[ListInput, ...] = ()
    """Its inputs that are lists."""
    function: bool = False
    """It is a function of the file: it is given its tensors, and then these arguments."""
    listed: bool = False
    """It is an `nn.ModuleList`: what uses it goes through it in a loop."""


Forms = Mapping[int, Form]
"""By `id` of the graph."""
