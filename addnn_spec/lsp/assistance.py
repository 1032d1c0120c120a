"""Help while one writes: what may stand at a place, and what mends a finding."""

from __future__ import annotations

from lsprotocol import types

from addnn_spec.backends.reference import entry
from addnn_spec.diagnostics import Diagnostic
from addnn_spec.lsp.analysis import Analysis, analyse
from addnn_spec.lsp.completion import Kind, Proposal, completion
from addnn_spec.lsp.findings import finding
from addnn_spec.lsp.fixes import Fix, fixes, import_edit
from addnn_spec.lsp.server import Server
from addnn_spec.ops import find, index

_KINDS: dict[Kind, types.CompletionItemKind] = {
    "operator": types.CompletionItemKind.Class,
    "block": types.CompletionItemKind.Module,
    "argument": types.CompletionItemKind.Field,
    "value": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "word": types.CompletionItemKind.Keyword,
    "file": types.CompletionItemKind.File,
    "attribute": types.CompletionItemKind.Property,
}


def add_writing(server: Server) -> None:
    """Let the server complete words and mend findings."""
    specs = server.specs

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(
            trigger_characters=[".", '"', ">", "(", ","], resolve_provider=True
        ),
    )
    async def complete(params: types.CompletionParams) -> list[types.CompletionItem]:
        analysis = await specs.analysed(params.text_document.uri)
        if analysis is None or analysis.session is None:
            return []
        offset = specs.positions(analysis).offset(params.position)
        found = await specs.run(completion, analysis, offset)
        return [_item(p, number, server, analysis) for number, p in enumerate(found)]

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    async def resolve(item: types.CompletionItem) -> types.CompletionItem:
        operator = await specs.run(find, item.label) if item.label in index() else None
        if operator is not None and item.kind == types.CompletionItemKind.Class:
            text = await specs.run(entry, operator)
            item.documentation = types.MarkupContent(types.MarkupKind.Markdown, text)
        return item

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions([types.CodeActionKind.QuickFix]),
    )
    async def act(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        analysis = await specs.analysed(uri)
        if analysis is None or analysis.session is None:
            return []
        made = await specs.run(_fixes, server, uri, analysis, params.range)
        positions = specs.positions(analysis)
        locate = specs.locator(uri, analysis)
        actions = []
        for diagnostic, found in made:
            for place, fix in enumerate(found):
                edit = types.TextEdit(positions.between(fix.start, fix.end), fix.text)
                actions.append(
                    types.CodeAction(
                        fix.title,
                        types.CodeActionKind.QuickFix,
                        [finding(diagnostic, locate)],
                        is_preferred=place == 0,
                        edit=types.WorkspaceEdit({uri: [edit]}),
                    )
                )
        return actions


def _fixes(
    server: Server, uri: str, analysis: Analysis, range: types.Range
) -> list[tuple[Diagnostic, list[Fix]]]:
    """Return the fixes of the findings in a range of a document."""
    specs = server.specs
    document, positions = specs.documents.get(uri), specs.positions(analysis)
    if document is None or analysis.session is None:
        return []
    path, texts, options = document.path, specs.texts, specs.options
    start, end = positions.offset(range.start), positions.offset(range.end)

    def check(text: str) -> list[Diagnostic]:
        changed = {**texts, path: text} if path else texts
        folder = specs.folders[0] if specs.folders else None
        return analyse(path, text, changed, folder=folder, options=options).diagnostics

    return [
        (diagnostic, fixes(diagnostic, analysis.session.file.tree, analysis.diagnostics, check))
        for diagnostic in analysis.diagnostics
        if diagnostic.primary is not None
        and diagnostic.primary.span.source is analysis.source
        and diagnostic.primary.span.start <= end
        and start <= diagnostic.primary.span.end
    ]


def _item(
    proposal: Proposal, number: int, server: Server, analysis: Analysis
) -> types.CompletionItem:
    edits: list[types.TextEdit] | None = None
    if proposal.imported and analysis.tree is not None:
        fix = import_edit(analysis.tree, proposal.label, proposal.imported)
        place = server.specs.positions(analysis).between(fix.start, fix.end)
        edits = [types.TextEdit(place, fix.text)]
    return types.CompletionItem(
        proposal.label,
        kind=_KINDS[proposal.kind],
        detail=proposal.detail or None,
        insert_text=proposal.inserted or None,
        sort_text=f"{number:05}",
        additional_text_edits=edits,
    )
