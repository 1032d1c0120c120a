"""Help while one writes: completion, and quick fixes that were tried."""

from __future__ import annotations

import pytest
from lsprotocol import types

from addnn_spec.compiler import check_text
from tests.lsp.client import Editor

HEAD = """\
block Pair(out, groups = 1) { return x -> Conv2d(out, 3, groups = groups) }
network Small {
  input image: float[N, 3, H = 32, W = 32]
  let width = 8
  y = image -> stem: Conv2d(width, 3)
"""


def _complete(editor: Editor, text: str) -> list[types.CompletionItem]:
    """Return what is proposed at the `|` of a text."""
    before, _, after = text.partition("|")
    uri = editor.open("complete.net", before + after)
    line = before.count("\n")
    params = types.CompletionParams(**editor.at(uri, line, len(before.split("\n")[-1])))
    found = editor.ask("text_document_completion", params)
    return list(found)


def _labels(items: list[types.CompletionItem]) -> list[str]:
    return [item.label for item in items]


def test_arguments_that_are_not_given_yet(editor: Editor) -> None:
    found = _labels(_complete(editor, HEAD + "  z = y -> Conv2d(8, 3, bias = false, |\n}\n"))
    assert found[:2] == ["stride", "padding"]
    assert "bias" not in found and "out_channels" not in found
    assert "width" in found
    found = _labels(_complete(editor, HEAD + "  z = y -> Pair(8, |\n}\n"))
    assert found[0] == "groups"


def test_values_of_an_argument(editor: Editor) -> None:
    found = _labels(_complete(editor, HEAD + "  z = y -> Conv2d(8, 3, padding = |)\n}\n"))
    assert found[:2] == ['"same"', '"valid"']


def test_layers_behind_an_arrow(editor: Editor) -> None:
    items = _complete(editor, HEAD + "  output z = y -> |\n}\n")
    found = {item.label: item for item in items}
    assert {"Pair", "Conv2d", "repeat", "SqueezeExcite"} <= set(found)
    (edit,) = found["SqueezeExcite"].additional_text_edits or ()
    assert edit.new_text == 'from "squeeze_excite.net" import SqueezeExcite\n'
    assert edit.range.start == types.Position(0, 0)
    resolved = editor.ask("completion_item_resolve", found["Conv2d"])
    assert "## Conv2d" in resolved.documentation.value


def test_names_with_what_they_stand_for(editor: Editor) -> None:
    items = _complete(editor, HEAD + "  let more = 2 * |\n  output z = y\n}\n")
    found = {item.label: item.detail for item in items}
    assert found["width"] == "8"
    assert found["y"] == "[N, 8, H - 2, W - 2]"
    assert "sqrt" in found and "more" not in found


def test_sizes_in_a_shape(editor: Editor) -> None:
    found = _labels(_complete(editor, HEAD + "  z: [N, 8, | ] = y\n}\n"))
    assert found[:3] == ["N", "H", "W"]


def test_files_and_names_of_imports(editor: Editor) -> None:
    (editor.folder / "near.net").write_text("block Near { return x -> ReLU }\n")
    found = _labels(_complete(editor, 'from "|\n'))
    assert {"near.net", "residual.net"} <= set(found)
    found = _labels(_complete(editor, 'from "near.net" import |\n'))
    assert found == ["Near"]
    found = _labels(_complete(editor, 'from "squeeze_excite.net" import |\n'))
    assert "SqueezeExcite" in found


def test_attributes_of_a_tensor_and_nothing_in_comments(editor: Editor) -> None:
    assert "channels" in _labels(_complete(editor, HEAD + "  let c = y.|\n}\n"))
    assert _complete(editor, HEAD + "  # a word |\n}\n") == []


MISTAKES = [
    ("-> Linaer(10)", "change to Linear", "-> Linear(10)"),
    ("-> Linear(10, biass = false)", "change to bias", "-> Linear(10, bias = false)"),
    ("-> Linear(10, bias = False)", "write false", "-> Linear(10, bias = false)"),
    ("-> Linear(10, in_features = 9)", "leave the argument out", "-> Linear(10)"),
    ("-> Linear(10", "close it: )", "-> Linear(10)"),
    ("=> Linear(10)", "write ->", "-> Linear(10)"),
    ("-> SqueezeExcite(8)", 'import SqueezeExcite from "squeeze_excite.net"', None),
    ("-> Reshape([N * 6])", None, None),
]


@pytest.mark.parametrize(("mistake", "title", "mended"), MISTAKES)
def test_quick_fixes_mend(
    editor: Editor, mistake: str, title: str | None, mended: str | None
) -> None:
    shape = "[N, 8, 4, 4]" if "Squeeze" in mistake else "[N, 8]"
    text = f"network Small {{\n  input image: float{shape}\n  output y = image {mistake}\n}}\n"
    uri = editor.open("mistake.net", text)
    everything = types.Range(types.Position(0, 0), types.Position(9, 0))
    params = types.CodeActionParams(
        types.TextDocumentIdentifier(uri), everything, types.CodeActionContext([])
    )
    actions = {action.title: action for action in editor.ask("text_document_code_action", params)}
    if title is None:
        assert actions == {}
        return
    assert title in actions
    (edit,) = actions[title].edit.changes[uri]
    lines = text.split("\n")
    start, end = edit.range.start, edit.range.end
    before = "\n".join([*lines[: start.line], lines[start.line][: start.character]])
    after = "\n".join([lines[end.line][end.character :], *lines[end.line + 1 :]])
    changed = before + edit.new_text + after
    assert [d for d in check_text(changed) if d.severity == "error"] == []
    assert mended is None or mended in changed
