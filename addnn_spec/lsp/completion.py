"""What may be written at a place, told from the tokens before it: the text is half written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from addnn_spec.backends.reference import attribute, choices
from addnn_spec.diagnostics import Collector, DiagnosticError
from addnn_spec.elaborate import functions
from addnn_spec.loading import ParsedFile
from addnn_spec.lsp.analysis import Analysis
from addnn_spec.lsp.rendering import Sizes, shape_of, value_text
from addnn_spec.lsp.symbols import NamedSymbol
from addnn_spec.ops import find, index
from addnn_spec.ops.init import INITS
from addnn_spec.reading import read_source
from addnn_spec.resources import find_spec, folder
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.lexer import Lexer, Token
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.parser_stack import OPENING
from addnn_spec.syntax.syntax_errors import Findings, StopError

Kind = Literal["operator", "block", "argument", "value", "function", "word", "file", "attribute"]

_WORD = re.compile(r"[A-Za-z0-9_]*\Z")
_ITEMS = ("network", "block", "fn", "let", "from")
_STATEMENTS = (
    "input", "output", "let", "return", "module", "parameter", "buffer", "assert", "if", "for",
)  # fmt: skip
_ELEMENTS = ("repeat", "if", "for")
_VALUES = ("true", "false", "none", "if", "not")
_ATTRIBUTES = {
    "shape": "its sizes, a list", "rank": "how many dimensions", "channels": "shape[1]",
    "length": "shape[1]", "features": "shape[-1]", "height": "shape[-2]", "width": "shape[-1]",
}  # fmt: skip
_BLOCK = re.compile(r"^block (\w+)", re.MULTILINE)
_CLOSING = frozenset(OPENING.values())


@dataclass(frozen=True, slots=True)
class Proposal:
    """A word that may stand there. `imported` names the file that it must be imported from first;
    `inserted` is what is written where that is more than the word."""

    label: str
    kind: Kind
    detail: str = ""
    inserted: str = ""
    imported: str = ""


def completion(analysis: Analysis, offset: int) -> list[Proposal]:
    """Return what may be written at a character."""
    tokens = _tokens_before(analysis.source, offset)
    if tokens is None:
        return []
    place = _Place(analysis, offset, tokens)
    return list({proposal.label: proposal for proposal in place.proposals()}.values())


def _tokens_before(source: Source, offset: int) -> list[Token] | None:
    """Return the tokens before the word at a character; None within a comment."""
    text = source.text
    found = _WORD.search(text, 0, offset)
    begin = found.start() if found else offset
    line = text[text.rfind("\n", 0, offset) + 1 : begin]
    # Tokens and no tree: the text is half written, so a tree would break off here.
    lexer = Lexer(Findings(Source(source.name, text), Collector()))
    try:
        tokens = lexer.tokens(0, begin)[:-1]
    except StopError:
        return None
    # In a comment no word is looked for.
    if lexer.comments and lexer.comments[-1].span.end == begin and "#" in line:
        return None
    return tokens


class _Place:
    """A place in a text that is being written."""

    def __init__(self, analysis: Analysis, offset: int, tokens: list[Token]) -> None:
        self.analysis = analysis
        self.offset = offset
        self.tokens = tokens
        self.before = [token.kind for token in tokens[-3:]]
        self.sizes = Sizes(symbolic=True)
        self.last = self.before[-1] if self.before else ""

    def proposals(self) -> Iterator[Proposal]:
        """Yield what may stand here."""
        if self.last == "STRING" and self._in_string():
            if self.before[-2:-1] == ["FROM"]:
                yield from self._files()
            return
        importing = self._importing()
        if importing is not None:
            yield from self._imports(importing)
        elif self.last == "DOT":
            yield from (Proposal(n, "attribute", what) for n, what in _ATTRIBUTES.items())
        elif self.last == "ARROW" or (self.last == "COLON" and self._labels()):
            yield from self._layers()
        else:
            yield from self._in_brackets()

    def _in_string(self) -> bool:
        token = self.tokens[-1]
        text = self.analysis.source.text[token.start : self.offset]
        return text.count('"') == 1

    def _labels(self) -> bool:
        """Return True if the colon before ends the label of an element."""
        before = self.tokens[-3].kind if len(self.tokens) > 2 else ""
        return before in ("ARROW", "LBRACE")

    # --- imports --------------------------------------------------------------------------------
    def _importing(self) -> str | None:
        """Return the path of the import whose names are being written."""
        for place in range(len(self.tokens) - 1, -1, -1):
            kind = self.tokens[place].kind
            if kind == "IMPORT":
                path = self.tokens[place - 1]
                expects = self.last in ("IMPORT", "COMMA")
                return path.text.strip('"') if expects and path.kind == "STRING" else None
            if kind not in ("NAME", "COMMA", "AS"):
                return None
        return None

    def _files(self) -> Iterator[Proposal]:
        view = self.analysis.view
        home = None if view is None or view.file.path is None else view.file.path.parent
        if home is not None:
            for path in sorted(home.glob("*.net")):
                if view is not None and path.resolve() != view.file.path:
                    yield Proposal(path.name, "file", "in this folder")
        root = folder("specs")
        for path in sorted(root.rglob("*.net")):
            yield Proposal(path.name, "file", f"library: {path.relative_to(root).as_posix()}")

    def _imports(self, path: str) -> Iterator[Proposal]:
        taken = set()
        for item in self._items():
            if isinstance(item, ast.Import) and item.path == path:
                taken |= {each.name for each in item.names if each.span.end < self.offset}
        file = self._file(path)
        for other in () if file is None else file.items:
            if isinstance(other, ast.Fn | ast.Block | ast.Network | ast.Alias):
                if other.name not in taken:
                    yield Proposal(other.name, "block", type(other).__name__.lower())

    def _file(self, path: str) -> ast.File | None:
        """Return the tree of a file that may be imported."""
        view = self.analysis.view
        if view is not None:
            imports = [item for item in view.file.tree.items if isinstance(item, ast.Import)]
            for item, file in zip(imports, view.file.imports, strict=False):
                if item.path == path and isinstance(file, ParsedFile):
                    return file.tree
        home = view.file.path.parent if view and view.file.path else None
        beside = home / path if home and ".." not in Path(path).parts else None
        found = beside if beside is not None and beside.is_file() else find_spec(path)
        if found is None:
            return None
        try:
            return parse(read_source(found), Collector())
        except DiagnosticError:
            return None

    def _items(self) -> tuple[ast.Item, ...]:
        return () if self.analysis.tree is None else self.analysis.tree.items

    # --- layers ---------------------------------------------------------------------------------
    def _layers(self) -> Iterator[Proposal]:
        """Yield what data may flow into."""
        known = set()
        for symbol in self._visible():
            if symbol.kind in ("block", "network", "import", "module", "parameter"):
                known.add(symbol.name)
                yield Proposal(symbol.name, "block", self._detail(symbol))
        yield from (Proposal(word, "word") for word in _ELEMENTS)
        for name, module in index().items():
            known.add(name)
            yield Proposal(name, "operator", module.rpartition(".")[2])
        for name, file in library().items():
            if name not in known:
                yield Proposal(name, "block", f"from {file}", imported=file)

    # --- brackets -------------------------------------------------------------------------------
    def _in_brackets(self) -> Iterator[Proposal]:
        """Yield what may stand in the innermost bracket that is open."""
        opened: list[int] = []
        for place, token in enumerate(self.tokens):
            if token.kind in OPENING:
                opened.append(place)
            elif token.kind in _CLOSING and opened:
                opened.pop()
        if not opened:
            if self._begins_line():
                yield from (Proposal(word, "word") for word in _ITEMS)
            else:
                yield from self._expressions()
            return
        place = opened[-1]
        kind = self.tokens[place].kind
        before = self.tokens[place - 1] if place else None
        if kind == "LPAR" and before is not None and before.kind == "NAME":
            yield from self._arguments(before.text, place)
        elif kind == "LSQB" and before is not None and (before.kind == "COLON" or _is_type(before)):
            yield from (self._value(s) for s in self._visible() if s.kind == "size")
            yield from self._expressions()
        elif kind == "LBRACE" and (self._begins_line() or self.last in ("LBRACE", "RBRACE")):
            yield from (Proposal(word, "word") for word in _STATEMENTS)
            yield from self._expressions()
            yield from self._layers()
        else:
            yield from self._expressions()

    def _begins_line(self) -> bool:
        text = self.analysis.source.text
        start = text.rfind("\n", 0, self.offset) + 1
        return re.fullmatch(r"\s*\w*", text[start : self.offset]) is not None

    def _arguments(self, callee: str, place: int) -> Iterator[Proposal]:
        """Yield the arguments of a layer that are not given yet, and the values of one."""
        inside = self.tokens[place + 1 :]
        if self.last == "EQUAL" and len(inside) > 1 and inside[-2].kind == "NAME":
            yield from self._values_of(callee, inside[-2].text)
            yield from self._expressions()
            return
        if self.last in ("LPAR", "COMMA"):
            named, positional = _given(inside)
            for number, (name, detail) in enumerate(self._parameters(callee)):
                if name not in named and number >= positional:
                    yield Proposal(name, "argument", detail, f"{name} = ")
        yield from self._expressions()

    def _parameters(self, callee: str) -> list[tuple[str, str]]:
        """Return the arguments that a layer or function takes, with what they may be."""
        definition = self.analysis.definition(callee)
        if definition is not None:
            item = definition[1]
            params = list(item.params) if isinstance(item, ast.Fn | ast.Block | ast.Network) else []
            if isinstance(item, ast.Block):
                params += item.inputs or ()
            return [(p.name, p.span.text if p.default else "must be given") for p in params]
        operator = find(callee) if callee in index() else None
        if operator is None:
            return []
        fields = (*operator.positional_fields(), *operator.keyword_only)
        found = []
        for name in fields:
            words, default = attribute(operator, name)
            found.append((name, words + (f"; by default {default}" if default else "")))
        inputs = (*operator.optional_inputs, *operator.named_inputs)
        return found + [(name, "a tensor") for name in dict.fromkeys(inputs)]

    def _values_of(self, callee: str, name: str) -> Iterator[Proposal]:
        operator = find(callee) if callee in index() else None
        if operator is None or name not in operator.model_fields:
            return
        for choice in choices(operator, name):
            for value in choice.split(", "):
                yield Proposal(value, "value")
        if "initialiser" in attribute(operator, name)[0]:
            yield from (Proposal(init, "function", "initialiser") for init in INITS)

    # --- expressions ----------------------------------------------------------------------------
    def _expressions(self) -> Iterator[Proposal]:
        for symbol in self._visible():
            yield self._value(symbol)
        yield from (Proposal(name, "function") for name in functions.NAMES)
        yield from (Proposal(word, "word") for word in _VALUES)

    def _value(self, symbol: NamedSymbol) -> Proposal:
        layers = ("block", "network")
        kind: Kind = (
            "block" if symbol.kind in layers else "function" if symbol.kind == "fn" else "value"
        )
        return Proposal(symbol.name, kind, self._detail(symbol))

    def _visible(self) -> list[NamedSymbol]:
        table = self.analysis.names
        return [] if table is None else table.visible(self.offset)

    def _detail(self, symbol: NamedSymbol) -> str:
        """Return what a name stands for here, or else what kind of name it is."""
        before = [span for span in symbol.given if span.end < self.offset]
        values = self.analysis.seen_at(self.offset, before[-1]) if before else []
        return shape_of(values, self.sizes) or value_text(values) or symbol.kind


def _is_type(token: Token) -> bool:
    return token.kind == "NAME" and token.text in ("float", "int", "bool")


def _given(tokens: list[Token]) -> tuple[set[str], int]:
    """Return the names of the arguments that are given already, and how many have none."""
    depth = positional = 0
    named: set[str] = set()
    first = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in _CLOSING)
        if depth == 0 and token.kind == "COMMA":
            part, first = tokens[first:place], place + 1
            if len(part) > 1 and part[0].kind == "NAME" and part[1].kind == "EQUAL":
                named.add(part[0].text)
            else:
                positional += 1
    return named, positional


@cache
def library() -> dict[str, str]:
    """Return the blocks of the library, and the file of each."""
    found: dict[str, str] = {}
    for path in sorted((folder("specs") / "blocks").glob("*.net")):
        for name in _BLOCK.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path.name)
    return found
