"""Labels hold what torch's keys may, and parameters have keys of their own.

What is expected is a module made by `add_module` under the same names, with the same weights.
"""

from __future__ import annotations

import string
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from addnn_spec.backends.torch_code import emit
from addnn_spec.compiler import check_text
from addnn_spec.elaborate.module_names import forbidden
from tests.property.emitted import imported
from tests.support import examples, session

ODD = ["block1-0", "0", "10", "a b", "x/y", "it's", "a:b", "-", "%", "back\\slash", "[3]", "a*b?"]
FORMS = {
    "alone": 'output y = x -> "{0}": Linear(8)',
    "in a block": 'output y = x -> b: B\n}}\nblock B {{ y = x -> "{0}": Linear(8)\nreturn y',
    "in a chain": 'output y = x -> seq: {{ "{0}": Linear(8) -> Tanh }}',
    "nested": 'output y = x -> "{0}.inner": Linear(8)',
    "nested twice": 'output y = x -> "outer.{0}.inner": Linear(8) -> "outer.other": Linear(8)',
    "in a scope": 'output y = x -> "outer.{0}": Linear(8)',
    "a brace": 'output y = x -> "{0}": {{ Linear(8) -> ReLU }}',
    "a brace of statements": 'output y = x -> "{0}": {{ y = x -> fc: Linear(8)\nreturn x + y }}',
    "a repeat": 'output y = x -> "{0}": repeat 3 {{ Linear(8) }}',
    "in a repeat": 'output y = x -> r: repeat 2 {{ "{0}": Linear(8) }}',
    "a module": 'module m = "{0}": Linear(8)\noutput y = x -> m -> m',
    "a parameter": 'parameter p = "{0}": [8] = normal(1)\noutput y = x * p',
    "a nested parameter": 'parameter p = "{0}.w": [8] = normal(1)\noutput y = x * p',
    "a buffer": 'buffer p = "{0}": float[8] = 3\noutput y = x * p',
    "beside a method's name": 'output y = x -> "{0}": Linear(8) -> pop: Linear(8)',
}


def built(text: str, probes: bool = False) -> nn.Module:
    made = session(f"network Net {{\ninput x: float[N, 8]\n{text}\n}}")
    graph = made.graph("Net")
    assert graph is not None, [d.message for d in made.collector.errors]
    torch.manual_seed(0)
    with imported(emit(graph, probes=probes).text) as file:
        module: nn.Module = file.Net()
    return module


def rebuilt(state: dict[str, Tensor]) -> nn.Module:
    """A tree of modules of these keys, made by torch's own means."""
    root = nn.Module()
    for key, value in state.items():
        *path, last = key.split(".")
        module: Any = root
        for name in path:
            if name not in module._modules:
                module.add_module(name, nn.Module())
            module = module._modules[name]
        module.register_buffer(last, value)
    return root


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("label", ODD)
def test_a_label_is_the_key(form: str, label: str) -> None:
    plain = built(FORMS[form].format("lab"))
    odd = built(FORMS[form].format(label))
    expected = [
        ".".join(label if part == "lab" else part for part in key.split("."))
        for key in plain.state_dict()
    ]
    assert list(odd.state_dict()) == expected
    assert list(rebuilt(odd.state_dict()).state_dict()) == expected
    odd.load_state_dict(dict(zip(expected, plain.state_dict().values(), strict=True)))
    x = torch.rand(3, 8)
    with torch.no_grad():
        assert torch.equal(odd(x), plain(x))
        assert torch.equal(built(FORMS[form].format(label), probes=True)(x), odd(x))


LABELS = st.text(sorted(set(string.printable[:95]) - set('".{}')), min_size=1, max_size=12)


@settings(max_examples=examples(30), deadline=None)
@given(label=LABELS, form=st.sampled_from(sorted(FORMS)))
def test_any_printable_label(label: str, form: str) -> None:
    text = f"network Net {{\ninput x: float[N, 8]\n{FORMS[form].format(label)}\n}}"
    codes = {d.code for d in check_text(text)}
    if forbidden(label) or label == "inner":
        return
    assert codes <= {"W0110", "E0403"}, codes
    if not codes & {"E0403"}:  # `pop` twice, say
        assert any(label in key.split(".") for key in built(FORMS[form].format(label)).state_dict())


@pytest.mark.parametrize("label", ["", "a.", ".a", "a..b", "tab\t", "é", "名", "a\u200bb"])
def test_what_cannot_be_a_label(label: str) -> None:
    found = check_text(f'network N {{ input x: float[N, 8] output y = x -> "{label}": ReLU }}')
    assert [d.code for d in found if d.severity == "error"][:1] in (["E0406"], ["E0002"], ["E0001"])


# --- parameters with keys of their own -----------------------------------------------------------
def test_a_parameter_is_read_by_its_name() -> None:
    module = built(
        'parameter pos = "encoder.pos_embedding": [1, 8] = normal(1)\n'
        'buffer mask = "encoder.mask": float[8] = [0, 1, 0, 1, 0, 1, 0, 1]\n'
        'output y = (x + pos) * mask -> "encoder.ln": LayerNorm'
    )
    keys = ["encoder.pos_embedding", "encoder.mask", "encoder.ln.weight", "encoder.ln.bias"]
    assert sorted(module.state_dict()) == sorted(keys)
    state = module.state_dict()
    x = torch.rand(2, 8)
    expected = nn.functional.layer_norm((x + state[keys[0]]) * state[keys[1]], (8,))
    assert torch.allclose(module(x), expected, atol=1e-6)
    assert [name for name, _ in module.named_parameters()].count("encoder.pos_embedding") == 1


def test_a_plain_key_may_have_another_name() -> None:
    module = built("parameter p = scale: [8] = 2\nlet scale = 3\noutput y = x * p * scale")
    assert list(module.state_dict()) == ["scale"]
    assert torch.equal(module(torch.ones(1, 8)), torch.full((1, 8), 6.0))


def test_the_key_is_no_name_then() -> None:
    text = 'network N {{ input x: float[N, 8] parameter p = "a": [8] = 0 output y = x * {} }}'
    assert [d.code for d in check_text(text.format("p"))] == []
    assert "E0101" in [d.code for d in check_text(text.format("a"))]
