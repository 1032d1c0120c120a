"""Auto-encoders with codes of 2, 5 and 20 numbers: what of a digit is left, and of a damaged one.

Run `python -m docs.examples.autoencoder --out autoencoder.png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec import load
from docs.examples.digits import SIDE, digits, draw, one_of_each, options

BATCH = 100


def trained(name: str, steps: int, **settings: Any) -> nn.Module:
    """A network for images as rows of pixels, trained by its own loss; in evaluation."""
    torch.manual_seed(0)
    network = load(name, size=SIDE * SIDE, **settings).build().train()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    images = digits()[0][:-100].flatten(1)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(network(images[torch.randint(len(images), (BATCH,))]).loss)
        optimiser.step()
    return network.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains four networks, and draws what they make of digits that they have not seen."""
    chosen = options("Auto-encoders of digits.", 3000, arguments)
    image = one_of_each()

    def seen_by(network: nn.Module, shown: Tensor) -> Tensor:
        again: Tensor = network(shown.flatten(1)).reconstruction
        return again.view(-1, SIDE, SIDE)

    rows = {"ten digits": image}
    for code in (2, 5, 20):
        network = trained("AutoEncoder", chosen.steps, widths=[100, 50], code=code)
        rows[f"after a code of {code} numbers"] = seen_by(network, image)
    damaged = image * (torch.rand_like(image) > 0.25)
    rows["a quarter of the pixels put out"] = damaged
    network = trained("DenoisingAutoEncoder", chosen.steps, hidden=200)
    rows["what the denoising auto-encoder makes of it"] = seen_by(network, damaged / 0.75)
    draw(chosen.out, rows)


if __name__ == "__main__":
    main()
