"""Attention: values averaged by how well their keys fit a query."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType, Weight
from addnn_spec.ops.checks import (
    check_divisible,
    check_dtype,
    check_equal,
    check_min_rank,
    check_rank,
    name_of,
)
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke, Support
from addnn_spec.ops.fields import PositiveFloat, PositiveInt, Probability
from addnn_spec.ops.init import Init
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size

CAUSAL_MASK = Support(
    "causal_mask",
    '''\
def causal_mask(query: Tensor, key: Tensor) -> Tensor:
    """True where a query must not look, at the keys after it: `[L, S]`."""
    ones = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool, device=query.device)
    return ones.triu(1)
''',
)

ATTENTION = Support(
    "ScaledDotProductAttention",
    '''\
class ScaledDotProductAttention(nn.Module):
    """Scaled dot-product attention as a layer; dropout acts in training only."""

    def __init__(
        self,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        super().__init__()
        self.dropout_p = dropout_p
        self.is_causal = is_causal
        self.scale = scale
        self.enable_gqa = enable_gqa

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
    ) -> Tensor:
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attn_mask,
            dropout_p=self.dropout_p if self.training else 0.0,
            is_causal=self.is_causal,
            scale=self.scale,
            enable_gqa=self.enable_gqa,
        )
''',
)


class MultiheadAttention(Initialized):
    """Multi-head attention. query `[N, L, E]`, key `[N, S, K]`, value `[N, S, V]` → `[N, L, E]`.

    `softmax(q kᵀ / sqrt(E / num_heads)) v` in each head, after and before linear maps. The second
    output is the weights, `[N, L, S]`, averaged over the heads, or `[N, num_heads, L, S]` with
    `average_attn_weights = false`. Masks are true, or −∞, where not to look: `key_padding_mask`
    `[N, S]`; `attn_mask` `[L, S]` or `[N · num_heads, L, S]`. `is_causal = true` makes its own: no
    query sees later keys. `add_bias_kv` and `add_zero_attn` each add one to `S`.
    MACs: `N·(2·L·E² + S·E·(K + V) + 2·L·S·E)`. Vaswani et al., 2017, arXiv:1706.03762.
    """

    family = "attention"
    deep = 2
    inferred_names = ("embed_dim", "kdim", "vdim")
    output_names = ("output", "weights")
    stateful = True
    unused_outputs: ClassVar[Mapping[int, Arg]] = {
        1: Arg(value=False, name="need_weights", default=True)
    }
    hidden_fields = (*Initialized.hidden_fields, "is_causal", "average_attn_weights")
    keyword_only = (*Initialized.keyword_only, "is_causal", "average_attn_weights")

    num_heads: PositiveInt
    dropout: Probability = 0.0
    bias: bool = True
    add_bias_kv: bool = False
    add_zero_attn: bool = False
    is_causal: bool = False
    average_attn_weights: bool = True

    @property
    def _extra_keys(self) -> int:
        return self.add_bias_kv + self.add_zero_attn

    def infer(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        key_padding_mask: TensorType | None = None,
        attn_mask: TensorType | None = None,
    ) -> tuple[TensorType, TensorType]:
        for index, (x, layout) in enumerate(
            zip((query, key, value), ("N, L, E", "N, S, K", "N, S, V"), strict=True)
        ):
            check_rank(self, x, layout, input=index)
            check_dtype(self, x, "float", input=index)
            check_equal(self, "batch size", x.shape[0], query.shape[0], input=index)
        check_equal(self, "number of values", value.shape[1], key.shape[1], input=2)
        check_divisible(self, "width", query.shape[2], self.num_heads, "num_heads")
        self._check_masks(query, key, key_padding_mask, attn_mask)
        self.check_options(query, key, value)
        batch, length, _ = query.shape
        keys = key.shape[1] + self._extra_keys
        heads = () if self.average_attn_weights else (self.num_heads,)
        return query, query.with_shape(batch, *heads, length, keys)

    def _check_masks(
        self,
        query: TensorType,
        key: TensorType,
        padding: TensorType | None,
        mask: TensorType | None,
    ) -> None:
        batch, length, _ = query.shape
        each = (batch * self.num_heads, length, key.shape[1])
        if padding is not None:
            check_mask(self, padding, [(batch, key.shape[1])], 3)
        if mask is None:
            return
        if self.is_causal:
            raise Refusal(
                "E0201",
                f"{name_of(self)} makes its own mask with is_causal: give that or attn_mask",
                about="is_causal",
                input=4,
            )
        check_mask(self, mask, [each[1:], each], 4)
        if padding is not None and padding.dtype != mask.dtype:
            raise Refusal(
                "E0307",
                f"{name_of(self)}'s masks must be of one type, not {padding.dtype} and "
                f"{mask.dtype}",
                input=4,
            )

    def inferred(
        self, query: TensorType, key: TensorType, value: TensorType, *rest: TensorType | None
    ) -> Mapping[str, Size]:
        return {
            "embed_dim": query.shape[-1],
            "kdim": key.shape[-1],
            "vdim": value.shape[-1],
        }

    def unusual(self, query: TensorType, *rest: TensorType | None) -> int:
        width = query.shape[-1]
        return int(self.num_heads == width) + (self.dropout == 1)

    def weights(
        self, query: TensorType, key: TensorType, value: TensorType, *rest: TensorType | None
    ) -> Mapping[str, Weight]:
        width, keys, values = self.inferred(query, key, value).values()
        found: dict[str, Weight] = {}
        # torch packs the three projections into one matrix where their widths are equal.
        if width == keys == values:
            found["in_proj_weight"] = Weight((3 * width, width))
        else:
            for name, size in zip("qkv", (width, keys, values), strict=True):
                found[f"{name}_proj_weight"] = Weight((width, size))
        if self.bias:
            found["in_proj_bias"] = Weight((3 * width,))
        if self.add_bias_kv:
            found["bias_k"] = found["bias_v"] = Weight((1, 1, width))
        found["out_proj.weight"] = Weight((width, width))
        if self.bias:
            found["out_proj.bias"] = Weight((width,))
        return found

    def macs(
        self, query: TensorType, key: TensorType, value: TensorType, *rest: TensorType | None
    ) -> Size:
        batch, length, width = query.shape
        _, keys, key_size = key.shape
        outer = 2 * length * width * width
        inner = keys * width * (key_size + value.shape[-1])
        return batch * (outer + inner + 2 * length * (keys + self._extra_keys) * width)

    def flops(
        self, query: TensorType, key: TensorType, *rest: TensorType | None
    ) -> Mapping[FlopClass, Size]:
        """Count the softmax: one for each weight."""
        keys = key.shape[1] + self._extra_keys
        return {"elementwise": query.shape[0] * self.num_heads * query.shape[1] * keys}

    @property
    def support(self) -> tuple[Support, ...]:
        return (CAUSAL_MASK,) if self.is_causal else ()

    def constructor(
        self, query: TensorType, key: TensorType, value: TensorType, *rest: TensorType | None
    ) -> Call:
        width, keys, values = self.inferred(query, key, value).values()
        return Call(
            "nn.MultiheadAttention",
            (
                Arg(width),
                Arg(self.num_heads),
                Arg(self.dropout, "dropout", 0.0),
                Arg(self.bias, "bias", True),
                Arg(self.add_bias_kv, "add_bias_kv", False),
                Arg(self.add_zero_attn, "add_zero_attn", False),
                Arg(None if keys == width else keys, "kdim", None),
                Arg(None if values == width else values, "vdim", None),
                Arg(value=True, name="batch_first", default=False),
            ),
        )

    def call(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        key_padding_mask: TensorType | None = None,
        attn_mask: TensorType | None = None,
    ) -> Code:
        args = [Arg(In(index)) for index in range(3)]
        masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
        for index, (name, mask) in enumerate(masks.items(), 3):
            if mask is not None:
                args.append(Arg(In(index), name, None))
        if self.is_causal:
            args.append(Arg(Call("causal_mask", (Arg(In(0)), Arg(In(1)))), "attn_mask", None))
            # With keys of its own torch would drop the mask for another one: no hint then.
            args.append(Arg(not self._extra_keys, "is_causal", False))
        args.append(Arg(self.average_attn_weights, "average_attn_weights", True))
        return Invoke(tuple(args))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, memory = TensorType("float", (2, 5, 8)), TensorType("float", (2, 7, 6))
        values = TensorType("float", (2, 7, 3))
        masks = TensorType("float", (2, 5)), TensorType("float", (8, 5, 5))
        return (
            Example(cls(num_heads=4), (x, x, x, None, None)),
            Example(cls(num_heads=2, is_causal=True, bias=False), (x, x, x, None, None)),
            Example(
                cls(num_heads=2, average_attn_weights=False, weight_init=Init("xavier_uniform")),
                (x, memory, values, None, TensorType("float", (5, 7))),
            ),
            Example(cls(num_heads=4, dropout=0.1), (x, x, x, *masks)),
            Example(
                cls(num_heads=2, add_bias_kv=True, add_zero_attn=True, is_causal=True),
                (x, x, x, None, None),
            ),
        )


def check_mask(
    operator: Operator, mask: TensorType, shapes: Sequence[tuple[Size, ...]], index: int
) -> None:
    """Check that a mask of the attention's weights has one of these shapes."""
    check_dtype(operator, mask, "bool", "float", input=index)
    if mask.shape not in shapes:
        wanted = " or ".join(str(TensorType("bool", shape)) for shape in shapes)
        raise Refusal(
            "E0303",
            f"{name_of(operator)}'s {operator.input_names[index]} is {mask}, where {wanted} is "
            "needed",
            input=index,
        )


class ScaledDotProductAttention(Operator):
    """Attention without weights of its own.

    query `[*, L, E]`, key `[*, S, E]`, value `[*, S, V]` → `[*, L, V]`: `softmax(scale·q kᵀ) v`;
    `scale` is `1 / sqrt(E)` if none is given. `attn_mask` is broadcast to `[*, L, S]`: a float one
    is added, a boolean one is true where to look. `is_causal = true`: no query sees later keys.
    `enable_gqa` lets a whole number of query heads, at dimension −3, share a key head.
    MACs: `*·L·S·(E + V)`. Vaswani et al., 2017, arXiv:1706.03762.
    """

    family = "attention"
    torch_name = "ScaledDotProductAttention"

    dropout_p: Probability = 0.0
    is_causal: bool = False
    scale: PositiveFloat | None = None
    enable_gqa: bool = False

    def infer(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        attn_mask: TensorType | None = None,
    ) -> TensorType:
        for index, x in enumerate((query, key, value)):
            check_min_rank(self, x, 4 if self.enable_gqa else 2, input=index)
            check_dtype(self, x, "float", input=index)
        check_equal(self, "number of values", value.shape[-2], key.shape[-2], input=2)
        check_equal(self, "key width", key.shape[-1], query.shape[-1], input=1)
        for index, x in ((1, key), (2, value)):
            self._check_leading(query, x, index)
        if attn_mask is not None:
            self._check_mask(attn_mask, (*query.shape[:-1], key.shape[-2]))
        return query.with_shape(*query.shape[:-1], value.shape[-1])

    def _check_leading(self, query: TensorType, x: TensorType, index: int) -> None:
        """Check that the dimensions before the last two are the query's, but for shared heads."""
        wanted, given = list(query.shape[:-2]), list(x.shape[:-2])
        if self.enable_gqa and len(wanted) == len(given):
            # The heads stand right before the last two dimensions.
            heads, shared = wanted.pop(), given.pop()
            if not (isinstance(heads, int) and isinstance(shared, int)) or heads % shared:
                raise Refusal(
                    "E0305",
                    f"{name_of(self)}'s {heads} query heads cannot share {shared} heads evenly",
                    about="enable_gqa",
                    input=index,
                )
        if wanted != given:
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s {self.input_names[index]} is {x}, which does not fit its "
                f"query, {query}",
                input=index,
            )

    def _check_mask(self, mask: TensorType, shape: tuple[Size, ...]) -> None:
        check_dtype(self, mask, "bool", "float", input=3)
        if self.is_causal:
            raise Refusal(
                "E0201",
                f"{name_of(self)} makes its own mask with is_causal: give that or attn_mask",
                about="is_causal",
                input=3,
            )
        check_min_rank(self, mask, 2, input=3)
        ends = zip(reversed(mask.shape), reversed(shape), strict=False)
        if mask.rank > len(shape) or any(size not in (1, wanted) for size, wanted in ends):
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s attn_mask is {mask}, which does not broadcast to "
                f"{TensorType('bool', shape)}",
                input=3,
            )

    def macs(
        self, query: TensorType, key: TensorType, value: TensorType, *rest: TensorType | None
    ) -> Size:
        each = key.shape[-2] * (query.shape[-1] + value.shape[-1])
        return query.with_shape(*query.shape[:-1]).numel * each

    def flops(
        self, query: TensorType, key: TensorType, *rest: TensorType | None
    ) -> Mapping[FlopClass, Size]:
        """Count the softmax: one for each weight."""
        return {"elementwise": query.with_shape(*query.shape[:-1]).numel * key.shape[-2]}

    @property
    def support(self) -> tuple[Support, ...]:
        return (ATTENTION,)

    def functional(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        attn_mask: TensorType | None = None,
    ) -> Code | None:
        # A function would need `self.training`: with dropout it is a module.
        if self.dropout_p:
            return None
        masked = attn_mask is not None
        return Call(
            "F.scaled_dot_product_attention",
            (
                *(Arg(In(index)) for index in range(3)),
                Arg(In(3) if masked else None, "attn_mask", None),
                Arg(self.is_causal, "is_causal", False),
                Arg(self.scale, "scale", None),
                Arg(self.enable_gqa, "enable_gqa", False),
            ),
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        query, key = TensorType("float", (2, 4, 5, 8)), TensorType("float", (2, 4, 7, 8))
        value, shared = TensorType("float", (2, 4, 7, 6)), TensorType("float", (2, 2, 7, 8))
        torch_name = "F.scaled_dot_product_attention"
        return (
            Example(cls(), (query, key, value, None), torch_name),
            Example(cls(), (query, key, value, TensorType("float", (2, 1, 1, 7))), torch_name),
            Example(cls(is_causal=True, scale=0.5), (query, query, query, None)),
            Example(cls(dropout_p=0.1), (query, key, value, None)),
            Example(cls(enable_gqa=True), (query, shared, shared, None)),
        )
