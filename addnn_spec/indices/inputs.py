"""Checks of what callers pass in: samples, labels, targets, options."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices.errors import (
    NotFiniteError,
    OptionError,
    ShapeError,
    UndefinedIndexError,
)

# torch tensors, numpy arrays, or nested sequences of numbers (labels: of strings too)
ArrayLike: TypeAlias = Any


def as_samples(values: ArrayLike, name: str = "X") -> Tensor:
    """Return samples x features: further dimensions are flattened, one dimension is one feature.

    Raises:
        ShapeError: there are no samples, or no features.
    """
    tensor = (
        _plain(values.detach(), name)
        if isinstance(values, Tensor)
        else _tensor(plain_array(values, name), name)
    )
    if tensor.ndim == 0:
        raise ShapeError(f"{name} is a single number; it must hold samples x features")
    if tensor.numel() == 0:
        raise ShapeError(f"{name} of shape {tuple(tensor.shape)} holds no values")
    return tensor.reshape(len(tensor), -1)


def plain_array(values: ArrayLike, what: str) -> np.ndarray[Any, Any]:
    """Return an array of a tensor, of nested sequences, or of a frame.

    Raises ``ShapeError`` where their lengths differ, and for what ``_plain`` refuses.
    """
    if isinstance(values, Tensor):
        tensor = _plain(values.detach(), what).cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(values, list | tuple) and any(isinstance(one, Tensor) for one in values):
        values = [plain_array(one, what) for one in values]
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ShapeError(f"{what}: rows have several lengths") from error


def label_array(values: ArrayLike, what: str = "labels") -> np.ndarray[Any, Any]:
    """Return an array of labels, all names or all numbers.

    Raises ``NotFiniteError`` where one is None, ``ShapeError`` where both kinds are mixed, and as
    ``plain_array`` does.
    """
    array = plain_array(values, what)
    # numpy makes strings of a list that mixes both, and 1 would become "1" without a word.
    if array.dtype.kind == "U" and not isinstance(values, np.ndarray):
        array = np.asarray(values, dtype=object)  # where numbers stay such, nan among them
    if array.dtype != object:
        return array
    missing = [place for place, value in enumerate(array.flat) if value is None]
    if missing:
        sample = missing[0] * len(array) // array.size
        raise NotFiniteError(f"{what}: that of sample {sample} is None")
    kinds = {type(value).__name__ for value in array.flat if not isinstance(value, str)}
    if not kinds:
        return array.astype(str)
    if any(isinstance(value, str) for value in array.flat):
        raise ShapeError(f"{what} are names, and others are {', '.join(sorted(kinds))}")
    return plain_array(array.tolist(), what)


def _plain(tensor: Tensor, name: str) -> Tensor:
    """Return a tensor that can be computed with.

    Raises ``ShapeError`` for sparse tensors, complex ones, and floats of 8 bits.
    """
    if tensor.layout != torch.strided:
        raise ShapeError(f"{name} is a {tensor.layout} tensor: give it .to_dense()")
    if tensor.is_complex() or tensor.is_quantized:
        raise ShapeError(f"{name} holds {tensor.dtype} values, not real numbers")
    if tensor.is_floating_point() and tensor.element_size() == 1:
        raise ShapeError(f"{name} holds {tensor.dtype} values: give it .float()")
    return tensor


def _tensor(array: np.ndarray[Any, Any], name: str) -> Tensor:
    if array.dtype == object:  # a frame of several types
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ShapeError(f"{name} holds values that are not numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"{name} holds {array.dtype} values, not numbers")
    # torch has few operations for unsigned types beyond bytes.
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64 if int(array.max(initial=0)) < 2**63 else np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))))


def as_codes(*labels: ArrayLike) -> tuple[list[Any], list[Tensor]]:
    """Return the classes, sorted, and each label vector as int64 codes into them.

    Raises:
        ShapeError: labels are not one value a sample.
        NotFiniteError: a label is NaN.
    """
    arrays = []
    for values in labels:
        array = label_array(values)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise ShapeError(f"labels are one value a sample, not of shape {array.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFiniteError("a label is NaN or infinite")
        arrays.append(array)
    classes, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    sizes = [len(array) for array in arrays]
    return classes.tolist(), list(torch.split(torch.from_numpy(codes.astype(np.int64)), sizes))


def check_lengths(samples: Tensor, others: Tensor, what: str) -> None:
    """Raise ``ShapeError`` unless both have the same number of samples."""
    if len(samples) != len(others):
        raise ShapeError(f"{len(samples)} samples, but {len(others)} {what}")


def check_widths(left: Tensor, right: Tensor) -> None:
    """Raise ``ShapeError`` unless both have the same number of features."""
    if left.shape[1] != right.shape[1]:
        raise ShapeError(f"samples of {left.shape[1]} and of {right.shape[1]} features")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ``OptionError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise OptionError(f"{name} is one of {', '.join(choices)}, not {value!r}")


def check_order(order: int, others: int) -> None:
    """Raise unless ``order`` neighbours exist among ``others`` samples."""
    is_whole = type(order) is int or isinstance(order, np.integer)
    if not is_whole or order < 1:
        raise OptionError(f"order is a whole number, 1 or more, not {order!r}")
    if order > others:
        raise UndefinedIndexError(
            f"order {order} needs {order} other samples, but there are {max(others, 0)}"
        )


def check_gamma(gamma: float) -> float:
    """Return ``gamma`` if it is a finite number, 0 or more; else raise ``OptionError``."""
    if not 0 <= gamma < float("inf"):
        raise OptionError(f"gamma bounds an error: a finite number, 0 or more, not {gamma!r}")
    return float(gamma)
