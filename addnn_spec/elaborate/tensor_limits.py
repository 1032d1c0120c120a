"""Tensors that torch cannot make: of too many dimensions, or of too many bytes."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from addnn_spec.elaborate.context import Context
from addnn_spec.ops.base import BYTES, DType, TensorType
from addnn_spec.sizes import Size, defaults
from addnn_spec.source import Span

_MAX_RANK = 64
"""torch's reductions and its tensor iterator take no more."""
_MAX_BYTES = 2**63 - 1
"""torch counts a tensor's bytes in 64 bits, with a sign."""


def check_ranks(types: Iterable[TensorType], ctx: Context, span: Span) -> None:
    """Refuse tensors of more than 64 dimensions (E0302)."""
    for type in types:
        if type.rank > _MAX_RANK:
            ctx.fail(
                "E0302",
                f"a tensor has at most {_MAX_RANK} dimensions, and this one {type.rank:,}",
                span,
                help="torch takes no more",
            )


def warn_oversized(
    made: Iterable[TensorType], read: Iterable[TensorType], ctx: Context, span: Span
) -> None:
    """Warn (W0109) of tensors that are too large, but not of those that are made from such."""
    large = [type for type in made if _is_oversized(type, ctx)]
    if large and not any(_is_oversized(type, ctx) for type in read):
        ctx.report("W0109", f"at the default sizes, this {large[0].dtype} tensor {_LARGE}", span)


def warn_oversized_weight(
    name: str, shape: tuple[Size, ...], dtype: DType, ctx: Context, span: Span
) -> None:
    """Warn (W0109) of a weight that is too large."""
    if _is_oversized(TensorType(dtype, shape), ctx):
        ctx.report("W0109", f"{name} {_LARGE}", span)


_LARGE = "has 2**63 bytes or more: torch cannot make it"


def _is_oversized(type: TensorType, ctx: Context) -> bool:
    # Most tensors of a network share a type with another.
    key = "oversized", type
    if key not in ctx.memo:
        sizes = (size if isinstance(size, int) else defaults(size) for size in type.shape)
        ctx.memo[key] = prod(sizes) * BYTES[type.dtype] > _MAX_BYTES
    return bool(ctx.memo[key])
