"""Names: what a module cannot carry is refused with a free name; everything else works as it is."""

from __future__ import annotations

import builtins
import keyword
import sys
import unicodedata

import pytest
import torch
from torch import nn

from addnn_spec.backends.torch_code.names import FILE_NAMES
from addnn_spec.backends.torch_source import torch_source
from addnn_spec.compiler import check_text
from addnn_spec.diagnostics import Diagnostic
from addnn_spec.elaborate.module_names import forbidden_class
from addnn_spec.ops import index
from addnn_spec.syntax.parse_table import load_table
from tests.property.emitted import imported
from tests.support import seldom, session
from tests.trust.confined import Confined
from tests.trust.texts import net

RESERVED = set(load_table().keywords)
ATTRIBUTES = {name for name in dir(nn.Module()) if not name.startswith("_")}
FORMS = {
    "label": 'output y = x -> "{}": Conv2d(4, 1)',
    "module": "module {0} = Conv2d(3, 1)\noutput y = x -> {0}",
    "parameter": "parameter {0}: [3, 1, 1]\noutput y = x * {0}",
    "output": "output {} = x -> ReLU",
    "input": "input {0}: float[N, 3]\noutput y = x\noutput z = {0} -> ReLU",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted({*keyword.kwlist, *keyword.softkwlist, *ATTRIBUTES}))
def test_names_that_break_a_module_are_refused_with_a_free_one(form: str, name: str) -> None:
    if name in keyword.softkwlist and name not in ATTRIBUTES:
        return  # `match`, `case`, `type` as names are Python's own business; `type` is torch's
    if form != "label" and name in RESERVED:
        return  # the syntax refuses it
    (found,) = errors(net(FORMS[form].format(name)))
    assert found.code == "E0404" and found.help is not None
    free = found.help.removeprefix("call it ")
    assert free != name and errors(net(FORMS[form].format(free))) == []


def errors(text: str) -> list[Diagnostic]:
    return [found for found in check_text(text) if found.severity == "error"]


USABLE = sorted(
    {*dir(builtins), *index(), *keyword.softkwlist, "F", "nn", "torch", "self", "cls", "Tensor",
     "NamedTuple", "annotations", "partial", "math", "Net", "NetOutput", "x_", "add", "forward_",
     "captured_0", "super", "range", "len", "print", "T", "N", "OrderedDict", "typing", "weight",
     "bias", "count_", "field", "name", "value", "module", "Sequential", "i", "j", "_1x", "float_"}
    - {name for name in dir(builtins) if name.startswith("_")}
    - RESERVED - ATTRIBUTES - set(keyword.kwlist)
    - {"_", "_1x", "Net", "N", "Conv2d", "ReLU", "Flatten"}
)  # fmt: skip


def run(text: str) -> torch.Tensor:
    """The emitted network on an image."""
    made = session(text)
    graph = made.graph("Net")
    assert graph is not None, [d.message for d in made.collector.errors]
    torch.manual_seed(0)
    with imported(torch_source(made, graph).text) as module:
        value = module.Net()(torch.ones(2, 3, 8, 8))
    return value if isinstance(value, torch.Tensor) else value[0]


@pytest.mark.parametrize("name", seldom(USABLE, 3))
def test_any_other_name_works_everywhere(name: str) -> None:
    """As a label, a value, a loop variable, a parameter of a block, and a block."""
    inside = f"{name} = x -> {name}: Conv2d(3, 1)\noutput y = {name} + 1 -> Flatten -> last: ReLU"
    assert run(net(inside)).shape == (2, 192)
    text = f"block {name}({name}2) {{ return x -> c: Conv2d({name}2, 1) -> ReLU }}\n"
    assert run(text + net(f"output y = x -> a: {name}(4) -> b: {name}(5)")).shape == (2, 5, 8, 8)


@pytest.mark.parametrize("name", ["class", "F", "nn", "torch", "Tensor", "int", "match"])
def test_a_network_whose_class_would_hide_another_is_refused(name: str) -> None:
    (found,) = errors(net("output y = x -> ReLU").replace("Net", name))
    assert found.code == "E0404" and found.help is not None
    free = found.help.removeprefix("call it ")
    assert errors(net("output y = x -> ReLU").replace("Net", free)) == []


def test_every_name_that_the_emitted_file_has_is_refused() -> None:
    assert all(forbidden_class(name) for name in {*FILE_NAMES, *keyword.kwlist})


@pytest.mark.parametrize("name", ["T", "Module", "Sequential", "Mean", "NetOutput"])
def test_a_network_of_any_name_is_emitted_under_it(name: str) -> None:
    made = session(net("output y = x -> Conv2d(4, 1) -> Dropout").replace("Net", name))
    graph = made.graph(name)
    assert graph is not None
    for probes in (False, True):
        with imported(torch_source(made, graph, probes=probes).text) as module:
            assert getattr(module, name)()(torch.ones(2, 3, 8, 8)).shape == (2, 4, 8, 8)


FORMAT = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) == "Cf"]
POSITIONS = ["network N{}et {{ }}", "let a{} = 1", "let {}a = 1", "let a = 1{}0", "let a {}= 1",
             "network Net {{ input x: float[N, 3] output y = x -{}> ReLU }}",
             "{}let a = 1"]  # fmt: skip
BIDI = {c for c in FORMAT if unicodedata.bidirectional(c) in
        {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}}  # fmt: skip
BIDI |= {"\u061c", "\u200e", "\u200f"}


@pytest.mark.parametrize("position", POSITIONS)
def test_format_characters_are_refused_in_every_token(position: str) -> None:
    for character in FORMAT:
        text = position.format(character)
        if text.startswith("\ufeff"):
            continue  # a byte order mark
        codes = {d.code for d in check_text(text) if d.code.startswith("E")}
        assert codes, f"U+{ord(character):04X}"


def test_controls_of_the_writing_direction_are_refused_in_comments_and_strings_too() -> None:
    for character in BIDI:
        for text in (f"# a{character}b\nlet a = 1", f'let a = "a{character}b"'):
            assert [d.code for d in check_text(text)][:1] == ["E0002"], f"U+{ord(character):04X}"


@pytest.mark.parametrize("name", ["ﬁ", "Ａ", "а", "ａｂ", "é", "ß", "x٣", "ⅸ", "µ", "名"])
def test_names_are_ascii(name: str) -> None:
    assert "E0014" in {d.code for d in check_text(f"let {name} = 1")}
    assert check_text(net(f'output y = x -> "{name}": ReLU'))[0].code == "E0406"


@pytest.mark.parametrize("digit", ["٣", "３", "²", "½"])
def test_numbers_are_ascii(digit: str) -> None:
    assert any(d.code.startswith("E") for d in check_text(f"let a = {digit}"))


def test_line_ends_and_marks_make_no_difference(confined: Confined) -> None:
    text = net("output y = x -> Conv2d(4, 3)\n# é")
    forms = [text, text.replace("\n", "\r\n"), "\ufeff" + text]
    outs = [confined.run("summary", "-", "--json", text=form.encode()).out for form in forms]
    assert outs[0] and outs[0] == outs[1] == outs[2]


@pytest.mark.parametrize(
    "data", [b"", b"# only a comment", b"\n\n", b"\xef\xbb\xbf", b"let a = 1\r\r\n", b"a\0b",
             b"\xff\xfe", b"\x80", b"network Net {", b"}" * 1000, b"\r", b"\x1b[31m", b"\x0c"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "compile", "fmt", "summary"])
def test_odd_bytes_are_told(confined: Confined, data: bytes, command: str) -> None:
    outcome = confined.run(command, "-", text=data)
    assert outcome.code in (0, 1, 2) and "Traceback" not in outcome.err
    assert outcome.code == 0 or outcome.codes
    assert "\x1b" not in outcome.err + outcome.out
