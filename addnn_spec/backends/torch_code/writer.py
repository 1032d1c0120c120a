"""Classes as lines of Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import wrap

from msgspec.structs import replace

from addnn_spec.backends.torch_code.base_layer import constructed, overrides
from addnn_spec.backends.torch_code.body import Guard
from addnn_spec.backends.torch_code.class_draft import ChildDraft
from addnn_spec.backends.torch_code.classes import ClassCode, optional_child
from addnn_spec.backends.torch_code.code_text import (
    INDENT,
    WIDTH,
    CodeLine,
    flat,
    layout,
    layout_statement,
    quoted,
)
from addnn_spec.backends.torch_code.forward import Assign, Copy, ForStatement, Statement
from addnn_spec.backends.torch_code.forward_loops import COUNTER
from addnn_spec.backends.torch_code.names import Namespace, is_plain
from addnn_spec.backends.torch_code.nested import unnested
from addnn_spec.backends.torch_code.paths import DICT_METHODS, Container
from addnn_spec.backends.torch_code.python import negated
from addnn_spec.backends.torch_code.signatures import Returns
from addnn_spec.backends.torch_code.tree import (
    Choice,
    Key,
    Name,
    Spanned,
    Star,
    Template,
    Tree,
    When,
)
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Seq
from addnn_spec.sizes import SymbolicSize
from addnn_spec.source import Span

_FAILS = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
"""What holds of two whole numbers where a comparison does not."""


def comment(text: str) -> str:
    """Return text as it may stand in a comment or a docstring: one line, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def docstring(text: str, indent: int) -> list[CodeLine]:
    """Write a docstring, its lines filled anew; without control characters."""
    pad, quotes = INDENT * indent, '"""'
    width = WIDTH - len(pad) - len(quotes)
    rows: list[str] = []
    for paragraph in text.split("\n\n"):
        # Quotes of the spec must not end the docstring; backslashes are doubled below.
        words = comment(paragraph).replace('"', "'")
        if words:
            rows += [""] if rows else []
            opening = "" if rows else quotes
            rows += wrap(words, width, initial_indent=opening, break_on_hyphens=False)
    rows = [f"{rows[0]}{quotes}"] if len(rows) == 1 else [*rows, quotes] if rows else []
    return [CodeLine((pad + row.replace("\\", "\\\\")).rstrip(), prose=True) for row in rows]


def condition(test: Tree, indent: int) -> list[CodeLine]:
    """Write the head of an `if`."""
    return layout(test, indent, "if ", ":")


class Arms:
    """The arms of the `if` that the constructor is in."""

    def __init__(self, flags: Sequence[Tree]) -> None:
        self._flags = flags
        self._written: list[Guard] = []

    def close(self) -> None:
        """Note that something was written that depends on nothing."""
        self._written = []

    def opened(self, guard: Guard, indent: int) -> list[CodeLine]:
        """Write the line that begins an arm; none if that is the open one."""
        if self._written[-1:] == [guard]:
            return []
        if self._written == [Guard(guard.flag, not guard.present)]:
            self._written.append(guard)
            return [CodeLine(f"{INDENT * indent}else:")]
        self._written = [guard]
        test = self._flags[guard.flag]
        return condition(test if guard.present else negated(test), indent)


class ClassWriter:
    """Writes one class."""

    def __init__(self, code: ClassCode, probes: bool) -> None:
        self._code = code
        self._probes = probes
        self._returns = Returns(code)
        names = [text.partition(":")[0] for text in code.parameters]
        self._locals = Namespace([*names, *(name for name, *_ in code.head)])
        """The variables of the constructor."""

    def lines(self) -> list[CodeLine]:
        """Write the class, and the named tuple of a network with several outputs before it."""
        lines: list[CodeLine] = []
        if self._returns.named_tuple:
            lines += [*self._returns.definition(), CodeLine(""), CodeLine("")]
        if self._code.function:
            return [*lines, *self._forward()]
        lines.append(
            CodeLine(f"class {self._code.name}({self._base()}):", (self._code.graph.span,))
        )
        head = docstring(self._code.graph.doc, 1)
        buffers = self._buffers()
        body = [*head, *([CodeLine("")] if head else [])]
        body += [*buffers, *([CodeLine("")] if buffers else [])]
        constructor = self._constructor()
        if constructor:
            body += [*constructor, CodeLine("")]
        body += self._forward()
        while body and not body[-1].text:
            body.pop()
        return lines + body

    def _base(self) -> str:
        code = self._code
        if code.paths.own is not None:
            base = constructed(code.paths.own)[0].fn
            return f"Probed, {base}" if self._probes else base
        base = code.base or ("nn.ModuleDict" if code.paths.keyed else "nn.Module")
        if base == "nn.ModuleDict" and not DICT_METHODS.isdisjoint(code.paths.root.entries):
            base = "Scope"
        return f"Probed, {base}" if self._probes and base != "Tapped" else base

    def _buffers(self) -> list[CodeLine]:
        return [
            CodeLine(f"{INDENT}{child.path}: Tensor", (child.span,))
            for child, _ in self._code.children
            if child.tensor == "buffer" and is_plain(child.path)
        ]

    # --- the constructor -------------------------------------------------------------------------
    def _constructor(self) -> list[CodeLine]:
        code = self._code
        if not code.children and not code.parameters:
            return []
        lines = _signature("__init__", ["self", *code.parameters], "None", (code.graph.span,))
        if code.base:
            (child, _), *_rest = code.children
            return lines + self._head() + self._made("", child.tree, 2, "", ())
        if code.paths.own is not None:
            lines += [*self._head(), *self._own(code.paths.own)]
        else:
            arguments = "{}" if self._base().endswith("Scope") else ""
            lines.append(CodeLine(f"{INDENT * 2}super().__init__({arguments})"))
            lines += self._head()
        lines += [CodeLine(f"{INDENT * 2}self.{at} = {name}") for name, at in code.stored.items()]
        lines += self._children()
        return lines

    def _own(self, own: ChildDraft) -> Iterator[CodeLine]:
        """Write the call of the base's constructor, with what is done to the scope's own layer."""
        call, around = constructed(own)
        yield from layout(Call("super().__init__", call.args), 2, spans=(own.span,))
        for function in around:
            yield from layout(Call(function.fn, (Arg(Name("self")), *function.args[1:])), 2)
        yield from self._fills(own, 2)

    def _head(self) -> list[CodeLine]:
        """Write what the block's `let`s, and its defaults that read other parameters, stand for."""
        lines: list[CodeLine] = []
        for name, tree, is_default in self._code.head:
            if is_default:
                lines.append(CodeLine(f"{INDENT * 2}if {name} is None:"))
            lines += layout(tree, 3 if is_default else 2, f"{name} = ")
        return lines

    def _scope(self) -> bool:
        """Return True if children named by numbers are added, and not set as items."""
        return self._base().endswith("Scope") or self._code.paths.own is not None

    def _children(self) -> list[CodeLine]:
        """Write the children in the order of the text, those in one container together."""
        lines: list[CodeLine] = []
        waiting = dict(self._code.paths.root.entries)
        arms = Arms(self._code.flags)
        for path, group in groupby(self._code.children, key=lambda pair: pair[0].path):
            made = [(child, guard) for child, guard in group if guard is not None]
            name = self._code.paths.entry_of(path)
            if made:
                lines += self._guarded(made, arms, first=waiting.pop(name, None) is not None)
            elif name in waiting:
                lines += self._child(name, waiting.pop(name), 2)
                arms.close()
        return lines

    def _guarded(
        self, made: Sequence[tuple[ChildDraft, Guard]], arms: Arms, *, first: bool
    ) -> list[CodeLine]:
        """Write a child that some uses lack, or that is made in one of two ways, or one of these
        ways."""
        child, guard = made[0]
        if optional_child(self._code.children, guard.flag) is child:
            arms.close()
            return self._optional(child.path, child.tree, self._code.flags[guard.flag])
        lines: list[CodeLine] = []
        if first and sum(other.path == child.path for other, _ in self._code.children) > 1:
            arms.close()
            lines += self._declared(child.path)
        if len({own.flag for _, own in made}) == 1:
            made = sorted(made, key=lambda pair: not pair[1].present)
        for one, own in made:
            lines += [*arms.opened(own, 2), *self._child(one.path, one, 3)]
        return lines

    def _declared(self, name: str) -> list[CodeLine]:
        """Declare a child that is made in one of two ways, for type checkers."""
        return [] if not is_plain(name) else [CodeLine(f"{INDENT * 2}self.{name}: nn.Module")]

    def _optional(self, name: str, tree: Tree, test: Tree) -> list[CodeLine]:
        first, tree = self._first(tree, 3)
        asked = f"({flat(test)})" if isinstance(test, Choice) else flat(test)
        one = layout(tree, 2, f"self.{name} = ", f" if {asked} else None")
        if len(one) == 1 and len(one[0].text) <= WIDTH and not first:
            return one
        return [
            CodeLine(f"{INDENT * 2}self.{name}: nn.Module | None = None"),
            *condition(test, 2),
            *first,
            *layout_statement(tree, 3, f"self.{name} = "),
        ]

    def _child(self, name: str, entry: ChildDraft | Container, indent: int) -> list[CodeLine]:
        if isinstance(entry, Container):
            lines = self._assigned(name, entry.tree(), indent, ())
            access = f"self.{name}" if is_plain(name) else f"self.get_submodule({quoted(name)})"
            return lines + list(self._inside(entry, name, access, indent))
        if entry.run is not None:
            run, call = entry.run, Call("self.add_module", (Arg(entry.run.name), Arg(entry.tree)))
            header = CodeLine(f"{INDENT * indent}for i in range({run.start}, {run.stop}):")
            return [header, *layout(call, indent + 1, spans=(entry.span,))]
        if entry.tensor == "buffer" or (entry.tensor and not is_plain(name)):
            unsaved = () if entry.saved else (Arg(False, "persistent"),)
            args = (Arg(Key(name)), Arg(entry.tree), *unsaved)
            call = Call(f"self.register_{entry.tensor}", args)
            lines = layout_statement(call, indent, spans=(entry.span,))
        else:
            lines = self._assigned(name, entry.tree, indent, (entry.span,))
        return lines + list(self._fills(entry, indent))

    def _assigned(
        self, name: str, tree: Tree, indent: int, spans: tuple[Span, ...]
    ) -> list[CodeLine]:
        """Put a child where it is read."""
        first, tree = self._first(tree, indent)
        return first + self._put(name, tree, indent, spans)

    def _first(self, tree: Tree, indent: int) -> tuple[list[CodeLine], Tree]:
        """Write the modules that are made before a child; return the rest of it."""
        levels, tree = unnested(tree, self._locals.unique)
        lines: list[CodeLine] = []
        for level in levels:
            again = level.times > 1
            if again:
                lines.append(CodeLine(f"{INDENT * indent}for _ in range({level.times}):"))
            lines += layout(level.tree, indent + again, f"{level.name} = ")
        return lines, tree

    def _put(self, name: str, tree: Tree, indent: int, spans: tuple[Span, ...]) -> list[CodeLine]:
        if not is_plain(name) and self._scope():
            call = Call("self.add_module", (Arg(Key(name)), Arg(tree)))
            return layout(call, indent, spans=spans)
        target = f"self.{name}" if is_plain(name) else f"self[{quoted(name)}]"
        return self._made(name, tree, indent, f"{target} = ", spans)

    def _made(
        self, path: str, tree: Tree, indent: int, prefix: str, spans: tuple[Span, ...]
    ) -> list[CodeLine]:
        """Make a child; a Sequential with elements that some uses lack, by way of a list."""
        call = tree.value if isinstance(tree, Spanned) else tree
        if not isinstance(call, Call) or not any(isinstance(a.value, When) for a in call.args):
            return layout_statement(tree, indent, prefix, spans)
        name = self._locals.unique(path if path and not path.isdigit() else "layers")
        lines: list[CodeLine] = []
        arms = Arms(self._code.flags)
        for guard, group in groupby((arg.value for arg in call.args), key=_condition):
            items = tuple(item.value if isinstance(item, When) else item for item in group)
            if guard is None:
                lines += _added(name, items, indent, first=not lines)
                arms.close()
                continue
            if not lines:
                lines.append(CodeLine(f"{INDENT * indent}{name}: list[nn.Module] = []"))
            lines += [*arms.opened(guard, indent), *_added(name, items, indent + 1)]
        last = Call(call.fn, (Arg(Star(Name(name))),))
        return lines + layout(last, indent, prefix, spans=spans)

    def _inside(
        self, container: Container, path: str, access: str, indent: int
    ) -> Iterator[CodeLine]:
        """Write the tensors in a container, and the initialisation of what it holds."""
        for name, entry in container.entries.items():
            if isinstance(entry, Container):
                inner = self._code.paths.access(f"{path}.{name}")
                yield from self._inside(entry, f"{path}.{name}", inner, indent)
                continue
            if entry.tensor:
                call = Call(f"{access}.register_{entry.tensor}", (Arg(Key(name)), Arg(entry.tree)))
                yield from layout(call, indent, spans=(entry.span,))
            yield from self._fills(entry, indent)

    def _fills(self, entry: ChildDraft, indent: int) -> Iterator[CodeLine]:
        for code in entry.inits:
            yield from layout(self._code.paths.written(code), indent, spans=(entry.span,))

    # --- forward ---------------------------------------------------------------------------------
    def _forward(self) -> list[CodeLine]:
        code = self._code
        if code.base:
            return []
        own = [] if code.function else ["self"]
        params = [*own, *self._returns.parameters()]
        params += [f"{port}: {cls}" for port, cls in code.ports.items()]
        spans = (code.graph.span,)
        if code.function:
            params += code.parameters
            lines = _signature(code.name, params, self._returns.annotation, spans, indent=0)
            lines += docstring(code.graph.doc, 1)
        else:
            lines = _signature("forward", params, self._returns.annotation, spans)
        if code.paths.own is not None and not self._overrides():
            lines[0] = CodeLine(f"{lines[0].text}  # type: ignore[override]", spans)
        main = [s for s in code.statements if not s.training]
        training = [s for s in code.statements if s.training]
        if code.network:
            lines += self._stated()
            lines += self._tapped_inputs() if self._probes else []
        for targets, tree in code.read:
            lines += layout(tree, code.indent, f"{targets} = ")
        lines += self._returns.prepare(main)
        for statement in main:
            lines += self._statement(statement, code.indent)
        if self._returns.training:
            lines += self._returns.evaluation()
            lines += self._returns.prepare(training)
            for statement in training:
                lines += self._statement(statement, 2)
        return lines + self._returns.last()

    def _overrides(self) -> bool:
        """Return True if `forward` can be called as that of the own layer, for type checkers."""
        code = self._code
        plain = not (code.ports or code.lists or self._returns.training)
        return plain and overrides(code.graph, len(code.inputs))

    def _stated(self) -> Iterator[CodeLine]:
        """Write the checks of what the spec's `assert`s state about sizes."""
        names: dict[str, str] = {}
        for name, type in zip(self._code.inputs, self._input_types(), strict=True):
            for dim, size in enumerate(type.shape):
                for symbol in size.symbols if isinstance(size, SymbolicSize) else ():
                    whole = SymbolicSize.of(symbol) * symbol.divisor + symbol.offset
                    if size == whole:
                        names.setdefault(symbol.user.name, f"{name}.shape[{dim}]")
        for stated in self._code.graph.assertions:
            fact = stated.fact
            if all(symbol.name in names for symbol in fact.symbols):
                text = stated.message or f"{fact} does not hold"
                failed = replace(fact, op=_FAILS[fact.op])
                yield CodeLine(f"{INDENT * 2}if {failed.source(names)}:", (stated.span,))
                message = Call("ValueError", (Arg(comment(text)),))
                yield from layout(message, 3, "raise ", spans=(stated.span,))

    def _input_types(self) -> list[TensorType]:
        graph = self._code.graph
        return [graph.node(id).outputs[0] for id in graph.inputs]

    def _tapped_inputs(self) -> list[CodeLine]:
        return [
            CodeLine(f"{INDENT * 2}{name} = self.tap({quoted(name)}, {name})")
            for name in self._returns.inputs()
        ]

    def _statement(self, statement: Statement, indent: int) -> list[CodeLine]:
        if isinstance(statement, Assign):
            return self._assign(statement, indent)
        if isinstance(statement, ForStatement):
            return self._for(statement, indent)
        pad = INDENT * indent
        lines = [_copied(copy, indent) for copy in statement.before]
        then = self._arm(statement.then, statement.then_copies, indent + 1)
        orelse = self._arm(statement.orelse, statement.else_copies, indent + 1)
        if not then and not orelse:
            return lines
        # If only the other arm does something, the `if` asks the opposite.
        lines += condition(statement.test if then else negated(statement.test), indent)
        lines += then or orelse
        return [*lines, CodeLine(f"{pad}else:"), *orelse] if then and orelse else lines

    def _arm(
        self, assigns: Iterable[Assign], copies: Sequence[Copy], indent: int
    ) -> list[CodeLine]:
        lines = [line for assign in assigns for line in self._assign(assign, indent)]
        return lines + [_copied(copy, indent) for copy in copies]

    def _assign(self, assign: Assign, indent: int) -> list[CodeLine]:
        prefix = f"{assign.targets}{assign.annotation} = "
        if self._returns.inlined(assign):
            prefix = "return "
        if assign.step.loop:
            return self._loop(assign, indent)
        lines = [CodeLine(line.text, assign.spans) for line in layout(assign.tree, indent, prefix)]
        remark = self._remark(assign)
        last = lines[-1].text
        if remark and len(lines) == 1 and len(last) + 4 + len(remark) <= WIDTH:
            lines[-1] = CodeLine(f"{last}  # {remark}", assign.spans)
        return lines

    def _for(self, statement: ForStatement, indent: int) -> list[CodeLine]:
        """Write `for layer, norm in zip(self.layers, self.norms): …`."""
        pad, loop = INDENT * indent, statement.loop
        lines = [_copied(copy, indent) for copy in statement.before]
        lines += [CodeLine(f"{pad}{name}: list[Tensor] = []") for name, _ in statement.collected]
        targets, over = ", ".join(loop.lists.values()), [self._turns(p) for p in loop.lists]
        iterable = over[0] if len(over) == 1 else f"zip({', '.join(over)}, strict=True)"
        if loop.counted:
            targets = f"{COUNTER}, {targets if len(over) == 1 else f'({targets})'}"
            iterable = f"enumerate({iterable})"
        spans = tuple(span for inner in statement.body for span in inner.spans)
        lines.append(CodeLine(f"{pad}for {targets} in {iterable}:", spans))
        for inner in statement.body:
            lines += self._assign(inner, indent + 1)
        added = INDENT * (indent + 1)
        return lines + [
            CodeLine(f"{added}{name}.append({made})") for name, made in statement.collected
        ]

    def _turns(self, path: str) -> str:
        """Name what goes through a list of modules."""
        access = self._code.paths.access(path)
        return f"{access}.children()" if access.endswith(("]", ")")) else access

    def _loop(self, assign: Assign, indent: int) -> list[CodeLine]:
        """Write `for layer in self.layers: x = layer(x, memory)`."""
        pad, target = INDENT * indent, assign.targets
        header, source, turn, name = self._turn(assign)
        lines = []
        if source != target:
            lines.append(CodeLine(f"{pad}{target}{assign.annotation} = {source}"))
        if self._probes:
            turn = Call("self.tap", (Arg(name), Arg(turn)))
        lines.append(CodeLine(pad + header, assign.spans))
        lines += layout(turn, indent + 1, f"{target} = ", spans=assign.spans)
        remark = self._remark(assign)
        if remark and len(lines[-1].text) + len(remark) + 4 <= WIDTH:
            lines[-1] = CodeLine(f"{lines[-1].text}  # {remark}", assign.spans)
        if self._probes and assign.step.run is None:
            tapped = Call("self.tap", (Arg(Key(assign.step.name)), Arg(Name(target))))
            lines += layout(tapped, indent, f"{target} = ", spans=assign.spans)
        return lines

    def _turn(self, assign: Assign) -> tuple[str, str, Tree, Template]:
        """Return a loop's head, what it starts from, what it does, and the turn's name."""
        run, element, call = assign.step.run, assign.step.loop, assign.tree
        if run is not None:
            uses = self._probes or "{i}" in flat(call)
            header = f"for {'i' if uses else '_'} in range({run.start}, {run.stop}):"
            return header, assign.carried, call, run.name
        assert isinstance(call, Call)
        turns = f"{call.fn}.children()" if call.fn.endswith(("]", ")")) else call.fn
        header = f"for {element} in {turns}:"
        if self._probes:
            header = f"for i, {element} in enumerate({turns}):"
        turn = Call(element, (Arg(Name(assign.targets)), *call.args[1:]))
        return header, flat(call.args[0].value), turn, Template(f"{assign.step.name}.", "i")

    def _remark(self, assign: Assign) -> str:
        remarks = self._code.remarks
        if remarks is None:
            return ""
        names = assign.targets
        values = assign.step.outputs
        if len(values) > 1 and "_" in names.replace("(", "").replace(")", "").split(", "):
            values = values[:1] if not names.startswith("_") else ()
        shapes = dict.fromkeys(remarks.of(value) for value in values)
        return comment(", ".join(shapes))


def _condition(element: Tree) -> Guard | None:
    """Return what an element depends on."""
    return Guard(element.flag, element.present) if isinstance(element, When) else None


def _added(
    name: str, items: tuple[Tree, ...], indent: int, *, first: bool = False
) -> list[CodeLine]:
    """Put elements into a list of layers."""
    if first:
        return layout(Seq(items, brackets=True), indent, f"{name}: list[nn.Module] = ")
    if len(items) == 1 and not isinstance(items[0], Star):
        return layout(Call(f"{name}.append", (Arg(items[0]),)), indent)
    return layout(Seq(items, brackets=True), indent, f"{name} += ")


def _copied(copy: Copy, indent: int) -> CodeLine:
    return CodeLine(f"{INDENT * indent}{copy.targets}{copy.annotation} = {copy.source}")


def _signature(
    name: str, params: Sequence[str], returns: str, spans: tuple[Span, ...], indent: int = 1
) -> list[CodeLine]:
    pad, deep = INDENT * indent, INDENT * (indent + 1)
    one = f"{pad}def {name}({', '.join(params)}) -> {returns}:"
    if len(one) <= WIDTH:
        return [CodeLine(one, spans)]
    inner = f"{deep}{', '.join(params)}"
    # As `ruff format` has it: all parameters on one line, else one a line.
    rows = [inner] if len(inner) <= WIDTH else [f"{deep}{param}," for param in params]
    return [
        CodeLine(f"{pad}def {name}(", spans),
        *(CodeLine(row, spans) for row in rows),
        CodeLine(f"{pad}) -> {returns}:", spans),
    ]
