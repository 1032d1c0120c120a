"""A variational auto-encoder with a code of two numbers: the whole plane of digits in one picture.

Run `python -m docs.examples.vae --out vae.png`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from addnn_spec import load
from docs.examples.digits import SIDE, digits, draw, options

BATCH, ACROSS = 100, 15


def trained(steps: int) -> nn.Module:
    """The network of `specs/generative/vae.net` for 8×8 pixels, trained by its own loss."""
    torch.manual_seed(0)
    network = load("VAE", hidden=200, latent=2, height=SIDE, width=SIDE).build().train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    images = digits()[0].unsqueeze(1)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(network(images[torch.randint(len(images), (BATCH,))]).loss)
        optimiser.step()
    return network.eval()


def decoded(network: nn.Module, z: Tensor) -> Tensor:
    """Images `[n, 8, 8]` of codes `[n, 2]`, by the network's second half."""
    hidden = torch.relu(network.get_submodule("fc3")(z))
    again: Tensor = torch.sigmoid(network.get_submodule("fc4")(hidden))
    return again.view(-1, SIDE, SIDE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the network, and decodes the whole plane of codes (the paper's figure 4)."""
    chosen = options("A variational auto-encoder of digits.", 5000, arguments)
    network = trained(chosen.steps)
    ways = torch.special.ndtri((torch.arange(ACROSS) + 0.5) / ACROSS)  # equally likely each
    codes = torch.cartesian_prod(ways, ways)
    draw(chosen.out, {"the plane of codes": decoded(network, codes)}, columns=ACROSS)


if __name__ == "__main__":
    main()
