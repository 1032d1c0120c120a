"""The base of every operator: attributes, shape rule, weights, costs and code, in one class.

An operator is a frozen pydantic model. Its fields are the attributes that a user writes, in torch's
order, less what is inferred from the inputs. Everything else about it is a method that reads the
fields and the types of the inputs:

* `infer`        the types of the outputs; raises `DiagnosticError` for what torch would refuse
* `needs`    what torch asks of the sizes beyond that no output's size is 0
* `inferred` the attributes that torch wants and we infer (`in_channels`)
* `composed` what a size of the output is made of: emitted code says it so
* `unusual`  how many of its numbers are unusual: tells torch's order from ours
* `weights`  the learned tensors, by `state_dict` name; parameters are counted from it
* `buffers`  the fixed tensors of its `state_dict`
* `channels` how channels pass, where `reach` does not say it: which widths are one
* `macs`     multiply-accumulates of convolutions and matrix products (docs/costs.md)
* `flops`    other operations, by class: see `FlopClass`
* `constructor`, `functional`, `call`: the emitted code, as a tree (`ops/code.py`)
* `examples()`        instances and input types, tested against live torch by `tests/ops`

Each is given the types of the inputs. An operator names those that it reads, as in
`def infer(self, query, key, value, attn_mask=None)`: its `input_names` and `optional_inputs` are
read off `infer`. An optional input that is not given is None. Any number of tensors is `*inputs`.

A new operator is one such class in one module of this package; the index finds it by its name.

The families do without `from __future__ import annotations`: pydantic would compile each annotation
anew when a class is made, half of what that costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import CO_VARARGS
from typing import Any, ClassVar, Literal, NamedTuple

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from addnn_spec.diagnostics import DiagnosticCode, Refusal
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.code import REQUIRED, Arg, Call, Code, In, Invoke, Support
from addnn_spec.ops.reach import WHOLE, Reach, Reaches, one_place
from addnn_spec.sizes import Size

DType = Literal["float", "int", "bool"]
FlopClass = Literal["elementwise", "norm", "pool", "other"]
"""The kinds of operations beside the multiply-accumulates: docs/costs.md."""
BYTES: dict[DType, int] = {"float": 4, "int": 8, "bool": 1}
"""Of one element: torch's default types."""


class TensorType(Struct, frozen=True):
    """A tensor's element type and shape. Sizes are ints or symbolic sizes."""

    dtype: DType
    shape: tuple[Size, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> Size:
        """The number of elements."""
        total: Size = 1
        for size in self.shape:
            total = total * size
        return total

    def with_shape(self, *shape: Size) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"[{', '.join(str(size) for size in self.shape)}]"


class Composed(NamedTuple):
    """What a size of an output is made of.

    Its parts are sizes of inputs, `(input, dimension)`, items of arguments, `(name, item)`, and
    numbers.
    """

    op: Literal["+", "*", "//"]
    parts: tuple[tuple[int | str, int] | int, ...]


class Weight(NamedTuple):
    """A learned or fixed tensor of an operator: its shape and element type."""

    shape: tuple[Size, ...]
    dtype: DType = "float"


class Need(NamedTuple):
    """What torch asks where no output's size shows it: one of `numbers` is at least `least`.

    Where none is, that is the error `code` with this message, at the argument. Where that depends
    on symbolic sizes, it is one of the network's smallest sizes. `training`: only training asks it.
    """

    numbers: tuple[Size, ...]
    least: int
    message: str
    argument: str | None = None
    code: DiagnosticCode = "E0304"
    training: bool = False

    @property
    def unmet(self) -> bool:
        """True if it is known that none of the numbers is large enough."""
        return all(isinstance(n, int) and n < self.least for n in self.numbers)


class Window(NamedTuple):
    """The sliding window of an operator, per spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


class Example(NamedTuple):
    """An instance of an operator with inputs, held against live torch by the registry's test.

    `reference` is torch's own name for the same thing (`torch.nn.functional.relu`), called with the
    inputs, where the emitted code is not simply a module of torch.
    """

    operator: Operator
    inputs: tuple[TensorType | None, ...]
    reference: str | None = None


class Operator(BaseModel):
    """The base of all operators. Subclasses declare fields, and override what differs."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True
    )

    # --- what flows in and out -------------------------------------------------------------------
    input_names: ClassVar[tuple[str, ...]] = ("input",)
    """The tensors that flow in, in order, as `infer` names them."""
    optional_inputs: ClassVar[tuple[str, ...]] = ()
    """Inputs that may be missing: `infer` gives them a default. Usually they are given by name."""
    named_inputs: ClassVar[tuple[str, ...]] = ()
    """Optional inputs that are given by name only (a tied `weight`), and never flow in."""
    variadic: ClassVar[bool] = False
    """The one input is a list of tensors of any length (`Concat`)."""
    inferred_names: ClassVar[tuple[str, ...]] = ()
    """torch's arguments that `inferred` gives, in its order: a user may state them."""
    inferred_last: ClassVar[bool] = False
    """torch takes them after the arguments that are required (`GroupNorm`)."""
    output_names: ClassVar[tuple[str, ...]] = ("output",)
    """Names of the outputs, in order; for documentation and messages."""
    lists_outputs: ClassVar[bool] = False
    """The outputs are a list, also where there is one (`Chunk(1)`)."""
    layers: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a layer (`Scan`'s `cell`); see `ops/higher.py`."""
    stacks: ClassVar[str | None] = None
    """The field that says how many layers stand in it, each with weights of its own (`LSTM`'s
    `num_layers`). Each counts as a node."""

    deep: ClassVar[int] = 1
    """How many layers with weights stand in it one after the other (attention's projections before
    and after), where it has weights and MACs: for the depth of a network."""

    # --- how others treat it ---------------------------------------------------------------------
    family: ClassVar[str] = "other"
    """The kind of layer: its page of the reference, its look in a drawing, how it is probed."""
    sign: ClassVar[str] = ""
    """How a text writes it (`*`), where not by its name."""
    symbol: ClassVar[str] = ""
    """How a formula writes it (`×`): a drawing shows that in a circle."""
    torch_name: ClassVar[str | None] = None
    """The dotted torch class when it is not `nn.<ClassName>`; empty: it has no module form."""
    hidden_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that are no arguments of the torch class (`weight_init`, `is_causal`)."""
    keyword_only: ClassVar[tuple[str, ...]] = ()
    """Fields that are given by name only. The others may be positional: see `positional_fields`."""
    collect: ClassVar[str | None] = None
    """The field that takes all positional arguments, where there are several: `Permute(0, 2, 1)`
    is `Permute([0, 2, 1])`. One that is a list stays one."""
    creates: ClassVar[bool] = False
    """It makes a tensor of nothing (`Zeros`): the backend adds `device=`, and for floats `dtype=`,
    to the call, of the network's."""
    unused_outputs: ClassVar[Mapping[int, Arg]] = {}
    """Arguments for the module's call where the output of that index is not used: attention's
    `need_weights=False`. The backend, which knows the uses, appends them to `Invoke`."""
    view: ClassVar[bool] = False
    """The output shares the input's memory (Flatten, Reshape, Select)."""
    fresh_output: ClassVar[bool] = False
    """The output is a new tensor that its backward pass does not need (a convolution's): what
    comes next may overwrite it. A class that computes something else than its base says so anew."""
    in_place: ClassVar[bool] = False
    """An activation whose torch function and module take `inplace=True`, and whose backward pass
    needs its output only: it overwrites a fresh input that nobody else reads."""
    identity_in_eval: ClassVar[bool] = False
    """In evaluation the output is the input (Dropout)."""
    stateful: ClassVar[bool] = False
    """It acts otherwise in training (Dropout, BatchNorm): always a module."""
    reshapes: ClassVar[bool] = False
    """It only passes values on, moved or selected: an index probe shows "as above"."""

    # --- rules -----------------------------------------------------------------------------------
    def __init_subclass__(cls, **settings: Any) -> None:
        """Read the inputs' names off the signature of `infer`, where it names them."""
        super().__init_subclass__(**settings)
        infer = vars(cls).get("infer")
        # Off the code object: `inspect.signature` of 250 classes would take longer than the import.
        if infer is not None and not infer.__code__.co_flags & CO_VARARGS:
            names = infer.__code__.co_varnames[1 : infer.__code__.co_argcount]
            cls.input_names = names
            cls.optional_inputs = names[len(names) - len(infer.__defaults__ or ()) :]

    @property
    def stacked(self) -> int:
        """How many layers stand in it: as many nodes are counted against the limits."""
        count: int = getattr(self, self.stacks) if self.stacks else 1
        return count

    def infer(self, *inputs: Any, **_: Any) -> TensorType | tuple[TensorType, ...]:
        """Return the types of the outputs: by default that of the first input (elementwise)."""
        first: TensorType = inputs[0]
        return first

    def requires(self, *inputs: Any, **_: Any) -> tuple[tuple[Size, Size], ...]:
        """Return pairs (a, b) of sizes, one of them symbolic, of which `infer` supposes a ≤ b:
        `x[:T]` holds T elements only where T is not above x's size. The elaborator proves them.
        """
        return ()

    def needs(self, *inputs: Any, **_: Any) -> Iterable[Need]:
        """Return what torch asks of the inputs' sizes, beyond what the outputs' sizes show."""
        return ()

    def places(self, *inputs: Any, **_: Any) -> Mapping[int, Size]:
        """Return the inputs, by index, whose values are places in a dimension, with its size."""
        return {}

    def inferred(self, *inputs: Any, **_: Any) -> Mapping[str, Size | tuple[Size, ...]]:
        """Return torch's arguments that are inferred, in its order: `{"in_channels": …}`."""
        return {}

    def composed(self, dim: int, *inputs: Any) -> Composed | None:
        """Return what a dimension of the output is made of. Asked to write sizes in code."""
        return None

    def decisive(self, *inputs: Any, **_: Any) -> Size | None:
        """Return the size of the input that decides whether the arguments fit it, if one does:
        where they do not, its maker is shown."""
        return None

    def unusual(self, *inputs: Any, **_: Any) -> int:
        """Return how many of its numbers are unusual for such a layer.

        `Conv2d(3, 64, 3)` has a kernel of 64. Where fewer numbers are unusual in torch's order of
        the arguments, which begins with what is inferred, that order is taken to be meant.
        """
        return 0

    def weights(self, *inputs: Any, **_: Any) -> Mapping[str, Weight]:
        """Return the learned tensors, by their names in the operator's `state_dict`."""
        return {}

    def buffers(self, *inputs: Any, **_: Any) -> Mapping[str, Weight]:
        """Return the fixed tensors of the operator's `state_dict` (running statistics)."""
        return {}

    def macs(self, *inputs: Any, **_: Any) -> Size:
        """Return the multiply-accumulates of convolutions and matrix products."""
        return 0

    def flops(self, *inputs: Any, **_: Any) -> Mapping[FlopClass, Size]:
        """Return the operations beside the multiply-accumulates, by class. By default none."""
        return {}

    def mixed(self, *inputs: Any, **_: Any) -> tuple[int, ...]:
        """Return the dimensions of the first input of which every element sees the whole."""
        return ()

    def reach(self, *inputs: Any, **_: Any) -> Reaches | None:
        """Return what an element of the first output sees of each dimension of the first input.

        By default itself, and the whole along `mixed`; None where it is no such thing.
        """
        # What multiplies by weights mixes its inputs: such an operator tells its reach itself.
        if self.macs(*inputs) != 0:
            return None
        found = self.infer(*inputs)
        output = found if isinstance(found, TensorType) else found[0]
        return self.broadcast_reach(inputs[0], output, self.mixed(*inputs))

    def channels(self, *inputs: Any, **_: Any) -> Channels | None:
        """Return how channels pass, where they do not stay in place as `reach` says.

        None of an operator with weights, or with outputs of its own making, says that nothing is
        known of it: what flows in keeps its width.
        """
        return None

    @staticmethod
    def broadcast_reach(
        x: TensorType, output: TensorType, mixed: tuple[int, ...] = ()
    ) -> Reaches | None:
        """Return what is seen of an input that broadcasts, where that is the element itself."""
        if x.rank != output.rank:
            return None
        return tuple(
            WHOLE
            if dim in mixed
            else Reach(dim)
            if size == output.shape[dim]
            else one_place(0)
            if size == 1
            else None
            for dim, size in enumerate(x.shape)
        )

    # --- emitted code ----------------------------------------------------------------------------
    @property
    def own_type(self) -> bool:
        """Its floats are of a type that the text has chosen: `Cast("float32")`."""
        return False

    @property
    def support(self) -> tuple[Support, ...]:
        """Definitions that the emitted code of this instance may name.

        The inputs are not known here, so there may be more than are used: the backend writes those
        that the file's code names.
        """
        return ()

    def constructor(self, *inputs: Any, **_: Any) -> Call | None:
        """Return the call that makes the module: by default `nn.<Name>(inferred, fields)`.

        Inferred and required arguments are positional, in torch's order; the others keywords.
        None where there is no module form.
        """
        name = self.torch_name if self.torch_name is not None else f"nn.{type(self).__name__}"
        if not name:
            return None
        inferred = tuple(Arg(value) for value in self.inferred(*inputs).values())
        own = self.arguments()
        # torch's GroupNorm takes `num_groups` first, and then what is inferred.
        before = sum(arg.name is None for arg in own) if self.inferred_last else 0
        return Call(name, own[:before] + inferred + own[before:])

    def arguments(self) -> tuple[Arg, ...]:
        """Return the fields as torch's arguments: required ones positional, the others keywords."""
        args = []
        for field, info in type(self).model_fields.items():
            if field in self.hidden_fields or field in self.layers:
                continue
            value = getattr(self, field)
            if info.is_required():
                args.append(Arg(value))
            else:
                args.append(Arg(value, field, info.get_default(call_default_factory=True)))
        return tuple(args)

    def functional(self, *inputs: Any, **_: Any) -> Code | None:
        """Return the expression over `In(0)`, `In(1)` … without a module; None where it needs
        one."""
        return None

    def call(self, *inputs: Any, **_: Any) -> Code:
        """Return the expression by which `forward` calls the module: by default `self.name(in, …)`.

        Override it where the module's arguments are not the inputs in order.
        """
        return Invoke(tuple(Arg(In(i)) for i, x in enumerate(inputs) if x is not None))

    @property
    def result(self) -> tuple[Any, ...] | None:
        """How the call's value unpacks into outputs, where not flat: LSTM is `(0, (1, 2))`.

        None inside means a value that is thrown away.
        """
        return None

    def initialize(self, *inputs: Any, **_: Any) -> tuple[Code, ...]:
        """Return the statements after construction (`nn.init.…_(self.weight)`), over `Own`."""
        return ()

    # --- documentation and tests -----------------------------------------------------------------
    @classmethod
    def positional_fields(cls) -> tuple[str, ...]:
        """Return the attributes that may be given by position, in that order."""
        return tuple(name for name in cls.model_fields if name not in cls.keyword_only)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return instances with inputs for the registry's test; the first stands in the docs."""
        raise TypeError(f"{cls.__name__} has no examples")

    def given(self) -> dict[str, Any]:
        """Return the attributes that differ from their defaults, for drawings and tables."""
        return {
            name: value
            for name, info in type(self).model_fields.items()
            if (value := getattr(self, name)) != info.get_default(call_default_factory=True)
        }


# pydantic evaluates the annotations of a model's bases anew for each subclass. Those of class
# variables tell it nothing, and there are thirty of them, of 250 operators.
Operator.__annotations__ = {}


class HigherOperator(Operator):
    """An operator with a layer for an argument: the first of `layers`.

    A node of it has for inputs what flows in, then what the layer has besides (tensors given by
    name, tensors it reads from around); the layer's graph stands in the node's `layers`, and takes
    `layer_inputs` and then the same besides.
    """

    has_states: ClassVar[bool] = False
    """Inputs of the layer that do not flow in begin as their defaults (`Scan`'s states)."""
    returns_tuple: ClassVar[bool] = False
    """The emitted module returns a tuple, also of one output."""
    stepwise: ClassVar[bool] = False
    """The layer runs over the steps of a sequence: each value inside has one a step. What is
    emitted is then one of the modules that `runtime/taps.py` knows."""

    def layer_inputs(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """Return the types that the layer is given, for what flows in."""
        return inputs

    def infer_layer(
        self, outputs: tuple[TensorType, ...], *inputs: TensorType
    ) -> tuple[TensorType, ...]:
        """Return the types of the outputs, for the layer's outputs and all that flows in."""
        return outputs

    def turns(self, *inputs: TensorType) -> Size:
        """Return how often the layer runs, for its costs."""
        return 1

    def holder(self, layer: Code, outputs: int) -> Call:
        """Return the call that makes the module with its layer, which returns so many tensors."""
        return Call(type(self).__name__, (Arg(layer), *self.arguments()))


__all__ = [
    "REQUIRED",
    "DType",
    "Example",
    "FlopClass",
    "HigherOperator",
    "Need",
    "Operator",
    "Refusal",
    "TensorType",
    "Weight",
    "Window",
]
