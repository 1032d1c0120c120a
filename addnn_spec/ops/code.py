"""The code that an operator emits: small expression trees, turned into text by the PyTorch backend.

Trees, not text, so that the backend can compare two uses of a block leaf by leaf: where a literal
differs between uses it becomes a constructor argument of the emitted class. Literals are Python
values and symbolic sizes; the backend writes them, and only them, through `repr` of checked types.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from addnn_spec.sizes import SymbolicSize

Literal = int | float | bool | str | None | SymbolicSize | tuple["Literal", ...]
"""A value in emitted code. A `SymbolicSize` is written from a tensor's dimension in scope."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()
"""The default of an argument that has none: it is always written."""


class In(Struct, frozen=True):
    """The `index`-th input tensor of the operator."""

    index: int


class FloatType(Struct, frozen=True):
    """The element type of the network's floats, a `torch.dtype`: that of a tensor in scope."""


class Arg(Struct, frozen=True):
    """An argument of a call.

    `name` is None for a positional one. `default` is the callee's: an argument that equals it in
    every use is left out.
    """

    value: Code
    name: str | None = None
    default: Any = REQUIRED


class Call(Struct, frozen=True):
    """`fn(args)`: `fn` is a dotted name (`nn.Conv2d`, `F.relu`, `torch.cat`) or a support class."""

    fn: str
    args: tuple[Arg, ...] = ()


class Method(Struct, frozen=True):
    """`value.name(args)`: `x.flatten(1)`."""

    value: Code
    name: str
    args: tuple[Arg, ...] = ()


class Infix(Struct, frozen=True):
    """`left op right`, op one of Python's binary operators."""

    op: str
    left: Code
    right: Code


class Prefix(Struct, frozen=True):
    """`op value`: `-x`, `~mask`."""

    op: str
    value: Code


class Slice(Struct, frozen=True):
    """`start:stop:step` in a subscript."""

    start: Code | None
    stop: Code | None
    step: Code | None = None


class Item(Struct, frozen=True):
    """`value[index, …]`."""

    value: Code
    index: tuple[Code, ...]


class Seq(Struct, frozen=True):
    """`(a, b)` or, with `brackets`, `[a, b]`."""

    items: tuple[Code, ...]
    brackets: bool = False


class Own(Struct, frozen=True):
    """The operator's own module (`self.conv1`), or with a `name` a tensor of it (`….weight`)."""

    name: str = ""


class Invoke(Struct, frozen=True):
    """`self.conv1(args)`: the operator's own module, called."""

    args: tuple[Arg, ...]


class BackendNode:
    """The base of the nodes that only a backend makes."""

    __slots__ = ()


Code = (
    Literal | In | FloatType | Call | Method | Infix | Prefix | Slice | Item | Seq | Own | Invoke
    | BackendNode
)  # fmt: skip


class Support(Struct, frozen=True):
    """A class or function of the emitted file that some operators need, written once.

    `source` is the whole definition, formatted; `needs` are other support definitions it uses.
    """

    name: str
    source: str
    needs: tuple[Support, ...] = ()
