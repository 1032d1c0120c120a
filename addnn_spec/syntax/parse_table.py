"""The parse table: data that `addnn_spec.syntax.generate` makes from the grammar."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

END = "$END"


class ParseRule(NamedTuple):
    """A rule of the grammar, as the parser reduces by it.

    `action` names the builder's method. Without one, a helper's children become a list, and another
    rule's only child its value. `children` are indices of what was read: `~index` is a list to be
    spliced in, None a missing optional part. `plain` says that all of them are indices.
    """

    origin: int
    length: int
    action: str | None
    children: tuple[int | None, ...]
    helper: bool
    plain: bool

    @property
    def is_unit(self) -> bool:
        """True if it renames its only symbol and does nothing else."""
        return self.length == 1 and self.action is None and not self.helper


class ParseTable(Struct, frozen=True):
    """The LALR(1) automaton and the tokens. An action ≥ 0 shifts to that state, ~r reduces by r."""

    patterns: dict[str, str]
    keywords: dict[str, str]
    ignored: frozenset[str]
    rules: tuple[ParseRule, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[int, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]

    def goto(self, state: int, origin: int, kind: str) -> int:
        """Return the state after `origin` was recognised in `state`, before a token of this kind.

        Rules that would only rename it next are taken at once: most of a precedence grammar's are.
        """
        target = self.gotos[state][origin]
        while (action := self.actions[target].get(kind, 0)) < 0:
            rule = self.rules[~action]
            if not rule.is_unit:
                break
            target = self.gotos[state][rule.origin]
        return target

    def lexer(self, extra_first: str, extra_last: str) -> re.Pattern[str]:
        """Return one expression for all tokens, each a named group, between the caller's own."""
        groups = [f"(?P<{name}>{pattern})" for name, pattern in self.patterns.items()]
        return re.compile("|".join(filter(None, [extra_first, *groups, extra_last])))


@cache
def load_table() -> ParseTable:
    """Return the shipped table."""
    return read_table(Path(__file__).with_name("table.json").read_text(encoding="utf-8"))


def read_table(text: str) -> ParseTable:
    """Return a table from what `generate` returned."""
    data = json.loads(text)
    terminals = [END, *data["patterns"], *sorted(data["keywords"].values())]
    return ParseTable(
        patterns=data["patterns"],
        keywords=data["keywords"],
        ignored=frozenset(data["ignored"]),
        rules=tuple(_rule(row) for row in data["rules"]),
        actions=tuple({terminals[t]: action for t, action in _pairs(s[0])} for s in data["states"]),
        gotos=tuple(dict(_pairs(state[1])) for state in data["states"]),
        starts=data["starts"],
        ends=data["ends"],
    )


def _rule(row: list[Any]) -> ParseRule:
    origin, length, action, children, helper = row
    plain = all(child is not None and child >= 0 for child in children)
    return ParseRule(origin, length, action, tuple(children), bool(helper), plain)


def _pairs(flat: list[int]) -> zip[tuple[int, int]]:
    return zip(flat[::2], flat[1::2], strict=True)
