"""addnn-spec: a compiler from declarative network specs to PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from addnn_spec.network import Network, load

__version__ = "0.1.0"

__all__ = ["Network", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """`load` and `Network`, imported when first asked for: the package itself imports nothing."""
    if name in ("Network", "load"):
        from addnn_spec import network

        return getattr(network, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
