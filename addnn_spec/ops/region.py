"""Pooling of regions: what a detector's heads see of the maps that a whole image gave.

A region is a row (image, x₁, y₁, x₂, y₂): the number of its image in the batch, and its corners in
the image's pixels. Every region gives an output of one size, whatever its own.
"""

from collections.abc import Mapping

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Seq, Support
from addnn_spec.ops.fields import Positive2, PositiveFloat, PositiveInt, spread
from addnn_spec.sizes import Size

_ROI_POOL = Support(
    "roi_pool",
    '''\
def roi_pool(x: Tensor, boxes: Tensor, size: tuple[int, int], spatial_scale: float = 1.0) -> Tensor:
    """The maxima of the bins of regions (image, x1, y1, x2, y2); of empty bins, 0."""

    def bins(start: Tensor, end: Tensor, count: int, length: int) -> Tensor:
        step = (end - start + 1).clamp(min=1)[:, None] / count
        number = torch.arange(count, dtype=step.dtype, device=x.device)
        first = (number * step).floor() + start[:, None]
        after = ((number + 1) * step).ceil() + start[:, None]
        place = torch.arange(length, device=x.device)
        return (place >= first[..., None]) & (place < after[..., None])

    left, top, right, bottom = (boxes[:, 1:] * spatial_scale).round().unbind(1)
    rows = bins(top, bottom, size[0], x.shape[2])[:, :, None, :, None].unbind(1)
    columns = bins(left, right, size[1], x.shape[3])[:, :, None, None, :].unbind(1)
    x = x[boxes[:, 0].long()]
    x = torch.stack([x.where(column, -torch.inf).amax(3) for column in columns], dim=3)
    x = torch.stack([x.where(row, -torch.inf).amax(2) for row in rows], dim=2)
    return x.where(x > -torch.inf, 0.0)
''',
)

_ROI_ALIGN = Support(
    "roi_align",
    '''\
def roi_align(
    levels: list[Tensor],
    level: Tensor,
    boxes: Tensor,
    scale: Tensor,
    size: tuple[int, int],
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Tensor:
    """The means of samples in the bins of regions (image, x1, y1, x2, y2), each from its level."""

    def taps(start: Tensor, extent: Tensor, count: int, limit: Tensor) -> list[list[Tensor]]:
        """Where samples lie along one dimension: two neighbours, each with its weight."""
        step = (torch.arange(count, dtype=start.dtype, device=start.device) + 0.5) / count
        at = start[:, None] + extent[:, None] * step
        last = limit[:, None] - 1
        inside = (at >= -1) & (at <= last + 1)
        at = at.clamp(min=0).minimum(last.to(at.dtype))
        low = at.long()
        part = at - low
        return [[low, (1 - part) * inside], [(low + 1).minimum(last), part * inside]]

    height, width, first = torch.zeros_like(level), torch.zeros_like(level), torch.zeros_like(level)
    before = 0
    for i, features in enumerate(levels):
        height = height + (level == i) * features.shape[2]
        width = width + (level == i) * features.shape[3]
        first = first + (level == i) * before
        before = before + features.shape[2] * features.shape[3]
    values = torch.cat([features.flatten(2) for features in levels], dim=2)
    corners = boxes[:, 1:] * scale[:, None] - (0.5 if aligned else 0.0)
    start, extent = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not aligned:
        extent = extent.clamp(min=1.0)
    image = boxes[:, 0].long()[:, None, None]
    total = torch.zeros((), dtype=values.dtype, device=values.device)
    for row, down in taps(start[:, 1], extent[:, 1], size[0] * sampling_ratio, height):
        for column, across in taps(start[:, 0], extent[:, 0], size[1] * sampling_ratio, width):
            place = row[:, :, None] * width[:, None, None] + column[:, None, :]
            weight = down[:, :, None, None] * across[:, None, :, None]
            total = total + values[image, :, first[:, None, None] + place] * weight
    bins = (boxes.shape[0], size[0], sampling_ratio, size[1], sampling_ratio, values.shape[1])
    return total.reshape(bins).mean((2, 4)).permute(0, 3, 1, 2)
''',
)

_ROI_ALIGN_ONE = Support(
    "single_scale_roi_align",
    '''\
def single_scale_roi_align(
    x: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Tensor:
    """The means of bilinear samples in the bins of regions (image, x1, y1, x2, y2)."""
    level = torch.zeros_like(boxes[:, 0], dtype=torch.long)
    scale = torch.full_like(boxes[:, 0], spatial_scale)
    return roi_align([x], level, boxes, scale, size, sampling_ratio, aligned)
''',
    needs=(_ROI_ALIGN,),
)

_ROI_ALIGN_MANY = Support(
    "multi_scale_roi_align",
    '''\
def multi_scale_roi_align(
    levels: list[Tensor],
    boxes: Tensor,
    size: tuple[int, int],
    stride: int = 4,
    sampling_ratio: int = 2,
) -> Tensor:
    """The means of samples in the bins of regions: large regions are taken from coarse levels."""
    area = (boxes[:, 3:] - boxes[:, 1:3]).clamp(min=0).prod(1)
    level = (4 + torch.log2(area.sqrt() / 224) + 1e-6).floor() - (stride.bit_length() - 1)
    level = level.clamp(0, len(levels) - 1).long()
    scale = 1 / (stride * 2**level).to(boxes.dtype)
    return roi_align(levels, level, boxes, scale, size, sampling_ratio)
''',
    needs=(_ROI_ALIGN,),
)


def _pooled(
    operator: Operator, x: TensorType, boxes: TensorType | None, size: Positive2, number: int = 1
) -> TensorType:
    """Return the output's type: `number` is the place of the regions among the inputs."""
    check_rank(operator, x, "N, C, H, W")
    check_dtype(operator, x, "float")
    if boxes is None:
        raise Refusal("E0205", f"{name_of(operator)} needs boxes, the regions")
    check_rank(operator, boxes, "R, 5", input=number)
    check_dtype(operator, boxes, "float", input=number)
    check_equal(operator, "size of a region", boxes.shape[1], 5, input=number)
    return TensorType("float", (boxes.shape[0], x.shape[1], *spread(size, 2)))


class RoIPool(Operator):
    """The maximum of each of `size` bins of each region: Fast R-CNN's.

    `[N, C, H, W]` and regions `[R, 5]` → `[R, C, *size]`. `spatial_scale` is the map's size over
    the image's; scaled corners are rounded to whole elements, and bins may share elements. A bin
    outside the map gives 0. Girshick 2015, arXiv:1504.08083.
    """

    family = "region"
    torch_name = ""
    size: Positive2
    spatial_scale: PositiveFloat = 1.0

    def infer(self, input: TensorType, boxes: TensorType) -> TensorType:
        return _pooled(self, input, boxes, self.size)

    def flops(self, input: TensorType, boxes: TensorType) -> Mapping[FlopClass, Size]:
        return {"pool": boxes.shape[0] * input.shape[1] * input.shape[2] * input.shape[3]}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_ROI_POOL,)

    def functional(self, *inputs: TensorType) -> Code | None:
        size = Arg(Seq(spread(self.size, 2)))
        scale = Arg(self.spatial_scale, "spatial_scale", 1.0)
        return Call("roi_pool", (Arg(In(0)), Arg(In(1)), size, scale))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        inputs = (TensorType("float", (2, 3, 7, 6)), TensorType("float", (4, 5)))
        return (Example(cls(size=2), inputs), Example(cls(size=(3, 1), spatial_scale=0.5), inputs))


class RoIAlign(Operator):
    """The mean of bilinear samples in each of `size` bins of each region: Mask R-CNN's.

    `[N, C, H, W]` and regions `[R, 5]` → `[R, C, *size]`. `spatial_scale` is the map's size over
    the image's; nothing is rounded. A bin has `sampling_ratio`² samples, each of four elements;
    samples more than an element outside the map are 0. `aligned` takes an element's centre, not its
    corner, for its place. He et al. 2017, arXiv:1703.06870.
    """

    family = "region"
    torch_name = ""
    size: Positive2
    spatial_scale: PositiveFloat = 1.0
    sampling_ratio: PositiveInt = 2
    aligned: bool = False

    def infer(self, input: TensorType, boxes: TensorType) -> TensorType:
        return _pooled(self, input, boxes, self.size)

    def flops(self, input: TensorType, boxes: TensorType) -> Mapping[FlopClass, Size]:
        return {"pool": self.infer(input, boxes).numel * 4 * self.sampling_ratio**2}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_ROI_ALIGN_ONE,)

    def functional(self, *inputs: TensorType) -> Code | None:
        arguments = (
            Arg(Seq(spread(self.size, 2))),
            Arg(self.spatial_scale, "spatial_scale", 1.0),
            Arg(self.sampling_ratio, "sampling_ratio", 2),
            Arg(self.aligned, "aligned", False),
        )
        return Call("single_scale_roi_align", (Arg(In(0)), Arg(In(1)), *arguments))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        inputs = (TensorType("float", (2, 3, 7, 6)), TensorType("float", (4, 5)))
        return (
            Example(cls(size=2), inputs),
            Example(cls(size=(3, 1), spatial_scale=0.5, sampling_ratio=3, aligned=True), inputs),
        )


class MultiScaleRoIAlign(Operator):
    """`RoIAlign` on a pyramid of maps, the finest first: large regions are taken from coarse maps.

    A list of `[N, C, Hᵢ, Wᵢ]`, each half of the one before, and regions `[R, 5]`, by name →
    `[R, C, *size]`. The finest map has an element every `stride` pixels of the image, a power of
    two; a region of 224×224 pixels is taken from the map with one every 16. Lin et al. 2017,
    arXiv:1612.03144, equation 1.
    """

    family = "region"
    torch_name = ""
    input_names = ("levels", "boxes")
    variadic = True
    size: Positive2
    stride: PositiveInt = 4
    sampling_ratio: PositiveInt = 2

    def infer(self, *inputs: TensorType) -> TensorType:
        *levels, boxes = inputs
        if self.stride & (self.stride - 1):
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s stride is a power of two, not {self.stride}",
                about="stride",
            )
        if not levels:
            raise Refusal("E0202", f"{name_of(self)} takes one map or more, not none")
        for number, x in enumerate(levels):
            check_rank(self, x, "N, C, H, W", input=number)
            check_dtype(self, x, "float", input=number)
            for what, place in (("images", 0), ("channels", 1)):
                check_equal(self, what, x.shape[place], levels[0].shape[place], input=number)
        return _pooled(self, levels[0], boxes, self.size, len(levels))

    def flops(self, *inputs: TensorType) -> Mapping[FlopClass, Size]:
        return {"pool": self.infer(*inputs).numel * 4 * self.sampling_ratio**2}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_ROI_ALIGN_MANY,)

    def functional(self, *inputs: TensorType) -> Code | None:
        last = len(inputs) - 1
        levels: Code = Seq(tuple(In(number) for number in range(last)), brackets=True)
        arguments = (
            Arg(Seq(spread(self.size, 2))),
            Arg(self.stride, "stride", 4),
            Arg(self.sampling_ratio, "sampling_ratio", 2),
        )
        return Call("multi_scale_roi_align", (Arg(levels), Arg(In(last)), *arguments))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        levels = tuple(TensorType("float", (2, 3, n + 1, n)) for n in (12, 6, 3))
        boxes = TensorType("float", (4, 5))
        return (
            Example(cls(size=2), (*levels, boxes)),
            Example(cls(size=(3, 1), stride=8, sampling_ratio=3), (levels[0], boxes)),
        )
