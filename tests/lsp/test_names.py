"""Names: what is told of them, where they lead, how they are changed."""

from __future__ import annotations

from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from addnn_spec.resources import folder
from tests.lsp.client import Editor

NET = """\
from "residual.net" import FullPreactivation
let width = 8
# Two convolutions.
block Pair(out) {
  h = x -> first: Conv2d(out, 3, padding = 1) -> ReLU
  return h -> second: Conv2d(out, 3, padding = 1)
}
network Small(classes = 10) {
  input image: float[N, 3, 32, 32]
  y = image -> Pair(width) -> pair: Pair(2 * width)
  output logits = y -> AdaptiveAvgPool2d(1) -> Flatten -> fc: Linear(classes)
}
"""


def _hover(editor: Editor, uri: str, text: str, word: str, nth: int = 0) -> str:
    found = editor.ask(
        "text_document_hover", types.HoverParams(**_place(editor, uri, text, word, nth))
    )
    return "" if found is None else str(found.contents.value)


def _place(editor: Editor, uri: str, text: str, word: str, nth: int = 0) -> dict[str, Any]:
    offset = -1
    for _ in range(nth + 1):
        offset = text.index(word, offset + 1)
    line = text.count("\n", 0, offset)
    return editor.at(uri, line, offset - (text.rfind("\n", 0, offset) + 1) + 1)


def test_hover_tells_of_operators_arguments_values_and_blocks(editor: Editor) -> None:
    uri = editor.open("hover.net", NET)
    operator = _hover(editor, uri, NET, "Conv2d")
    assert operator.startswith("`[N, 3, 32, 32]` → `[N, 8, 32, 32]` in pair in Small") or (
        "`[N, 3, 32, 32]` → `[N, 8, 32, 32]`" in operator
    )
    assert "## Conv2d" in operator and "| `padding` |" in operator
    assert "by default `0`" in _hover(editor, uri, NET, "padding")
    assert _hover(editor, uri, NET, "width", 1) == "```addnn\nwidth = 8\n```"
    assert "h: [N, 8, 32, 32]" in _hover(editor, uri, NET, "h ->")
    block = _hover(editor, uri, NET, "Pair(2")
    assert "block Pair(out)" in block and "Two convolutions." in block
    assert "`[N, 8, 32, 32]` → `[N, 16, 32, 32]`" in block
    label = _hover(editor, uri, NET, "fc:")
    assert "`fc.weight` [10, 16]" in label and "`[N, 16]` → `[N, 10]`" in label
    assert "2 * width = 16" in _hover(editor, uri, NET, "* width")
    last = "let a = [8, 16]\nnetwork N { input x: float[N, 3] output y = x -> Linear(a[-1]) }\n"
    uri = editor.open("last.net", last)
    assert _hover(editor, uri, last, "-1]", 0) == "```addnn\na[-1] = 16\n```"  # not -1 = -1


def test_definitions_lead_into_packaged_files(editor: Editor) -> None:
    uri = editor.open("lead.net", NET)

    def lead(word: str, nth: int = 0) -> types.Location:
        params = types.DefinitionParams(**_place(editor, uri, NET, word, nth))
        (found,) = editor.ask("text_document_definition", params)
        assert isinstance(found, types.Location)
        return found

    assert lead("FullPreactivation").uri.endswith("specs/blocks/residual.net")
    assert lead("residual").uri.endswith("specs/blocks/residual.net")
    assert lead("Pair", 2).range.start == types.Position(3, 6)
    assert lead("h ->").range.start == types.Position(4, 2)
    assert lead("width", 2).range.start == types.Position(1, 4)


def test_references_are_found_in_files_that_are_not_open(editor: Editor) -> None:
    (editor.folder / "base.net").write_text("block Base { return x -> Linear(4) }\n")
    (editor.folder / "other.net").write_text(
        'from "base.net" import Base as B\n'
        "network Other { input x: float[N, 3] output y = x -> B -> B }\n"
    )
    uri = editor.open("base.net")
    params = types.ReferenceParams(types.ReferenceContext(True), **editor.at(uri, 0, 7))
    found = editor.ask("text_document_references", params)
    places = {
        (place.uri.rpartition("/")[2], place.range.start.line, place.range.start.character)
        for place in found
    }
    assert places == {
        ("base.net", 0, 6), ("other.net", 0, 23), ("other.net", 0, 31),
        ("other.net", 1, 53), ("other.net", 1, 58),
    }  # fmt: skip
    renaming = types.RenameParams(new_name="Root", **editor.at(uri, 0, 7))
    edit = editor.ask("text_document_rename", renaming)
    made = {
        change.text_document.uri.rpartition("/")[2]: [
            (part.range.start.line, part.range.start.character) for part in change.edits
        ]
        for change in edit.document_changes
    }
    assert made == {"base.net": [(0, 6)], "other.net": [(0, 23)]}  # B stays
    highlights = editor.ask(
        "text_document_document_highlight", types.DocumentHighlightParams(**editor.at(uri, 0, 7))
    )
    assert len(highlights) == 1


def test_renaming_a_label_tells_the_keys_first(editor: Editor) -> None:
    uri = editor.open("keys.net", NET)
    params = types.RenameParams(new_name="head", **_place(editor, uri, NET, "fc:"))
    edit = editor.ask("text_document_rename", params)
    (annotation,) = edit.change_annotations.values()
    assert annotation.needs_confirmation
    assert annotation.description == (
        "fc.weight → head.weight, fc.bias → head.bias: 2 keys change in Small"
    )
    assert any("fc.weight → head.weight" in message for message in editor.messages)
    ((part,),) = [change.edits for change in edit.document_changes]
    assert (part.new_text, part.annotation_id) == ("head", "keys")


def test_renaming_a_block_tells_the_keys_of_uses_without_a_label(editor: Editor) -> None:
    uri = editor.open("block.net", NET)
    params = types.RenameParams(new_name="Twin", **_place(editor, uri, NET, "Pair"))
    edit = editor.ask("text_document_rename", params)
    (annotation,) = edit.change_annotations.values()
    assert "pair_2.first.weight → twin.first.weight" in annotation.description
    ((*parts,),) = [change.edits for change in edit.document_changes]
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("word", "name", "reason"),
    [
        ("FullPreactivation", "Mine", "is of the library"),
        ("out", "width", "is a parameter"),
        ("image", "picture", "is an input"),
        ("fc:", "forward", "every torch.nn.Module has an attribute forward"),
        ("width", "if", "is no name"),
        ("width", "Pair", "that would be wrong"),
        ("second", "first", "that would be wrong"),
    ],
)
def test_what_cannot_be_renamed_is_told(editor: Editor, word: str, name: str, reason: str) -> None:
    uri = editor.open("refused.net", NET)
    params = types.RenameParams(new_name=name, **_place(editor, uri, NET, word))
    with pytest.raises(JsonRpcException, match=reason):
        editor.ask("text_document_rename", params)


def test_what_is_packaged_stays(editor: Editor) -> None:
    path = folder("specs").resolve() / "spatial" / "lenet.net"
    text = path.read_text(encoding="utf-8")
    uri = editor.open(str(path), text)
    for word in ("conv1:", "LeNet5("):
        params = types.RenameParams(new_name="mine", **_place(editor, uri, text, word))
        with pytest.raises(JsonRpcException, match="of the library"):
            editor.ask("text_document_rename", params)


def test_labels_made_by_expressions_stay(editor: Editor) -> None:
    text = (
        "network Made { input x: float[N, 3] "
        'output y = x -> for i in 0..2 { "part{i}": Linear(3) } }\n'
    )
    uri = editor.open("made.net", text)
    params = types.RenameParams(new_name="other", **_place(editor, uri, text, "part"))
    with pytest.raises(JsonRpcException, match="made by an expression"):
        editor.ask("text_document_rename", params)
