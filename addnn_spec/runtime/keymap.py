"""Key maps: from the names that weights have in a file to those of a network.

A map is rules, each of which is applied to every key in turn: a pattern of the whole key, and what
stands in its place. `*` is any text, dots too, and `{n}` a whole number; the replacement has the
texts of the `*` in order, and the numbers by their names, perhaps counted from elsewhere (`{n-1}`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from addnn_spec.diagnostics import Refusal
from addnn_spec.resources import folder

Keys = str | Path | Mapping[str, str | Mapping[str, str | bool]]
"""A key map as it is given: its rules, or the file, or the packaged map, that has them."""

_LONGEST = 1_000
_MOST = 1_000
_LARGEST = 2**20
_SHOWN = 100
_TOKEN = re.compile(
    r"(?P<text>(?:[^*{}]|\{\{|\}\})+)|\*"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*) ?(?P<offset>[+-] ?[0-9]{1,6})?\}"
)
_FIELDS: dict[str, type] = {"to": str, "transpose": bool, "optional": bool}


@dataclass(frozen=True)
class _Number:
    name: str
    offset: int = 0


class _Star:
    """Any text."""


_Part = str | _Number | _Star


@dataclass(frozen=True)
class Renamed:
    """A key's place after a map: its name in the file, and whether its matrix is transposed."""

    origin: str
    transposed: bool = False


class KeyRule:
    """What becomes of the keys that match a pattern."""

    def __init__(
        self, pattern: str, to: str | None = None, transpose: bool = False, optional: bool = False
    ) -> None:
        self.pattern = pattern
        self.transpose = transpose
        self.optional = optional
        parts = _parsed(pattern)
        self._names = [part.name for part in parts if isinstance(part, _Number)]
        self._made = None if to is None else _parsed(to)
        self._check(parts, to or "")
        self._expression = re.compile(_expression(parts), re.ASCII | re.DOTALL)

    def _check(self, parts: list[_Part], to: str) -> None:
        if any(isinstance(part, _Number) and part.offset for part in parts):
            raise ValueError(f"in the pattern {self.pattern} a number is counted from elsewhere")
        if len(set(self._names)) < len(self._names):
            raise ValueError(f"two numbers of the pattern {self.pattern} have one name")
        made = self._made or []
        if sum(isinstance(p, _Star) for p in made) > sum(isinstance(p, _Star) for p in parts):
            raise ValueError(f"{to} has more * than the pattern {self.pattern}")
        for part in made:
            if isinstance(part, _Number) and part.name not in self._names:
                raise ValueError(f"{to} has {{{part.name}}}, the pattern {self.pattern} has not")

    def renamed(self, key: str) -> str | None:
        """Return the key's new name, empty where it is dropped; None for a key that does not match.

        Raises `ValueError` where a number would be below 0.
        """
        found = self._expression.fullmatch(key)
        if found is None or self._made is None:
            return None if found is None else key
        numbers = found.groupdict()
        texts = iter([found[i] for i in _unnamed(found)])
        made = []
        for part in self._made:
            if isinstance(part, _Number):
                number = int(numbers[part.name]) + part.offset
                if number < 0:
                    raise ValueError(f"the pattern {self.pattern} makes {number} of {_cut(key)}")
                made.append(str(number) if part.offset else numbers[part.name])
            else:
                made.append(next(texts) if isinstance(part, _Star) else part)
        return "".join(made)


def _parsed(template: str) -> list[_Part]:
    """Return the parts of a pattern or a replacement. Raises `ValueError` where it is neither."""
    if len(template) > _LONGEST:
        raise ValueError(f"{_cut(template)} has more than {_LONGEST:,} characters")
    parts: list[_Part] = []
    place = 0
    while place < len(template):
        found = _TOKEN.match(template, place)
        if found is None:
            raise ValueError(
                f"in {_cut(template)} a brace holds no number's name, as in {{n}} or {{n-1}}; "
                "{{ and }} are braces"
            )
        place = found.end()
        if found["name"]:
            parts.append(_Number(found["name"], int((found["offset"] or "0").replace(" ", ""))))
        elif found["text"]:
            parts.append(found["text"].replace("{{", "{").replace("}}", "}"))
        else:
            parts.append(_Star())
    return parts


def _expression(parts: list[_Part]) -> str:
    """Return the regular expression of a pattern, which matches in linear time: what stands before
    the last `*` is taken where it is first found, and numbers are whole runs of digits."""
    chunks = [""]
    for part in parts:
        if isinstance(part, _Star):
            chunks.append("")
        elif isinstance(part, _Number):
            # Possessive, and with no digit beside it: the expression never tries a shorter number.
            chunks[-1] += rf"(?P<{part.name}>(?<!\d)\d{{1,18}}+(?!\d))"
        else:
            chunks[-1] += re.escape(part)
    first, *others = chunks
    if not others:
        return first
    *inner, last = others
    return first + "".join(rf"(?>(.*?){chunk})" for chunk in inner) + f"(.*){last}"


def _unnamed(found: re.Match[str]) -> Iterator[int]:
    named = set(found.re.groupindex.values())
    return (i for i in range(1, found.re.groups + 1) if i not in named)


class KeyMap:
    """Rules, applied in order."""

    def __init__(self, rules: Iterable[KeyRule], name: str = "the key map") -> None:
        self.rules = tuple(rules)
        self.name = name

    def applied(self, keys: Iterable[str], file: str) -> dict[str, Renamed]:
        """Return the keys of `file` by their new names; what a rule drops is not among them.

        Raises `DiagnosticError` (E0615) where a rule matches nothing, or two keys get one name.
        """
        now = {key: key for key in keys}
        first = list(islice(now, _MOST))
        transposed: set[str] = set()
        unused: list[str] = []
        for rule in self.rules:
            try:
                found = {key: to for key in now if (to := rule.renamed(now[key])) is not None}
            except ValueError as error:
                raise _misfit(f"{self.name} does not fit {file}: {error}") from error
            if not found and not rule.optional:
                unused.append(rule.pattern)
            # Transposed twice is as it was.
            transposed ^= found.keys() if rule.transpose else set()
            # A rule sees the names that the rules before it gave.
            now = {k: found.get(k, name) for k, name in now.items() if found.get(k) != ""}
        if unused:
            raise self._unmatched(unused, first, file)
        placed: dict[str, Renamed] = {}
        for key, name in now.items():
            if name in placed:
                both = f"{_cut(placed[name].origin)} and {_cut(key)}"
                raise _misfit(f"{self.name} gives two keys of {file} one name: {_cut(name)}", both)
            placed[name] = Renamed(key, key in transposed)
        return placed

    def mentions(self, prefix: str) -> bool:
        """Return True if a pattern begins with `prefix`."""
        return any(rule.pattern.startswith(prefix) for rule in self.rules)

    def _unmatched(self, unused: list[str], keys: list[str], file: str) -> Refusal:
        notes = [f"{_cut(pattern)}: no key is like this" for pattern in unused[:5]]
        close = get_close_matches(unused[0], [key[:_SHOWN] for key in keys], n=1, cutoff=0.5)
        if close or keys:
            notes.append(f"a key of {file}: {_cut((close or keys)[0])}")
        one = len(unused) == 1
        what = "a pattern that matches" if one else f"{len(unused)} patterns that match"
        message = f"{self.name} has {what} nothing in {file}"
        help = '{ to = "…", optional = true } allows it'
        return _misfit(message, *notes, help=help)


def read_keymap(keys: Keys) -> KeyMap:
    """Return the key map that is given: rules, a `.toml` file of them, or a packaged map's name.

    Raises `DiagnosticError`: E0601 for a file that cannot be read, E0615 for what is no key map.
    """
    if isinstance(keys, Mapping):
        return _key_map(keys, "the key map")
    path = _located(keys)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise Refusal("E0601", f"{path} cannot be read: {reason or error}") from error
    try:
        if len(data) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise _misfit(f"{path.name} is no key map: {str(error)[:200]}") from error
    return _key_map(table, path.name)


def packaged_keymaps() -> dict[str, Path]:
    """Return the packaged key maps by name."""
    return {path.stem: path for path in sorted((folder("specs") / "keys").glob("*.toml"))}


def _located(keys: str | Path) -> Path:
    path = Path(keys)
    packaged = packaged_keymaps()
    if path.is_file() or str(keys) not in packaged:
        if path.suffix or path.is_file():
            return path
        close = get_close_matches(str(keys), packaged, n=1)
        raise Refusal(
            "E0601",
            f"there is no file and no packaged key map {_cut(str(keys))}",
            help=f"did you mean {close[0]}?" if close else f"packaged are {', '.join(packaged)}",
        )
    return packaged[str(keys)]


def _key_map(table: Mapping[str, Any], name: str) -> KeyMap:
    if len(table) > _MOST:
        raise _misfit(f"{name} has more than {_MOST:,} rules")
    try:
        return KeyMap([_rule(pattern, to) for pattern, to in table.items()], name)
    except ValueError as error:
        raise _misfit(f"{name} is no key map: {error}") from error


def _rule(pattern: object, to: object) -> KeyRule:
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(f"{ascii(pattern)[:_SHOWN]} is no pattern")
    if isinstance(to, str):
        return KeyRule(pattern, to)
    if not isinstance(to, Mapping) or not to:
        raise ValueError(f"{_cut(pattern)} has neither a new name nor a table with to or transpose")
    for field, value in to.items():
        if field not in _FIELDS:
            raise ValueError(f"{_cut(pattern)} has {ascii(field)[:_SHOWN]}: {', '.join(_FIELDS)}")
        if not isinstance(value, _FIELDS[field]):
            raise ValueError(f"{field} of {_cut(pattern)} is no {_FIELDS[field].__name__}")  # noqa: TRY004
    return KeyRule(pattern, **to)


def _misfit(message: str, *notes: str, help: str | None = None) -> Refusal:
    return Refusal("E0615", message, notes=notes, help=help)


def _cut(text: str) -> str:
    """Return a text as it can stand in a message."""
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return short if short.isprintable() else ascii(short)
