"""Normalisations: by the batch, the channels, the last dimensions, or neighbouring channels."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Need, Operator, TensorType, Weight
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.checks import (
    SPATIAL,
    check_divisible,
    check_dtype,
    check_min_rank,
    check_rank,
    name_of,
)
from addnn_spec.ops.code import Arg, Call, Code, In
from addnn_spec.ops.fields import Eps, Finite, PositiveInt
from addnn_spec.ops.init import constant
from addnn_spec.ops.reach import Reach, Reaches, window
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size


class _Norm(Initialized):
    """A normalisation with a learned scale and shift: 2 operations an element."""

    family = "normalization"

    def needs_two(self, sizes: tuple[Size, ...], of: str, training: bool = False) -> tuple[Need]:
        """Ask for a size above 1 among those that a variance goes over: it is of several values."""
        said = f"{name_of(self)} needs more than 1 value of each {of}, for their variance"
        return (Need(sizes, 2, said, training=training),)

    def affine_shape(self, x: TensorType) -> tuple[Size, ...]:
        """Return the shape of scale and shift: by default one a channel."""
        return (x.shape[1],)

    def has(self) -> tuple[bool, bool]:
        """Tell whether there is a scale, and whether there is a shift."""
        raise TypeError(f"{name_of(self)} does not say its weights")

    def weights(self, input: TensorType) -> Mapping[str, Weight]:
        shape = self.affine_shape(input)
        names = ("weight", "bias")
        return {name: Weight(shape) for name, own in zip(names, self.has(), strict=True) if own}

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"norm": 2 * input.numel}


class _Channelwise(_Norm):
    """Statistics of each channel; `layouts` are the shapes that it takes."""

    inferred_names = ("num_features",)
    stateful = True
    fresh_output = True
    keyword_only = (*Initialized.keyword_only, "bias")
    layouts: ClassVar[tuple[str, ...]]

    eps: Eps = 1e-5
    momentum: Finite | None = 0.1
    affine: bool = True
    track_running_stats: bool = True
    bias: bool = True

    def has(self) -> tuple[bool, bool]:
        return self.affine, self.affine and self.bias

    def infer(self, input: TensorType) -> TensorType:
        layouts = [text for text in self.layouts if text.count(",") + 1 == input.rank]
        check_rank(self, input, (layouts or list(self.layouts))[-1])
        check_dtype(self, input, "float")
        self.check_options(input)
        return input

    def needs(self, input: TensorType) -> Iterable[Need]:
        n, _, *sizes = input.shape
        # Kept statistics serve in evaluation: only training takes a variance.
        return self.needs_two((n, *sizes), "channel", training=self.track_running_stats)

    def channels(self, input: TensorType) -> Channels | None:
        names = ("weight", "bias", "running_mean", "running_var")
        return Channels("keeps", 1, (), dict.fromkeys(names, ("out",)))

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        """In evaluation: statistics that are kept mix nothing."""
        return () if self.track_running_stats else tuple(range(2, input.rank))

    def inferred(self, input: TensorType) -> Mapping[str, Size]:
        return {"num_features": input.shape[1]}

    def buffers(self, input: TensorType) -> Mapping[str, Weight]:
        if not self.track_running_stats:
            return {}
        channels = Weight((input.shape[1],))
        return {
            "running_mean": channels,
            "running_var": channels,
            "num_batches_tracked": Weight((), "int"),
        }


class BatchNorm1d(_Channelwise):
    """Batch normalisation of vectors or sequences. `[N, C]` or `[N, C, L]` → the same.

    `(x − mean) / sqrt(var + eps) · weight + bias` for each channel; in training by the batch's
    statistics, in evaluation by the running ones. Ioffe and Szegedy, 2015, arXiv:1502.03167.
    """

    layouts = ("N, C", "N, C, L")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (TensorType("float", (4, 6)),)),
            Example(cls(momentum=None, bias=False), (TensorType("float", (2, 6, 5)),)),
        )


class BatchNorm2d(_Channelwise):
    """Batch normalisation of maps. `[N, C, H, W]` → the same.

    `(x − mean) / sqrt(var + eps) · weight + bias` for each channel; in training by the batch's
    statistics, in evaluation by the running ones. Ioffe and Szegedy, 2015, arXiv:1502.03167.
    """

    layouts = ("N, C, H, W",)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 6, 4, 5))
        return (
            Example(cls(), (x,)),
            Example(cls(eps=1e-3, weight_init=constant(0)), (x,)),
            Example(cls(affine=False, track_running_stats=False), (x,)),
        )


class BatchNorm3d(_Channelwise):
    """Batch normalisation of volumes. `[N, C, D, H, W]` → the same.

    `(x − mean) / sqrt(var + eps) · weight + bias` for each channel; in training by the batch's
    statistics, in evaluation by the running ones. Ioffe and Szegedy, 2015, arXiv:1502.03167.
    """

    layouts = ("N, C, D, H, W",)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (TensorType("float", (2, 3, 2, 4, 5)),)),)


class SyncBatchNorm(_Channelwise):
    """Batch normalisation by the statistics of all processes' batches. `[N, C, *]` → the same.

    Where training is not distributed it is `BatchNorm2d`, and the like. In training on several
    devices the processes of the default group wait for one another.
    """

    layouts = ("N, C", "N, C, L", "N, C, H, W", "N, C, D, H, W")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (TensorType("float", (2, 6, 4, 5)),)),
            Example(cls(momentum=None, bias=False), (TensorType("float", (4, 6)),)),
        )


class _InstanceNorm(_Channelwise):
    """Statistics of each channel of each item."""

    momentum: Finite = 0.1
    affine: bool = False
    track_running_stats: bool = False

    def needs(self, input: TensorType) -> Iterable[Need]:
        sizes = input.shape[2:]
        return self.needs_two(sizes, "channel of an item", training=self.track_running_stats)


class InstanceNorm1d(_InstanceNorm):
    """Normalisation of each channel of each sequence. `[N, C, L]` → the same.

    `(x − mean) / sqrt(var + eps)`, over `L`. Ulyanov et al., 2016, arXiv:1607.08022.
    """

    layouts = (f"N, C, {SPATIAL[0]}",)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (TensorType("float", (2, 3, 8)),)),)


class InstanceNorm2d(_InstanceNorm):
    """Normalisation of each channel of each map. `[N, C, H, W]` → the same.

    `(x − mean) / sqrt(var + eps)`, over `H` and `W`. Ulyanov et al., 2016, arXiv:1607.08022.
    """

    layouts = (f"N, C, {SPATIAL[1]}",)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5))
        return (
            Example(cls(), (x,)),
            Example(cls(affine=True, track_running_stats=True), (x,)),
        )


class InstanceNorm3d(_InstanceNorm):
    """Normalisation of each channel of each volume. `[N, C, D, H, W]` → the same.

    `(x − mean) / sqrt(var + eps)`, over `D`, `H`, `W`. Ulyanov et al., 2016, arXiv:1607.08022.
    """

    layouts = (f"N, C, {SPATIAL[2]}",)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(affine=True), (TensorType("float", (2, 3, 2, 4, 5)),)),)


class GroupNorm(_Norm):
    """Normalisation of groups of channels of each item. `[N, C, *]` → the same.

    `(x − mean) / sqrt(var + eps) · weight + bias`; `num_groups` divides `C`. Wu and He, 2018,
    arXiv:1803.08494.
    """

    inferred_names = ("num_channels",)
    inferred_last = True
    keyword_only = (*Initialized.keyword_only, "bias")

    num_groups: PositiveInt
    eps: Eps = 1e-5
    affine: bool = True
    bias: bool = True

    def has(self) -> tuple[bool, bool]:
        return self.affine, self.affine and self.bias

    def infer(self, input: TensorType) -> TensorType:
        check_min_rank(self, input, 2)
        check_dtype(self, input, "float")
        check_divisible(self, "number of channels", input.shape[1], self.num_groups, "num_groups")
        self.check_options(input)
        return input

    def needs(self, input: TensorType) -> Iterable[Need]:
        """As torch counts: one value a group is enough where there are more items than one."""
        n, channels, *sizes = input.shape
        return self.needs_two((n, channels // self.num_groups, *sizes), "group of channels")

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return tuple(range(1, input.rank))

    def inferred(self, input: TensorType) -> Mapping[str, Size]:
        return {"num_channels": input.shape[1]}

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 6, 4, 5))
        return (
            Example(cls(num_groups=3), (x,)),
            Example(cls(num_groups=1, eps=1e-3, affine=False), (TensorType("float", (2, 6)),)),
        )


class _LastDims(_Norm):
    """Statistics over the last dimensions: those of `normalized_shape`, or the last one."""

    inferred_names = ("normalized_shape",)
    hidden_fields = (*Initialized.hidden_fields, "normalized_shape")
    keyword_only = (*Initialized.keyword_only, "normalized_shape")

    normalized_shape: PositiveInt | tuple[PositiveInt, ...] | None = None

    def affine_shape(self, x: TensorType) -> tuple[Size, ...]:
        stated = self.normalized_shape
        return x.shape[-len(stated) :] if isinstance(stated, tuple) else x.shape[-1:]

    def infer(self, input: TensorType) -> TensorType:
        stated = self.normalized_shape
        if stated == ():
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s normalized_shape is empty",
                about="normalized_shape",
            )
        check_min_rank(self, input, len(stated) if isinstance(stated, tuple) else 1)
        check_dtype(self, input, "float")
        wanted = (stated,) if isinstance(stated, int) else stated
        if wanted is not None and wanted != self.affine_shape(input):
            raise Refusal(
                "E0301",
                f"{name_of(self)} gets {input}, which does not end in the {list(wanted)} stated",
                about="normalized_shape",
                note=f"its input here is {input}",
                help="leave normalized_shape out to normalise the last dimension",
            )
        self.check_options(input)
        return input

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        rank = input.rank
        return tuple(range(rank - len(self.affine_shape(input)), rank))

    def inferred(self, input: TensorType) -> Mapping[str, Size | tuple[Size, ...]]:
        shape = self.affine_shape(input)
        return {"normalized_shape": shape if len(shape) > 1 else shape[0]}


class LayerNorm(_LastDims):
    """Normalisation of each vector along the last dimension. `[*, E]` → the same.

    `(x − mean) / sqrt(var + eps) · weight + bias`, over the last dimension, or over as many as
    `normalized_shape` lists. Ba et al., 2016, arXiv:1607.06450.
    """

    eps: Eps = 1e-5
    elementwise_affine: bool = True
    bias: bool = True

    def has(self) -> tuple[bool, bool]:
        return self.elementwise_affine, self.elementwise_affine and self.bias

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 5, 8))
        return (
            Example(cls(), (x,)),
            Example(cls(eps=1e-12, bias=False, normalized_shape=(5, 8)), (x,)),
            Example(cls(elementwise_affine=False, normalized_shape=8), (x,)),
        )


class RMSNorm(_LastDims):
    """Division by the root mean square along the last dimension. `[*, E]` → the same.

    `x / sqrt(mean(x²) + eps) · weight`, over the last dimension, or over as many as
    `normalized_shape` lists; without `eps` it is the element type's own. Zhang and Sennrich, 2019,
    arXiv:1910.07467.
    """

    eps: Eps | None = None
    elementwise_affine: bool = True

    def has(self) -> tuple[bool, bool]:
        return self.elementwise_affine, False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 5, 8))
        return (
            Example(cls(), (x,)),
            Example(cls(eps=1e-6, elementwise_affine=False, normalized_shape=(5, 8)), (x,)),
        )


class LocalResponseNorm(Operator):
    """Division by the energy of neighbouring channels. `[N, C, *]` → the same.

    `x / (k + alpha · m)^beta`, with `m` the mean square of `size` neighbouring channels, zeros
    beyond the first and last. Krizhevsky et al., 2012.
    """

    family = "normalization"

    size: PositiveInt
    alpha: Finite = 1e-4
    beta: Finite = 0.75
    k: Finite = 1.0

    def infer(self, input: TensorType) -> TensorType:
        check_min_rank(self, input, 3)
        check_dtype(self, input, "float")
        return input

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"norm": 2 * input.numel}

    def functional(self, *inputs: TensorType) -> Code | None:
        options = (
            Arg(self.alpha, "alpha", 1e-4),
            Arg(self.beta, "beta", 0.75),
            Arg(self.k, "k", 1.0),
        )
        return Call("F.local_response_norm", (Arg(In(0)), Arg(self.size), *options))

    def reach(self, input: TensorType) -> Reaches:
        """Return the channels beside one's own as seen."""
        near = window(1, self.size + 1, 1, self.size // 2, 1)
        return tuple(near if dim == 1 else Reach(dim) for dim in range(input.rank))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(size=5), (TensorType("float", (2, 7, 4, 5)),)),
            Example(cls(size=2, alpha=0.1, beta=0.5, k=2.0), (TensorType("float", (2, 7, 4)),)),
        )


class CrossMapLRN2d(LocalResponseNorm):
    """Division by the energy of neighbouring channels, as Lua Torch did. `[N, C, H, W]` → the same.

    For networks that were trained with it. Its window lets go of a channel one step later than that
    of `LocalResponseNorm`, so that their values differ; new networks take the latter.
    """

    def infer(self, input: TensorType) -> TensorType:
        check_rank(self, input, "N, C, H, W")
        return super().infer(input)

    def functional(self, *inputs: TensorType) -> Code | None:
        return None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 7, 4, 5))
        return (Example(cls(size=5), (x,)), Example(cls(size=3, alpha=0.1, beta=0.5, k=2.0), (x,)))
