"""UNet, compiled from unet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 1, 572, 572].
Parameters: 31,030,658.
Multiply-accumulates: 150,428,424,448.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stage(nn.Module):
    def __init__(self, in_channels: int, width: int, padding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=padding)
        self.conv2 = nn.Conv2d(width, width, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x), inplace=True)  # [N, width, H', H']
        return F.relu(self.conv2(x), inplace=True)  # [N, width, H'', H'']


class UNet(nn.Module):
    def __init__(self, classes: int = 2, channels: int = 1) -> None:
        super().__init__()
        self.down1 = Stage(channels, 64, 0)
        self.down2 = Stage(64, 128, 0)
        self.down3 = Stage(128, 256, 0)
        self.down4 = Stage(256, 512, 0)
        self.middle = Stage(512, 1024, 0)
        self.upconv4 = nn.ConvTranspose2d(1024, 512, 2, stride=2)
        self.up4 = Stage(1024, 512, 0)
        self.upconv3 = nn.ConvTranspose2d(512, 256, 2, stride=2)
        self.up3 = Stage(512, 256, 0)
        self.upconv2 = nn.ConvTranspose2d(256, 128, 2, stride=2)
        self.up2 = Stage(256, 128, 0)
        self.upconv1 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.up1 = Stage(128, 64, 0)
        self.head = nn.Conv2d(64, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.down1(image)  # [N, 64, 568, 568]
        x_2 = F.max_pool2d(x, 2)  # [N, 64, 284, 284]
        x_2 = self.down2(x_2)  # [N, 128, 280, 280]
        x_3 = F.max_pool2d(x_2, 2)  # [N, 128, 140, 140]
        x_3 = self.down3(x_3)  # [N, 256, 136, 136]
        x_4 = F.max_pool2d(x_3, 2)  # [N, 256, 68, 68]
        x_4 = self.down4(x_4)  # [N, 512, 64, 64]
        x_5 = F.max_pool2d(x_4, 2)  # [N, 512, 32, 32]
        x_5 = self.middle(x_5)  # [N, 1024, 28, 28]
        x_5 = self.upconv4(x_5)  # [N, 512, 56, 56]
        x_4 = torch.cat((x_4[:, :, 4:60, 4:60], x_5), dim=1)  # [N, 1024, 56, 56]
        x_4 = self.up4(x_4)  # [N, 512, 52, 52]
        x_4 = self.upconv3(x_4)  # [N, 256, 104, 104]
        x_3 = torch.cat((x_3[:, :, 16:120, 16:120], x_4), dim=1)  # [N, 512, 104, 104]
        x_3 = self.up3(x_3)  # [N, 256, 100, 100]
        x_3 = self.upconv2(x_3)  # [N, 128, 200, 200]
        x_2 = torch.cat((x_2[:, :, 40:240, 40:240], x_3), dim=1)  # [N, 256, 200, 200]
        x_2 = self.up2(x_2)  # [N, 128, 196, 196]
        x_2 = self.upconv1(x_2)  # [N, 64, 392, 392]
        x = torch.cat((x[:, :, 88:480, 88:480], x_2), dim=1)  # [N, 128, 392, 392]
        x = self.up1(x)  # [N, 64, 388, 388]
        scores: Tensor = self.head(x)  # [N, classes, 388, 388]
        return scores
