"""Values as hints and hovers show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from addnn_spec.elaborate.builder import Tensor
from addnn_spec.elaborate.frame import Poison, Value
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Size, evaluate, symbols
from addnn_spec.values import show

_LISTED = 3
_LONGEST = 200


@dataclass(frozen=True)
class Sizes:
    """How symbolic sizes are shown: those with a default of their own (`H = 224`) as numbers, at
    `dims` where it names them; or all as they are."""

    dims: Mapping[str, int] = field(default_factory=dict)
    symbolic: bool = False
    _texts: dict[TensorType, str] = field(default_factory=dict, repr=False, compare=False)

    def shown(self, size: Size) -> Size:
        """Return a size as it is shown."""
        if isinstance(size, int) or self.symbolic:
            return size
        values = {s.user.name: self.dims.get(s.user.name, s.user.default) for s in symbols(size)}
        # A default of 1 is none: as a number it would say nothing of the size.
        if any(value == 1 and name not in self.dims for name, value in values.items()):
            return size
        return evaluate(size, values)

    def type(self, type: TensorType) -> TensorType:
        return type.with_shape(*map(self.shown, type.shape))

    def text(self, type: TensorType) -> str:
        """Return a type as it is shown; remembered, since most lines of a text have one of few."""
        text = self._texts.get(type)
        if text is None:
            text = self._texts[type] = type_text(self.type(type))
        return text


def shape_of(values: Sequence[Value], sizes: Sizes) -> str:
    """Return the shape of a tensor, or of a list of tensors, over turns or uses: a size that
    differs between them is `…`. Empty if it is no tensor, or if all sizes differ."""
    shapes = [_shape(value, sizes) for value in values]
    first = shapes[0] if shapes else ""
    if all(shape == first for shape in shapes):
        return first
    types = [value.type for value in values if isinstance(value, Tensor)]
    if len(types) < len(values) or len({(type.dtype, type.rank) for type in types}) > 1:
        return ""
    merged = [
        str(column[0]) if len(set(column)) == 1 else "…"
        for column in zip(*(sizes.type(type).shape for type in types), strict=True)
    ]
    return _typed(types[0].dtype, f"[{', '.join(merged)}]")


def _shape(value: Value, sizes: Sizes) -> str:
    if isinstance(value, Tensor):
        return sizes.text(value.type)
    if not isinstance(value, tuple) or not value:
        return ""
    parts = [_shape(item, sizes) for item in value]
    if not all(parts):
        return ""
    more = [f"… ({len(parts)})"] if len(parts) > _LISTED else []
    return ", ".join(parts[:_LISTED] + more)


def type_text(type: TensorType) -> str:
    """Return a tensor's type: its shape, and what it holds unless that is floats."""
    return _typed(type.dtype, str(type))


def _typed(dtype: str, shape: str) -> str:
    return shape if dtype == "float" else f"{dtype}{shape}"


def value_text(values: Sequence[Value]) -> str:
    """Return a value as the language writes it, or several that turns gave; empty if unknown."""
    known = [value for value in values if not isinstance(value, Poison)]
    texts = list(
        dict.fromkeys(_shape(value, Sizes(symbolic=True)) or _text(value) for value in known)
    )
    more = ["…"] if len(texts) > _LISTED else []
    return ", ".join(texts[:_LISTED] + more)


def _text(value: Value) -> str:
    text = str(getattr(value, "kind", None) or show(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def count_text(number: int) -> str:
    """Return a number of parameters or MACs in three digits or so: `62,958`, `1.81 G`."""
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= factor:
            return f"{number / factor:.3g} {letter}"
    return f"{number:,}"
