"""Messages of what was found where something else was expected."""

from __future__ import annotations

from msgspec import Struct

from addnn_spec.diagnostics import DiagnosticCode, Label
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.parse_table import END, load_table
from addnn_spec.syntax.parser_position import ITEMS, STATEMENTS, Situation
from addnn_spec.syntax.syntax_errors import short

_WORDS = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a string", END: "the end of the file",
    "ARROW": "`->`", "RANGE": "`..`", "COLON": "`:`", "COMMA": "`,`", "DOT": "`.`", "EQUAL": "`=`",
    "LBRACE": "`{`", "LPAR": "`(`", "LSQB": "`[`", "MINUS": "`-`", "PLUS": "`+`", "RBRACE": "`}`",
    "RPAR": "`)`", "RSQB": "`]`", "CMP": "a comparison", "MUL": "an operator", "POW": "`**`",
}  # fmt: skip

VALUE = frozenset(["NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NONE", "LPAR", "LSQB"])
ELEMENT = frozenset(["NAME", "STRING", "LBRACE", "REPEAT", "IF", "FOR"])
_STATEMENT = STATEMENTS | {"NAME", "IF", "FOR"}
ITEM = ITEMS | {"LET"}
_GROUPS = (
    (_STATEMENT, "a statement"),
    (ITEM, "`block`, `network`, `fn`, `let` or `from`"),
    (VALUE, "a value"),
    (ELEMENT, "an element"),
)
# What may follow any value: of no help, unless nothing else may.
_GOES_ON = frozenset(
    [
        "PLUS",
        "MINUS",
        "MUL",
        "POW",
        "CMP",
        "IN",
        "NOT",
        "AND",
        "OR",
        "DOT",
        "LPAR",
        "LSQB",
        "ARROW",
        "LBRACE",
        "FOR",
    ]
)


class Finding(Struct, frozen=True):
    """A message, and the tokens to read in place of the found one, if that mends it.

    `repair` holds what is inserted and how many tokens it replaces.
    """

    code: DiagnosticCode
    message: str
    at: Token
    label: str = ""
    help: str | None = None
    other: Label | None = None
    repair: tuple[tuple[Token, ...], int] | None = None


def found_words(at: Situation) -> str:
    """Return the found token in a message."""
    token = at.found
    if token.kind == END:
        return "`}`" if at.in_hole else _WORDS[END]
    what = "the reserved word " if token.kind in reserved() else ""
    return f"{what}`{short(token.text)}`"


def reserved() -> frozenset[str]:
    """Return the kinds of the reserved words."""
    return frozenset(load_table().keywords.values())


def unexpected(at: Situation) -> Finding:
    """Return what was expected, and what was found."""
    message = f"expected {expected(at)}, found {found_words(at)}"
    return Finding("E0003", message, at.found)


def expected(at: Situation) -> str:
    """Return the kinds of token that could have come, in words, always in the same order."""
    rest = set(at.expected)
    groups = []
    for kinds, words in _GROUPS:
        if rest >= kinds:
            rest -= kinds
            groups.append(words)
    if rest >= {"PLUS", "MUL"}:
        # An expression may always go on. A brace goes on only where a chain does, after a layer.
        rest -= _GOES_ON if "ARROW" in rest else _GOES_ON - {"LBRACE"}
        groups += [] if rest or groups else ["an operator"]
    if groups:
        rest -= {END, "COMMA", "MINUS", "NOT", "IF"}
    keywords = {kind: f"`{word}`" for word, kind in load_table().keywords.items()}
    said = keywords | _WORDS | ({END: "`}`"} if at.in_hole else {})
    *first, last = sorted(said[kind] for kind in rest) + groups
    return f"{', '.join(first)} or {last}" if first else last
