"""A core of operators in numpy, after torch's documentation; the compiler's code is not used.

Each function takes the operator (its attributes only), its weights by name, and its inputs, and
gives one array or a tuple. Evaluation mode. Loops where they are clearer than tricks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = Mapping[str, Array]
Function = Callable[..., Any]


def pair(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


# --- convolution, linear, embedding --------------------------------------------------------------
def conv2d(op: Any, w: Weights, x: Array) -> Array:
    weight, groups = w["weight"], op.groups
    (kh, kw), (sh, sw), (dh, dw) = weight.shape[2:], pair(op.stride), pair(op.dilation)
    rows, columns = dh * (kh - 1), dw * (kw - 1)
    if op.padding == "same":  # the odd one goes after
        pads = [(rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)]
    else:
        pads = [(p, p) for p in pair(0 if op.padding == "valid" else op.padding)]
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    x = np.pad(x, [(0, 0), (0, 0), *pads], mode=mode[op.padding_mode])  # type: ignore[call-overload]
    n, _, h, width = x.shape
    oh, ow = (h - rows - 1) // sh + 1, (width - columns - 1) // sw + 1
    per_in, per_out = weight.shape[1], weight.shape[0] // groups
    y = np.zeros((n, weight.shape[0], oh, ow), x.dtype)
    for g, i, j in product(range(groups), range(kh), range(kw)):
        seen = x[:, g * per_in : (g + 1) * per_in, i * dh :, j * dw :]
        seen = seen[:, :, : (oh - 1) * sh + 1 : sh, : (ow - 1) * sw + 1 : sw]
        outs = slice(g * per_out, (g + 1) * per_out)
        y[:, outs] += np.einsum("nchw,oc->nohw", seen, weight[outs, :, i, j])
    return y + w["bias"][:, None, None] if op.bias else y


def linear(op: Any, w: Weights, x: Array, weight: Array | None = None) -> Array:
    y: Array = x @ (w["weight"] if weight is None else weight).T
    return y + w["bias"] if op.bias else y


def embedding(op: Any, w: Weights, x: Array, weight: Array | None = None) -> Array:
    table = w["weight"] if weight is None else weight
    found: Array = table[x]
    return found


# --- normalisation -------------------------------------------------------------------------------
def batch_norm(op: Any, w: Weights, x: Array) -> Array:
    def by_channel(vector: Array) -> Array:
        return vector.reshape(-1, *[1] * (x.ndim - 2))

    if op.track_running_stats:
        mean, var = by_channel(w["running_mean"]), by_channel(w["running_var"])
    else:
        others = (0, *range(2, x.ndim))
        mean, var = x.mean(others, keepdims=True), x.var(others, keepdims=True)
    y: Array = (x - mean) / np.sqrt(var + op.eps)
    if "weight" in w:
        y = y * by_channel(w["weight"])
    return y + by_channel(w["bias"]) if "bias" in w else y


def layer_norm(op: Any, w: Weights, x: Array) -> Array:
    shape = op.normalized_shape
    axes = tuple(range(-len(shape), 0)) if isinstance(shape, tuple) else (-1,)
    y: Array = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + op.eps)
    y = y * w["weight"] if "weight" in w else y
    return y + w["bias"] if "bias" in w else y


# --- activations ---------------------------------------------------------------------------------
def sigmoid(x: Array) -> Array:
    y: Array = np.exp(-np.logaddexp(0, -x))
    return y


def softmax(op: Any, w: Weights, x: Array) -> Array:
    e = np.exp(x - x.max(op.dim, keepdims=True))
    y: Array = e / e.sum(op.dim, keepdims=True)
    return y


def gelu(op: Any, w: Weights, x: Array) -> Array:
    if op.approximate == "tanh":
        y: Array = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return y
    erf = np.vectorize(math.erf, otypes=[float])
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


# --- pooling -------------------------------------------------------------------------------------
def places(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """How many windows there are; with `ceil`, none that begins in the padding after the end."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (math.ceil(span / stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def windows(op: Any, x: Array, dilation: tuple[int, int]) -> tuple[tuple[int, int], Iterator[Any]]:
    """The output's size, and for each output its place and its window's first row and column."""
    kernel, padding = pair(op.kernel_size), pair(op.padding)
    stride = kernel if op.stride is None else pair(op.stride)
    counts = [
        places(x.shape[2 + d], kernel[d], stride[d], padding[d], dilation[d], op.ceil_mode)
        for d in range(2)
    ]
    starts = (
        (i, j, i * stride[0] - padding[0], j * stride[1] - padding[1])
        for i, j in product(range(counts[0]), range(counts[1]))
    )
    return (counts[0], counts[1]), starts


def max_pool2d(op: Any, w: Weights, x: Array) -> Array:
    dilation, (kh, kw) = pair(op.dilation), pair(op.kernel_size)
    size, starts = windows(op, x, dilation)
    y = np.empty((*x.shape[:2], *size), x.dtype)
    for i, j, top, left in starts:
        rows = [r for r in range(top, top + kh * dilation[0], dilation[0]) if 0 <= r < x.shape[2]]
        columns = [
            c for c in range(left, left + kw * dilation[1], dilation[1]) if 0 <= c < x.shape[3]
        ]
        y[:, :, i, j] = x[:, :, rows][:, :, :, columns].max((2, 3))
    return y


def avg_pool2d(op: Any, w: Weights, x: Array) -> Array:
    (kh, kw), (ph, pw), (h, width) = pair(op.kernel_size), pair(op.padding), x.shape[2:]
    size, starts = windows(op, x, (1, 1))
    y = np.empty((*x.shape[:2], *size), x.dtype)
    for i, j, top, left in starts:
        bottom, right = min(top + kh, h + ph), min(left + kw, width + pw)
        part = x[:, :, max(top, 0) : min(bottom, h), max(left, 0) : min(right, width)]
        counted = (bottom - top) * (right - left) if op.count_include_pad else part[0, 0].size
        y[:, :, i, j] = part.sum((2, 3)) / (op.divisor_override or counted)
    return y


def adaptive(reduce: Callable[[Array], Array]) -> Function:
    def pool(op: Any, w: Weights, x: Array) -> Array:
        targets = [
            x.shape[2 + d] if target is None else target
            for d, target in enumerate(pair(op.output_size))
        ]
        y = np.empty((*x.shape[:2], *targets), x.dtype)
        for i, j in product(range(targets[0]), range(targets[1])):
            rows = slice(*bounds(i, x.shape[2], targets[0]))
            columns = slice(*bounds(j, x.shape[3], targets[1]))
            y[:, :, i, j] = reduce(x[:, :, rows, columns])
        return y

    return pool


def bounds(place: int, size: int, count: int) -> tuple[int, int]:
    return math.floor(place * size / count), math.ceil((place + 1) * size / count)


# --- arithmetic, merging, shapes -----------------------------------------------------------------
def binary(function: Callable[[Any, Any], Any]) -> Function:
    def apply(op: Any, w: Weights, x: Array, y: Array | None = None) -> Any:
        if op.left is not None:
            return function(op.left, x)
        return function(x, op.right if y is None else y)

    return apply


def elementwise(function: Callable[[Array], Array]) -> Function:
    return lambda op, w, x: function(x)


def power(x: Any, y: Any) -> Any:
    with np.errstate(invalid="ignore"):  # the root of a negative number is nan, as in torch
        return np.power(x, y)


def flatten(op: Any, w: Weights, x: Array) -> Array:
    start, end = op.start_dim % x.ndim, op.end_dim % x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def unflatten(op: Any, w: Weights, x: Array) -> Array:
    dim = op.dim % x.ndim
    return x.reshape(*x.shape[:dim], *op.unflattened_size, *x.shape[dim + 1 :])


def reduction(function: Callable[..., Any]) -> Function:
    return lambda op, w, x: np.asarray(function(x, axis=op.dim, keepdims=op.keepdim))


def getitem(op: Any, w: Weights, x: Array) -> Array:
    found: Array = x[op.index]
    return found


def squeeze(op: Any, w: Weights, x: Array) -> Array:
    dims = range(x.ndim) if op.dim is None else op.dim if isinstance(op.dim, tuple) else (op.dim,)
    named = {dim % x.ndim for dim in dims}
    return x.reshape([n for dim, n in enumerate(x.shape) if n != 1 or dim not in named])


def chunk(op: Any, w: Weights, x: Array) -> tuple[Array, ...]:
    part = math.ceil(x.shape[op.dim] / op.chunks)
    return tuple(np.split(x, range(part, x.shape[op.dim], part), axis=op.dim))


def unbind(op: Any, w: Weights, x: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, op.dim, 0))


OPERATORS: dict[str, Function] = {
    "Conv2d": conv2d,
    "Linear": linear,
    "Embedding": embedding,
    "BatchNorm1d": batch_norm,
    "BatchNorm2d": batch_norm,
    "LayerNorm": layer_norm,
    "ReLU": elementwise(lambda x: np.maximum(x, 0)),
    "ReLU6": elementwise(lambda x: np.clip(x, 0, 6)),
    "LeakyReLU": lambda op, w, x: np.where(x > 0, x, op.negative_slope * x),
    "ELU": lambda op, w, x: np.where(x > 0, x, op.alpha * np.expm1(np.minimum(x, 0))),
    "SiLU": elementwise(lambda x: x * sigmoid(x)),
    "GELU": gelu,
    "Sigmoid": elementwise(sigmoid),
    "Tanh": elementwise(np.tanh),
    "Softplus": lambda op, w, x: np.where(
        op.beta * x > op.threshold, x, np.logaddexp(0, op.beta * x) / op.beta
    ),
    "Softmax": softmax,
    "LogSoftmax": lambda op, w, x: np.log(softmax(op, w, x)),
    "MaxPool2d": max_pool2d,
    "AvgPool2d": avg_pool2d,
    "AdaptiveAvgPool2d": adaptive(lambda part: part.mean((2, 3))),
    "AdaptiveMaxPool2d": adaptive(lambda part: part.max((2, 3))),
    "Add": binary(np.add),
    "Sub": binary(np.subtract),
    "Mul": binary(np.multiply),
    "Div": binary(np.true_divide),
    "Pow": binary(power),
    "Minimum": binary(np.minimum),
    "Maximum": binary(np.maximum),
    "Neg": elementwise(np.negative),
    "MatMul": lambda op, w, x, y: x @ y,
    "Concat": lambda op, w, *xs: np.concatenate(xs, op.dim),
    "Stack": lambda op, w, *xs: np.stack(xs, op.dim),
    "Chunk": chunk,
    "Unbind": unbind,
    "Flatten": flatten,
    "Unflatten": unflatten,
    "Reshape": lambda op, w, x: x.reshape(op.shape),
    "Transpose": lambda op, w, x: np.swapaxes(x, op.dim0, op.dim1),
    "Permute": lambda op, w, x: np.transpose(x, op.dims),
    "Unsqueeze": lambda op, w, x: np.expand_dims(x, op.dim),
    "Squeeze": squeeze,
    "Expand": lambda op, w, x: np.broadcast_to(
        x,
        [
            x.shape[place - len(op.sizes)] if size == -1 else size
            for place, size in enumerate(op.sizes)
        ],
    ),
    "Roll": lambda op, w, x: np.roll(x, op.shifts, op.dims),
    "GetItem": getitem,
    "Select": lambda op, w, x: np.take(x, op.index, op.dim),
    "Mean": reduction(np.mean),
    "Sum": reduction(np.sum),
    "Max": reduction(np.max),
    "Zeros": lambda op, w: np.zeros(op.size),
    "Identity": elementwise(lambda x: x),
    "Dropout": elementwise(lambda x: x),
    "Dropout1d": elementwise(lambda x: x),
    "Dropout2d": elementwise(lambda x: x),
}


__all__ = ["OPERATORS", "Array", "Weights"]
