"""A narrowed network's layers fitted to what the original's gave, in closed form.

Layer after layer, in the order in which they run: with A what flows into the narrowed layer, Z what
the original layer gave on the same samples before its norm and activation, and W₀ the weights as
they were cut, W is the least of |A·W − Z|² + λ|W − W₀|². No labels, no gradients. At W₀ the second
part is 0, so that the first is never above what cutting alone gives on these samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.design.plan import Plan
from addnn_spec.design.training import Progress, silent
from addnn_spec.passes.widths import Widths

_BATCH = 64
_ROWS = 200_000
"""Rows of A that are used at most: places of maps, drawn evenly."""
MOST_COLUMNS = 6_000
"""A layer that reads more values than this is left as it was cut."""
_RIDGE = 1e-4
_NONE = 1e-9
"""A layer whose relative squared error is below this is left as it is."""


class FittedLayer(NamedTuple):
    """A layer that is fitted: where its module lives, and which of its outputs the narrowed one
    keeps. `norm` is where the batch norm lives that alone reads it: it takes up what a bias would
    be, and its statistics are taken anew at once: what follows is fitted to what it then gets."""

    path: str
    kept: tuple[int, ...] | None
    norm: str | None


class Fitted(NamedTuple):
    """What fitting did to a layer: its squared error over the variance, before and after."""

    path: str
    before: float
    after: float


def layers_of(before: Plan, after: Plan) -> list[FittedLayer]:
    """Return the layers that read changed channels, in order; `after` is the plan with one edit
    more."""
    widths, slices = before.widths, after.slices[-1]
    found = []
    seen: set[str] = set()
    for item in widths.unfolded.nodes:
        rule = widths.rules.get(item.index)
        if rule is None or "weight" not in rule.tensors or item.owner in seen:
            continue
        if len(rule.tensors["weight"]) < 2:  # a norm's
            continue
        seen.add(item.owner)
        rows = slices.get(f"{item.owner}.weight")
        if rows:
            found.append(
                FittedLayer(
                    item.owner,
                    rows[rule.tensors["weight"].index("out")],
                    _normed(widths, item.index),
                )
            )
    return found


def _normed(widths: Widths, index: int) -> str | None:
    readers = [
        item
        for item in widths.unfolded.nodes
        if any(value is not None and value.source == index for value in item.inputs)
    ]
    normed = len(readers) == 1 and type(readers[0].node.op).__name__.startswith("BatchNorm")
    return readers[0].owner if normed else None


def refit(
    original: nn.Module,
    narrowed: nn.Module,
    layers: list[FittedLayer],
    x: Tensor,
    progress: Progress = silent,
    *,
    device: str = "cpu",
) -> list[Fitted]:
    """Fit the narrowed network's layers in place; both end in evaluation mode."""
    original.to(device).eval()
    narrowed.to(device).eval()
    done = []
    for place, layer in enumerate(layers):
        module = narrowed.get_submodule(layer.path)
        source = original.get_submodule(layer.path)
        if _columns(module) is not None:
            found = _fit(original, narrowed, source, module, layer, x, device)
            if found is not None:
                done.append(found)
        progress((place + 1) / len(layers), f"fitting {layer.path}")
    return done


def _columns(module: nn.Module) -> int | None:
    """Return how many values an output is made of; None where the layer is not fitted."""
    if isinstance(module, nn.Linear):
        count = module.in_features
    elif isinstance(module, nn.Conv1d | nn.Conv2d) and module.padding_mode == "zeros":
        count = module.weight[0].numel()
    else:
        return None
    return count if count <= MOST_COLUMNS else None


class _Stopped(Exception):
    pass


@contextmanager
def _caught(module: nn.Module, found: list[Tensor], *, given: bool) -> Iterator[None]:
    """Record what flows into or out of a module, and end the pass there."""

    def note(_: nn.Module, inputs: tuple[Tensor, ...], made: Tensor) -> None:
        found.append(inputs[0] if given else made)
        raise _Stopped

    handle = module.register_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()


def value_at(network: nn.Module, module: nn.Module, x: Tensor, *, given: bool) -> Tensor:
    """Return the value that flows into or out of a module of a network."""
    found: list[Tensor] = []
    with _caught(module, found, given=given), suppress(_Stopped):
        network(x)
    return found[0]


class _Sums(NamedTuple):
    """Sums over rows: of AᵀA, AᵀZ, ZᵀZ, A and Z, and the number of rows. The groups are the first
    dimension."""

    aa: Tensor
    az: Tensor
    zz: Tensor
    a: Tensor
    z: Tensor


@torch.no_grad()
def _fit(
    original: nn.Module,
    narrowed: nn.Module,
    source: nn.Module,
    module: nn.Module,
    layer: FittedLayer,
    x: Tensor,
    device: str,
) -> Fitted | None:
    groups: int = getattr(module, "groups", 1)
    generator = torch.Generator().manual_seed(0)
    share: float | None = None
    sums: _Sums | None = None
    count = 0
    for part in torch.split(x, _BATCH):
        given = value_at(narrowed, module, part.to(device), given=True)
        wanted = value_at(original, source, part.to(device), given=False)
        if layer.kept is not None:
            axis = 1 if isinstance(module, nn.Conv1d | nn.Conv2d) else -1
            wanted = wanted.index_select(axis, torch.tensor(layer.kept, device=wanted.device))
        a, z = _rows(module, given, wanted, groups)
        if share is None:
            share = min(1.0, _ROWS / (a.shape[1] * len(x) / len(part)))
        if share < 1:
            number = max(1, round(share * a.shape[1]))
            chosen = torch.randperm(a.shape[1], generator=generator)[:number].to(a.device)
            a, z = a[:, chosen], z[:, chosen]
        # Normal equations square what is lost to rounding.
        a, z = a.double(), z.double()
        count += a.shape[1]
        new = _Sums(a.mT @ a, a.mT @ z, z.square().sum(1), a.sum(1), z.sum(1))
        sums = new if sums is None else _Sums(*(p + q for p, q in zip(sums, new, strict=True)))
    if sums is None or count < 2:
        return None
    norm = None if layer.norm is None else narrowed.get_submodule(layer.norm)
    return _solved(module, norm, layer.path, sums, count, groups)


def patches(module: nn.Linear | nn.Conv1d | nn.Conv2d, given: Tensor) -> Tensor:
    """Return the pieces (rows, columns) that a layer of one group multiplies by its weights."""
    if isinstance(module, nn.Linear):
        return given.flatten(0, -2)
    if isinstance(module, nn.Conv1d):
        given = given[:, :, None]
    found = functional.unfold(_padded(module, given), *_window(module))
    return found.transpose(1, 2).flatten(0, 1)


def _rows(module: nn.Module, given: Tensor, made: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return A (groups, rows, columns) and Z (groups, rows, outputs)."""
    if isinstance(module, nn.Linear):
        a, z = given.flatten(0, -2), made.flatten(0, -2)
        return a[None], z[None]
    assert isinstance(module, nn.Conv1d | nn.Conv2d)
    if isinstance(module, nn.Conv1d):
        given, made = given[:, :, None], made[:, :, None]
    patches = functional.unfold(_padded(module, given), *_window(module))  # (n, C·k, places)
    n, columns, places = patches.shape
    a = patches.view(n, groups, columns // groups, places).permute(1, 0, 3, 2)
    z = made.flatten(2).view(n, groups, -1, places).permute(1, 0, 3, 2)
    return a.reshape(groups, n * places, -1), z.reshape(groups, n * places, -1)


def _window(
    module: nn.Conv1d | nn.Conv2d,
) -> tuple[tuple[int, ...], tuple[int, ...], int, tuple[int, ...]]:
    """Return kernel, dilation, padding and stride of a convolution over two dimensions."""
    rest = [tuple(module.kernel_size), tuple(module.dilation), tuple(module.stride)]
    kernel, dilation, stride = (one if len(one) == 2 else (1, *one) for one in rest)
    return kernel, dilation, 0, stride


def _padded(module: nn.Conv1d | nn.Conv2d, given: Tensor) -> Tensor:
    """Return what flows into a convolution with its zeros around it."""
    sides: list[int] = []
    rows = zip(module.kernel_size, module.dilation, strict=True)
    for place, (kernel, dilation) in reversed(list(enumerate(rows))):
        if module.padding == "same":
            reach = dilation * (kernel - 1)
            # As torch pads "same": an odd zero goes to the end.
            sides += [reach // 2, reach - reach // 2]
        else:
            amount = 0 if isinstance(module.padding, str) else module.padding[place]
            sides += [amount, amount]
    return functional.pad(given, sides)


def _solved(
    module: nn.Module, norm: nn.Module | None, path: str, sums: _Sums, count: int, groups: int
) -> Fitted:
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    old = weight.detach().double().reshape(groups, weight.shape[0] // groups, -1).mT
    aa, az, zz = sums.aa, sums.az, sums.zz
    mean_a, mean_z = sums.a / count, sums.z / count
    centred = bias is not None or norm is not None
    if centred:
        # A bias, or the norm behind, takes up the means: the weights are fitted to what is left.
        aa = aa - count * mean_a[:, :, None] * mean_a[:, None, :]
        az = az - count * mean_a[:, :, None] * mean_z[:, None, :]
        zz = zz - count * mean_z.square()

    def error(w: Tensor) -> float:
        left = zz - 2 * (w * az).sum(1) + (w * (aa @ w)).sum(1)
        return float(left.clamp_min(0).sum() / zz.sum().clamp_min(1e-30))

    before = error(old)
    if before < _NONE:  # nothing before it has changed
        return Fitted(path, before, before)
    ridge = _RIDGE * aa.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-30)
    eye = torch.eye(aa.shape[1], dtype=aa.dtype, device=aa.device)
    # The ridge pulls towards the weights as cut, and not towards 0.
    new = old + torch.linalg.solve(aa + ridge[:, None, None] * eye, az - aa @ old)
    weight.copy_(new.mT.reshape(weight.shape))
    if bias is not None:
        shift = mean_z - (mean_a[:, None, :] @ new)[:, 0]
        bias.copy_(shift.reshape(bias.shape))
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_mean is not None:
        mean = (mean_a[:, None, :] @ new)[:, 0].flatten() + (0 if bias is None else bias)
        variance = (new * (aa @ new)).sum(1).flatten() / count
        # At once, so that the layers behind are fitted to what they will get.
        norm.running_mean.copy_(mean)
        if norm.running_var is not None:
            norm.running_var.copy_(variance)
    return Fitted(path, before, error(new))


__all__ = ["MOST_COLUMNS", "Fitted", "FittedLayer", "layers_of", "patches", "refit", "value_at"]
