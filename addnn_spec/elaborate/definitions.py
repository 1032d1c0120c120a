"""What the names at the top of a file stand for, imported ones included."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from addnn_spec.diagnostics import Collector, Diagnostic, Label, near
from addnn_spec.elaborate.context import Context, Stopped
from addnn_spec.elaborate.expressions import bind, bind_poison
from addnn_spec.elaborate.frame import POISON, Frame, Value
from addnn_spec.elaborate.name_check import Damage, check_file
from addnn_spec.elaborate.rules import begin
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import evaluate
from addnn_spec.elaborate.watch import Watch
from addnn_spec.limits import Limits
from addnn_spec.loading import ParsedFile
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import targets_of
from addnn_spec.values import Definition, Function, LayerValue

_MOST_LOOKED = 100


def define(
    file: ParsedFile,
    collector: Collector,
    limits: Limits,
    *,
    watch: Watch | None = None,
    damaged: bool = False,
) -> Env:
    """Check the names of a file and of what it imports, and return what its own stand for.

    What is wrong is added to `collector`. An item with syntax errors stands for nothing, unless
    `damaged` asks for what could be read of it: what is then found wrong is of no use to anyone.
    """
    return _Definer(begin(collector, limits, watch=watch), damaged).define(file, notes=True)


class _Names(Struct):
    """The names of a file: the items that give them, and their values.

    What is given `twice` stands for nothing.
    """

    env: Env = field(default_factory=Env)
    items: dict[str, ast.Item] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)


class _Definer:
    """Defines the names of files, those of each file once."""

    def __init__(self, ctx: Context, damaged: bool) -> None:
        self.collector = ctx.collector
        self._ctx = ctx
        self._damaged = damaged
        self._defined: dict[ParsedFile, Env] = {}
        self._looked = 0

    def define(self, file: ParsedFile, *, notes: bool = False) -> Env:
        """Define a file's names; `notes` asks for what nothing in it uses, too."""
        if file in self._defined:
            return self._defined[file]
        tree = file.tree
        damage = Damage(tree, () if self._damaged else file.errors, file.source)
        names = _Names()
        self._defined[file] = names.env
        self._define(tree, names, damage)
        imports = [item for item in tree.items if isinstance(item, ast.Import)]
        for each, imported in zip(imports, file.imports, strict=True):
            self._import(each, imported, names)
        check_file(tree, names.env, self.collector, damage, notes=notes)
        # `let`s in their order, which `check_order` has checked; aliases last, since they read
        # them.
        for item in tree.items:
            if isinstance(item, ast.Let):
                clash = any(target.name in names.twice for target in targets_of(item.targets))
                self._let(item, names.env, clash or item in damage)
        for item in tree.items:
            if isinstance(item, ast.Alias):
                self._alias(item, names.env, item.name in names.twice or item in damage)
        return names.env

    def _define(self, tree: ast.File, names: _Names, damage: Damage) -> None:
        """Bind functions, blocks and networks first: they may be used before their definition."""
        for item in tree.items:
            if isinstance(item, ast.Import):
                continue
            if isinstance(item, ast.Let):
                for target in targets_of(item.targets):
                    if not isinstance(names.items.setdefault(target.name, item), ast.Let):
                        self._twice(target.name, target.span, names)
                continue
            if item.name in names.items:
                self._twice(item.name, item.name_span, names)
                continue
            names.items[item.name] = item
            if not isinstance(item, ast.Alias):
                value = POISON if item in damage else _value(item, names.env)
                names.env.bind(item.name, value, item.name_span, "file")

    def _twice(self, name: str, span: Span, names: _Names) -> None:
        found, item = names.env.find(name), names.items.get(name)
        first = found.span if found else None
        if isinstance(item, ast.Let):
            first = next(t.span for t in targets_of(item.targets) if t.name == name)
        names.twice.add(name)
        names.env.bind(name, POISON, first, "file")
        self.collector.add(
            Diagnostic(
                "E0102",
                f"{name} is given twice",
                Label(span, "given here"),
                (Label(first, "and here"),) if first else (),
                help="give one of them another name",
            )
        )

    def _let(self, item: ast.Let, env: Env, damaged: bool) -> None:
        frame = Frame(self._ctx, None, env)
        if damaged:
            bind_poison(item.targets, frame)
            return
        try:
            value = evaluate(item.value, frame)
            bind(item.targets, value, frame, "file")
        except Stopped:
            bind_poison(item.targets, frame)

    def _alias(self, item: ast.Alias, env: Env, damaged: bool) -> None:
        try:
            if damaged:
                raise Stopped
            value = evaluate(item.value, Frame(self._ctx, None, env))
        except Stopped:
            env.bind(item.name, POISON, item.name_span, "file")
            return
        if not _is_network(value):
            self.collector.add(
                Diagnostic(
                    "E0108", f"{item.name} is not a network", Label(item.value.span),
                    help="an alias gives a network some of its arguments: network A = B(…)",
                )
            )  # fmt: skip
            value = POISON
        env.bind(item.name, value, item.name_span, "file")

    def _import(self, item: ast.Import, file: ParsedFile | None, names: _Names) -> None:
        imported = None if file is None else self.define(file)
        for name in item.names:
            target = name.alias or name.name
            if target in names.env.names or target in names.items:
                self._twice(target, name.span, names)
                continue
            names.items.setdefault(target, item)
            value: Any = POISON if imported is None else self._imported(imported, name, item)
            names.env.bind(target, value, name.span, "file")

    def _imported(self, imported: Env, name: ast.ImportName, item: ast.Import) -> Any:
        found = imported.names.get(name.name)
        if found is not None:
            return found.value
        self._looked += 1  # to look for a near name costs more than an import
        close = near(name.name, imported.names) if self._looked <= _MOST_LOOKED else []
        self.collector.add(
            Diagnostic(
                "E0104",
                f"{item.path} has no {name.name}",
                Label(name.span),
                help=f"did you mean {close[0]}?"
                if close
                else f"it has {', '.join(sorted(imported.names)) or 'nothing'}",
            )
        )
        return POISON


def _value(item: ast.Fn | ast.Block | ast.Network, env: Env) -> Function | LayerValue:
    return Function(item, env) if isinstance(item, ast.Fn) else LayerValue(Definition(item, env))


def _is_network(value: Value) -> bool:
    return (
        isinstance(value, LayerValue)
        and isinstance(value.target, Definition)
        and isinstance(value.target.node, ast.Network)
    )
