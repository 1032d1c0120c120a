"""LeNet5, compiled from lenet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, 32, 32].
Parameters: 62,958.
Multiply-accumulates: 849,320.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet5(nn.Module):
    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.fc3 = nn.Linear(400, 120)
        self.fc4 = nn.Linear(120, 84)
        self.fc5 = nn.Linear(84, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(image), inplace=True), 2)  # [N, 8, 14, 14]
        x = F.max_pool2d(F.relu(self.conv2(x), inplace=True), 2)  # [N, 16, 5, 5]
        x = x.flatten(1)  # [N, 400]
        x = F.relu(self.fc3(x))  # [N, 120]
        x = F.relu(self.fc4(x))  # [N, 84]
        logits: Tensor = self.fc5(x)  # [N, classes]
        return logits
