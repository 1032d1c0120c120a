"""A deep convolutional GAN: digits out of noise.

Run `python -m docs.examples.gan --out gan.png`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec import load
from docs.examples.digits import digits, draw, options

BATCH, LATENT, WIDTH, SIZE = 64, 32, 32, 16


def trained(steps: int) -> nn.Module:
    """The two networks of `specs/generative/dcgan.net`, each with its own loss and optimiser.

    A step learns both from one pass: a loss goes back to the parameters of its own network only.
    """
    torch.manual_seed(0)
    game = load("DCGAN", latent=LATENT, width=WIDTH, channels=1, size=SIZE).build().train()
    players = []
    for name in ("discriminator", "generator"):
        parameters = list(game.get_submodule(name).parameters())
        players.append((parameters, torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))))
    images = 2 * digits()[0].unsqueeze(1) - 1
    for _ in range(steps):
        real = images[torch.randint(len(images), (BATCH,))]
        shown = functional.interpolate(real, size=SIZE, mode="bilinear")
        found = game(torch.randn(BATCH, LATENT, 1, 1), shown)
        losses = (found.discriminator_loss, found.generator_loss)
        for (parameters, optimiser), loss in zip(players, losses, strict=True):
            optimiser.zero_grad()
            torch.autograd.backward(loss, inputs=parameters, retain_graph=True)
        for _, optimiser in players:
            optimiser.step()
    return game


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the game, and draws what the generator makes of noise."""
    chosen = options("A GAN of digits.", 7000, arguments)
    game = trained(chosen.steps)
    with torch.no_grad():
        fake: Tensor = game.get_submodule("generator")(torch.randn(60, LATENT, 1, 1))
    shown = functional.interpolate(digits()[0][:20].unsqueeze(1), size=SIZE, mode="bilinear")
    rows = {"digits": shown.squeeze(1), "out of noise": fake.squeeze(1) / 2 + 0.5}
    draw(chosen.out, rows)


if __name__ == "__main__":
    main()
