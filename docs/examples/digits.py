"""scikit-learn's digits for the examples beside this file, and pictures of such images."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor

SIDE = 8


def digits() -> tuple[Tensor, Tensor]:
    """All of them, in an order drawn once: `[1797, 8, 8]` from 0 to 1, and what they are."""
    data = load_digits()
    order = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32) / 16
    return images[order], torch.tensor(data.target)[order]


def one_of_each() -> Tensor:
    """The last image of every digit, which are among the last hundred: `[10, 8, 8]`."""
    images, labels = digits()
    return torch.stack([images[labels == digit][-1] for digit in range(10)])


def tiles(images: Tensor, columns: int) -> Tensor:
    """Images `[n, h, w]` side by side, `columns` in a row, with a line of NaN around each."""
    framed = torch.nn.functional.pad(images, (1, 1, 1, 1), value=torch.nan)
    rows = framed.view(-1, columns, *framed.shape[1:]).transpose(1, 2)
    return rows.flatten(2).flatten(0, 1)


def draw(
    path: Path, rows: Mapping[str, Tensor], columns: int = 10, colours: str = "gray_r"
) -> None:
    """Writes a picture: under each title its images `[n, h, w]`, n a multiple of `columns`."""
    pictures = {title: tiles(images.detach(), columns) for title, images in rows.items()}
    heights = [picture.shape[0] / picture.shape[1] for picture in pictures.values()]
    width = 6.0
    figure = Figure(figsize=(width, width * sum(heights) + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), height_ratios=heights, squeeze=False)[:, 0]
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(picture.numpy(), cmap=colours, interpolation="nearest")
        axis.set_title(title, fontsize=9, loc="left")
        axis.axis("off")
    figure.savefig(path, dpi=110)


def options(description: str, steps: int, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What each example can be told: `steps`, and `out`, where the picture goes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--steps", type=int, default=steps, help=f"of training; {steps} unless told"
    )
    parser.add_argument("--out", type=Path, required=True, help="the picture, .png or .svg")
    return parser.parse_args(arguments)
