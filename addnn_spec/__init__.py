"""addnn-spec: a compiler from declarative network specs to PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from addnn_spec.network import Network, load
    from addnn_spec.probes.run import probe
    from addnn_spec.ranking.rank import rank

__version__ = "0.1.0"

__all__ = ["Network", "__version__", "load", "probe", "rank"]


def __getattr__(name: str) -> Any:
    """`load`, `Network`, `probe`, `rank`: imported when first asked for, torch not before."""
    if name in ("Network", "load"):
        from addnn_spec import network

        return getattr(network, name)
    if name in ("probe", "rank"):
        from addnn_spec.packages import require

        require(f"addnn_spec.{name}", "torch", "safetensors", "numpy", extra="torch")
    if name == "probe":
        from addnn_spec.probes.run import probe

        return probe
    if name == "rank":
        from addnn_spec.ranking.rank import rank

        return rank
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
