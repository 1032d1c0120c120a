"""A network's totals as polynomials in its symbolic sizes, floor divisions included."""

from __future__ import annotations

from addnn_spec.graph import Graph
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.memory import activation_sum
from addnn_spec.sizes import Size


def formulas(graph: Graph) -> dict[str, Size]:
    """Return the totals by the names of the summary's JSON, and `flops.<class>` beside
    `total_flops`.

    What evaluation needs, at any sizes that the network takes. `activation_bytes_sum` is of what
    training keeps; the peak is no polynomial.
    """
    costs = count_costs(graph).main
    total = costs.total
    return {
        "total_params": total.params,
        "total_macs": total.macs,
        "total_flops": total.total_flops,
        **{f"flops.{name}": count for name, count in sorted(total.flops.items())},
        "training_params": costs.training.params,
        "training_macs": costs.training.macs,
        "activation_bytes_sum": activation_sum(graph),
    }
