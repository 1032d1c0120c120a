"""addnn-spec: a compiler from declarative network specs to PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from addnn_spec.network import Network, load, loads
    from addnn_spec.probes.run import probe
    from addnn_spec.ranking.rank import rank
    from addnn_spec.report.history import IndexHistory

__version__ = "0.1.0"

__all__ = ["IndexHistory", "Network", "__version__", "load", "loads", "probe", "rank"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a notebook the cell magic `%%net`: what `%load_ext addnn_spec` calls."""
    from addnn_spec.magics import install

    install(shell)


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, and torch not before it is needed."""
    if name in ("Network", "load", "loads"):
        from addnn_spec import network

        return getattr(network, name)
    if name in ("IndexHistory", "probe", "rank"):
        from addnn_spec.packages import require

        require(f"addnn_spec.{name}", "torch", "safetensors", "numpy", extra="torch")
    if name == "probe":
        from addnn_spec.probes.run import probe

        return probe
    if name == "rank":
        from addnn_spec.ranking.rank import rank

        return rank
    if name == "IndexHistory":
        from addnn_spec.report.history import IndexHistory

        return IndexHistory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
