"""Initialisers of weights: torch.nn.init's functions, by their names without the underscore.

One deviation: a single positional number given to `normal` and `trunc_normal` is the standard
deviation, as in `normal(0.02)`; with two it is torch's order, mean and standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from addnn_spec.diagnostics import Refusal, near
from addnn_spec.ops.code import Arg, Call, Code

T = TypeVar("T")


class Init(Struct, frozen=True):
    """An initialiser with the arguments that were given, in torch's order."""

    name: str
    args: tuple[tuple[str, float | int | str | bool], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name} = {value}' for name, value in self.args)})"


class InitParameter(NamedTuple):
    """An argument of an initialiser. `default` None: it must be given."""

    name: str
    default: float | int | str | None = None
    choices: tuple[str, ...] = ()


class Signature(NamedTuple):
    """An initialiser's arguments, and the ranks of the tensors that it can fill."""

    parameters: tuple[InitParameter, ...]
    min_rank: int = 0
    max_rank: int | None = None


_NONLINEARITIES = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
)
_GAIN = (InitParameter("gain", 1.0),)
_KAIMING = (
    InitParameter("a", 0.0),
    InitParameter("mode", "fan_in", ("fan_in", "fan_out")),
    InitParameter("nonlinearity", "leaky_relu", _NONLINEARITIES),
)
_NORMAL = (InitParameter("mean", 0.0), InitParameter("std", 1.0))

INITS: Mapping[str, Signature] = MappingProxyType(
    {
        "uniform": Signature((InitParameter("a", 0.0), InitParameter("b", 1.0))),
        "normal": Signature(_NORMAL),
        "trunc_normal": Signature((*_NORMAL, InitParameter("a", -2.0), InitParameter("b", 2.0))),
        "constant": Signature((InitParameter("val"),)),
        "ones": Signature(()),
        "zeros": Signature(()),
        "eye": Signature((), 2, 2),
        "dirac": Signature((InitParameter("groups", 1),), 3, 5),
        "xavier_uniform": Signature(_GAIN, 2),
        "xavier_normal": Signature(_GAIN, 2),
        "kaiming_uniform": Signature(_KAIMING, 2),
        "kaiming_normal": Signature(_KAIMING, 2),
        "orthogonal": Signature(_GAIN, 2),
        "sparse": Signature((InitParameter("sparsity"), InitParameter("std", 0.01)), 2, 2),
    }
)
_STD_FIRST = {"normal", "trunc_normal"}


def constant(value: float) -> Init:
    """Return the initialiser that a plain number stands for."""
    return make_init("constant", (value,), {})


def make_init(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Init:
    """Return the initialiser `name` with its arguments checked.

    Raises:
        Refusal: E0201 for an unknown name or argument or a wrong value, E0202 for a missing
            argument; `argument` is the initialiser's own.
    """
    signature = INITS.get(name)
    if signature is None:
        close = near(name, INITS)
        raise Refusal(
            "E0201",
            f"there is no initialiser {name}",
            help=f"did you mean {close[0]}?" if close else f"there are {', '.join(INITS)}",
        )
    given = bound_arguments(name, args, kwargs)
    for parameter in signature.parameters:
        if parameter.name in given:
            _check(name, parameter, given[parameter.name])
        elif parameter.default is None:
            raise Refusal("E0202", f"{name} needs {parameter.name}", about=parameter.name)
    _check_range(name, given)
    return Init(
        name, tuple((p.name, given[p.name]) for p in signature.parameters if p.name in given)
    )


def bound_arguments(init: str, args: Sequence[T], kwargs: Mapping[str, T]) -> dict[str, T]:
    """Return what an initialiser is given, by torch's names.

    Raises `Refusal` (E0201) for an argument that it does not have, or has twice.
    """
    names = [parameter.name for parameter in INITS[init].parameters]
    if len(args) > len(names):
        raise Refusal("E0201", f"{init} takes {len(names)} arguments, not {len(args)}")
    # `normal(0.02)` is what everyone means: a lone number is the deviation, and not torch's mean.
    order = ["std"] if init in _STD_FIRST and len(args) == 1 else names
    given = dict(zip(order, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            takes = f"it takes {', '.join(names)}" if names else "it takes none"
            raise Refusal("E0201", f"{init} has no argument {name}", about=name, help=takes)
        if name in given:
            raise Refusal("E0201", f"{init} gets {name} twice", about=name)
        given[name] = value
    return given


def is_finite(value: float) -> bool:
    """Return True if a number is within the range of floats: a whole one may be too large."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check(init: str, parameter: InitParameter, value: Any) -> None:
    if parameter.choices:
        right = value in parameter.choices
        wanted = f"one of {', '.join(parameter.choices)}"
    elif isinstance(parameter.default, int):
        right = type(value) is int and value > 0
        wanted = "an integer above 0"
    else:
        right = type(value) in (int, float) and is_finite(value)
        wanted = "a finite number"
    if not right:
        raise Refusal(
            "E0201",
            f"{init}'s {parameter.name} must be {wanted}, not {value!r}",
            about=parameter.name,
        )


def _check_range(init: str, given: Mapping[str, Any]) -> None:
    if given.get("std", 0) < 0:
        raise Refusal("E0201", f"{init}'s std is below 0", about="std")
    if not 0 <= given.get("sparsity", 0) <= 1:
        raise Refusal("E0201", f"{init}'s sparsity is not in 0 … 1", about="sparsity")
    if init in {"uniform", "trunc_normal"}:
        defaults = {p.name: p.default for p in INITS[init].parameters}
        low, high = given.get("a", defaults["a"]), given.get("b", defaults["b"])
        if low > high:
            raise Refusal(
                "E0201",
                f"{init}'s lower bound {low} is above its upper bound {high}",
                about="a" if "a" in given else "b",
            )


def check_fits(init: Init, shape: Sequence[object], *, argument: str | None = None) -> None:
    """Check that `init` can fill a tensor of this shape.

    Raises:
        Refusal: E0302 where torch.nn.init refuses the rank.
    """
    signature = INITS[init.name]
    rank = len(shape)
    if rank < signature.min_rank or (signature.max_rank or rank) < rank:
        ranks = str(signature.min_rank)
        if signature.max_rank is None:
            ranks += " or more"
        elif signature.max_rank > signature.min_rank:
            ranks += f" to {signature.max_rank}"
        raise Refusal(
            "E0302",
            f"{init.name} fills tensors of rank {ranks}, not of rank {rank}",
            about=argument,
        )
    groups = dict(init.args).get("groups", 1)
    if init.name == "dirac" and isinstance(groups, int) and isinstance(shape[0], int):
        if shape[0] % groups:
            raise Refusal(
                "E0305", f"dirac's {groups} groups do not divide {shape[0]}", about=argument
            )


def init_code(init: Init, target: Code) -> Call:
    """Return the call of `torch.nn.init` that fills `target` in place: `nn.init.normal_(w,
    std=0.02)`."""
    args = [Arg(target)]
    defaults = {parameter.name: parameter.default for parameter in INITS[init.name].parameters}
    for name, value in init.args:
        default = defaults[name]
        args.append(Arg(value) if default is None else Arg(value, name, default))
    return Call(f"nn.init.{init.name}_", tuple(args))


__all__ = [
    "INITS",
    "Init",
    "InitParameter",
    "Signature",
    "bound_arguments",
    "check_fits",
    "constant",
    "init_code",
    "is_finite",
    "make_init",
]
