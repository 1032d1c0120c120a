"""The bases of operators with weights: their initialisation, and how the weight is parametrised.

`inputs` are of type Any here, where they are only passed on: subclasses name them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, InstanceOf

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Operator, TensorType, Weight
from addnn_spec.ops.checks import name_of
from addnn_spec.ops.code import Arg, Call, Code, Method, Own, Support
from addnn_spec.ops.init import Init, check_fits, constant, init_code, make_init


def _as_init(value: Any) -> Any:
    if type(value) in (int, float):
        return constant(value)
    if isinstance(value, str):
        return make_init(value, (), {})
    return value


InitField = Annotated[InstanceOf[Init] | None, BeforeValidator(_as_init)]
"""An initialiser: a number is `constant`, a bare name one without arguments. None: torch's."""

SET_WEIGHT = Support(
    "set_weight",
    '''\
def set_weight(module: nn.Module, weight: Tensor) -> None:
    """Give a parametrized module the tensors that make this its weight."""
    module.weight = weight
''',
)

STANDARDIZED_WEIGHT = Support(
    "StandardizedWeight",
    '''\
class StandardizedWeight(nn.Module):
    """Weights shifted and scaled to mean 0 and variance 1 over each output's inputs."""

    def forward(self, weight: Tensor) -> Tensor:
        dims = tuple(range(1, weight.dim()))
        variance, mean = torch.var_mean(weight, dims, correction=0, keepdim=True)
        return (weight - mean) * torch.rsqrt(variance + 1e-5)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight
''',
)

STANDARDIZED = Support(
    "weight_standardization",
    '''\
def weight_standardization(module: nn.Module) -> nn.Module:
    """Standardize a layer's weight at every use (Qiao et al., 2019, arXiv:1903.10520)."""
    return nn.utils.parametrize.register_parametrization(module, "weight", StandardizedWeight())
''',
    (STANDARDIZED_WEIGHT,),
)


class Initialized(Operator):
    """An operator whose weights and biases can be initialised otherwise than by torch."""

    hidden_fields: ClassVar[tuple[str, ...]] = ("weight_init", "bias_init")
    keyword_only: ClassVar[tuple[str, ...]] = ("weight_init", "bias_init")

    weight_init: InitField = None
    bias_init: InitField = None

    def plain_weights(self, *inputs: Any) -> Mapping[str, Weight]:
        """Return the learned tensors without a parametrisation."""
        return self.weights(*inputs)

    def check_options(self, *inputs: Any) -> None:
        """Check the initialisers; to be called by `infer`.

        Raises:
            Refusal: E0201 where there is nothing to initialise, E0302 or E0305 where the
                initialiser cannot fill the tensor.
        """
        plain = self.plain_weights(*inputs)
        for argument in ("weight_init", "bias_init"):
            init: Init | None = getattr(self, argument)
            if init is None:
                continue
            names = self._names(argument, *inputs)
            if not names:
                what = argument.removesuffix("_init")
                raise Refusal(
                    "E0201", f"{name_of(self)} has no {what} here to initialise", about=argument
                )
            for name in names:
                check_fits(init, plain[name].shape, argument=argument)

    def _names(self, argument: str, *inputs: Any) -> list[str]:
        """Return the weights that `weight_init` or `bias_init` is about."""
        biases = argument == "bias_init"
        names = self.plain_weights(*inputs)
        # torch's names of biases all have the word in them: `in_proj_bias`, `bias_ih_l0`.
        return [name for name in names if ("bias" in name.rpartition(".")[2]) == biases]

    def initialize(self, *inputs: Any) -> tuple[Code, ...]:
        return tuple(
            init_code(init, Own(name))
            for argument in ("weight_init", "bias_init")
            if (init := getattr(self, argument)) is not None
            for name in self._names(argument, *inputs)
        )


class Weighted(Initialized):
    """An operator with one `weight` that torch can parametrise, and perhaps a `bias`.

    `weight_norm`: w = g · v / |v| (Salimans and Kingma, 2016, arXiv:1602.07868).
    `spectral_norm`: w / σ(w), the largest singular value by power iteration (Miyato et al., 2018,
    arXiv:1802.05957). `weight_standardization`: w − mean, over its deviation, for each output
    (Qiao et al., 2019, arXiv:1903.10520). At most one of them.
    """

    hidden_fields: ClassVar[tuple[str, ...]] = (
        "weight_init",
        "bias_init",
        "weight_norm",
        "spectral_norm",
        "weight_standardization",
    )
    keyword_only: ClassVar[tuple[str, ...]] = hidden_fields
    _spectral_dim: ClassVar[int] = 0
    """The dimension that torch's spectral_norm takes as the matrix's rows."""

    weight_norm: bool = False
    spectral_norm: bool = False
    weight_standardization: bool = False

    def plain_weights(self, *inputs: Any) -> Mapping[str, Weight]:
        """Return the learned tensors without a parametrisation: `weight`, and perhaps `bias`."""
        raise TypeError(f"{name_of(self)} does not say its weights")

    @property
    def parametrized(self) -> bool:
        return self.weight_norm or self.spectral_norm or self.weight_standardization

    def check_options(self, *inputs: Any) -> None:
        """Also raise E0201 for options that exclude one another."""
        chosen = [
            name
            for name in ("weight_norm", "spectral_norm", "weight_standardization")
            if getattr(self, name)
        ]
        if len(chosen) > 1:
            raise Refusal(
                "E0201",
                f"{name_of(self)} takes {chosen[0]} or {chosen[1]}, not both",
                about=chosen[1],
            )
        if chosen and "weight" not in self.plain_weights(*inputs):
            raise Refusal(
                "E0201",
                f"{name_of(self)} has no weight of its own here for {chosen[0]}",
                about=chosen[0],
            )
        super().check_options(*inputs)

    def weights(self, *inputs: Any) -> Mapping[str, Weight]:
        plain = self.plain_weights(*inputs)
        if not self.parametrized or "weight" not in plain:
            return plain
        found = {name: weight for name, weight in plain.items() if name != "weight"}
        shape = plain["weight"].shape
        if self.weight_norm:
            scale = (shape[0], *(1 for _ in shape[1:]))
            # torch's names: g and v of w = g * v / |v|.
            found["parametrizations.weight.original0"] = Weight(scale)
            found["parametrizations.weight.original1"] = Weight(shape)
        else:
            found["parametrizations.weight.original"] = Weight(shape)
        return found

    def buffers(self, *inputs: Any) -> Mapping[str, Weight]:
        if not self.spectral_norm:
            return {}
        shape = self.plain_weights(*inputs)["weight"].shape
        rows = shape[self._spectral_dim]
        # The vectors of the power iteration, kept from step to step.
        columns = TensorType("float", shape).numel // rows
        return {
            "parametrizations.weight.0._u": Weight((rows,)),
            "parametrizations.weight.0._v": Weight((columns,)),
        }

    @property
    def support(self) -> tuple[Support, ...]:
        found = (STANDARDIZED,) if self.weight_standardization else ()
        return (*found, SET_WEIGHT) if self.parametrized and self.weight_init else found

    def constructor(self, *inputs: Any) -> Call | None:
        made = super().constructor(*inputs)
        if made is None or not self.parametrized:
            return made
        if self.weight_standardization:
            return Call("weight_standardization", (Arg(made),))
        name = "weight_norm" if self.weight_norm else "spectral_norm"
        return Call(f"nn.utils.parametrizations.{name}", (Arg(made),))

    def initialize(self, *inputs: Any) -> tuple[Code, ...]:
        if not self.parametrized:
            return super().initialize(*inputs)
        own = Method(Own(), "get_parameter", (Arg("bias"),))  # what parametrizes tells no class
        bias = (init_code(self.bias_init, own),) if self.bias_init else ()
        if not self.weight_init:
            return bias
        shape = self.plain_weights(*inputs)["weight"].shape
        # A parametrised weight is computed at each use: it is set as a whole, which stores what it
        # is computed from.
        empty = Call("torch.empty", tuple(Arg(size) for size in shape))
        filled = init_code(self.weight_init, empty)
        return (Call("set_weight", (Arg(Own()), Arg(filled))), *bias)
