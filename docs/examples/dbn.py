"""A deep belief network: Boltzmann machines stacked, each trained on what the one below makes.

G. Hinton, S. Osindero, Y.-W. Teh: A Fast Learning Algorithm for Deep Belief Nets, 2006. Run
`python -m docs.examples.dbn --out dbn.png`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from docs.examples.digits import SIDE, digits, draw, options
from docs.examples.rbm import gibbs, trained

HIDDEN = (100, 100, 100)


def stacked(data: Tensor, steps: int) -> list[nn.Module]:
    """The machines, the lowest first, for rows of probabilities `[n, visible]`."""
    machines: list[nn.Module] = []
    for hidden in HIDDEN:
        machines.append(trained(data, hidden, steps))
        with torch.no_grad():
            data = machines[-1](data).hidden_probability
    return machines


def downwards(machines: Sequence[nn.Module], v: Tensor) -> Tensor:
    """What the lower machines make of the highest one's units, layer by layer."""
    for machine in reversed(machines):
        v = torch.sigmoid(
            v.bernoulli() @ machine.get_parameter("weight") + machine.get_parameter("a")
        )
    return v


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the machines one after the other, and draws what they dream together."""
    chosen = options("A deep belief network of digits.", 5000, arguments)
    torch.manual_seed(0)
    images = digits()[0]
    *lower, highest = stacked(images.flatten(1), chosen.steps)
    start = torch.full((40, HIDDEN[-2]), 0.5)
    with torch.no_grad():
        dreamt = downwards(lower, gibbs(highest, start, 1000))
    draw(chosen.out, {"digits": images[:20], "dreamt": dreamt.view(-1, SIDE, SIDE)})


if __name__ == "__main__":
    main()
