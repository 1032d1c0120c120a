"""Specs in colour: a lexer for Pygments, which terminals, notebooks, Sphinx and MkDocs use.

Pygments finds it as `addnn`, and by files `*.net`. The reserved words are those of the grammar.
"""

from __future__ import annotations

import re

from pygments import format, highlight
from pygments.formatters import HtmlFormatter, TerminalFormatter
from pygments.lexer import RegexLexer, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
    Whitespace,
)

from addnn_spec.resources import folder

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DEFINING = ("block", "fn", "network")
_CONSTANTS = ("false", "none", "true")
_WORDS = ("and", "in", "not", "or")


def reserved() -> frozenset[str]:
    """Return the reserved words, as the grammar has them."""
    text = (folder("grammar") / "net.lark").read_text(encoding="utf-8")
    rules = "".join(line.split("//")[0] for line in text.splitlines())
    return frozenset(re.findall(r'"([a-z]+)"', rules))


_OTHERS = sorted(reserved() - {*_DEFINING, *_CONSTANTS, *_WORDS})


class NetLexer(RegexLexer):  # type: ignore[misc]
    """The lexer of `.net` specs."""

    name = "addnn"
    aliases = ("addnn",)
    filenames = ("*.net",)
    mimetypes = ("text/x-addnn",)
    url = ""
    tokens = {  # noqa: RUF012 (Pygments' own form)
        "root": [
            (r"[ \t\r\n]+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (words(_DEFINING, prefix=r"\b", suffix=r"\b"), Keyword.Declaration, "defined"),
            (words(_CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(_WORDS, prefix=r"\b", suffix=r"\b"), Operator.Word),
            (words(_OTHERS, prefix=r"\b", suffix=r"\b"), Keyword),
            (r"(?:float|int|bool)(?=\[)", Keyword.Type),
            (rf"{_NAME}(?=\s*:(?!\s*\[))", Name.Label),
            (r"[A-Z][A-Za-z0-9_]*", Name.Class),
            (rf"{_NAME}(?=\()", Name.Function),
            (_NAME, Name),
            (r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", Number),
            (r'"', String, "string"),
            (r"->|\.\.|\*\*|//|==|!=|<=|>=|[-+*/%@<>=]", Operator),
            (r"[()\[\]{},:.]", Punctuation),
        ],
        "defined": [
            (r"[ \t]+", Whitespace),
            (_NAME, Name.Class, "#pop"),
            (r"", Whitespace, "#pop"),
        ],
        "string": [
            (r"\{\{|\}\}", String.Escape),
            (r"\{", String.Interpol, "hole"),
            (r"[^\"\n{}]+|\}", String),
            (r'"', String, "#pop"),
            (r"\n", Whitespace, "#pop"),  # a string that is not closed
        ],
        "hole": [
            (r"\}", String.Interpol, "#pop"),
            (r'(?=["\n])', Whitespace, "#pop"),
            (rf"{_NAME}(?=\()", Name.Function),
            (_NAME, Name),
            (r"[0-9]+(?:\.[0-9]+)?", Number),
            (r"[ \t]+", Whitespace),
            (r"[^\s\w\"}]", Operator),
        ],
    }


_LEXER = NetLexer(stripnl=False, ensurenl=False)
_COLOURS = {
    Token: ("", ""),
    Keyword: ("blue", "brightblue"),
    Operator.Word: ("blue", "brightblue"),
    Name.Class: ("green", "brightgreen"),
    Name.Function: ("cyan", "brightcyan"),
    Number: ("magenta", "brightmagenta"),
    String: ("yellow", "yellow"),
    String.Interpol: ("", ""),
    Comment: ("gray", "brightblack"),
}


def in_colour(text: str) -> str:
    """Return a spec, or a part of its lines, with the escapes of a colour terminal."""
    coloured: str = format(_LEXER.get_tokens(text), TerminalFormatter(colorscheme=_COLOURS))
    return coloured


def as_html(text: str) -> str:
    """Return a spec as HTML that brings its colours."""
    shown: str = highlight(text, _LEXER, HtmlFormatter(noclasses=True))
    return shown.rstrip("\n")


def python_as_html(text: str) -> str:
    """Return Python as HTML that brings its colours."""
    from pygments.lexers.python import PythonLexer

    shown: str = highlight(text, PythonLexer(), HtmlFormatter(noclasses=True))
    return shown.rstrip("\n")


class SpecText(str):
    """The text of a spec: shown as it is, in a notebook in colour."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self)
