"""A restricted Boltzmann machine by contrastive divergence: it lowers F(v₀) − F(v_k).

Run `python -m docs.examples.rbm --out rbm.png`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from addnn_spec import load
from docs.examples.digits import SIDE, digits, draw, options

BATCH, HIDDEN, GIBBS = 50, 100, 5


def gibbs(machine: nn.Module, v: Tensor, steps: int) -> Tensor:
    """P(v) after `steps` turns of drawing h given v, and v given h: `[N, visible]`."""
    weight, a = machine.get_parameter("weight"), machine.get_parameter("a")
    with torch.no_grad():
        for _ in range(steps):
            h = machine(v.bernoulli()).hidden_probability.bernoulli()
            v = torch.sigmoid(h @ weight + a)
    return v


def trained(data: Tensor, hidden: int, steps: int) -> nn.Module:
    """A machine for rows of probabilities `[n, visible]`.

    The gradient of F(v₀) − F(v_k), v_k held fixed, is that of contrastive divergence: hᵀv of the
    data less that of the machine's own fancy.
    """
    machine = load("RBM", visible=data.shape[1], hidden=hidden).build()
    optimiser = torch.optim.SGD(machine.parameters(), lr=0.1, weight_decay=1e-4)
    for _ in range(steps):
        v0 = data[torch.randint(len(data), (BATCH,))].bernoulli()
        vk = gibbs(machine, v0, GIBBS).bernoulli()
        optimiser.zero_grad()
        difference = machine(v0).free_energy - machine(vk).free_energy
        torch.autograd.backward(difference.mean())
        optimiser.step()
    return machine


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains a machine, and draws what it has learned and what it dreams."""
    chosen = options("A restricted Boltzmann machine of digits.", 10000, arguments)
    torch.manual_seed(0)
    images = digits()[0]
    machine = trained(images.flatten(1), HIDDEN, chosen.steps)
    dreamt = gibbs(machine, torch.full((20, SIDE * SIDE), 0.5), 1000)
    weight = machine.get_parameter("weight").detach()[:20]
    rows = {
        "digits": images[:20],
        "1,000 turns after noise": dreamt.view(-1, SIDE, SIDE),
        "what 20 hidden units look for": (weight / weight.abs().max()).view(-1, SIDE, SIDE),
    }
    draw(chosen.out, rows)


if __name__ == "__main__":
    main()
