"""The code that an operator emits: small expression trees, turned into text by the PyTorch backend.

Trees, not text, so that the backend can compare two uses of a block leaf by leaf: where a literal
differs between uses it becomes a constructor argument of the emitted class. Literals are Python
values and symbolic sizes; the backend writes them, and only them, through `repr` of checked types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from addnn_spec.sizes import SymbolicSize

Literal = int | float | bool | str | None | SymbolicSize | tuple["Literal", ...]
"""A value in emitted code. A `SymbolicSize` is written from a tensor's dimension in scope."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()
"""The default of an argument that has none: it is always written."""


@dataclass(frozen=True, slots=True)
class In:
    """The `index`-th input tensor of the operator."""

    index: int


@dataclass(frozen=True, slots=True)
class FloatType:
    """The element type of the network's floats, a `torch.dtype`: that of a tensor in scope."""


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument of a call.

    `name` is None for a positional one. `default` is the callee's: an argument that equals it in
    every use is left out.
    """

    value: Code
    name: str | None = None
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Call:
    """`fn(args)`: `fn` is a dotted name (`nn.Conv2d`, `F.relu`, `torch.cat`) or a support class."""

    fn: str
    args: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """`value.name(args)`: `x.flatten(1)`."""

    value: Code
    name: str
    args: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True)
class Infix:
    """`left op right`, op one of Python's binary operators."""

    op: str
    left: Code
    right: Code


@dataclass(frozen=True, slots=True)
class Prefix:
    """`op value`: `-x`, `~mask`."""

    op: str
    value: Code


@dataclass(frozen=True, slots=True)
class Slice:
    """`start:stop:step` in a subscript."""

    start: Code | None
    stop: Code | None
    step: Code | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """`value[index, …]`."""

    value: Code
    index: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Seq:
    """`(a, b)` or, with `brackets`, `[a, b]`."""

    items: tuple[Code, ...]
    brackets: bool = False


@dataclass(frozen=True, slots=True)
class Own:
    """The operator's own module (`self.conv1`), or with a `name` a tensor of it (`….weight`)."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Invoke:
    """`self.conv1(args)`: the operator's own module, called."""

    args: tuple[Arg, ...]


class BackendNode:
    """The base of the nodes that only a backend makes."""

    __slots__ = ()


Code = (
    Literal | In | FloatType | Call | Method | Infix | Prefix | Slice | Item | Seq | Own | Invoke
    | BackendNode
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Support:
    """A class or function of the emitted file that some operators need, written once.

    `source` is the whole definition, formatted; `needs` are other support definitions it uses.
    """

    name: str
    source: str = field(repr=False)
    needs: tuple[Support, ...] = ()
