"""Well-typed networks with one mistake put in: it breaks one rule, whose code is known."""

from __future__ import annotations

from random import Random

from tests.property.networks import Spec
from tests.property.types import Type


def _of(code: str, rank: int | None, *forms: str) -> tuple[str, int | None, tuple[str, ...]]:
    return code, rank, forms


MUTATIONS: dict[str, tuple[str, int | None, tuple[str, ...]]] = {
    "unknown operator": _of("E0101", None, "{x} -> Conv2f(3)", "{x} -> Relu6x", "{x} -> nosuch"),
    "unknown name": _of("E0101", None, "{x} + nosuch", "{x} -> Dropout(nosuch)"),
    "unknown argument": _of("E0203", None, "{x} -> Dropout(q = 0.1)", "{x} -> ReLU(1, 2, 3)"),
    "missing argument": _of("E0202", None, "{x} -> Linear", "{x} -> Linear(bias = false)"),
    "argument twice": _of("E0204", None, "{x} -> Linear(3, out_features = 4)"),
    "bad value": _of("E0201", None, "{x} -> Linear(-4)", "{x} -> Dropout(1.5)", "{x} -> Linear(0)",
                     '{x} -> Linear("3")', "{x} -> Linear(2.0)", "{x} -> Linear(true)"),
    "wrong rank": _of("E0302", 2, "{x} -> Conv2d(3, 3)", "{x} -> BatchNorm2d"),
    "dimension": _of("E0306", None, "{x} -> Transpose(1, 9)", "{x} -> Mean(7)",
                     "{x} -> Softmax(dim = 6)"),
    "permutation": _of("E0201", 3, "{x} -> Permute(0, 1, 1)"),
    "stated size": _of("E0301", None, "{x} -> Linear(3, in_features = 777)"),
    "stated channels": _of("E0301", 4, "{x} -> Conv2d(3, 1, in_channels = 777)"),
    "groups": _of("E0305", 4, "{x} -> Conv2d(777, 1) -> Conv2d(6, 1, groups = 2)"),
    "kernel": _of("E0304", 4, "{x} -> AdaptiveAvgPool2d(2) -> Conv2d(3, 5)"),
    "tensor as value": _of("E0206", None, "{x} -> Linear({x})", "{x} -> Dropout({x})"),
    "value as tensor": _of("E0206", None, "3 -> Linear(3)"),
    "not a layer": _of("E0108", None, "{x} -> {x}"),
    "too many inputs": _of("E0205", None, "({x}, {x}, {x}) -> ReLU"),
    "broadcast": _of("E0303", 4, "({x} -> AdaptiveAvgPool2d(2)) + ({x} -> AdaptiveAvgPool2d(3))"),
    "matrix product": _of("E0303", 2, "{x} @ Zeros([777, 3])"),
    "element type": _of("E0307", None, "{x} -> Embedding(3, 4)"),
    "names": _of("E0209", None, "({x}, {x}, {x})"),
    "label": _of("E0404", None, "{x} -> train: ReLU", '{x} -> "a.class": ReLU'),
    "malformed label": _of("E0406", None, '{x} -> ".a": ReLU', '{x} -> "a..b": ReLU'),
    "division": _of("E0213", None, "{x} -> Linear(1 // 0)", "{x} -> Linear(3 % 0)"),
    "shape": _of("E0309", None, "typed"),
    "assertion": _of("E0212", None, "assert"),
    "one path twice": _of("E0403", None, "({x} -> same: Linear(3), {x} -> same: Linear(3))"),
}  # fmt: skip


def mutated(rng: Random, spec: Spec, tensors: list[tuple[str, Type]], rule: str) -> str | None:
    """The network with a statement put in that breaks this rule; None where none fits."""
    _, rank, forms = MUTATIONS[rule]
    fitting = [t for t in tensors if rank is None or t[1].rank == rank]
    fitting = [t for t in fitting if isinstance(t[1].shape[-1], int) and t[1].rank <= 4]
    if not fitting:
        return None
    name, type = rng.choice(fitting)
    form = rng.choice(forms).replace("{x}", name)
    if form == "typed":
        broken = f"wrong: [{', '.join(['777'] * type.rank)}] = {name}"
    elif form == "assert":
        broken = f'assert {name}.rank == 9, "no"'
    elif rule == "names":
        broken = f"wrong, wrong2 = {form}"
    else:
        broken = f"wrong = {form}"
    body = [*spec.body, broken]
    if form != "assert":
        body.append("output wrong_out = wrong")
    return Spec(spec.blocks, spec.inputs, body, spec.sizes).text()
