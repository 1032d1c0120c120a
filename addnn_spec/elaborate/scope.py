"""Names while a file is elaborated: what each stands for, and where it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from addnn_spec.source import Span

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value

Origin = Literal["let", "parameter", "input", "tensor", "module", "flow", "file", "loop"]


class Binding(Struct):
    """What a name stands for now; `origin` says by what kind of statement.

    `around` is set for the `x` of a brace of elements: the `x` that they would read without it.
    """

    value: Value
    span: Span | None
    origin: Origin
    around: Binding | None = None


class Env:
    """Names in scope, innermost first. `if` and `for` statements open no scope of their own."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Env | None = None) -> None:
        self.parent = parent
        self.names: dict[str, Binding] = {}

    def find(self, name: str) -> Binding | None:
        env: Env | None = self
        while env is not None:
            found = env.names.get(name)
            if found is not None:
                return found
            env = env.parent
        return None

    @property
    def file(self) -> Env:
        """The names of the file: the outermost scope."""
        env = self
        while env.parent is not None:
            env = env.parent
        return env

    def bind(self, name: str, value: Value, span: Span | None, origin: Origin) -> None:
        if name != "_":
            self.names[name] = Binding(value, span, origin)

    def values(self, origin: Origin) -> tuple[tuple[str, Value], ...]:
        """Return the names of this scope that were given by that kind of statement, with their
        values."""
        return tuple((n, b.value) for n, b in self.names.items() if b.origin == origin)
