"""The transformer's layers as torch has them whole: attention, feed-forward, norms, residuals."""

from collections.abc import Mapping
from typing import Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.attention import CAUSAL_MASK, MultiheadAttention, check_mask
from addnn_spec.ops.base import Example, FlopClass, TensorType, Weight
from addnn_spec.ops.checks import check_divisible, check_dtype, check_equal, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke, Support
from addnn_spec.ops.fields import NonNegativeFloat, PositiveInt, Probability
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size


class _Layer(Initialized):
    """What the encoder's and the decoder's layer share."""

    family = "transformer"
    inferred_names = ("d_model",)
    stateful = True
    hidden_fields = (*Initialized.hidden_fields, "is_causal")
    keyword_only = (*Initialized.keyword_only, "is_causal")

    nhead: PositiveInt
    dim_feedforward: PositiveInt = 2048
    dropout: Probability = 0.1
    activation: Literal["relu", "gelu"] = "relu"
    layer_norm_eps: NonNegativeFloat = 1e-5
    norm_first: bool = False
    bias: bool = True
    is_causal: bool = False

    def inferred(self, x: TensorType, *rest: TensorType | None) -> Mapping[str, Size]:
        return {"d_model": x.shape[-1]}

    def unusual(self, x: TensorType, *rest: TensorType | None) -> int:
        width = x.shape[-1]
        narrow = isinstance(width, int) and self.dim_feedforward < width
        return int(self.nhead == width) + narrow

    def constructor(self, *inputs: TensorType | None) -> Call:
        made = super().constructor(*inputs)
        assert made is not None
        return Call(made.fn, (*made.args, Arg(value=True, name="batch_first", default=False)))

    @property
    def support(self) -> tuple[Support, ...]:
        return (CAUSAL_MASK,) if self.is_causal else ()

    def check_sequence(self, x: TensorType, index: int) -> None:
        check_rank(self, x, "N, L, E", input=index)
        check_dtype(self, x, "float", input=index)

    def check_masks(
        self,
        x: TensorType,
        keys: TensorType,
        kind: str,
        mask: TensorType | None,
        pad: TensorType | None,
    ) -> None:
        """Check the masks of one kind ("src", "tgt", "memory"), over the given keys."""
        own, padding = f"{kind}_mask", f"{kind}_key_padding_mask"
        lengths = x.shape[1], keys.shape[1]
        if pad is not None:
            wanted = [(x.shape[0], lengths[1])]
            check_mask(self, pad, wanted, self.input_names.index(padding))
        if mask is not None:
            index = self.input_names.index(own)
            check_mask(self, mask, [lengths, (x.shape[0] * self.nhead, *lengths)], index)
            if pad is not None and pad.dtype != mask.dtype:
                raise Refusal(
                    "E0307",
                    f"{name_of(self)}'s {padding} and {own} must be of one type, not {pad.dtype} "
                    f"and {mask.dtype}",
                    input=index,
                )

    def check_causal(self, mask: TensorType | None, index: int) -> None:
        if self.is_causal and mask is not None:
            raise Refusal(
                "E0201",
                f"{name_of(self)} makes its own mask with is_causal: give that or "
                f"{self.input_names[index]}",
                about="is_causal",
                input=index,
            )

    def attention(self) -> MultiheadAttention:
        """One of the layer's attentions, for its weights and costs."""
        return MultiheadAttention(num_heads=self.nhead, bias=self.bias)

    def layer_weights(self, x: TensorType, attentions: tuple[str, ...]) -> dict[str, Weight]:
        width, hidden = x.shape[-1], self.dim_feedforward
        found = {
            f"{name}.{part}": weight
            for name in attentions
            for part, weight in self.attention().weights(x, x, x).items()
        }
        rows = {"linear1": (hidden, width), "linear2": (width, hidden)}
        shapes: dict[str, tuple[Size, ...]] = dict(rows)
        shapes |= {f"norm{number + 1}": (width,) for number in range(len(attentions) + 1)}
        for name, shape in shapes.items():
            found[f"{name}.weight"] = Weight(shape)
            if self.bias:
                found[f"{name}.bias"] = Weight(shape[:1])
        return found

    def layer_flops(self, x: TensorType, keys: tuple[TensorType, ...]) -> Mapping[FlopClass, Size]:
        """Softmaxes, residual sums and the activation; the norms."""
        hidden = x.shape[0] * x.shape[1] * self.dim_feedforward
        count: Size = x.numel * (len(keys) + 1) + hidden
        for memory in keys:
            count = count + self.attention().flops(x, memory, memory)["elementwise"]
        return {"elementwise": count, "norm": 2 * x.numel * (len(keys) + 1)}

    def layer_macs(self, x: TensorType, keys: tuple[TensorType, ...]) -> Size:
        total: Size = 2 * x.numel * self.dim_feedforward
        for memory in keys:
            total = total + self.attention().macs(x, memory, memory)
        return total

    def layer_call(self, mask: str, hint: str, *masks: TensorType | None) -> Code:
        """Return the call with the masks by their names, and with the causal mask."""
        required = len(self.input_names) - len(masks)
        args = [Arg(In(index)) for index in range(required)]
        names = self.input_names[required:]
        for index, (name, given) in enumerate(zip(names, masks, strict=True), required):
            if given is not None:
                args.append(Arg(In(index), name, None))
        if self.is_causal:
            args.append(Arg(Call("causal_mask", (Arg(In(0)), Arg(In(0)))), mask, None))
            args.append(Arg(value=True, name=hint, default=False))
        return Invoke(tuple(args))


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward net, each with a residual and a norm. `[N, L, E]` → same.

    `x = norm1(x + attention(x))`, `x = norm2(x + linear2(act(linear1(x))))`; with `norm_first` the
    norms stand before. Masks are true, or −∞, where not to look: `src_mask` `[L, L]`,
    `src_key_padding_mask` `[N, L]`; `is_causal = true` makes its own: none sees what follows.
    MACs: attention's, and `2·N·L·E·dim_feedforward`. Vaswani et al., 2017, arXiv:1706.03762.
    """

    deep = 4

    def infer(
        self,
        src: TensorType,
        src_mask: TensorType | None = None,
        src_key_padding_mask: TensorType | None = None,
    ) -> TensorType:
        self.check_sequence(src, 0)
        check_divisible(self, "width", src.shape[-1], self.nhead, "nhead")
        self.check_causal(src_mask, 1)
        self.check_masks(src, src, "src", src_mask, src_key_padding_mask)
        self.check_options(src)
        return src

    def weights(self, src: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        return self.layer_weights(src, ("self_attn",))

    def macs(self, src: TensorType, *rest: TensorType | None) -> Size:
        return self.layer_macs(src, (src,))

    def flops(self, src: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        return self.layer_flops(src, (src,))

    def call(
        self,
        src: TensorType,
        src_mask: TensorType | None = None,
        src_key_padding_mask: TensorType | None = None,
    ) -> Code:
        return self.layer_call("src_mask", "is_causal", src_mask, src_key_padding_mask)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 5, 8))
        return (
            Example(cls(nhead=2, dim_feedforward=16), (x, None, None)),
            Example(cls(nhead=4, dim_feedforward=16, is_causal=True, bias=False), (x, None, None)),
            Example(
                cls(nhead=2, dim_feedforward=16, norm_first=True, activation="gelu"),
                (x, TensorType("float", (5, 5)), TensorType("float", (2, 5))),
            ),
        )


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to a memory, and a feed-forward net. `[N, L, E]` → the same.

    Each has a residual and a norm, as in the encoder's layer; memory is `[N, S, E]`. Masks are
    true, or −∞, where not to look: `tgt_mask` `[L, L]`, `memory_mask` `[L, S]`,
    `tgt_key_padding_mask` `[N, L]`, `memory_key_padding_mask` `[N, S]`; `is_causal = true` makes
    the first: none sees what follows. MACs: both attentions', and `2·N·L·E·dim_feedforward`.
    Vaswani et al., 2017, arXiv:1706.03762.
    """

    deep = 6

    def infer(
        self,
        tgt: TensorType,
        memory: TensorType,
        tgt_mask: TensorType | None = None,
        memory_mask: TensorType | None = None,
        tgt_key_padding_mask: TensorType | None = None,
        memory_key_padding_mask: TensorType | None = None,
    ) -> TensorType:
        self.check_sequence(tgt, 0)
        self.check_sequence(memory, 1)
        check_equal(self, "memory's batch size", memory.shape[0], tgt.shape[0], input=1)
        check_equal(self, "memory's width", memory.shape[2], tgt.shape[2], input=1)
        check_divisible(self, "width", tgt.shape[-1], self.nhead, "nhead")
        self.check_causal(tgt_mask, 2)
        self.check_masks(tgt, tgt, "tgt", tgt_mask, tgt_key_padding_mask)
        self.check_masks(tgt, memory, "memory", memory_mask, memory_key_padding_mask)
        self.check_options(tgt)
        return tgt

    def weights(self, tgt: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        return self.layer_weights(tgt, ("self_attn", "multihead_attn"))

    def macs(self, tgt: TensorType, memory: TensorType, *rest: TensorType | None) -> Size:
        return self.layer_macs(tgt, (tgt, memory))

    def flops(
        self, tgt: TensorType, memory: TensorType, *rest: TensorType | None
    ) -> Mapping[FlopClass, Size]:
        return self.layer_flops(tgt, (tgt, memory))

    def call(
        self,
        tgt: TensorType,
        memory: TensorType,
        tgt_mask: TensorType | None = None,
        memory_mask: TensorType | None = None,
        tgt_key_padding_mask: TensorType | None = None,
        memory_key_padding_mask: TensorType | None = None,
    ) -> Code:
        return self.layer_call(
            "tgt_mask",
            "tgt_is_causal",
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, memory = TensorType("float", (2, 5, 8)), TensorType("float", (2, 7, 8))
        none = (None,) * 4
        return (
            Example(cls(nhead=2, dim_feedforward=16, is_causal=True), (x, memory, *none)),
            Example(
                cls(nhead=4, dim_feedforward=16, bias=False, norm_first=True),
                (x, memory, None, TensorType("float", (5, 7)), TensorType("float", (2, 5)), None),
            ),
        )
