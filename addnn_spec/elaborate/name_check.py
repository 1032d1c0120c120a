"""What can be said of a file's names without elaborating it.

Each name that is read must be given somewhere around it; definitions must not lead back to
themselves. Names that are wrong are reported here once, and stand for nothing afterwards, so that
elaboration stays silent about them. Names that are given and never read are warned about.
"""

from __future__ import annotations

from collections.abc import Iterable

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticCode, Label, near
from addnn_spec.elaborate import functions
from addnn_spec.elaborate.cycles import check_order
from addnn_spec.elaborate.frame import POISON
from addnn_spec.elaborate.item_names import Survey
from addnn_spec.elaborate.scope import Env
from addnn_spec.ops import index, known
from addnn_spec.ops.init import INITS
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read, targets_of

_Definition = ast.Fn | ast.Block | ast.Network
_MOST_UNKNOWN = 50  # then one more error says that there are more


def check_file(
    file: ast.File, env: Env, collector: Collector, damage: Damage, *, notes: bool = True
) -> None:
    """Check all names of a file whose own definitions and imports `env` holds.

    `notes` asks for what nothing uses: blocks and imports; in an imported file that is nothing to
    tell. Definitions with syntax errors are passed over.
    """
    top = set(env.names)
    for item in file.items:
        if isinstance(item, ast.Let):
            top |= {target.name for target in targets_of(item.targets)}
        elif isinstance(item, ast.Alias):
            top.add(item.name)
    surveys = [Survey(item) for item in file.items]
    unknown = _Unknown(top, surveys, env, collector, damage)
    for survey in surveys:
        item = survey.item
        if isinstance(item, ast.Import) or item in damage:
            continue
        sound = unknown.report_in(survey)
        if isinstance(item, ast.Let | ast.Alias):
            continue
        misfit = _misfit(item)
        if misfit is not None:
            collector.add(misfit)
            env.bind(item.name, POISON, item.name_span, "file")
        if sound:
            _warn_unused(item, survey, collector)
            _warn_constant(item, survey, collector)
        _warn_loose_arms(survey, collector)
    check_order(surveys, env, collector)
    if notes and not damage:
        _note_unused(surveys, collector)
        _warn_unused_imports(surveys, collector)


def _misfit(item: _Definition) -> Diagnostic | None:
    """Tell of a definition whose form says that something else was meant."""
    if isinstance(item, ast.Network) and item.body.kind == "chain":
        return Diagnostic(
            "E0405",
            f"network {item.name} has no input and no output",
            Label(item.body.span, "these elements are a block's"),
            help="declare them: input x: float[N, …], and output y = x -> …",
        )
    if isinstance(item, ast.Block) and item.inputs is None:
        for param in item.params:
            if param.name == "x":
                return Diagnostic(
                    "E0102",
                    f"x is what flows into block {item.name}, and no parameter",
                    Label(param.span),
                    help="leave it out; inputs of other names stand in brackets of their own: "
                    f"block {item.name}(…)(a, b)",
                )
    return None


class Damage:
    """What of a file cannot be trusted, because there are syntax errors in it.

    A name of wrong characters is read all the same: nothing is lost by it. `lost` tells that names
    may be missing that the file was to have.
    """

    def __init__(self, file: ast.File, errors: Iterable[Diagnostic], source: Source) -> None:
        places = [
            error.primary.span.start
            for error in errors
            if error.primary is not None and error.primary.span.source is source
            if error.code != "E0014"
        ]
        self._items = [
            item
            for item in file.items
            if any(item.span.start <= place <= item.span.end for place in places)
        ]
        inside = [
            place
            for place in places
            if any(item.span.start <= place <= item.span.end for item in self._items)
        ]
        self.lost = len(inside) < len(places) or any(
            isinstance(item, ast.Import) for item in self._items
        )

    def __contains__(self, item: ast.Item) -> bool:
        return any(item is damaged for damaged in self._items)

    def __bool__(self) -> bool:
        return bool(self._items) or self.lost


# --- unknown names ------------------------------------------------------------------------------


class _Unknown:
    """Reports each name that nothing gives, once in an item."""

    def __init__(
        self,
        top: set[str],
        surveys: list[Survey],
        env: Env,
        collector: Collector,
        damage: Damage,
    ) -> None:
        self.top = top
        self.networks = [s for s in surveys if isinstance(s.item, ast.Network)]
        self.env = env
        self.collector = collector
        self.damage = damage
        self.count = 0

    def report_in(self, survey: Survey) -> bool:
        """Return True if there was no unknown name in an item."""
        told: set[str] = set()
        local = survey.local
        for found in survey.nodes:
            if isinstance(found, ast.Name):
                name, span = found.name, found.span
            elif isinstance(found, ast.Layer):
                name, span = found.name, found.name_span
            elif isinstance(found, ast.Output) and found.value is None:
                name, span = found.target.name, found.target.span
            else:
                continue
            if name in self.top or name in told or name in local or name == "x":
                continue
            if _is_builtin(name):  # last: it may look for operators in installed packages
                continue
            told.add(name)
            # From now on it stands for nothing, so elaboration is silent about it.
            self.env.bind(name, POISON, None, "file")
            # A syntax error may have swallowed what gives this name.
            if not self.damage.lost:
                self._report(name, span, survey)
        return not told

    def _report(self, name: str, span: Span, survey: Survey) -> None:
        self.count += 1
        if self.count == _MOST_UNKNOWN + 1:
            self.collector.add(
                Diagnostic("E0015", f"more than {_MOST_UNKNOWN} names are unknown", Label(span))
            )
        if self.count > _MOST_UNKNOWN:
            return
        item = survey.item
        known = {*self.top, *survey.local, *functions.NAMES, *index()}
        close = near(name, known)
        help = _FOREIGN.get(name) or (f"did you mean {' or '.join(close)}?" if close else None)
        if isinstance(item, ast.Block | ast.Fn):
            # The usual cause: a block reads `classes` of the network that uses it.
            if any(name in network.names or name in network.sizes for network in self.networks):
                help = f"{item.name} sees no names of a network: give it a parameter {name}"
        self.collector.add(
            Diagnostic("E0101", f"nothing is called {name} here", Label(span), help=help)
        )


def _is_builtin(name: str) -> bool:
    return name in functions.NAMES or name in INITS or known(name)


_FOREIGN = {
    "True": "write true", "False": "write false", "None": "write none",
    "Swish": "torch calls it SiLU", "Add": "write a + b", "Dense": "torch calls it Linear",
    "Input": "an input is declared: input x: float[N, 3, H = 224, W = 224]",
    "same": 'a string has quotes: "same"', "valid": 'a string has quotes: "valid"',
    "Conv2D": "torch calls it Conv2d", "BatchNorm": "torch calls it BatchNorm2d",
    "Concatenate": "it is called Concat", "Cat": "it is called Concat",
    "cat": "it is called Concat", "View": "it is called Reshape",
    "Sequential": "write { a -> b }", "self": "names stand for themselves: write the name alone",
    "nn": "write the layer's name alone: Conv2d(64, 3)",
    "torch": "write the operator's name alone", "F": "write the operator's name alone",
}  # fmt: skip


# --- warnings -----------------------------------------------------------------------------------


def _warn_unused(item: _Definition, survey: Survey, collector: Collector) -> None:
    if not isinstance(item, ast.Fn) and _gives_nothing(item, survey):
        return  # that is the error, and this would be its consequence
    read = survey.read
    shown = {
        found.target.name
        for found in survey.nodes
        if isinstance(found, ast.Output) and found.value is None
    }
    told: set[str] = set()
    for name, span, kind in survey.given:
        if name in read or name in shown or name in told or name.startswith("_"):
            continue
        told.add(name)
        words = _UNUSED.get(kind)
        if words is not None:
            code, text = words
            help = f"remove it, or call it _{name} if it is meant so"
            collector.add(
                Diagnostic(
                    code,
                    text.format(name),
                    Label(span),
                    help="remove it" if kind == "network input" else help,
                )
            )


_UNUSED: dict[str, tuple[DiagnosticCode, str]] = {
    "value": ("W0101", "{} is never read"),
    "tensor": ("W0101", "{} is never read"),
    "module": ("W0101", "no data flows into module {}"),
    "input": ("W0102", "the input {} is never read"),
    "network input": ("W0102", "the input {} is never read"),
    "parameter": ("W0106", "the parameter {} is never read"),
}


def _gives_nothing(item: ast.Block | ast.Network, survey: Survey) -> bool:
    """Return True if a body of statements has no `return`, and no `output`."""
    return item.body.kind == "statements" and not any(
        isinstance(found, ast.Return | ast.Output) for found in survey.nodes
    )


def _warn_loose_arms(survey: Survey, collector: Collector) -> None:
    """Warn (W0107) that `if c then a else (b, d) -> Concat` joins whichever arm is chosen."""
    for found in survey.nodes:
        if isinstance(found, ast.Chain) and isinstance(found.head, ast.Conditional):
            collector.add(
                Diagnostic(
                    "W0107",
                    "-> takes whichever arm is chosen, not the last one only",
                    Label(found.head.span, "all of this flows on"),
                    help="put parentheses around it, or around the arm with its arrow",
                )
            )


def _warn_unused_imports(surveys: list[Survey], collector: Collector) -> None:
    imports = [survey.item for survey in surveys if isinstance(survey.item, ast.Import)]
    read = {name for survey in surveys for name in survey.read} if imports else set()
    for item in imports:
        for name in item.names:
            if (name.alias or name.name) not in read:
                collector.add(
                    Diagnostic(
                        "W0108",
                        f"{name.alias or name.name} is imported and never used",
                        Label(name.span),
                        help="remove it",
                    )
                )


def _warn_constant(item: _Definition, survey: Survey, collector: Collector) -> None:
    """Warn of a branch that always goes one way: its condition reads nothing that can differ."""
    branches = [node for node in survey.nodes if isinstance(node, ast.If | ast.Conditional)]
    if not branches:
        return
    varying = {name for name, _, kind in survey.given if kind != "value"} | {"x"}
    if isinstance(item, ast.Network):
        varying |= survey.sizes
    lets = [found for found in survey.nodes if isinstance(found, ast.Let)]
    # A `let` in a loop may read one below it, from the turn before: hence a second look.
    for _ in range(2):
        for let in lets:
            if names_read(let.value) & varying:
                varying |= {target.name for target in targets_of(let.targets)}
    for found in branches:
        if not names_read(found.condition) & varying and not _is_no_condition(found.condition):
            collector.add(
                Diagnostic(
                    "W0104",
                    "this condition is always the same",
                    Label(found.condition.span, "it reads no parameter, type or loop variable"),
                    help="keep the arm that is taken",
                )
            )


def _is_no_condition(expr: ast.Expr) -> bool:
    """Return True if it is plain that an expression is neither true nor false: that is an error."""
    if isinstance(expr, ast.Paren):
        return _is_no_condition(expr.inner)
    if isinstance(expr, ast.Constant):
        return expr.value is None
    return isinstance(expr, ast.Number | ast.Text | ast.ListExpr | ast.TupleExpr)


# --- unused blocks ------------------------------------------------------------------------------


def _note_unused(surveys: list[Survey], collector: Collector) -> None:
    """Note (N0101) the blocks that no network uses: of them only the names are checked."""
    giving = {name: survey for survey in surveys for name in _names_given(survey.item)}
    waiting = [s.item.name for s in surveys if isinstance(s.item, ast.Network | ast.Alias)]
    if not waiting:
        return
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(other for other in giving[name].read if other in giving)
    for survey in surveys:
        item = survey.item
        if isinstance(item, ast.Block) and item.name not in reached:
            collector.add(
                Diagnostic(
                    "N0101",
                    f"no network uses block {item.name}: only its names are checked",
                    Label(item.name_span),
                )
            )
        elif isinstance(item, ast.Network):
            _note_waiting(item, surveys, collector)


def _names_given(item: ast.Item) -> list[str]:
    """Return the names of the file that an item defines; those that it imports are another
    file's."""
    if isinstance(item, ast.Import):
        return []
    if isinstance(item, ast.Let):
        return [target.name for target in targets_of(item.targets)]
    return [item.name]


def _note_waiting(item: ast.Network, surveys: list[Survey], collector: Collector) -> None:
    """Note a network with a parameter that no alias gives: it cannot be elaborated."""
    needed = [param.name for param in item.params if param.default is None]
    # A file where something reads it is one where an alias or a network gives it its arguments.
    if not needed or any(item.name in other.read for other in surveys):
        return
    collector.add(
        Diagnostic(
            "N0101",
            f"nothing gives {item.name} its {needed[0]}: only its names are checked",
            Label(item.name_span),
            help=f"give it: network My = {item.name}({needed[0]} = …)",
        )
    )
