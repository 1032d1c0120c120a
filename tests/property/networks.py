"""Random well-typed networks as text, from any `random.Random`: hypothesis's, or one with a seed.

    spec = random_network(Random(17))
    spec.text()               sizes symbolic, as generated
    spec.text({"H": 19})      the same with a size fixed

`core` keeps to what the interpreter in numpy knows; `layers` adds layers that are arguments: of
`Scan`, of `TimeDistributed`, of blocks, reading tensors, parameters and modules from around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tests.property import elements
from tests.property.blocks import BLOCKS, CELLS, TURNS, Template
from tests.property.types import Sym, Type


@dataclass
class Spec:
    """A generated file. `inputs` are (name, element type, sizes); a symbolic size has its value."""

    blocks: list[str]
    inputs: list[tuple[str, Type]]
    body: list[str]
    sizes: dict[str, int]

    def text(self, fixed: Mapping[str, int] | None = None) -> str:
        """The file, with these symbolic sizes as numbers."""
        lines = [f"  {self._input(name, type, fixed or {})}" for name, type in self.inputs]
        body = "\n".join([*lines, *(f"  {line}" for line in self.body)])
        return "\n".join([*self.blocks, f"network Net {{\n{body}\n}}\n"])

    @staticmethod
    def _input(name: str, type: Type, fixed: Mapping[str, int]) -> str:
        def size(dim: int | Sym) -> str:
            if isinstance(dim, int):
                return str(dim)
            if dim.origin in fixed:
                return str(fixed[dim.origin])
            return dim.origin if dim.origin == "N" else f"{dim.origin} = {dim.value}"

        return f"input {name}: {type.dtype}[{', '.join(map(size, type.shape))}]"


@dataclass
class Local:
    """A tensor that has a name, and whether something has read it."""

    name: str
    type: Type
    read: bool = False


class Maker:
    """Makes one network, statement after statement."""

    def __init__(self, rng: Random, *, core: bool, layers: bool = False) -> None:
        self.rng = rng
        self.core = core
        self.layers = layers
        self.spec = Spec([], [], [], {"N": 2})
        self.locals: list[Local] = []
        self.count = 0
        self.templates: dict[str, Template] = {}

    # --- names ----------------------------------------------------------------------------------
    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def label(self) -> str:
        """A label with its colon, or nothing."""
        style = self.rng.random()
        if style < 0.5:
            return ""
        name = self.fresh("part")
        return f"{name}: " if style < 0.9 else f'"deep.{name}": '

    def take(self) -> Local:
        """A tensor to go on with: one of the last, rather one that nobody has read."""
        unread = [local for local in self.locals if not local.read]
        local = self.rng.choice(unread if unread and self.rng.random() < 0.7 else self.locals)
        local.read = True
        return local

    def bind(self, text: str, type: Type, *, over: Local | None = None) -> None:
        """A statement that names what a chain makes: a name of its own, or that of its source."""
        if over is not None and self.rng.random() < 0.3 and not over.name.startswith("in"):
            self.locals.remove(over)
            name = over.name
        else:
            name = self.fresh("v")
        self.spec.body.append(f"{name} = {text}")
        self.locals.append(Local(name, type))

    # --- statements -----------------------------------------------------------------------------
    def network(self) -> Spec:
        self._inputs()
        makers = [self._chain, self._chain, self._chain, self._residual, self._concat, self._gate,
                  self._repeat, self._for, self._if, self._module, self._parameter, self._capture,
                  self._block, self._block, self._brace, self._several, self._comprehension,
                  self._arithmetic]  # fmt: skip
        if self.layers:
            makers += [self._scan, self._scan, self._time_distributed, self._layer_argument]
        for _ in range(self.rng.randint(1, 7)):
            self.rng.choice(makers)()
        self._outputs()
        return self.spec

    def _inputs(self) -> None:
        rng, sizes = self.rng, self.spec.sizes
        for _ in range(rng.choice([1, 1, 1, 2])):
            kind = rng.choice(["image", "image", "image", "vector", "sequence", "tokens"])
            name = self.fresh("in")
            shape: tuple[int | Sym, ...] = ()
            if kind == "image":
                shape = (rng.choice([1, 2, 3, 4]), self._size("H"), self._size("W"))
            elif kind == "vector":
                shape = (elements.channels(rng),)
            elif kind == "sequence":
                shape = (self._size("T"), elements.channels(rng))
            else:
                shape = (self._size("T"),)
            batch = Sym("N", sizes["N"])
            type = Type((batch, *shape), "int" if kind == "tokens" else "float")
            self.spec.inputs.append((name, type))
            if kind == "tokens":
                width = rng.choice([2, 4, 6])
                text = f"{name} -> {self.label()}Embedding(20, {width})"
                self.bind(text, Type((*type.shape, width)))
            else:
                self.locals.append(Local(name, type))

    def _size(self, name: str) -> int | Sym:
        if name in self.spec.sizes:
            return Sym(name, self.spec.sizes[name])
        size = self.rng.randint(5, 13)
        if self.rng.random() < 0.5:
            return size
        self.spec.sizes[name] = size
        return Sym(name, size)

    def _elements(self, type: Type, count: int) -> tuple[str, Type]:
        """A chain of elements without its head."""
        parts = []
        for _ in range(count):
            text, type = elements.element(self.rng, type, core=self.core)
            parts.append(f"{self.label() if ' -> ' not in text else ''}{text}")
        return " -> ".join(parts), type

    def _keeping(self, type: Type, count: int) -> str:
        return " -> ".join(
            f"{self.label()}{elements.keeping(self.rng, type, core=self.core)}"
            for _ in range(count)
        )

    def _bare(self, type: Type, count: int) -> str:
        """Elements that keep the type, without labels: they may stand in something repeated."""
        return " -> ".join(elements.keeping(self.rng, type, core=self.core) for _ in range(count))

    def _chain(self) -> None:
        local = self.take()
        chain, type = self._elements(local.type, self.rng.randint(1, 4))
        self.bind(f"{local.name} -> {chain}", type, over=local)

    def _residual(self) -> None:
        local = self.take()
        chain = self._keeping(local.type, self.rng.randint(1, 3))
        self.bind(f"{local.name} + ({local.name} -> {chain})", local.type, over=local)

    def _concat(self) -> None:
        local = self.take()
        if not isinstance(local.type.shape[1], int):
            return
        count = self.rng.randint(2, 3)
        branches = [f"{local.name} -> {self._keeping(local.type, 1)}" for _ in range(count)]
        chain = f"({', '.join(branches)}) -> {self.label()}Concat"
        self.bind(chain, local.type.at(1, count * local.type.shape[1]), over=local)

    def _gate(self) -> None:
        local = self.take()
        gate = f"({local.name} -> {self._keeping(local.type, 1)} -> Sigmoid)"
        self.bind(f"{local.name} * {gate}", local.type, over=local)

    def _arithmetic(self) -> None:
        """Two tensors of one type, or one with a number."""
        rng, local = self.rng, self.take()
        others = [other for other in self.locals if other.type == local.type]
        other = rng.choice(others)
        other.read = True
        forms = [f"{local.name} - {other.name}", f"{local.name} * 0.5 + {other.name}",
                 f"-{local.name}", f"2 * {local.name} - 1", f"1 - {local.name}",
                 f"sum([{local.name}, {other.name}])", f"({local.name}, {other.name}) -> Stack",
                 f"{local.name} / 4", f"{local.name} ** 2"]  # fmt: skip
        text, type = rng.choice(forms), local.type
        if text.endswith("Stack"):
            if type.rank > 3:
                return
            type = Type((type.shape[0], 2, *type.shape[1:]))
            text = text.replace("Stack", "Stack(dim = 1)")
        self.bind(text, type)

    def _repeat(self) -> None:
        local, turns = self.take(), self.rng.randint(0, 3)
        inner = self._bare(local.type, self.rng.randint(1, 3))
        if self.rng.random() < 0.3:
            inner = f"h = x -> {inner} return x + h"
        if self.rng.random() < 0.3:
            inner = "if j > 0 { Tanh } -> " + inner if "return" not in inner else inner
        head = f"repeat {turns} as j" if "j >" in inner else f"repeat {turns}"
        label = f"{self.fresh('stage')}: " if self.rng.random() < 0.7 else ""
        self.bind(f"{local.name} -> {label}{head} {{ {inner} }}", local.type, over=local)

    def _for(self) -> None:
        """A loop of statements whose widths grow, each turn labelled."""
        local = self.take()
        if not isinstance(local.type.shape[-1 if local.type.rank < 4 else 1], int):
            return
        widths = [elements.channels(self.rng) for _ in range(self.rng.randint(1, 3))]
        label, name = self.fresh("level"), self.fresh("v")
        if local.type.rank == 4:
            step, type = "Conv2d(width, 3, padding = 1)", local.type.at(1, widths[-1])
        else:
            step, type = "Linear(width)", local.type.at(-1, widths[-1])
        self.spec.body.append(f"{name} = {local.name}")
        loop = f"for i, width in enumerate({widths})"
        if self.rng.random() < 0.5:
            chain = f'{name} -> "{label}_{{i}}": {step} -> ReLU'
            self.spec.body.append(f"{loop} {{ {name} = {chain} }}")
            self.locals.append(Local(name, type))
        else:
            inner = f'"{label}_{{i}}": {{ {step} -> Tanh }}'
            self.bind(f"{name} -> {loop} {{ {inner} }}", type)

    def _if(self) -> None:
        local, taken = self.take(), self.rng.random() < 0.5
        arms = [self._keeping(local.type, self.rng.randint(1, 2)) for _ in range(2)]
        flag = self.fresh("flag")
        self.spec.body.append(f"let {flag} = {'true' if taken else 'false'}")
        if self.rng.random() < 0.5:
            chain = f"if {flag} {{ {arms[0]} }} else {{ {arms[1]} }}"
            self.bind(f"{local.name} -> {chain}", local.type, over=local)
            return
        name = self.fresh("v")
        then, other = (f"{name} = {local.name} -> {arm}" for arm in arms)
        self.spec.body.append(f"if {flag} {{ {then} }} else {{ {other} }}")
        self.locals.append(Local(name, local.type))

    def _module(self) -> None:
        """One set of weights, used several times."""
        local, name = self.take(), self.fresh("shared")
        layer = self._bare(local.type, 1)
        if self.rng.random() < 0.3:
            layer = self._block_layer(local.type) or layer
        path = f'"heads.{name}": ' if self.rng.random() < 0.3 else ""
        self.spec.body.append(f"module {name} = {path}{layer}")
        between = f" -> {self._keeping(local.type, 1)}" if self.rng.random() < 0.5 else ""
        chain = f"{name}{between} -> {name}"
        if self.rng.random() < 0.3:
            chain = f"{self.fresh('turns')}: repeat 2 {{ ReLU -> {name} }}"
        self.bind(f"{local.name} -> {chain}", local.type, over=local)

    def _parameter(self) -> None:
        local, name = self.take(), self.fresh("p")
        if not isinstance(local.type.shape[1], int):
            return
        shape = [local.type.shape[1], *[1] * (local.type.rank - 2)]
        init = self.rng.choice(["", " = 0.5", " = normal(0.02)"])
        self.spec.body.append(f"parameter {name}: {shape}{init}")
        operator = self.rng.choice("+*")
        self.bind(f"{local.name} {operator} {name}", local.type, over=local)

    def _capture(self) -> None:
        """A labelled brace that reads a tensor from around itself."""
        local, other = self.take(), self.take()
        if other.type != local.type or other is local:
            return
        inner = f"h = x -> {self._bare(local.type, 1)} return h + {other.name}"
        head = self.rng.choice([f"{self.fresh('brace')}: ", f"{self.fresh('loop')}: repeat 2 "])
        self.bind(f"{local.name} -> {head}{{ {inner} }}", local.type)

    def _brace(self) -> None:
        local = self.take()
        chain, type = self._elements(local.type, self.rng.randint(1, 3))
        label = f"{self.fresh('seq')}: " if self.rng.random() < 0.7 else ""
        self.bind(f"{local.name} -> {label}{{ {chain} }}", type, over=local)

    def _several(self) -> None:
        """An operator with several outputs, each with a name."""
        local = self.take()
        width = local.type.shape[1]
        if not isinstance(width, int) or width % 2:
            return
        type = local.type.at(1, width // 2)
        first, second = self.fresh("v"), self.fresh("v")
        text = self.rng.choice(["Chunk(2)", f"Split({width // 2})"])
        if self.core:
            text = "Chunk(2)"
        self.spec.body.append(f"{first}, {second} = {local.name} -> {text}")
        self.locals += [Local(first, type), Local(second, type)]

    def _comprehension(self) -> None:
        local = self.take()
        if not isinstance(local.type.shape[1], int):
            return
        step = self._bare(local.type, 1)
        text = f"[{local.name} -> {step} -> ReLU for i in 0..2] -> Concat"
        self.bind(text, local.type.at(1, 2 * local.type.shape[1]), over=local)

    # --- blocks ---------------------------------------------------------------------------------
    def _block_layer(self, type: Type) -> str | None:
        """A block that keeps this type, with arguments, or None."""
        found = [t for t in BLOCKS if t.fits(type) and t.keeps]
        return self._use(self.rng.choice(found), type)[0] if found else None

    def _use(self, template: Template, type: Type) -> tuple[str, Type]:
        self.templates.setdefault(template.name, template)
        for text in template.definitions:
            if text not in self.spec.blocks:
                self.spec.blocks.append(text)
        return template.use(self.rng, type)

    def _block(self) -> None:
        local = self.take()
        found = [template for template in BLOCKS if template.fits(local.type)]
        if not found:
            return
        template = self.rng.choice(found)
        text, type = self._use(template, local.type)
        if type.numel > elements.MAX_NUMEL:
            return
        if template.keeps and self.rng.random() < 0.4:
            text = f"repeat {self.rng.randint(1, 3)} {{ {text} }}"
        self.bind(f"{local.name} -> {self.label()}{text}", type, over=local)

    # --- layers that are arguments ---------------------------------------------------------------
    def _sequence(self) -> Local | None:
        """A sequence [N, T, F] whose F is a number, where there is one."""
        found = [t for t in self.locals if t.type.rank == 3 and isinstance(t.type.shape[2], int)]
        if not found:
            return None
        local = self.rng.choice(found)
        local.read = True
        return local

    def _around(self, width: int) -> str:
        """Something of a layer's surroundings that it can read: a factor, or a module."""
        name = self.fresh("around")
        if self.rng.random() < 0.5:
            self.spec.body.append(f"parameter {name}: [{width}] = normal(0.5)")
            return f"return y * {name}"
        self.spec.body.append(f"module {name} = Linear({width})")
        return f"return y -> {name}"

    def _scan(self) -> None:
        """A cell over a sequence: a block with states, or a brace without."""
        local, rng, made = self._sequence(), self.rng, elements.channels(self.rng)
        if local is None:
            return
        backwards = rng.random() < 0.3
        label, name = self.label(), self.fresh("v")
        type = local.type.at(2, made)
        if rng.random() < 0.3:
            brace = f"{{ y = x -> Linear({made}) -> Tanh {self._around(made)} }}"
            options = "(reverse = true)" if backwards else ""
            self.bind(f"{local.name} -> {label}Scan{options} {brace}", type)
            return
        cell, first = rng.choice([("Cell", ""), ("Reads", ", memory = {}")])
        if CELLS[cell] not in self.spec.blocks:
            self.spec.blocks.append(CELLS[cell])
        if first:
            memory = self.fresh("v")
            self.spec.body.append(f"{memory} = {local.name} -> Mean(1) -> Linear({made})")
            first = first.format(memory)
        states = ["_"] * (2 if cell == "Cell" else 1)
        if rng.random() < 0.4:
            states[0] = self.fresh("v")
            self.locals.append(Local(states[0], Type((local.type.shape[0], made))))
        text = f"{local.name} -> {label}Scan({cell}({made}{first}){', reverse = true' * backwards})"
        self.spec.body.append(f"{name}, {', '.join(states)} = {text}")
        self.locals.append(Local(name, type))

    def _time_distributed(self) -> None:
        local, made = self._sequence(), elements.channels(self.rng)
        if local is None:
            return
        layer = f"(Linear({made}))"
        if self.rng.random() < 0.8:
            layer = f" {{ y = x -> Linear({made}) -> ReLU {self._around(made)} }}"
        text = f"{local.name} -> {self.label()}TimeDistributed{layer}"
        self.bind(text, local.type.at(2, made))

    def _layer_argument(self) -> None:
        """A brace that reads a tensor from around itself, as an argument of a block."""
        local, other = self.take(), self.take()
        if other.type != local.type:
            return
        if TURNS not in self.spec.blocks:
            self.spec.blocks.append(TURNS)
        brace = f"{{ h = x -> {self._bare(local.type, 1)} return h * {other.name} }}"
        turns = self.rng.randint(1, 3)
        self.bind(f"{local.name} -> {self.label()}Turns(n = {turns}) {brace}", local.type)

    # --- the end --------------------------------------------------------------------------------
    def _outputs(self) -> None:
        unread = [local for local in self.locals if not local.read]
        chosen = unread or [self.locals[-1]]
        if len(chosen) > 1 and self.rng.random() < 0.2:
            chosen = chosen[:-1]  # the last is needed by no output
        training = len(chosen) > 1 and self.rng.random() < 0.4
        for place, local in enumerate(chosen):
            last = training and place == len(chosen) - 1
            if self.rng.random() < 0.3:
                chain, _ = self._elements(local.type, 1)
                text = f"output {self.fresh('out')} = {local.name} -> {chain}"
            else:
                text = f"output {self.fresh('out')} = {local.name}"
            self.spec.body.append(text + (" when training" if last else ""))


def random_network(rng: Random, *, core: bool = False, layers: bool = False) -> Spec:
    """A well-typed network."""
    return Maker(rng, core=core, layers=layers).network()
