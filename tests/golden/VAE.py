"""VAE, compiled from vae.net by addnn-spec 0.1.0.

Inputs: image: float[N, 1, 28, 28].
Parameters: 652,824.
Multiply-accumulates: 651,200.
SHA-256 of the spec: 6e60c9fffd13e69f681e63fcf16708f320727abeaa3dc11fe6e975e74b3073eb
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GaussianSample(nn.Module):
    """Draws from a normal distribution by reparameterisation; in evaluation gives its mean."""

    def forward(self, mu: Tensor, logvar: Tensor) -> Tensor:
        if not self.training:
            return mu
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)


class VAEOutput(NamedTuple):
    mu: Tensor
    logvar: Tensor
    reconstruction: Tensor
    loss: Tensor | None = None


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.sample = GaussianSample()
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def forward(self, image: Tensor) -> VAEOutput:
        h = F.relu(self.fc1(image.flatten(1)))  # [N, 400]
        mu = self.fc21(h)  # [N, 20]
        logvar = self.fc22(h)  # [N, 20]
        x = F.relu(self.fc3(self.sample(mu, logvar)))  # [N, 400]
        reconstruction = torch.sigmoid(self.fc4(x)).reshape(-1, 1, 28, 28)  # [N, 1, 28, 28]
        if not self.training:
            return VAEOutput(mu, logvar, reconstruction)
        y = mu * mu + torch.exp(logvar) - logvar - 1  # [N, 20]
        divergence = y.sum()  # []
        crossed = F.binary_cross_entropy(reconstruction, image, reduction="sum")  # []
        loss = (crossed + divergence / 2) / y.shape[0]  # []
        return VAEOutput(mu, logvar, reconstruction, loss)
