"""Recurrent layers over whole sequences, always batch-first, and their cells for one step."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, TensorType, Weight
from addnn_spec.ops.checks import check_dtype, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke, Own, Seq, Support
from addnn_spec.ops.fields import NonNegativeInt, PositiveInt, Probability
from addnn_spec.ops.init import Init
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size

RUN_PACKED = Support(
    "run_packed",
    '''\
def run_packed(
    rnn: nn.RNNBase, input: Tensor, lengths: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run over sequences of these lengths: what follows a sequence's end is 0."""
    packed = nn.utils.rnn.pack_padded_sequence(
        input, lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    output, last = rnn(packed, state)
    padded, _ = nn.utils.rnn.pad_packed_sequence(
        output, batch_first=True, total_length=input.shape[1]
    )
    return padded, last
''',
)
RUN_PACKED_LSTM = Support(
    "run_packed_lstm",
    '''\
def run_packed_lstm(
    lstm: nn.LSTM, input: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run over sequences of these lengths: what follows a sequence's end is 0."""
    packed = nn.utils.rnn.pack_padded_sequence(
        input, lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    output, last = lstm(packed, state)
    padded, _ = nn.utils.rnn.pad_packed_sequence(
        output, batch_first=True, total_length=input.shape[1]
    )
    return padded, last
''',
)


class _Gated(Initialized):
    """What whole layers and cells share: the gates, and their cost a step."""

    family = "recurrent"
    inferred_names = ("input_size",)
    gates: ClassVar[int]
    """How many times hidden_size each product gives."""
    step_operations: ClassVar[int]
    """Sums, products and activations a hidden unit and step, biases left out."""

    hidden_size: PositiveInt

    def inferred(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Size]:
        return {"input_size": input.shape[-1]}

    def check_state(self, state: TensorType | None, shape: tuple[Size, ...], index: int) -> None:
        """Check that an initial state, where it is given, has the shape of the last one."""
        if state is None:
            return
        check_dtype(self, state, "float", input=index)
        if state.shape != shape:
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s {self.input_names[index]} is {state}, where "
                f"{TensorType('float', shape)} is needed",
                input=index,
            )


class _Recurrent(_Gated):
    """Layers over a sequence. Every layer's input is the output of the one before."""

    stateful = True
    stacks = "num_layers"

    num_layers: PositiveInt = 1

    @property
    def options(self) -> tuple[bool, float, bool, int]:
        """`bias`, `dropout`, `bidirectional` and `proj_size`: fields of each, in torch's order."""
        values: Any = self
        proj_size: int = getattr(self, "proj_size", 0)
        return values.bias, values.dropout, values.bidirectional, proj_size

    def unusual(self, *inputs: TensorType | None) -> int:
        return int(self.num_layers > min(self.hidden_size, 8))

    @property
    def out_size(self) -> int:
        """The features of one direction's output, and of the state h."""
        return self.options[3] or self.hidden_size

    @property
    def directions(self) -> int:
        return 2 if self.options[2] else 1

    def checked(
        self,
        x: TensorType,
        states: tuple[TensorType | None, ...],
        lengths: TensorType | None,
    ) -> tuple[TensorType, ...]:
        """Check what flows in and the initial states; return the types of the outputs."""
        check_rank(self, x, "N, T, features")
        check_dtype(self, x, "float")
        self._check_fields()
        types = self._outputs(x)
        for index, (state, last) in enumerate(zip(states, types[1:], strict=True), 1):
            self.check_state(state, last.shape, index)
        if lengths is not None:
            self._check_lengths(lengths, x, len(types))
        self.check_options(x)
        return types

    def _check_fields(self) -> None:
        _, dropout, _, proj_size = self.options
        if dropout and self.num_layers == 1:
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s dropout acts between its layers, and it has one",
                about="dropout",
                help="put a Dropout after it, or give num_layers",
            )
        if proj_size >= self.hidden_size:
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s proj_size {proj_size} must be smaller than its hidden_size, "
                f"{self.hidden_size}",
                about="proj_size",
            )

    def _check_lengths(self, lengths: TensorType, x: TensorType, index: int) -> None:
        check_rank(self, lengths, "N", input=index)
        check_dtype(self, lengths, "int", input=index)
        if lengths.shape != x.shape[:1]:
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s lengths are {lengths}, not one for each of "
                f"{x.shape[0]} sequences",
                input=index,
            )

    def _outputs(self, x: TensorType) -> tuple[TensorType, ...]:
        batch, steps, _ = x.shape
        y = x.with_shape(batch, steps, self.out_size * self.directions)
        return y, x.with_shape(self.num_layers * self.directions, batch, self.out_size)

    def _input_sizes(self, x: TensorType) -> Iterator[Size]:
        """Yield the features of each layer's input."""
        yield x.shape[-1]
        for _ in range(1, self.num_layers):
            yield self.out_size * self.directions

    def weights(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        bias, _, _, proj_size = self.options
        rows = self.gates * self.hidden_size
        found: dict[str, Weight] = {}
        for layer, size in enumerate(self._input_sizes(input)):
            for direction in ("", "_reverse")[: self.directions]:
                end = f"_l{layer}{direction}"
                found[f"weight_ih{end}"] = Weight((rows, size))
                found[f"weight_hh{end}"] = Weight((rows, self.out_size))
                if bias:
                    found[f"bias_ih{end}"] = Weight((rows,))
                    found[f"bias_hh{end}"] = Weight((rows,))
                if proj_size:
                    found[f"weight_hr{end}"] = Weight((proj_size, self.hidden_size))
        return found

    def macs(self, input: TensorType, *rest: TensorType | None) -> Size:
        _, _, _, proj_size = self.options
        layers = self.num_layers
        read = input.shape[-1] + (layers - 1) * self.out_size * self.directions
        products = self.gates * self.hidden_size * (read + layers * self.out_size)
        each_step = products + layers * proj_size * self.hidden_size
        return input.shape[0] * input.shape[1] * self.directions * each_step

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        units = self.num_layers * self.directions * self.hidden_size
        return {"elementwise": input.shape[0] * input.shape[1] * units * self.step_operations}

    def constructor(self, input: TensorType, *rest: TensorType | None) -> Call | None:
        made = super().constructor(input)
        assert made is not None
        return Call(made.fn, (*made.args, Arg(value=True, name="batch_first", default=False)))

    def run(self, states: tuple[In, ...], lengths: In | None) -> Code:
        """Return the call with the initial states, over sequences of the lengths, where given."""
        state = (Arg(Seq(states) if len(states) > 1 else states[0]),) if states else ()
        if lengths is None:
            return Invoke((Arg(In(0)), *state))
        # torch wants lengths as a packed sequence, which takes four statements: a function of the
        # file.
        return Call(self._packed.name, (Arg(Own()), Arg(In(0)), Arg(lengths), *state))

    @property
    def _packed(self) -> Support:
        return RUN_PACKED

    @property
    def support(self) -> tuple[Support, ...]:
        return (self._packed,)


class _OneState(_Recurrent):
    """Layers whose only state is h."""

    def infer(
        self,
        input: TensorType,
        h0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> tuple[TensorType, ...]:
        return self.checked(input, (h0,), lengths)

    def call(
        self,
        input: TensorType,
        h0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> Code:
        return self.run((In(1),) if h0 else (), In(2) if lengths else None)


class RNN(_OneState):
    """Elman layers over sequences. `[N, T, in]` → y `[N, T, D·hidden]`, h `[layers·D, N, hidden]`.

    `h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)`; `D` is 2 if bidirectional, else 1. `h0`
    is the initial state; `lengths`, `int[N]`, are the sequences' own, at most `T`.
    MACs a layer and direction: `N·T·hidden·(in + hidden)`.
    """

    output_names = ("output", "h")
    gates = 1
    step_operations = 2

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    bias: bool = True
    dropout: Probability = 0.0
    bidirectional: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 7, 5))
        return (
            Example(cls(hidden_size=4), (x, None, None)),
            Example(
                cls(hidden_size=4, nonlinearity="relu", bidirectional=True),
                (x, TensorType("float", (2, 2, 4)), TensorType("int", (2,))),
            ),
        )


class GRU(_OneState):
    """Gated recurrent units. `[N, T, in]` → y `[N, T, D·hidden]`, h `[layers·D, N, hidden]`.

    `r, z = σ(…)`, `n = tanh(W_in x + b_in + r·(W_hn h + b_hn))`, `h ← (1 − z)·n + z·h`; `D` is 2 if
    bidirectional, else 1. `h0` is the initial state; `lengths`, `int[N]`, are the sequences' own.
    MACs a layer and direction: `N·T·3·hidden·(in + hidden)`. Cho et al., 2014, arXiv:1406.1078.
    """

    output_names = ("output", "h")
    gates = 3
    step_operations = 11

    bias: bool = True
    dropout: Probability = 0.0
    bidirectional: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 7, 5))
        return (
            Example(cls(hidden_size=4), (x, None, None)),
            Example(
                cls(hidden_size=4, num_layers=2, bias=False, dropout=0.5),
                (x, TensorType("float", (2, 2, 4)), None),
            ),
            Example(
                cls(hidden_size=4, weight_init=Init("orthogonal"), bias_init=Init("zeros")),
                (x, None, TensorType("int", (2,))),
            ),
        )


class LSTM(_Recurrent):
    """Long short-term memory. `[N, T, in]` → y `[N, T, D·out]`, h `[layers·D, N, out]`, c.

    `i, f, o = σ(…)`, `g = tanh(…)`, `c ← f·c + i·g`, `h = o·tanh(c)`; c is `[layers·D, N, hidden]`;
    `out` is `proj_size` if given, else hidden; `D` is 2 if bidirectional, else 1. `h0` and `c0`
    are the initial states, given together; `lengths`, `int[N]`, are the sequences' own.
    MACs a layer and direction: `N·T·(4·hidden·(in + out) + proj_size·hidden)`.
    Hochreiter and Schmidhuber, 1997.
    """

    output_names = ("output", "h", "c")
    gates = 4
    step_operations = 13

    bias: bool = True
    dropout: Probability = 0.0
    bidirectional: bool = False
    proj_size: NonNegativeInt = 0

    def infer(
        self,
        input: TensorType,
        h0: TensorType | None = None,
        c0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> tuple[TensorType, ...]:
        check_both_states(self, h0, c0)
        return self.checked(input, (h0, c0), lengths)

    def call(
        self,
        input: TensorType,
        h0: TensorType | None = None,
        c0: TensorType | None = None,
        lengths: TensorType | None = None,
    ) -> Code:
        return self.run((In(1), In(2)) if h0 and c0 else (), In(3) if lengths else None)

    def _outputs(self, x: TensorType) -> tuple[TensorType, ...]:
        y, h = super()._outputs(x)
        return y, h, h.with_shape(*h.shape[:2], self.hidden_size)

    @property
    def result(self) -> tuple[Any, ...]:
        return (0, (1, 2))

    @property
    def _packed(self) -> Support:
        return RUN_PACKED_LSTM

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 7, 5))
        state = TensorType("float", (4, 2, 6))
        return (
            Example(cls(hidden_size=4), (x, None, None, None)),
            Example(cls(hidden_size=6, num_layers=2, bidirectional=True), (x, state, state, None)),
            Example(
                cls(hidden_size=6, num_layers=2, bidirectional=True, proj_size=3),
                (x, None, None, None),
            ),
            Example(cls(hidden_size=4, bias=False), (x, None, None, TensorType("int", (2,)))),
            Example(
                cls(hidden_size=6, num_layers=2, bidirectional=True),
                (x, state, state, TensorType("int", (2,))),
            ),
        )


class _Cell(_Gated):
    """One step of a recurrent layer."""

    output_names: ClassVar[tuple[str, ...]] = ("h",)

    bias: bool = True

    def infer(
        self, input: TensorType, hx: TensorType | None = None
    ) -> TensorType | tuple[TensorType, ...]:
        return self.step(input, hx)

    def step(self, x: TensorType, *states: TensorType | None) -> TensorType:
        """Check what flows in and the states before; return the type of the new state."""
        check_rank(self, x, "N, features")
        check_dtype(self, x, "float")
        h = x.with_shape(x.shape[0], self.hidden_size)
        for index, state in enumerate(states, 1):
            self.check_state(state, h.shape, index)
        self.check_options(x)
        return h

    def weights(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        rows = self.gates * self.hidden_size
        found = {
            "weight_ih": Weight((rows, input.shape[-1])),
            "weight_hh": Weight((rows, self.hidden_size)),
        }
        biases = {"bias_ih": Weight((rows,)), "bias_hh": Weight((rows,))}
        return found | biases if self.bias else found

    def macs(self, input: TensorType, *rest: TensorType | None) -> Size:
        batch, size = input.shape
        return batch * self.gates * self.hidden_size * (size + self.hidden_size)

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        batch = input.shape[0]
        return {"elementwise": batch * self.hidden_size * self.step_operations}


class RNNCell(_Cell):
    """One step of an Elman layer. `[N, in]`, `[N, hidden]` → `[N, hidden]`.

    `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`; a missing `h` is zeros.
    MACs: `N·hidden·(in + hidden)`.
    """

    gates = 1
    step_operations = 2

    nonlinearity: Literal["tanh", "relu"] = "tanh"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, h = TensorType("float", (2, 5)), TensorType("float", (2, 4))
        return (
            Example(cls(hidden_size=4), (x, h)),
            Example(cls(hidden_size=4, nonlinearity="relu", bias=False), (x, None)),
        )


class GRUCell(_Cell):
    """One step of a gated recurrent unit. `[N, in]`, `[N, hidden]` → `[N, hidden]`.

    As GRU's step; a missing `h` is zeros. MACs: `N·3·hidden·(in + hidden)`.
    """

    gates = 3
    step_operations = 11

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, h = TensorType("float", (2, 5)), TensorType("float", (2, 4))
        return (Example(cls(hidden_size=4), (x, h)), Example(cls(hidden_size=4), (x, None)))


class LSTMCell(_Cell):
    """One step of a long short-term memory. `[N, in]`, h and c `[N, hidden]` → h and c.

    As LSTM's step; missing states are zeros. MACs: `N·4·hidden·(in + hidden)`.
    """

    output_names = ("h", "c")
    gates = 4
    step_operations = 13

    def infer(
        self, input: TensorType, h0: TensorType | None = None, c0: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        check_both_states(self, h0, c0)
        h = self.step(input, h0, c0)
        return h, h

    def call(
        self, input: TensorType, h0: TensorType | None = None, c0: TensorType | None = None
    ) -> Code:
        state = (Arg(Seq((In(1), In(2)))),) if h0 and c0 else ()
        return Invoke((Arg(In(0)), *state))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, h = TensorType("float", (2, 5)), TensorType("float", (2, 4))
        return (
            Example(cls(hidden_size=4), (x, h, h)),
            Example(cls(hidden_size=4, bias=False), (x, None, None)),
        )


def check_both_states(operator: _Gated, h0: TensorType | None, c0: TensorType | None) -> None:
    """`h0` and `c0` are given together."""
    if (h0 is None) != (c0 is None):
        missing = "h0" if h0 is None else "c0"
        raise Refusal(
            "E0202",
            f"{name_of(operator)} gets one initial state: {missing} is missing",
            input=1 if missing == "c0" else 2,
            help="give h0 and c0, or neither",
        )
