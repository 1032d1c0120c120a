"""Definitions that lead back to themselves, and values that are read before they are given."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from addnn_spec.diagnostics import Collector, Diagnostic, Label
from addnn_spec.elaborate.frame import POISON
from addnn_spec.elaborate.item_names import Survey
from addnn_spec.elaborate.scope import Env
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read, targets_of, walk


class _Definition(NamedTuple):
    """What a name of the file stands for: the item, and where the item gives the name."""

    survey: Survey
    span: Span

    @property
    def reads(self) -> frozenset[str]:
        return self.survey.read - self.survey.local


def check_order(surveys: list[Survey], env: Env, collector: Collector) -> None:
    """Report definitions that lead back to themselves, and values that are read too early.

    Such names stand for nothing from then on, so that elaboration is silent about them.
    """
    told = _check_cycles(_definitions(surveys), env, collector)
    lets = [
        _Step({target.name: target.span for target in targets_of(item.targets)}, item.value)
        for item in (survey.item for survey in surveys)
        if isinstance(item, ast.Let)
    ]
    _check_steps(lets, told, "a `let` of the file", env, collector)
    for survey in surveys:
        if isinstance(survey.item, ast.Fn | ast.Block | ast.Network):
            steps = [_Step({p.name: p.span}, p.default) for p in _parameters(survey.item)]
            _check_steps(steps, env.names, "a default", env, collector)


def _definitions(surveys: list[Survey]) -> dict[str, _Definition]:
    """Return the names of the file that are given once; one that is given again is another value
    then."""
    found: dict[str, _Definition] = {}
    again: set[str] = set()
    for survey in surveys:
        item = survey.item
        if isinstance(item, ast.Let):
            names = {target.name: target.span for target in targets_of(item.targets)}
            again |= names.keys() & found.keys()
        elif isinstance(item, ast.Import):
            continue
        else:
            names = {item.name: item.name_span}
        found |= {name: _Definition(survey, span) for name, span in names.items()}
    return {name: definition for name, definition in found.items() if name not in again}


# --- order --------------------------------------------------------------------------------------


class _Step(NamedTuple):
    """Names that one definition gives together, each with its place, and what the definition
    reads."""

    names: dict[str, Span]
    value: ast.Expr | None


def _parameters(item: ast.Fn | ast.Block | ast.Network) -> tuple[ast.Param, ...]:
    inputs = item.inputs if isinstance(item, ast.Block) else None
    return (*item.params, *(inputs or ()))


def _check_steps(
    steps: Sequence[_Step], known: Container[str], what: str, env: Env, collector: Collector
) -> None:
    """Report names of `steps` that a step reads before the one that gives them.

    What is `known` has a value already, or was told of.
    """
    # From the end, so that of a name that is given twice the first place is kept.
    later = {name: span for step in reversed(steps) for name, span in step.names.items()}
    later = {name: span for name, span in later.items() if name not in known}
    for step in steps:
        if step.value is not None and not later.keys().isdisjoint(names_read(step.value)):
            for found in _read_early(step.value, later):
                env.bind(found.name, POISON, None, "file")
                collector.add(
                    Diagnostic(
                        "E0107",
                        f"{found.name} has no value here",
                        Label(found.span, f"{what} reads only what stands before it"),
                        (Label(later.pop(found.name), "it is given here"),),
                        help=f"put what gives {found.name} before this",
                    )
                )
        for name in step.names:
            later.pop(name, None)


def _read_early(value: ast.Expr, later: Mapping[str, Span]) -> list[ast.Name]:
    """Return where the names of `later` are first read; names of comprehensions do not count."""
    nodes = list(walk(value))
    own = {
        t.name for node in nodes if isinstance(node, ast.Clause) for t in targets_of(node.targets)
    }
    first: dict[str, ast.Name] = {}
    for node in nodes:
        if isinstance(node, ast.Name) and node.name in later and node.name not in own:
            first.setdefault(node.name, node)
    return list(first.values())


# --- cycles -------------------------------------------------------------------------------------


def _check_cycles(
    definitions: Mapping[str, _Definition], env: Env, collector: Collector
) -> set[str]:
    """Report cycles; returns the names that are in one."""
    reads = {
        name: sorted(other for other in definition.reads if other in definitions)
        for name, definition in definitions.items()
    }
    done: set[str] = set()
    members: set[str] = set()
    for name in definitions:
        cycle = _find_cycle(name, reads, done)
        if cycle:
            _report_cycle(cycle, definitions, collector)
            members.update(cycle)
            for member in cycle:
                env.bind(member, POISON, definitions[member].span, "file")
    return members


def _find_cycle(start: str, reads: Mapping[str, list[str]], done: set[str]) -> list[str]:
    """Return a cycle reachable from `start`, as a list of names, or nothing. Without recursion.

    What was gone through joins `done`, and is not looked at again: nor are further cycles through
    the names of one that was found.
    """
    if start in done:
        return []
    path = {start: iter(reads[start])}  # a dict keeps the order, and finds names fast
    while path:
        name = next(reversed(path))
        following = next(path[name], None)
        if following is None:
            del path[name]
            done.add(name)
        elif following in path:
            names = list(path)
            done.update(names)
            return names[names.index(following) :]
        elif following not in done:
            path[following] = iter(reads[following])
    return []


def _report_cycle(
    cycle: list[str], definitions: Mapping[str, _Definition], collector: Collector
) -> None:
    itself = len(cycle) == 1
    path = " → ".join([*cycle[:8], *(["…"] if len(cycle) > 8 else []), cycle[0]])
    help = "there is no recursion: use repeat, or pass the inner layer as a parameter"
    if any(isinstance(definitions[name].survey.item, ast.Let) for name in cycle):
        help = f"give {'it' if itself else 'one of them'} a value that does not lead back to it"
    collector.add(
        Diagnostic(
            "E0106",
            f"{cycle[0]} uses itself" if itself else f"these use one another: {path}",
            Label(definitions[cycle[0]].span, "" if itself else "it begins here"),
            tuple(Label(definitions[name].span, "and goes on here") for name in cycle[1:4]),
            help=help,
        )
    )
