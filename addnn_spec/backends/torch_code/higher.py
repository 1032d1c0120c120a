"""Operators with a layer for an argument: small classes of the emitted file that hold the layer.

The layer is their child by the argument's name, so that its weights' keys are `lstm.cell.…`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from addnn_spec.backends.torch_code.tree import Leaf, Tree
from addnn_spec.graph import Node
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Arg, Call, Support
from addnn_spec.ops.higher import Scan, TimeDistributed

_SCAN = Support(
    "Scan",
    '''\
class Scan(nn.Module):
    """Runs a cell over time: it takes a step and the states, and returns y and the new states."""

    def __init__(self, cell: nn.Module, states: int, dim: int = 1, reverse: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.states = states
        self.dim = dim
        self.reverse = reverse

    def forward(self, sequence: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        states, fixed = list(inputs[: self.states]), inputs[self.states :]
        steps = sequence.unbind(self.dim)
        ys: list[Tensor] = []
        for x in reversed(steps) if self.reverse else steps:
            made = self.cell(x, *states, *fixed)
            y, *states = made if self.states else (made,)
            ys.append(y)
        return torch.stack(ys[::-1] if self.reverse else ys, self.dim), *states
''',
)

_REPEATED = Support(
    "Repeated",
    '''\
class Repeated(nn.Module):
    """Runs a cell a number of times: it takes the states, and returns y and the new states."""

    def __init__(self, cell: nn.Module, states: int, steps: int, dim: int = 1) -> None:
        super().__init__()
        self.cell = cell
        self.states = states
        self.steps = steps
        self.dim = dim

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        states, fixed = list(inputs[: self.states]), inputs[self.states :]
        ys: list[Tensor] = []
        for _ in range(self.steps):
            made = self.cell(*states, *fixed)
            y, *states = made if self.states else (made,)
            ys.append(y)
        return torch.stack(ys, self.dim), *states
''',
)

_TIME_DISTRIBUTED = Support(
    "TimeDistributed",
    '''\
class TimeDistributed(nn.Module):
    """Applies a layer to every step of a sequence [N, T, …], laid side by side in the batch."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, sequence: Tensor, *fixed: Tensor) -> Tensor:
        y: Tensor = self.layer(sequence.flatten(0, 1), *fixed)
        return y.reshape(*sequence.shape[:2], *y.shape[1:])
''',
)


HIGHER = (_SCAN, _REPEATED, _TIME_DISTRIBUTED)
"""All that this module may need in the file."""


class Higher(NamedTuple):
    """The constructor of a higher operator's class, and how what it returns unpacks."""

    constructor: Tree
    support: tuple[Support, ...]
    pattern: tuple[Any, ...] | None = None


def higher_call(node: Node, op: Operator, layers: list[Tree]) -> Higher:
    """How a node with layer arguments is made: `Scan(LSTMCell(300, 250), states=2)`."""
    layer = Arg(layers[0])
    if isinstance(op, TimeDistributed):
        return Higher(Call("TimeDistributed", (layer,)), (_TIME_DISTRIBUTED,))
    if not isinstance(op, Scan):
        raise TypeError(f"{type(op).__name__} has layers, and the backend does not know it")
    states = len(node.outputs) - 1
    args = [layer, Arg(Leaf(states, "states"), "states")]
    pattern = tuple(range(len(node.outputs)))
    if op.steps is not None:
        args.append(Arg(Leaf(op.steps, "steps"), "steps"))
        args.append(Arg(Leaf(op.dim, "dim"), "dim", 1))
        return Higher(Call("Repeated", tuple(args)), (_REPEATED,), pattern)
    args.append(Arg(Leaf(op.dim, "dim"), "dim", 1))
    args.append(Arg(Leaf(op.reverse, "reverse"), "reverse", False))
    return Higher(Call("Scan", tuple(args)), (_SCAN,), pattern)
