"""Random elements of a chain that take a tensor of a given type: their text, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.types import Sym, Type, derived, product, value, window

Made = tuple[str, Type]
Rule = Callable[[Random, Type], Made | None]

ACTIVATIONS = ("ReLU", "Sigmoid", "Tanh", "SiLU", "GELU", "ELU(0.5)", "LeakyReLU(0.2)", "Softplus",
               "ReLU6", 'GELU(approximate = "tanh")', "Identity", "ELU")  # fmt: skip
MORE_ACTIVATIONS = ("Hardswish", "Mish", "PReLU", "Softsign", "SELU", "Hardtanh(-2, 2)", "CELU",
                    "Hardsigmoid", "LogSigmoid", "Threshold(0.1, 0.2)", "Tanhshrink")  # fmt: skip
DROPOUTS = ("Dropout(0.3)", "Dropout", "Identity")


def channels(rng: Random) -> int:
    return rng.choice([2, 3, 4, 6, 8, 12])


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def same(text: str, type: Type) -> Made:
    return text, type


def activation(rng: Random, x: Type) -> Made:
    return rng.choice(ACTIVATIONS), x


def more_activation(rng: Random, x: Type) -> Made:
    return rng.choice(MORE_ACTIVATIONS), x


def dropout(rng: Random, x: Type) -> Made:
    return rng.choice(DROPOUTS), x


def softmax(rng: Random, x: Type) -> Made:
    return f"{rng.choice(['Softmax', 'LogSoftmax'])}(dim = {rng.choice([1, -1])})", x


# --- images: [N, C, H, W] ------------------------------------------------------------------------
def conv2d(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    assert isinstance(c, int)
    kernel, stride, dilation = rng.choice([1, 2, 3, (3, 1), 5]), rng.choice([1, 1, 2]), 1
    groups = rng.choice(divisors(c))
    out = groups * rng.randint(1, max(1, 12 // groups))
    options = []
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    if rng.random() < 0.15 and stride == 1:
        padding: object = '"same"'
        ph, pw = None, None
    else:
        ph, pw = rng.choice([(kh // 2, kw // 2), (0, 0), (1, 1)])
        padding = ph if ph == pw else f"[{ph}, {pw}]"
        dilation = rng.choice([1, 1, 1, 2])
    if ph is None or pw is None:
        rows, columns = h, w
    else:
        rows = window(h, kh, stride, ph, dilation)
        columns = window(w, kw, stride, pw, dilation)
    if groups > 1:
        options.append(f"groups = {groups}")
    if dilation > 1:
        options.append(f"dilation = {dilation}")
    if rng.random() < 0.4:
        options.append("bias = false")
    if ph and pw and max(ph, pw) < min(value(h), value(w)) and rng.random() < 0.15 and x.known:
        mode = rng.choice(["reflect", "replicate", "circular"])
        options.append(f'padding_mode = "{mode}"')
    if padding != 0 or rng.random() < 0.2:
        options.append(f"padding = {padding}")
    size = f"[{kh}, {kw}]" if kh != kw else str(kh)
    first = f"{out}, {size}" + (f", {stride}" if stride > 1 else "")
    rng.shuffle(options)
    return f"Conv2d({', '.join([first, *options])})", Type((n, out, rows, columns))


def conv_transpose2d(rng: Random, x: Type) -> Made | None:
    n, _, h, w = x.shape
    kernel, stride, out = rng.choice([2, 3, 4]), rng.choice([1, 2]), channels(rng)
    origin = f"ct{kernel},{stride}"
    rows, columns = (derived(d, origin, (value(d) - 1) * stride + kernel) for d in (h, w))
    text = f"ConvTranspose2d({out}, {kernel}, stride = {stride})"
    return text, Type((n, out, rows, columns))


def pool2d(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    kernel, stride = rng.choice([2, 3]), rng.choice([1, 2, None])
    padding, ceil = rng.choice([0, 1]), rng.random() < 0.3
    made = [window(d, kernel, stride or kernel, padding, 1, ceil) for d in (h, w)]
    name = rng.choice(["MaxPool2d", "AvgPool2d"])
    options = [str(kernel)] + ([str(stride)] if stride else [])
    options += [f"padding = {padding}"] if padding else []
    options += ["ceil_mode = true"] if ceil else []
    if name == "AvgPool2d" and rng.random() < 0.4:
        options.append("count_include_pad = false")
    return f"{name}({', '.join(options)})", Type((n, c, made[0], made[1]))


def adaptive_pool2d(rng: Random, x: Type) -> Made | None:
    n, c = x.shape[:2]
    size, name = rng.choice([1, 2, 3]), rng.choice(["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
    return f"{name}({size})", Type((n, c, size, size))


def batch_norm(rng: Random, x: Type) -> Made | None:
    if x.rank not in (2, 3, 4) or isinstance(x.shape[1], Sym):
        return None
    name = "BatchNorm2d" if x.rank == 4 else "BatchNorm1d"
    return same(name + rng.choice(["", "", "(eps = 0.001)", "(affine = false)"]), x)


def group_norm(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[1], Sym):
        return None
    return same(f"GroupNorm({rng.choice(divisors(x.shape[1]))})", x)


def other_norm2d(rng: Random, x: Type) -> Made | None:
    if value(x.shape[2]) * value(x.shape[3]) < 2:
        return None
    return same(rng.choice(["InstanceNorm2d", "LocalResponseNorm(3)"]), x)


def upsample(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    rows, columns = (derived(d, "up", 2 * value(d)) for d in (h, w))
    return "Upsample(scale_factor = 2)", Type((n, c, rows, columns))


def pixel_shuffle(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    assert isinstance(c, int)
    if c % 4:
        return None
    rows, columns = (derived(d, "ps", 2 * value(d)) for d in (h, w))
    return "PixelShuffle(2)", Type((n, c // 4, rows, columns))


def channel_shuffle(rng: Random, x: Type) -> Made | None:
    assert isinstance(x.shape[1], int)
    return same(f"ChannelShuffle({rng.choice(divisors(x.shape[1]))})", x)


def zero_pad2d(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    left, top = rng.choice([0, 1]), rng.choice([0, 2])
    columns = derived(w, f"+{left + 1}", value(w) + left + 1)
    rows = derived(h, f"+{top}", value(h) + top) if top else h
    return f"ZeroPad2d([{left}, 1, {top}, 0])", Type((n, c, rows, columns))


def image_to_vector(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    if x.known and rng.random() < 0.5:
        return rng.choice(["Flatten", "Flatten(1)"]), Type((n, product(c, h, w)))
    if rng.random() < 0.5:
        return "Mean([2, 3])", Type((n, c))
    return "AdaptiveAvgPool2d(1) -> Flatten", Type((n, c))


def image_to_sequence(rng: Random, x: Type) -> Made | None:
    n, c, h, w = x.shape
    text = rng.choice(["Flatten(2) -> Transpose(1, 2)", "Flatten(2) -> Permute(0, 2, 1)"])
    return text, Type((n, product(h, w), c))


# --- the last dimension: vectors and sequences ---------------------------------------------------
def linear(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[-1], Sym):
        return None
    out = channels(rng)
    return f"Linear({out}{rng.choice(['', ', bias = false'])})", x.at(-1, out)


def layer_norm(rng: Random, x: Type) -> Made | None:
    return None if isinstance(x.shape[-1], Sym) else same("LayerNorm", x)


def rms_norm(rng: Random, x: Type) -> Made | None:
    return None if isinstance(x.shape[-1], Sym) else same("RMSNorm", x)


def unsqueeze(rng: Random, x: Type) -> Made | None:
    return "Unsqueeze(1)", Type((x.shape[0], 1, *x.shape[1:]))


def unflatten(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[1], Sym):
        return None
    first = rng.choice(divisors(x.shape[1]))
    parts = [first, x.shape[1] // first]
    return f"Unflatten(1, {parts})", Type((x.shape[0], *parts))


def transpose(rng: Random, x: Type) -> Made | None:
    n, t, f = x.shape
    return rng.choice(["Transpose(1, 2)", "Permute(0, 2, 1)"]), Type((n, f, t))


def conv1d(rng: Random, x: Type) -> Made | None:
    n, c, length = x.shape
    if isinstance(c, Sym):
        return None
    kernel, stride, out = rng.choice([1, 3]), rng.choice([1, 2]), channels(rng)
    made = window(length, kernel, stride, kernel // 2)
    return f"Conv1d({out}, {kernel}, {stride}, {kernel // 2})", Type((n, out, made))


def recurrent(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[-1], Sym):
        return None
    name, size, both = rng.choice(["LSTM", "GRU", "RNN"]), rng.choice([2, 3]), rng.random() < 0.3
    names = "y, _, _" if name == "LSTM" else "y, _"
    options = rng.choice(["", ", num_layers = 2"]) + (", bidirectional = true" if both else "")
    text = f"{{ {names} = x -> {name}({size}{options}) return y }}"
    return text, x.at(-1, size * (2 if both else 1))


def attention(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[-1], Sym):
        return None
    heads = rng.choice(divisors(x.shape[-1]))
    return f"{{ y, _ = (x, x, x) -> MultiheadAttention({heads}) return y }}", x


def sequence_to_vector(rng: Random, x: Type) -> Made | None:
    n, _, f = x.shape
    return rng.choice(["Mean(1)", "Select(1, 0)", "Max(1)", "Sum(1)"]), Type((n, f))


def sequence_to_image(rng: Random, x: Type) -> Made | None:
    if isinstance(x.shape[1], Sym):
        return None
    return "Unsqueeze(2)", Type((x.shape[0], x.shape[1], 1, x.shape[2]))


ANY: tuple[Rule, ...] = (activation, activation, dropout)
CORE: dict[int, tuple[Rule, ...]] = {
    2: (*ANY, linear, linear, layer_norm, batch_norm, softmax, unsqueeze, unflatten),
    3: (*ANY, linear, layer_norm, batch_norm, transpose, sequence_to_vector, sequence_to_image,
        softmax),
    4: (*ANY, conv2d, conv2d, conv2d, batch_norm, pool2d, adaptive_pool2d, image_to_vector,
        image_to_sequence),
}  # fmt: skip
"""By rank, what the interpreter in numpy knows as well."""
MORE: dict[int, tuple[Rule, ...]] = {
    2: (more_activation, rms_norm),
    3: (more_activation, rms_norm, group_norm, conv1d, recurrent, attention),
    4: (more_activation, conv_transpose2d, group_norm, other_norm2d, upsample, pixel_shuffle,
        channel_shuffle, zero_pad2d),
}  # fmt: skip

MAX_NUMEL = 20_000


def element(rng: Random, x: Type, *, core: bool) -> Made:
    """A random element for a tensor of this type."""
    while True:
        rules = CORE[x.rank] if core or rng.random() < 0.6 else MORE[x.rank]
        made = rng.choice(rules)(rng, x)
        if made and all(value(dim) >= 1 for dim in made[1].shape) and made[1].numel <= MAX_NUMEL:
            return made


def keeping(rng: Random, x: Type, *, core: bool) -> str:
    """A random element whose output has the type of its input."""
    choices = ["ReLU", "Sigmoid", "Dropout(0.2)", "Tanh"]
    channels = x.shape[1]
    if x.rank == 4:
        kernel = rng.choice([1, 3])
        choices += [f"Conv2d({channels}, {kernel}, padding = {kernel // 2})", "BatchNorm2d"]
        choices += [f"Conv2d({channels}, 3, padding = 1, groups = {channels})"]
        choices += [] if core else ["GroupNorm(1)"]
    elif isinstance(x.shape[-1], int):
        choices += [f"Linear({x.shape[-1]})", "LayerNorm", f"Linear({x.shape[-1]}, bias = false)"]
        choices += [] if core else ["RMSNorm"]
    return rng.choice(choices)
