"""Syntax errors in words that a person uses."""

from __future__ import annotations

from collections.abc import Callable

from addnn_spec.diagnostics import Label, did_you_mean, near
from addnn_spec.source import Span
from addnn_spec.syntax.expected_tokens import (
    ELEMENT,
    ITEM,
    VALUE,
    Finding,
    expected,
    found_words,
    reserved,
    unexpected,
)
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.parse_table import END, load_table
from addnn_spec.syntax.parser_position import ITEMS, STATEMENTS, Situation
from addnn_spec.syntax.parser_stack import OPENING
from addnn_spec.syntax.syntax_errors import short

_ONE_VALUE = ("LET", "OUTPUT", "PARAMETER", "BUFFER")
_CLOSING = frozenset(OPENING.values())
_SIGNS = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}

_FOREIGN = {
    "def": "a block is written `block Name(…) { … }`, a function `fn name(…) = …`",
    "class": "a block is written `block Name(…) { … }`, a network `network Name(…) { … }`",
    "lambda": "a function has a name: `fn name(…) = …`",
    "while": "a loop is `for i in 0..n { … }` or `repeat n { … }`",
    "elif": "write `else if`",
    "net": "a network is written `network Name(…) { … }`",
    "model": "a network is written `network Name(…) { … }`",
    "function": "a function is written `fn name(…) = …`, a block `block Name(…) { … }`",
    "func": "a function is written `fn name(…) = …`, a block `block Name(…) { … }`",
    "const": "a constant is written `let name = …`",
    "var": "a value is written `let name = …`",
}

_MEANT = {"def": "BLOCK", "function": "BLOCK", "func": "BLOCK", "class": "NETWORK",
          "net": "NETWORK", "model": "NETWORK"}  # fmt: skip


def explain(situation: Situation) -> Finding:
    """Return what is wrong: the first explanation that fits, else what was expected."""
    for rule in _RULES:
        finding = rule(situation)
        if finding is not None:
            return finding
    return unexpected(situation)


def _near(word: str, kinds: frozenset[str]) -> list[str]:
    """Return the reserved words of these kinds that a word nearly is."""
    return near(word, (w for w, kind in load_table().keywords.items() if kind in kinds))


def _as_item(at: Situation, kind: str | None) -> tuple[tuple[Token, ...], int] | None:
    """Return the found token read as the word `kind`, if it heads a body as that would."""
    if at.found.kind != "NAME" or kind not in ("BLOCK", "NETWORK") or not at.heads_body:
        return None
    return ((at.found._replace(kind=kind),), 1)


# --------------------------------------------------------------------------------------------------
# One function for each mistake that is known; None where it is not this one.


def _foreign(at: Situation) -> Finding | None:
    if at.found.kind == "IMPORT" and at.allows("BLOCK"):
        help_ = 'write `from "file.net" import Name`'
        return Finding("E0013", "`import` begins no item of a file", at.found, help=help_)
    for token in (at.found, at.previous):
        if token.kind == "NAME" and token.text in _FOREIGN:
            message = f"`{token.text}` is no word of this language"
            repair = _as_item(at, _MEANT.get(token.text))
            return Finding("E0013", message, token, help=_FOREIGN[token.text], repair=repair)
    return None


def _range(at: Situation) -> Finding | None:
    """Explain `reversed(0..3)`: a range elsewhere than in the header of a loop."""
    if at.found.kind != "RANGE":
        return None
    message = "`..` stands in the header of a `for` only, and not within brackets"
    help_ = "a list of numbers is `range(0, n)`"
    return Finding("E0003", message, at.found, help=help_)


def _misspelt(at: Situation) -> Finding | None:
    """Explain a word that is nearly the one that begins a statement or an item."""
    found, word, kinds = at.found, at.previous, STATEMENTS
    if found.kind == "NAME" and at.allows("BLOCK"):
        word, kinds = found, ITEM
    elif found.kind not in ("NAME", "STRING") or not at.begins_line_at(-1) or not at.reads("NAME"):
        return None
    meant = _near(word.text, kinds)
    if not meant:
        return None
    help_ = did_you_mean(word.text, meant)
    what, repair = "a statement", None
    if kinds is ITEM:
        what, repair = "an item of a file", _as_item(at, load_table().keywords[meant[0]])
    message = f"`{short(word.text)}` does not begin {what}"
    return Finding("E0003", message, word, help=help_, repair=repair)


def _missing_value(at: Situation) -> Finding | None:
    """Explain `y =` at the end of a line."""
    equal = at.at(-2)
    if at.found.kind not in ("EQUAL", "COMMA", "COLON") or equal.kind != "EQUAL":
        return None
    if at.previous.kind != "NAME" or not at.begins_line_at(-1):
        return None
    return Finding("E0003", "there is no value after this `=`", equal)


def _import_path(at: Situation) -> Finding | None:
    if at.found.kind != "NAME" or not at.reads("FROM"):
        return None
    help_ = f'write `from "{at.found.text}.net" import …`'
    return Finding("E0003", "the path of a file stands in quotes", at.found, help=help_)


def _item_in_body(at: Situation) -> Finding | None:
    """Explain a `fn` or `block` among the statements of a network, whose `}` follows."""
    found, opener = at.found, at.opener
    if found.kind not in ITEMS or not at.begins_line or opener is None or opener.kind != "LBRACE":
        return None
    if not at.closed_later:
        return None
    body = Label(Span(at.source, opener.start, opener.end), "this body")
    message = f"`{found.text}` cannot stand in a body"
    help_ = "move it out of the braces: wherever it stands in the file, it is found"
    return Finding("E0008", message, found, help=help_, other=body, repair=((), at.length_of_item))


def _unclosed(at: Situation) -> Finding | None:
    """Explain a bracket that is open where it must have been closed."""
    opener, found = at.opener, at.found
    if opener is None:
        return None
    closer = OPENING[opener.kind]
    new_item = found.kind in ITEMS and at.begins_line
    new_statement = at.begins_line and (
        found.kind in STATEMENTS or (found.kind == "NAME" and at.next.kind == "EQUAL")
    )
    new_body = found.kind == "LBRACE" and at.begins_line_at(1) and at.allows(closer, "LBRACE")
    ends = (
        found.kind == END
        or new_item
        or (opener.kind != "LBRACE" and new_statement)
        or new_body
        or (found.kind != closer and at.closes_something)
    )
    if not ends or not at.allows(closer):
        return None
    sign = _SIGNS[closer]
    token = Token(closer, sign, found.start, found.start)
    # The open brace is the outermost one; the one that was forgotten may stand within it.
    left_open = at.left_open if opener.kind == "LBRACE" else None
    opener, before = left_open or (opener, found)
    span = Span(at.source, before.start, before.end)
    return Finding(
        "E0004",
        f"this `{opener.text}` is never closed",
        opener,
        other=Label(span, f"`{sign}` is missing before this"),
        repair=((token,), 0) if found.kind != END or at.allows(closer, END) else None,
    )


def _stray(at: Situation) -> Finding | None:
    """Explain a closing bracket that no open one belongs to."""
    found, opener = at.found, at.opener
    if found.kind not in _CLOSING or at.closes_something:
        return None
    if opener is None or (opener.kind == "LBRACE" and at.allows(at.next.kind)):
        message = f"this `{found.text}` closes nothing"
        return Finding("E0004", message, found, repair=((), 1))
    closer = OPENING[opener.kind]
    if opener.kind == "LBRACE" or not at.allows(closer):
        return None
    token = found._replace(kind=closer, text=_SIGNS[closer])
    message = f"`{opener.text}` is closed by `{token.text}`, not by `{found.text}`"
    opened = Label(Span(at.source, opener.start, opener.end), "opened here")
    return Finding("E0004", message, found, other=opened, repair=((token,), 1))


def _augmented(at: Situation) -> Finding | None:
    """Explain `x += 1`."""
    sign = at.found
    if sign.kind not in ("PLUS", "MINUS", "MUL", "POW") or at.next.kind != "EQUAL":
        return None
    if at.next.start != sign.end or at.previous.kind != "NAME":
        return None
    name = at.previous.text
    return Finding(
        "E0013",
        f"`{sign.text}=` is no sign of this language",
        sign,
        help=f"write `{name} = {name} {sign.text} …`",
    )


def _several_values(at: Situation) -> Finding | None:
    """Explain `let a, b = 1, 2`."""
    statement = next((kind for kind in _ONE_VALUE if at.inside(kind)), None)
    in_brackets = at.opener is not None and at.opener.kind != "LBRACE"
    if at.found.kind != "COMMA" or in_brackets or statement is None or not at.inside("EQUAL"):
        return None
    word = statement.lower()
    names = "a, b" if statement == "LET" else "…"
    help_ = f"put the values in brackets: `{word} {names} = (…, …)`"
    return Finding(
        "E0003", f"`{word}` takes one value, or a list in brackets", at.found, help=help_
    )


def _chain_as_arm(at: Situation) -> Finding | None:
    """Explain `if c then x -> Layer else x`."""
    if at.found.kind != "ARROW" or not at.allows("ELSE") or not at.inside("THEN"):
        return None
    message = "`->` binds looser than `then`: a chain as an arm stands in brackets"
    help_ = "write `if … then (x -> …) else …`"
    return Finding("E0003", message, at.found, help=help_)


def _equality(at: Situation) -> Finding | None:
    found = at.found
    # Elsewhere `=` may begin an argument or a statement, which other rules explain.
    if found.kind == "EQUAL" and at.allows("CMP") and at.inside("IF", "ASSERT"):
        token = found._replace(kind="CMP", text="==")
        message = "`=` gives a name to something; `==` compares"
        return Finding("E0011", message, found, help="write `==`", repair=((token,), 1))
    if found.kind == "CMP" and found.text == "==" and at.allows("EQUAL"):
        token = found._replace(kind="EQUAL", text="=")
        message = "`==` compares; `=` gives a name to something"
        return Finding("E0011", message, found, help="write `=`", repair=((token,), 1))
    return None


def _colon(at: Situation) -> Finding | None:
    """Explain `:` for `=`, or Python's before a body."""
    found = at.found
    if found.kind != "COLON":
        return None
    if at.allows("EQUAL"):
        token = found._replace(kind="EQUAL", text="=")
        what = "an argument" if at.inside("LPAR") else "a name"
        message = f"{what} is given with `=`, not `:`"
        repair = ((token,), 1) if at.allows("EQUAL", at.next.kind) else None
        return Finding("E0013", message, found, help="write `=`", repair=repair)
    header = at.previous.kind == "RPAR" or at.inside("IF", "FOR", "REPEAT")
    if at.allows("LBRACE") and header:
        message = "a body stands in braces, with no `:`"
        opens = at.next.kind == "LBRACE"
        return Finding("E0013", message, found, repair=((), 1) if opens else None)
    return None


def _body_given(at: Situation) -> Finding | None:
    """Explain `block Stem = { … }`."""
    if at.reads("NETWORK", "NAME", "EQUAL") and at.found.kind == "LBRACE":
        equal, repair = at.previous, None
    elif at.found.kind == "EQUAL" and at.next.kind == "LBRACE" and at.allows("LBRACE"):
        equal, repair = at.found, ((), 1)
    else:
        return None
    return Finding("E0013", "a body stands in braces, with no `=`", equal, repair=repair)


def _missing_brace(at: Situation) -> Finding | None:
    """Explain a head without `{`, and on the next line the first statement of its body."""
    found = at.found
    starts = found.kind in STATEMENTS or (found.kind == "NAME" and at.next.kind == "EQUAL")
    if not (starts and at.begins_line and at.allows("LBRACE", found.kind) and at.ends_body):
        return None
    token = Token("LBRACE", "{", found.start, found.start)
    return Finding("E0004", "the `{` of this body is missing", found, repair=((token,), 0))


def _typed_value(at: Situation) -> Finding | None:
    """Explain `let width: int = 64`."""
    if at.found.kind != "COLON" or not at.reads("LET", "NAME") or at.next.kind != "NAME":
        return None
    help_ = f"write `let {at.previous.text} = …`"
    return Finding("E0013", "a value has no type", at.next, help=help_, repair=((), 2))


def _other_head(at: Situation) -> Finding | None:
    """Explain `fn f(x) { … }`, `network A(n) = B(n)`, `for (i = 0; …)`."""
    found = at.found
    if found.kind == "LBRACE" and at.inside("FN") and at.expected == {"EQUAL"}:
        message = "a function is one expression, with no braces"
        return Finding("E0013", message, found, help="write `fn name(…) = …`")
    if found.kind == "EQUAL" and at.inside("NETWORK") and at.expected == {"LBRACE"}:
        message = "an alias has no parameters of its own"
        help_ = "write `network A = B(…)`; what that leaves open can be given where A is used"
        return Finding("E0013", message, found, help=help_)
    if found.kind == "EQUAL" and at.inside("FOR") and not at.inside("IN", "LBRACE"):
        message = "`for` goes through a range or a list"
        return Finding("E0013", message, found, help="write `for i in 0..n { … }`")
    return None


def _typed_parameter(at: Situation) -> Finding | None:
    """Explain `network Net(depth: int = 3)`."""
    in_header = at.opener is not None and at.opener.kind == "LPAR"
    if not in_header or not at.inside("BLOCK", "NETWORK", "FN") or at.inside("EQUAL", "LBRACE"):
        return None
    if at.found.kind != "COLON" or at.next.kind != "NAME":
        return None
    message = "a parameter has no type"
    help_ = f"write `{at.previous.text}`, or `{at.previous.text} = …` with a default"
    return Finding("E0013", message, at.next, help=help_, repair=((), 2))


def _misused_word(at: Situation) -> Finding | None:
    """Explain `output = x`, `-> for: Conv2d(8, 3)`, a `repeat` that is no element."""
    found, word = at.found, at.previous
    if found.kind == "EQUAL" and word.kind in ("INPUT", "OUTPUT") and at.begins_line_at(-1):
        message = f"an {word.text} has a name"
        return Finding("E0003", message, found, help=f"write `{word.text} y = …`")
    if found.kind == "COLON" and word.kind in ("FOR", "IF", "REPEAT") and at.reads(word.kind):
        help_ = f'as a label, quote it: "{word.text}"'
        return Finding("E0007", f"`{word.text}` is a reserved word", word, help=help_)
    if found.kind == "REPEAT" and at.begins_line and at.allows("LET"):
        help_ = "write `y = x -> repeat n { … }`; as a statement, `for i in 0..n { … }`"
        return Finding("E0008", "`repeat` is an element of a chain", found, help=help_)
    if found.kind == "RANGE" and at.next.kind == "DOT" and at.opener is not None:
        help_ = "write one `:` for each dimension that is kept whole"
        return Finding("E0013", "`...` is no index of this language", found, help=help_)
    return None


def _lone_else(at: Situation) -> Finding | None:
    if at.found.kind != "ELSE" or at.inside("THEN"):
        return None
    return Finding("E0003", "this `else` follows no `if`", at.found)


def _reserved_name(at: Situation) -> Finding | None:
    found = at.found
    if found.kind not in reserved() or not at.allows("NAME", at.next.kind):
        return None
    if at.begins_line and found.kind in STATEMENTS | ITEMS and at.next.kind != "COLON":
        return None
    if found.kind == "NONE" and at.next.kind == "RBRACE":
        message = "`none` is a value, and no element"
        help_ = "nothing is written `{ }`, or an `if` without `else`"
        return Finding("E0007", message, found, help=help_, repair=((), 1))
    message = f"`{found.text}` is a reserved word"
    if at.next.kind == "COLON" and at.allows("STRING", "COLON"):
        token = found._replace(kind="STRING", text=f'"{found.text}"')
        help_ = f'as a label, quote it: "{found.text}"'
    else:
        token = found._replace(kind="NAME")
        help_ = f"choose another name, such as `{found.text}_`"
    return Finding("E0007", message, found, help=help_, repair=((token,), 1))


def _dtype(at: Situation) -> Finding | None:
    if not at.reads("INPUT", "NAME", "COLON"):
        return None
    token = Token("NAME", "float", at.found.start, at.found.start)
    message = f"expected float, int or bool, found {found_words(at)}"
    repair = ((token,), 0) if at.found.kind == "LSQB" else None
    help_ = f"write `input {at.at(-2).text}: float[…]`"
    return Finding("E0003", message, at.found, help=help_, repair=repair)


def _shape(at: Situation) -> Finding | None:
    """Explain `input x: float(N, 3)`, `input x: int`, `input x [N, 3]`."""
    for back in (0, -1, -2):  # `parameter a = 0`, `= normal(…)`: a key could stand there
        kind, name, sign = at.at(back - 2), at.at(back - 1), at.at(back)
        if kind.kind in ("PARAMETER", "BUFFER") and sign.kind == "EQUAL":
            help_ = f"write `{kind.text} {name.text}: […] = …`"
            return Finding("E0003", f"the shape of a {kind.text} is missing", sign, help=help_)
    if at.reads("INPUT", "NAME") and at.found.kind == "LSQB":
        help_ = f"write `input {at.previous.text}: float[…]`"
        return Finding("E0003", "the type of the elements is missing", at.found, help=help_)
    if at.expected != {"LSQB"} or not at.reads("INPUT", "NAME", "COLON", "NAME"):
        return None
    dtype = at.previous.text
    message = f"a shape in `[ ]` is missing after `{dtype}`"
    help_ = f"write `{dtype}[N, …]`; a tensor without dimensions is `{dtype}[]`"
    return Finding("E0003", message, at.previous, help=help_)


def _lone_name(at: Situation) -> Finding | None:
    """Explain a name that stands alone: `-> Conv2d(8, 3) ReLU`, or `y` as in Python's shell."""
    name = at.previous
    in_body = at.opener is not None and at.opener.kind == "LBRACE"
    if not (in_body and at.reads("NAME") and at.allows("EQUAL") and at.allows("COLON")):
        return None
    if at.found.kind != "RBRACE" and not at.begins_line:
        return None
    if not at.begins_line_at(-1):
        return Finding("E0012", f"`->` is missing before `{short(name.text)}`", name)
    help_ = f"say what becomes of it: `output {name.text}`, or `return {name.text}` in a block"
    return Finding("E0008", f"`{short(name.text)}` alone does nothing", name, help=help_)


def _sign_after_element(at: Situation) -> Finding | None:
    """Explain `y -> Mean(0) * 2`: what flows out of a chain is a value only in brackets."""
    found = at.found
    signs = ("PLUS", "MINUS", "MUL", "POW", "CMP", "DOT", "LSQB")
    if found.kind not in signs or not at.inside("ARROW") or not at.allows("ARROW"):
        return None
    message = f"`{found.text}` takes a value, and an element of a chain stands before it"
    after = {"LSQB": "[…]", "DOT": f".{at.next.text}"}.get(found.kind, f" {found.text} …")
    help_ = f"put the chain in brackets: `(… -> …){after}`"
    return Finding("E0003", message, found, help=help_)


def _nested_names(at: Situation) -> Finding | None:
    """Explain `y, (h, c) = x -> LSTM(8)`, as in torch."""
    if at.found.kind != "LPAR" or not at.reads("NAME", "COMMA") or "LPAR" in at.expected:
        return None
    help_ = "the outputs of a layer are one flat list: write `y, h, c = …`"
    return Finding("E0013", "names on the left of `=` stand in no brackets", at.found, help=help_)


def _compared_twice(at: Situation) -> Finding | None:
    if at.found.kind != "CMP" or not at.allows("AND"):
        return None
    help_ = "write `a < b and b < c`"
    return Finding("E0003", "comparisons do not follow one another", at.found, help=help_)


def _mixed_body(at: Situation) -> Finding | None:
    """Explain a statement after a bare chain, or a bare chain among statements."""
    found = at.found
    starts = found.kind in STATEMENTS or (
        found.kind == "NAME" and at.next.kind in ("EQUAL", "COMMA")
    )
    if (
        starts
        and at.opener is not None
        and at.opener.kind == "LBRACE"
        and not at.allows(found.kind)
    ):
        if at.allows("ARROW") and at.allows("RBRACE"):
            help_ = "name what the chain makes: `y = x -> …`, or `return x -> …`"
            message = "a statement cannot follow a bare chain of elements"
            return Finding("E0008", message, found, help=help_)
    in_body = at.opener is not None and at.opener.kind == "LBRACE"
    chained = found.kind in ("ARROW", "LPAR", "DOT", "LSQB") and in_body
    if chained and at.reads("NAME") and at.allows("EQUAL"):
        help_ = "name what it makes: `y = x -> …`, or `return x -> …`"
        message = "a chain among statements needs a name"
        if at.reads("OUTPUT", "NAME"):
            message = f"the output {at.previous.text} cannot flow on where it is declared"
            help_ = f"say what the output is: `output result = {at.previous.text} -> …`"
        return Finding("E0008", message, at.previous, help=help_)
    return None


def _arrow(at: Situation) -> Finding | None:
    """Explain two elements side by side, without an arrow."""
    found = at.found
    if found.kind in ELEMENT and at.allows("ARROW", found.kind):
        token = Token("ARROW", "->", found.start, found.start)
        message = f"`->` is missing before {found_words(at)}"
        return Finding("E0012", message, found, repair=((token,), 0))
    if at.previous.kind == "COLON" and at.reads("NAME", "COLON") and at.expected == {"LSQB"}:
        message = f"expected a shape in `[ ]` after `:`, found {found_words(at)}"
        help_ = f"to label an element, write `-> {at.at(-2).text}: …`"
        return Finding("E0012", message, found, help=help_)
    return None


def _comma(at: Situation) -> Finding | None:
    """Explain two values side by side in brackets, without a comma."""
    found, opener = at.found, at.opener
    if opener is None or opener.kind == "LBRACE" or not at.allows("COMMA", found.kind):
        return None
    if found.kind not in VALUE:
        return None
    token = Token("COMMA", ",", found.start, found.start)
    message = f"expected {expected(at)}, found {found_words(at)}"
    return Finding("E0003", message, found, repair=((token,), 0))


# The first that fits wins: those that know more of the text come before the general ones.
_RULES: tuple[Callable[[Situation], Finding | None], ...] = (
    _foreign,
    _import_path,
    _misspelt,
    _missing_value,
    _item_in_body,
    _unclosed,
    _stray,
    _augmented,
    _several_values,
    _chain_as_arm,
    _equality,
    _body_given,
    _missing_brace,
    _typed_value,
    _other_head,
    _typed_parameter,
    _colon,
    _misused_word,
    _lone_else,
    _reserved_name,
    _dtype,
    _shape,
    _lone_name,
    _nested_names,
    _compared_twice,
    _sign_after_element,
    _mixed_body,
    _comma,
    _arrow,
    _range,
)
