"""VAE, compiled from vae.net by addnn-spec 0.1.0.

Inputs: image: float[N, 1, 28, 28].
Parameters: 652,824.
Multiply-accumulates: 651,200.
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
    def __init__(
        self,
        hidden: int = 400,
        latent: int = 20,
        channels: int = 1,
        height: int = 28,
        width: int = 28,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.height = height
        self.width = width
        self.fc1 = nn.Linear(channels * height * width, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.sample = GaussianSample()
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, channels * height * width)

    def forward(self, image: Tensor) -> VAEOutput:
        h = F.relu(self.fc1(image.flatten(1)))  # [N, hidden]
        mu = self.fc21(h)  # [N, latent]
        logvar = self.fc22(h)  # [N, latent]
        x = F.relu(self.fc3(self.sample(mu, logvar)))  # [N, hidden]
        x = torch.sigmoid(self.fc4(x))  # [N, channels * height * width]
        reconstruction = x.reshape(-1, self.channels, self.height, self.width)
        if not self.training:
            return VAEOutput(mu, logvar, reconstruction)
        y = mu * mu + torch.exp(logvar) - logvar - 1  # [N, latent]
        divergence = y.sum()  # []
        crossed = F.binary_cross_entropy(reconstruction, image, reduction="sum")  # []
        loss = (crossed + divergence / 2) / y.shape[0]  # []
        return VAEOutput(mu, logvar, reconstruction, loss)
