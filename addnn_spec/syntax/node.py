"""What the nodes of a syntax tree have in common: frozen records, equal by what was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, dataclass_transform

if TYPE_CHECKING:
    from addnn_spec.source import Span


@dataclass_transform(frozen_default=True)
class _Kind(type):
    """Makes a class of nodes of its annotations, as a dataclass would be.

    Dataclasses compile a text for each class: for the fifty of a tree, that takes longer than to
    read a short spec.
    """

    fields: tuple[str, ...]
    compared: tuple[str, ...]
    setters: tuple[Callable[[SyntaxNode, object], None], ...]

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, object]) -> _Kind:
        named = space.get("__annotations__")
        fields = tuple(named) if bases and isinstance(named, dict) else ()
        slots: dict[str, object] = {"__slots__": fields, "__match_args__": fields}
        kind = super().__new__(cls, name, bases, space | slots)
        kind.fields = fields
        kind.setters = tuple(getattr(kind, field).__set__ for field in fields)
        kind.compared = tuple(field for field in fields if not _is_layout(field))
        return kind


def _is_layout(field: str) -> bool:
    """Return True of what only says where, or in which of two forms, something was written."""
    return field.endswith("span") or field in ("quoted", "comments")


class SyntaxNode(metaclass=_Kind):
    """A node. Its layout (spans, quotes, comments) takes no part in equality."""

    if TYPE_CHECKING:

        @property
        def span(self) -> Span:
            """Return where it stands: each class of nodes has this field."""

    def __init__(self, *values: object) -> None:
        for put, value in zip(type(self).setters, values, strict=True):
            put(self, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        values = (f"{name}={getattr(self, name)!r}" for name in type(self).compared)
        return f"{type(self).__name__}({', '.join(values)})"

    def _key(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in type(self).compared])
