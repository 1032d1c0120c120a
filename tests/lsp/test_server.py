"""The server as an editor meets it: findings, hints, lenses, outline, layout."""

from __future__ import annotations

from lsprotocol import types

from tests.lsp.client import Editor

NET = """\
block Twice(width) {
  return x -> conv1: Conv2d(width, 3, padding = 1) -> ReLU
    -> conv2: Conv2d(width, 3, stride = 2, padding = 1)
}

network Small(depth = 2) {
  input image: float[N, 3, H = 32, W = 32]
  y = image
    -> stem: Conv2d(8, 3, padding = 1) -> ReLU
    -> stages: repeat depth { Twice(16) }
  output logits = y -> AdaptiveAvgPool2d(1) -> Flatten -> fc: Linear(10)
}
"""


def _texts(hints: list[types.InlayHint]) -> dict[tuple[int, int], str]:
    return {(h.position.line, h.position.character): str(h.label) for h in hints}


def test_shapes_stand_at_the_ends_of_lines(editor: Editor) -> None:
    uri = editor.open("small.net", NET)
    assert _texts(editor.hints(uri)) == {
        (1, 58): "[N, 16, 32, 32]",
        (2, 55): "[N, 16, 16, 16]",
        (7, 11): "[N, 3, 32, 32]",
        (8, 46): "[N, 8, 32, 32]",
        (9, 27): "×2",
        (9, 41): "[N, 16, 8, 8]",
        (10, 72): "[N, 10]",
    }


def test_a_mistake_is_told_and_taken_back(editor: Editor) -> None:
    uri = editor.open("wrong.net", NET.replace("Linear(10)", "Linaer(10)"))
    (found,) = editor.diagnostics(uri)
    assert found.code == "E0101"
    assert found.message == "nothing is called Linaer here\nhelp: did you mean Linear?"
    assert found.range == types.Range(types.Position(10, 62), types.Position(10, 68))
    assert found.severity == types.DiagnosticSeverity.Error
    editor.change(uri, NET)
    assert editor.diagnostics(uri) == []


def test_places_are_counted_in_utf16(editor: Editor) -> None:
    text = '# 😀\nlet a = "😀"; let b = 1\nnetwork N { input x: float[N, 3] output y = x }\n'
    uri = editor.open("wide.net", text)
    (found,) = (d for d in editor.diagnostics(uri) if d.code == "E0010")
    assert found.range.start == types.Position(1, 12)  # the emoji is one character, and two units


def test_half_a_text_has_hints_for_what_is_right(editor: Editor) -> None:
    text = NET.replace("    -> stages: repeat depth { Twice(16) }\n", "    -> next: Conv2d(7,\n")
    uri = editor.open("half.net", text)
    found = _texts(editor.hints(uri))
    assert found[8, 46] == "[N, 8, 32, 32]"
    assert {d.code for d in editor.diagnostics(uri)} == {"E0004"}


def test_another_kind_of_file_gets_one_hint(editor: Editor) -> None:
    uri = editor.open("pajek.net", '*Vertices 2\n1 "a"\n2 "b"\n*Edges\n1 2\n')
    (found,) = editor.diagnostics(uri)
    assert found.severity == types.DiagnosticSeverity.Hint
    assert "no addnn spec" in found.message
    assert editor.hints(uri) == []
    editor.change(uri, "")
    assert editor.diagnostics(uri) == []


def test_imports_are_read_as_they_are_open(editor: Editor) -> None:
    part = editor.open("part.net", "block Part { return x -> Linear(5) }\n")
    whole = editor.open(
        "whole.net",
        'from "part.net" import Part\n'
        "network Whole { input x: float[N, 3] output y: [N, 5] = x -> Part }\n",
    )
    assert editor.diagnostics(whole) == []  # part.net is nowhere on the disk
    editor.change(part, "block Part { return x -> Linear(6) }\n")
    editor.published.pop(whole)
    (found,) = editor.diagnostics(whole)
    assert (found.code, found.range.start.line) == ("E0309", 1)
    editor.published.pop(whole)
    editor.close_document(part)
    (found,) = editor.diagnostics(whole)
    assert found.code == "E0103"


def test_findings_lead_to_other_files(editor: Editor) -> None:
    block = "block Narrow { return x -> Linear(4, in_features = 3) }\n"
    narrow = editor.open("narrow.net", block)
    user = editor.open(
        "user.net",
        'from "narrow.net" import Narrow\n'
        "network User { input x: float[N, 7] output y = x -> Narrow }\n",
    )
    assert editor.diagnostics(user) == []
    while not (found := editor.diagnostics(narrow, 1)) or found[0].code != "E0301":
        editor.published.pop(narrow)
    (related,) = found[0].related_information or ()
    assert related.location.uri == user
    assert related.location.range.start.line == 1


def test_lenses_tell_figures_and_choose_a_use(editor: Editor) -> None:
    uri = editor.open("lens.net", NET)
    ask = types.CodeLensParams(types.TextDocumentIdentifier(uri))
    found = editor.ask("text_document_code_lens", ask)
    titles = [lens.command.title for lens in found]
    assert titles == [
        "shapes of stages.0 in Small (1 of 2)",
        "of all uses",
        "8,522 parameters · 2,728,096 MACs",  # by hand: 224 + 1,168 + 3 · 2,320 + 170
        "open drawing",
        "open PyTorch",
    ]
    before = _texts(editor.hints(uri))[2, 55]
    command = found[0].command
    editor.ask(
        "workspace_execute_command", types.ExecuteCommandParams(command.command, command.arguments)
    )
    assert (before, _texts(editor.hints(uri))[2, 55]) == ("[N, 16, 16, 16]", "[N, 16, 8, 8]")


def test_all_uses_of_a_block_stand_side_by_side(editor: Editor) -> None:
    uri = editor.open("uses.net", NET)

    def titles() -> list[str]:
        ask = types.CodeLensParams(types.TextDocumentIdentifier(uri))
        found = editor.ask("text_document_code_lens", ask)
        return [lens.command.title for lens in found][:-3]

    run = types.ExecuteCommandParams("addnn.allUses", [uri, "Twice"])
    editor.ask("workspace_execute_command", run)
    assert titles() == ["shapes of all 2 uses"]
    (hint,) = (hint for hint in editor.hints(uri) if hint.position.line == 2)
    assert hint.label == "[N, 16, …, …]"
    assert hint.tooltip == (
        "[N, 16, floor((H + 1)/2), floor((W + 1)/2)] in stages.0 in Small\n"
        "[N, 16, floor((H + 3)/4), floor((W + 3)/4)] in stages.1 in Small"
    )
    found = editor.ask("text_document_hover", types.HoverParams(**editor.at(uri, 2, 14)))
    assert found.contents.value.startswith(
        "- `[N, 16, 32, 32]` → `[N, 16, 16, 16]` in stages.0 in Small\n"
        "- `[N, 16, 16, 16]` → `[N, 16, 8, 8]` in stages.1 in Small\n"
    )
    run = types.ExecuteCommandParams("addnn.nextUse", [uri, "Twice"])
    editor.ask("workspace_execute_command", run)
    assert titles() == ["shapes of stages.0 in Small (1 of 2)", "of all uses"]


def test_previews_follow_the_text(editor: Editor) -> None:
    uri = editor.open("preview.net", NET)
    run = types.ExecuteCommandParams("addnn.pytorch", [uri, "Small"])
    assert "class Small(nn.Module):" in editor.ask("workspace_execute_command", run)["text"]
    editor.change(uri, NET.replace("fc: Linear(10)", "head: Linear(11)"))
    assert "self.head = nn.Linear(16, 11)" in editor.ask("workspace_execute_command", run)["text"]
    editor.change(uri, NET.replace("Linear(10)", "Linaer(10)"))
    assert "nothing is called Linaer" in editor.ask("workspace_execute_command", run)["error"]


def test_clients_without_previews_show_files(editor: Editor) -> None:
    uri = editor.open("shown.net", NET)
    for command in ("addnn.openPyTorch", "addnn.openDrawing"):
        run = types.ExecuteCommandParams(command, [uri, "Small"])
        editor.ask("workspace_execute_command", run)
    editor.hints(uri)  # answered after what was shown
    assert "class Small(nn.Module):" in editor.shown["Small.py"]
    assert "<svg" in editor.shown["Small.svg"]


def test_the_outline_is_the_tree_of_modules(editor: Editor) -> None:
    uri = editor.open("outline.net", NET)
    document = types.TextDocumentIdentifier(uri)
    found = editor.ask("text_document_document_symbol", types.DocumentSymbolParams(document))
    tree = {symbol.name: [child.name for child in symbol.children or ()] for symbol in found}
    assert tree == {
        "Twice": ["conv1", "ReLU", "conv2"],
        "Small": ["image", "stem", "ReLU", "stages", "AdaptiveAvgPool2d", "Flatten", "fc"],
    }
    stages = found[1].children[3]
    assert [child.name for child in stages.children] == ["Twice"]
    folds = editor.ask("text_document_folding_range", types.FoldingRangeParams(document))
    assert [(fold.start_line, fold.end_line) for fold in folds] == [(0, 2), (5, 10)]


def test_layout_changes_the_lines_that_differ(editor: Editor) -> None:
    uri = editor.open("layout.net", NET.replace("  y = image", "  y   =   image"))
    params = types.DocumentFormattingParams(
        types.TextDocumentIdentifier(uri), types.FormattingOptions(2, True)
    )
    (edit,) = editor.ask("text_document_formatting", params)
    assert edit.new_text == "  y = image\n"
    assert (edit.range.start, edit.range.end) == (types.Position(7, 0), types.Position(8, 0))
