"""Operators that run a layer over time.

In the emitted file each is a small class that holds the layer, by the argument's name: the keys of
its weights are `lstm.cell.…`.
"""

from typing import Any, ClassVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import HigherOperator, TensorType
from addnn_spec.ops.code import Arg, Call, Code, Support
from addnn_spec.ops.fields import PositiveInt
from addnn_spec.sizes import Size

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


class Scan(HigherOperator):
    """Runs a cell over the steps of a sequence, handing its states from step to step.

    The cell takes `(x, s1 … sk)`, one step and the states, and returns `y, s1 … sk`. The inputs are
    the sequence `[N, T, *]` (time at `dim`) and the first states; a state that does not flow in
    begins as the cell's default for it. The outputs are the stacked `y`, `[N, T, *]`, and the last
    states. Inputs that the cell is given by name are the same at each step. With `reverse` the
    steps go from the last to the first, and `y` keeps the order of the sequence. With `steps` there
    is no sequence: the cell takes the states alone, and runs that often.
    """

    family = "higher"
    layers: ClassVar[tuple[str, ...]] = ("cell",)
    input_names: ClassVar[tuple[str, ...]] = ("sequence", "states")
    optional_inputs: ClassVar[tuple[str, ...]] = ("sequence", "states")
    output_names: ClassVar[tuple[str, ...]] = ("outputs", "states")
    torch_name: ClassVar[str | None] = ""
    stepwise: ClassVar[bool] = True
    has_states: ClassVar[bool] = True
    returns_tuple: ClassVar[bool] = True

    cell: Any
    dim: int = 1
    reverse: bool = False
    steps: PositiveInt | None = None

    def layer_inputs(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if self.steps is not None:
            return inputs
        if not inputs:
            raise Refusal("E0205", "Scan takes a sequence, and nothing flows in")
        sequence = inputs[0]
        dim = self._dim(sequence)
        step = (*sequence.shape[:dim], *sequence.shape[dim + 1 :])
        return (TensorType(sequence.dtype, step), *inputs[1:])

    def _dim(self, sequence: TensorType) -> int:
        if not -sequence.rank <= self.dim < sequence.rank:
            raise Refusal(
                "E0306",
                f"Scan goes along dimension {self.dim}, and the sequence has {sequence.rank}",
                about="dim",
            )
        return self.dim % sequence.rank

    def turns(self, *inputs: TensorType) -> Size:
        """Return the number of steps."""
        if self.steps is not None:
            return self.steps
        return inputs[0].shape[self._dim(inputs[0])]

    def infer_layer(
        self, outputs: tuple[TensorType, ...], *inputs: TensorType
    ) -> tuple[TensorType, ...]:
        states = inputs if self.steps is not None else inputs[1:]
        if len(outputs) != len(states) + 1:
            raise Refusal(
                "E0205",
                f"the cell returns {len(outputs)} tensors; Scan wants y and {len(states)} states",
                about="cell",
                help="return y, and then each state in the order in which the cell takes them",
            )
        for number, (before, after) in enumerate(zip(states, outputs[1:], strict=True), 1):
            # The state that comes out is the next step's state: it must be what goes in.
            if before != after:
                raise Refusal(
                    "E0303",
                    f"state {number} goes in as {before} and comes out as {after}",
                    about="cell",
                )
        y = outputs[0]
        # One dimension more than a step has.
        dim = self.dim % (y.rank + 1)
        stacked = (*y.shape[:dim], self.turns(*inputs), *y.shape[dim:])
        return (TensorType(y.dtype, stacked), *outputs[1:])

    @property
    def support(self) -> tuple[Support, ...]:
        return (_SCAN if self.steps is None else _REPEATED,)

    def holder(self, layer: Code, outputs: int) -> Call:
        states, dim = Arg(outputs - 1, "states"), Arg(self.dim, "dim", 1)
        if self.steps is not None:
            return Call("Repeated", (Arg(layer), states, Arg(self.steps, "steps"), dim))
        return Call("Scan", (Arg(layer), states, dim, Arg(self.reverse, "reverse", False)))


class TimeDistributed(HigherOperator):
    """Applies one layer, with one set of weights, to every step of a sequence `[N, T, *]`.

    The steps are laid side by side in the batch, `[N · T, *]`, so that a layer for images works on
    a video, and the output is `[N, T, *]` again.
    """

    family = "higher"
    layers: ClassVar[tuple[str, ...]] = ("layer",)
    torch_name: ClassVar[str | None] = ""
    stepwise: ClassVar[bool] = True

    layer: Any

    def layer_inputs(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if len(inputs) != 1:
            raise Refusal("E0205", f"TimeDistributed takes one tensor, and {len(inputs)} flow in")
        x = inputs[0]
        if x.rank < 3:
            raise Refusal("E0302", f"TimeDistributed takes a sequence [N, T, …], not {x}", input=0)
        return (TensorType(x.dtype, (x.shape[0] * x.shape[1], *x.shape[2:])),)

    def infer_layer(
        self, outputs: tuple[TensorType, ...], *inputs: TensorType
    ) -> tuple[TensorType, ...]:
        n, t = inputs[0].shape[:2]
        for output in outputs:
            # Else rows could not be told apart again into samples and steps.
            if output.shape[0] != n * t:
                raise Refusal(
                    "E0303",
                    f"the layer turns a batch of {n * t} into {output.shape[0]}: "
                    "each step must keep its own result",
                    about="layer",
                )
        return tuple(TensorType(o.dtype, (n, t, *o.shape[1:])) for o in outputs)

    @property
    def support(self) -> tuple[Support, ...]:
        return (_TIME_DISTRIBUTED,)
