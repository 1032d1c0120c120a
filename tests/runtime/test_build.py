"""Live modules from emitted source."""

from __future__ import annotations

import inspect
import sys
import traceback
from typing import get_type_hints

import pytest
import torch
from torch import nn

from addnn_spec.runtime.build import build_module, import_source

SOURCE = """from __future__ import annotations

from torch import Tensor, nn


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)
"""


def test_the_module_is_live() -> None:
    module = build_module(SOURCE, "Two")
    assert isinstance(module, nn.Module)
    assert module(torch.zeros(5, 3)).shape == (5, 2)


def test_one_text_is_imported_once() -> None:
    assert import_source(SOURCE, "Two") is import_source(SOURCE, "Two")
    assert import_source(SOURCE + "\n", "Two") is not import_source(SOURCE, "Two")


def test_two_modules_have_weights_of_their_own() -> None:
    first, second = build_module(SOURCE, "Two"), build_module(SOURCE, "Two")
    assert type(first) is type(second)
    assert dict(first.named_parameters())["fc.weight"] is not second.get_parameter("fc.weight")


def test_inspect_finds_the_source_and_the_hints() -> None:
    kind = type(build_module(SOURCE, "Two"))
    assert inspect.getsource(kind).startswith("class Two(nn.Module):")
    assert get_type_hints(kind.forward)["x"] is torch.Tensor


def test_a_traceback_shows_the_line() -> None:
    module = build_module(SOURCE, "Two")
    with pytest.raises(RuntimeError) as raised:
        module(torch.zeros(5, 4))
    text = "".join(traceback.format_exception(raised.value))
    assert "Two.py (compiled by addnn-spec)" in text
    assert "return self.fc(x)" in text


def test_a_source_that_fails_leaves_no_module_behind() -> None:
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        build_module("x = 1 / 0\n", "Broken")
    assert not {name for name in set(sys.modules) - before if "Broken" in name}
