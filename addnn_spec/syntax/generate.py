"""Turns grammar/net.lark into the parse table: `python -m addnn_spec.syntax.generate`.

Lark is needed here only, in development. It analyses the grammar; the package ships the result as
plain data, which loads in a few milliseconds and holds no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lark import Lark
from lark.grammar import Rule, Terminal
from lark.lexer import PatternStr, TerminalDef

GRAMMAR = Path(__file__).parents[2] / "grammar" / "net.lark"
TABLE = Path(__file__).with_name("table.json")
STARTS = ("file", "hole")
END = "$END"


def build_parser(grammar: str) -> Lark:
    """Return lark's own parser for the grammar; raises `lark.GrammarError` on a conflict."""
    return Lark(grammar, parser="lalr", lexer="basic", start=list(STARTS), debug=True)


def generate(grammar: str) -> str:
    """Return the text of table.json: the same for the same grammar, whatever the hash seed."""
    lark = build_parser(grammar)
    patterns, keywords = _split_terminals(lark.terminals)
    terminals = [END, *patterns, *sorted(keywords.values())]
    rules = sorted(lark.rules, key=str)
    nonterminals = sorted({str(rule.origin.name) for rule in rules})
    automaton = _Automaton(lark, rules, terminals, nonterminals)
    return _dump(
        {
            "patterns": patterns,
            "keywords": dict(sorted(keywords.items())),
            "ignored": sorted(lark.ignore_tokens),
            "nonterminals": nonterminals,
            "starts": automaton.starts,
            "ends": automaton.ends,
            "rules": [_rule(rule, nonterminals) for rule in rules],
            "states": automaton.states,
        }
    )


def _split_terminals(terminals: Iterable[TerminalDef]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the terminals as regular expressions, in the order to try them, and the keywords."""
    patterns: dict[str, str] = {}
    keywords: dict[str, str] = {}
    for terminal in sorted(terminals, key=_lexing_order):
        if isinstance(terminal.pattern, PatternStr) and terminal.pattern.value.isidentifier():
            keywords[terminal.pattern.value] = terminal.name
        else:
            patterns[terminal.name] = terminal.pattern.to_regexp()
    return patterns, keywords


def _lexing_order(terminal: TerminalDef) -> tuple[int, int, int, str]:
    pattern = terminal.pattern
    return (-terminal.priority, -pattern.max_width, -len(pattern.value), terminal.name)


def _rule(rule: Rule, nonterminals: list[str]) -> list[Any]:
    """Return `[origin, length, action, children, helper]` of a rule.

    The action is None where a rule hands its children up: a helper's as a list, a `?rule`'s only
    child as it is. A child is its index; `~index`: a list to be spliced in; None: missing.
    """
    origin = str(rule.origin.name)
    helper = origin.startswith("_")
    children = _children(rule)
    passes = rule.options.expand1 and not rule.alias and len(children) == 1 and not helper
    action = None if helper or passes else rule.alias or origin
    return [nonterminals.index(origin), len(rule.expansion), action, children, int(helper)]


def _children(rule: Rule) -> list[int | None]:
    children: list[int | None] = []
    missing = rule.options.empty_indices or (False,) * len(rule.expansion)
    symbols = iter(enumerate(rule.expansion))
    for absent in missing:
        if absent:
            children.append(None)
            continue
        index, symbol = next(symbols)
        if isinstance(symbol, Terminal) and symbol.filter_out:
            continue
        spliced = not symbol.is_term and symbol.name.startswith("_")
        children.append(~index if spliced else index)
    return children


class _Automaton:
    """Lark's LALR automaton, its states numbered in the order of a breadth-first walk."""

    def __init__(
        self, lark: Lark, rules: list[Rule], terminals: list[str], nonterminals: list[str]
    ) -> None:
        table = lark.parser.parser._parse_table  # noqa: SLF001 (lark has no public access to it)
        self._numbers = {name: i for i, name in enumerate(terminals)}
        self._rules = {rule: i for i, rule in enumerate(rules)}
        self._nonterminals = {name: i for i, name in enumerate(nonterminals)}
        order = [table.start_states[name] for name in STARTS]
        index = {state: i for i, state in enumerate(order)}
        for state in order:
            # Lark numbers states by hash order: a walk in a fixed order gives the same table every
            # time.
            for _, (action, target) in sorted(table.states[state].items()):
                if action.name == "Shift" and target not in index:
                    index[target] = len(order)
                    order.append(target)
        self._index = index
        self.starts = {name: index[table.start_states[name]] for name in STARTS}
        self.ends = {name: index[table.end_states[name]] for name in STARTS}
        self.states = [self._state(table.states[state]) for state in order]

    def _state(self, row: dict[str, tuple[Any, Any]]) -> list[list[int]]:
        """Return `[terminal, action, …]` and `[nonterminal, state, …]` of a state.

        An action from 0 on shifts to that state; `~r` reduces by rule r.
        """
        actions: list[int] = []
        gotos: list[int] = []
        for name, (action, target) in sorted(row.items()):
            if action.name == "Reduce":
                actions += [self._numbers[name], ~self._rules[target]]
            elif name in self._nonterminals:
                gotos += [self._nonterminals[name], self._index[target]]
            else:
                actions += [self._numbers[name], self._index[target]]
        return [actions, gotos]


def _dump(table: dict[str, Any]) -> str:
    """Return JSON with one entry of a long list a line, so that a change can be read as a diff."""
    parts = []
    for key, value in table.items():
        text = json.dumps(value)
        if key in ("rules", "states"):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            text = f"[\n{rows}\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write table.json."""
    TABLE.write_text(generate(GRAMMAR.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
