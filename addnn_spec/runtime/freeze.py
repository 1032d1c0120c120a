"""Parts of a network that are not trained."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.patterns import matches, suggestion


class Trainable(NamedTuple):
    """How many learned values are trained, and how many are frozen."""

    trainable: int
    frozen: int


def freeze_parameters(module: nn.Module, pattern: str) -> Trainable:
    """Keep the parameters whose names match a pattern (`layer[1-3]`; see `patterns.py`).

    They need no gradient, and norms among them stay in evaluation mode through `train()`, so that
    their running statistics are kept as well; this survives `copy.deepcopy`.

    Raises `Refusal` (E0607) where no name matches.
    """
    matched = [(n, p) for n, p in module.named_parameters() if matches(n, pattern)]
    norms = [m for n, m in module.named_modules() if _is_frozen_norm(n, m, pattern)]
    if not matched and not norms:
        help = suggestion(pattern, (name for name, _ in module.named_parameters()))
        raise Refusal("E0607", f"no parameter has a name like {pattern}", help=help)
    for _, parameter in matched:
        parameter.requires_grad = False
    for norm in norms:
        # `train()` goes through all modules: only the module itself can refuse it. A subclass keeps
        # `isinstance`, and is copied by `deepcopy`, where a patched method would not be.
        norm.__class__ = _in_evaluation(type(norm))
        norm.eval()
    return count_trainable(module)


def count_trainable(module: nn.Module) -> Trainable:
    """Return the numbers of learned values that are trained and that are not; shared ones count
    once."""
    counts = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return Trainable(
        sum(count for count, trained in counts if trained),
        sum(count for count, trained in counts if not trained),
    )


def _is_frozen_norm(name: str, module: nn.Module, pattern: str) -> bool:
    """Return True if a module keeps running statistics, and they or its weights match the
    pattern."""
    if getattr(module, "running_mean", None) is None or hasattr(module, "_keeps_evaluation"):
        return False
    prefix = f"{name}." if name else ""
    return any(matches(f"{prefix}{key}", pattern) for key in ("running_mean", "weight"))


_FROZEN: dict[type[nn.Module], type[nn.Module]] = {}


def _in_evaluation(kind: type[nn.Module]) -> type[nn.Module]:
    """Return a subclass whose modules stay in evaluation mode; one for each class."""
    known = _FROZEN.get(kind)
    if known is not None:
        return known

    def train(self: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001
        return kind.train(self, mode=False)

    members: dict[str, Any] = {
        "train": train,
        "_keeps_evaluation": True,
        "__doc__": f"A {kind.__name__} that stays in evaluation mode.",
        "__module__": kind.__module__,
    }
    _FROZEN[kind] = type(f"Frozen{kind.__name__}", (kind,), members)
    return _FROZEN[kind]
