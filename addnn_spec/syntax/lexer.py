"""Characters to tokens. Wrong characters are reported here, and never stop the parse."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from addnn_spec.syntax.ast import Comment
from addnn_spec.syntax.parse_table import END, load_table
from addnn_spec.syntax.syntax_errors import MAX_NAME, MAX_NESTING, Findings, short


class Token(NamedTuple):
    """A piece of the text; `kind` is the terminal's name in the grammar."""

    kind: str
    text: str
    start: int
    end: int


# What is no token, tried before and after the grammar's. None has a quantifier within another that
# could match the same characters twice.
_WORD = r"(?P<WORD>[A-Za-z0-9_]*+(?=[^\W\x00-\x7f])\w+)"
_SLIP = r"(?P<SLIP>=>|:=|&&?|\|\|?|!(?!=)|\^|;)"
_LAST = (
    r"(?P<BAD_NUMBER>[0-9][A-Za-z0-9_]*+(?:\.[A-Za-z0-9_]++)*+(?:\.(?!\.))?)"
    r"|(?P<BAD_QUOTES>'[^'\n]*'|[“”„«][^“”„«»\"\n]*[“”»\"])"
    r"|(?P<OPEN_STRING>\"[^\"\n]*)"
    r"|(?P<OTHER>(?s:.))"
)

# Written by hand or by an editor for a token: the token that is meant, and how it is written.
_SLIPS = {
    "=>": ("ARROW", "->"), ":=": ("EQUAL", "="), "&&": ("AND", "and"), "&": ("AND", "and"),
    "||": ("OR", "or"), "|": ("OR", "or"), "!": ("NOT", "not"), "^": ("POW", "**"),
    "→": ("ARROW", "->"), "⟶": ("ARROW", "->"), "⇒": ("ARROW", "->"), "×": ("MUL", "*"),
    "·": ("MUL", "*"), "÷": ("MUL", "/"), "−": ("MINUS", "-"), "–": ("MINUS", "-"),
    "—": ("MINUS", "-"), "≤": ("CMP", "<="), "≥": ("CMP", ">="), "≠": ("CMP", "!="),
}  # fmt: skip

# Control characters (a lone CR among them) and those that change the direction or the lines of what
# is shown: text that holds them does not read as it looks.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
_LOOK_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХаеіјорсухѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABESIJKMHOPCTXaeijopcyxsABEZHIKMNOPTYXo"
)

_BRACKETS = {"LPAR": 1, "LSQB": 1, "LBRACE": 1, "RPAR": -1, "RSQB": -1, "RBRACE": -1}


@cache
def _expression(ascii_only: bool) -> re.Pattern[str]:
    first = _SLIP if ascii_only else f"{_WORD}|{_SLIP}"
    return load_table().lexer(first, _LAST)


class Lexer:
    """Reads a source, or a part of it."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._text = findings.source.text
        self.comments: list[Comment] = []
        self._foreign: set[str] = set()

    def check_characters(self) -> None:
        """Report hidden characters, wherever they stand: in comments and strings too."""
        for found in _HIDDEN.finditer(self._text):
            character = found.group()
            name = "carriage return" if character == "\r" else _character(character)
            message = f"hidden character: {name}"
            self._findings.error("E0002", message, found.start(), found.end(), help="remove it")

    def tokens(self, start: int = 0, end: int | None = None) -> list[Token]:
        """Return the tokens from `start` to `end`, and an end mark; raises `StopError`."""
        text = self._text
        end = len(text) if end is None else end
        table = load_table()
        # Locals, here and below: the loop runs once a token.
        keywords, patterns, ignored = table.keywords, table.patterns, table.ignored
        tokens: list[Token] = []
        append = tokens.append
        # Most texts are ASCII: without the rule for other letters each name is matched once.
        for found in _expression(text.isascii()).finditer(text, start, end):
            kind = found.lastgroup or ""
            if kind == "SPACE":
                continue
            word = found.group()
            if kind == "NAME":
                kind = keywords.get(word, kind)
                if len(word) > MAX_NAME:
                    self._long_name(word, found.start())
            elif kind in ignored:
                self.comments.append(Comment(word, self._findings.span(*found.span())))
                continue
            elif kind not in patterns:
                meant = self._wrong(kind, word, found.start())
                if meant is not None:
                    append(meant)
                continue
            append(Token(kind, word, *found.span()))
        append(Token(END, "", end, end))
        self._check_nesting(tokens)
        return tokens

    def _check_nesting(self, tokens: list[Token]) -> None:
        depth = 0
        for token in tokens:
            change = _BRACKETS.get(token.kind)
            if change is not None:
                depth = max(depth + change, 0)
                if depth > MAX_NESTING:
                    self._findings.too_deep(token.start, token.end)

    def _wrong(self, kind: str, word: str, start: int) -> Token | None:
        """Report what is no token; returns the token that is meant, if one is."""
        end = start + len(word)
        if kind == "WORD":
            return self._foreign_word(word, start)
        if kind == "BAD_NUMBER":
            message = f"`{short(word)}` is not a number"
            note = "numbers are written 3, 0.5 or 1e-6, and names do not begin with a digit"
            self._findings.error("E0006", message, start, end, help=note)
            return Token("NUMBER", "0", start, end)
        if kind == "OPEN_STRING":
            self._findings.error(
                "E0005", "this string is never closed", start, end, help='end it with `"`'
            )
            # What is meant is plain, so the parse goes on, and finds the mistakes after it, too.
            return Token("STRING", f'{word}"', start, end)
        if kind == "BAD_QUOTES":
            note = f'write "{short(word[1:-1])}"'
            self._findings.error("E0010", "strings stand in double quotes", start, end, help=note)
            return Token("STRING", f'"{word[1:-1]}"', start, end)
        return self._character(word, start)

    def _long_name(self, word: str, start: int) -> None:
        message = f"a name has at most {MAX_NAME} characters, and this one {len(word):,}"
        self._findings.error("E0014", message, start, start + len(word))

    def _foreign_word(self, word: str, start: int) -> Token:
        """Report a name of other characters, where it first stands; it is read all the same."""
        token = Token("NAME", word, start, start + len(word))
        # Told once: it stands wherever the name is read.
        if word in self._foreign:
            return token
        self._foreign.add(word)
        other = next(c for c in word if not c.isascii())
        plain = unicodedata.normalize("NFKC", word).translate(_LOOK_ALIKE)
        self._findings.error(
            "E0014",
            f"a name is of the letters A-Z and a-z, digits and _, without {_character(other)}",
            start,
            start + len(word),
            help=f"write {short(plain)}" if plain.isascii() and plain.isidentifier() else None,
        )
        return token

    def _character(self, word: str, start: int) -> Token | None:
        end = start + len(word)
        if _HIDDEN.match(word):
            return None  # reported by check_characters
        if word == ";":
            note = "leave it out: a statement ends where the next one begins"
            self._findings.error("E0010", "`;` has no meaning here", start, end, help=note)
            return None
        if word in _SLIPS:
            kind, written = _SLIPS[word]
            self._findings.error("E0010", f"`{word}` is written `{written}`", start, end)
            return Token(kind, written, start, end)
        self._findings.error("E0010", f"{_character(word)} has no meaning here", start, end)
        return None


def _character(character: str) -> str:
    """Return a character's code and name, `U+00D7 MULTIPLICATION SIGN`; an ASCII character as it
    is."""
    if " " < character < "\x7f":
        return f"`{character}`"
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()
