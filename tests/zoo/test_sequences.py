"""The recurrent cells, the attentions and their networks by their equations, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.zoo.emitted import Parameters, assert_equations, emitted, emitted_text, random, words

SMALL = {"vocabulary": 7, "width": 4, "hidden": 3, "classes": 5}
TRANSLATION = {"source": 7, "target": 6, "width": 4, "hidden": 3}


def scanned(w: Parameters, prefix: str, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """The textbook's GRU over `[N, T, in]`: all states, and the last."""
    states = []
    for t in range(x.shape[1]):
        h = gru(w, prefix, x[:, t], h)
        states.append(h)
    return torch.stack(states, 1), h


def gru(w: Parameters, prefix: str, x: Tensor, h: Tensor) -> Tensor:
    def linear(name: str, v: Tensor) -> Tensor:
        return v @ w[f"{prefix}.{name}.weight"].T

    z = torch.sigmoid(linear("xz", x) + linear("hz", h))
    r = torch.sigmoid(linear("xr", x) + linear("hr", h))
    n = torch.tanh(linear("xn", x) + linear("hn", r * h))
    return (1 - z) * h + z * n


def test_the_lstm_has_one_bias_a_gate() -> None:
    tokens = words(2, 6)

    def equations(w: Parameters) -> Tensor:
        u, v, b = (w[f"lstm.cell.{name}"] for name in ("ih.weight", "hh.weight", "ih.bias"))
        h = c = torch.zeros(2, 3, dtype=torch.float64)
        labels = []
        for t in range(6):
            a = w["embed.weight"][tokens[:, t]] @ u.T + h @ v.T + b
            i, f, o = (torch.sigmoid(a[:, 3 * k : 3 * k + 3]) for k in (0, 1, 3))
            c = f * c + i * torch.tanh(a[:, 6:9])
            h = o * torch.tanh(c)
            labels.append(
                h @ w["timedistributed.layer.fc.weight"].T + w["timedistributed.layer.fc.bias"]
            )
        return torch.stack(labels, 1)

    module = emitted("LSTMTagger_equations", **SMALL)
    assert sum(p.numel() for p in module.parameters()) == 7 * 4 + 4 * 3 * (4 + 3 + 1) + 5 * 4
    assert_equations(module, equations, tokens)


def test_the_gru_resets_before_the_product() -> None:
    tokens = words(2, 6)

    def equations(w: Parameters) -> Tensor:
        x = w["embed.weight"][tokens]
        states, _ = scanned(w, "gru.cell", x, torch.zeros(2, 3, dtype=torch.float64))
        return states @ w["timedistributed.layer.fc.weight"].T + w["timedistributed.layer.fc.bias"]

    assert_equations(emitted("GRUTagger_equations", **SMALL), equations, tokens)


def test_the_convolutional_lstm_has_peepholes() -> None:
    frames = random(2, 3, 1, 4, 5)

    def layer(w: Parameters, name: str, xs: list[Tensor]) -> list[Tensor]:
        def weight(part: str) -> Tensor:
            return w[f"{name}.cell.{part}"]

        h = c = torch.zeros(2, 2, 4, 5, dtype=torch.float64)
        states = []
        for x in xs:
            joined = torch.cat((x, h), 1)
            a = functional.conv2d(joined, weight("gates.weight"), weight("gates.bias"), padding=1)
            i = torch.sigmoid(a[:, 0:2] + weight("wci") * c)
            f = torch.sigmoid(a[:, 2:4] + weight("wcf") * c)
            c = f * c + i * torch.tanh(a[:, 4:6])
            o = torch.sigmoid(a[:, 6:8] + weight("wco") * c)
            h = o * torch.tanh(c)
            states.append(h)
        return states

    def equations(w: Parameters) -> Tensor:
        states = layer(w, "layer2", layer(w, "layer1", list(frames.unbind(1))))
        return torch.sigmoid(functional.conv2d(states[-1], w["head.weight"], w["head.bias"]))

    assert_equations(emitted("ConvLSTM", height=4, width=5, hidden=2), equations, frames)


def lstm(w: Parameters, prefix: str, x: Tensor, hidden: int) -> Tensor:
    """The states of torch's layer with a part of the weights."""
    layer = nn.LSTM(
        x.shape[2], hidden, batch_first=True, bidirectional=f"{prefix}.bias_hh_l0_reverse" in w
    )
    layer.double()
    for name, _ in list(layer.named_parameters()):
        delattr(layer, name)
        setattr(layer, name, w[f"{prefix}.{name}"])
    layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]
    states: Tensor = layer(x)[0]
    return states


def test_densely_connected_layers_see_all_below() -> None:
    tokens = words(2, 6)

    def equations(w: Parameters) -> Tensor:
        x = [w["embed.weight"][tokens]]
        for i in range(3):
            seen = torch.cat(x, 2)
            x.append(lstm(w, f"layers.{i}", seen, 2))
        y = lstm(w, "last", torch.cat(x, 2), 3).sum(1) / 6
        return y @ w["fc.weight"].T + w["fc.bias"]

    module = emitted("DCBiLSTM", vocabulary=7, width=4, depth=3, growth=2, last=3)
    assert_equations(module, equations, tokens)


def test_one_convolutional_network_sees_every_frame() -> None:
    frames = random(2, 3, 3, 8, 8)

    def equations(w: Parameters) -> Tensor:
        features = []
        for x in frames.unbind(1):
            for k in (1, 2, 3):
                name = f"timedistributed.layer.conv{k}"
                x = functional.relu(
                    functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)
                )
                x = functional.max_pool2d(x, 2) if k < 3 else x.mean((2, 3))
            features.append(x)
        states = lstm(w, "lstm", torch.stack(features, 1), 4)
        return states[:, -1] @ w["fc.weight"].T + w["fc.bias"]

    assert_equations(emitted("CNNLSTM", hidden=4), equations, frames)


def encoded(w: Parameters, source: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The encoder's states, its last one, and the embedded translation."""
    h = torch.zeros(len(source), 3, dtype=torch.float64)
    memory, last = scanned(w, "encoder.cell", w["embed.weight"][source], h)
    return memory, last, w["embed_target.weight"][given]


def test_translation_without_attention() -> None:
    source, given = words(2, 6), words(2, 4, below=6)

    def equations(w: Parameters) -> Tensor:
        _, h, x = encoded(w, source, given)
        return scanned(w, "decoder.cell", x, h)[0] @ w["fc.weight"].T + w["fc.bias"]

    assert_equations(emitted("Seq2Seq", **TRANSLATION), equations, source, given)


def additive(w: Parameters, name: str, query: Tensor, keys: Tensor) -> Tensor:
    """Bahdanau's e of one query for each sample: v tanh(W query + keys)."""
    return torch.tanh((query @ w[f"{name}.w.weight"].T)[:, None] + keys) @ w[f"{name}.v.weight"][0]


def test_additive_attention_looks_before_each_step() -> None:
    source, given = words(2, 6), words(2, 4, below=6)

    def equations(w: Parameters) -> Tensor:
        memory, h, x = encoded(w, source, given)
        labels = []
        for t in range(4):
            keys = memory @ w["keys.weight"].T + w["keys.bias"]
            weights = additive(w, "decoder.cell.attention.score", h, keys).softmax(1)
            context = (weights[:, :, None] * memory).sum(1)
            h = gru(w, "decoder.cell.cell", torch.cat((x[:, t], context), 1), h)
            labels.append(torch.cat((h, context), 1) @ w["fc.weight"].T + w["fc.bias"])
        return torch.stack(labels, 1)

    assert_equations(emitted("Seq2Seq_Additive", **TRANSLATION), equations, source, given)


def test_bahdanau() -> None:
    """The paper's appendix A.2: s₀ = tanh(W ←h₁), tᵢ = max of pairs of U sᵢ₋₁ + V E yᵢ₋₁ + C cᵢ."""
    source, given = words(2, 6), words(2, 4, below=6)

    def equations(w: Parameters) -> Tensor:
        ahead, _, y = encoded(w, source, given)
        zeros = torch.zeros(2, 3, dtype=torch.float64)
        x = w["embed.weight"][source].flip(1)
        back, first = scanned(w, "encoder_back.cell", x, zeros)
        memory = torch.cat((ahead, back.flip(1)), 2)
        keys = memory @ w["keys.weight"].T + w["keys.bias"]
        s = torch.tanh(first @ w["begin.weight"].T + w["begin.bias"])
        readout = w["readout.weight"]  # of s, y and c side by side
        u, v, c = readout[:, :3], readout[:, 3:7], readout[:, 7:]
        labels = []
        for t in range(4):
            weights = additive(w, "decoder.cell.attention.score", s, keys).softmax(1)
            context = (weights[:, :, None] * memory).sum(1)
            read = s @ u.T + y[:, t] @ v.T + context @ c.T + w["readout.bias"]
            most = torch.maximum(read[:, 0::2], read[:, 1::2])
            labels.append(most @ w["fc.weight"].T + w["fc.bias"])
            s = gru(w, "decoder.cell.cell", torch.cat((y[:, t], context), 1), s)
        return torch.stack(labels, 1)

    assert_equations(emitted("Seq2Seq_Bahdanau", **TRANSLATION), equations, source, given)


def test_an_additive_score_makes_its_own_keys() -> None:
    text = """
from "attention.net" import AdditiveScore, GlobalAttention

network Read {
  input query: float[N, L, 3]
  input memory: float[N, S, 5]
  output y = (query, memory) -> attention: GlobalAttention(AdditiveScore(4))
}
"""
    query, memory = random(2, 1, 3), random(2, 6, 5, seed=2)

    def equations(w: Parameters) -> Tensor:
        keys = memory @ w["attention.score.u.weight"].T + w["attention.score.u.bias"]
        weights = additive(w, "attention.score", query[:, 0], keys).softmax(1)
        return weights[:, None] @ memory

    assert_equations(emitted_text(text), equations, query, memory)


Read = Callable[[Parameters, int, Tensor, Tensor], Tensor]
"""What step t with its state `[N, D]` reads of the memory `[N, S, D]`."""


def luong(w: Parameters, source: Tensor, given: Tensor, read: Read) -> Tensor:
    memory, h, x = encoded(w, source, given)
    labels = []
    for t in range(x.shape[1]):
        h = gru(w, "decoder.cell", x[:, t], h)
        context = read(w, t, h, memory)
        combined = torch.tanh(torch.cat((context, h), 1) @ w["combine.weight"].T)
        labels.append(combined @ w["fc.weight"].T + w["fc.bias"])
    return torch.stack(labels, 1)


def along(window: int, general: bool = True) -> Read:
    """The places around the step's own."""

    def read(w: Parameters, t: int, h: Tensor, memory: Tensor) -> Tensor:
        query = h @ w["attention.score.w.weight"].T if general else h
        seen = memory[:, max(0, t - window) : t + window + 1]
        weights = torch.softmax((seen * query[:, None]).sum(2), 1)
        return (weights[:, :, None] * seen).sum(1)

    return read


def foretold(w: Parameters, _: int, h: Tensor, memory: Tensor) -> Tensor:
    """Luong's equations 9 and 10: a window around S · σ(vᵀ tanh(W h)), and a Gaussian in it."""
    contexts = []
    for state, places in zip(h, memory, strict=True):
        hidden = torch.tanh(w["attention.place.weight"] @ state)
        center = len(places) * torch.sigmoid(w["attention.v.weight"][0] @ hidden)
        near = [s for s in range(len(places)) if abs(s - center.item()) <= 10]
        query = w["attention.score.w.weight"] @ state
        align = torch.softmax(torch.stack([query @ places[s] for s in near]), 0)
        gauss = torch.stack([torch.exp(-((s - center) ** 2) / (2 * (10 / 2) ** 2)) for s in near])
        contexts.append((align * gauss) @ places[near])
    return torch.stack(contexts)


def drawn(noise: Tensor) -> Read:
    """One place, by Gumbel's noise `[N, T, S]`; the gradient is the relaxed choice's."""

    def read(w: Parameters, t: int, h: Tensor, memory: Tensor) -> Tensor:
        query = h @ w["attention.score.w.weight"].T
        soft = torch.softmax((memory * query[:, None]).sum(2) + noise[:, t], 1)
        one = functional.one_hot(soft.argmax(1), soft.shape[1])
        return ((one + soft - soft.detach())[:, :, None] * memory).sum(1)

    return read


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Seq2Seq_Luong", along(100)),
        ("Seq2Seq_LuongDot", along(100, general=False)),
        ("Seq2Seq_LuongLocal", along(10)),
        ("Seq2Seq_LuongPredictive", foretold),
    ],
)
def test_luong_looks_after_the_steps(name: str, read: Read) -> None:
    source, given = words(2, 26), words(2, 14, below=6)
    module = emitted(name, **TRANSLATION)
    assert_equations(module, lambda w: luong(w, source, given, read), source, given)


def test_luong_draws_the_place_where_to_look() -> None:
    source, given = words(2, 26), words(2, 14, below=6)
    module = emitted("Seq2Seq_LuongHard", **TRANSLATION)
    torch.manual_seed(3)
    noise = -torch.empty(2, 14, 26, dtype=torch.float64).exponential_().log()  # Gumbel's
    torch.manual_seed(3)  # for the module to draw the same
    in_training = partial(luong, source=source, given=given, read=drawn(noise))
    assert_equations(module.train(), in_training, source, given)
    best = luong(dict(module.named_parameters()), source, given, drawn(0 * noise))
    torch.testing.assert_close(module.eval()(source, given), best, rtol=1e-9, atol=1e-11)


HARD = """
from "attention.net" import HardAttention
network Hard {
  input query: float[N, L, 4]
  input memory: float[N, S, 4]
  output y = (query, memory) -> HardAttention(tau = 0.7)
}
"""


def test_hard_attention_draws_one_place_and_passes_the_gradient() -> None:
    query, memory = random(2, 3, 4).requires_grad_(), random(2, 5, 4, seed=2)
    module = emitted_text(HARD).train()  # in evaluation the best place is taken
    torch.manual_seed(3)
    y: Tensor = module(query, memory)
    (ours,) = torch.autograd.grad(y.sum(), query)
    torch.manual_seed(3)
    noise = -torch.empty(2, 3, 5, dtype=torch.float64).exponential_().log()  # Gumbel's
    other = query.detach().requires_grad_()
    soft = torch.softmax((other @ memory.transpose(1, 2) + noise) / 0.7, 2)
    places = soft.argmax(2)
    drawn = torch.stack([memory[n, places[n]] for n in range(2)])
    torch.testing.assert_close(y, drawn, rtol=1e-9, atol=1e-9)
    (theirs,) = torch.autograd.grad((soft @ memory).sum(), other)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


GROUPED = """
from "attention.net" import GroupedAttention
network Grouped {{
  input x: float[N, L, 8]
  output y = (x, x) -> attention: GroupedAttention(4, {options})
}}
"""


def rotated(x: Tensor) -> Tensor:
    """Pairs of features as complex numbers, turned: `[N, L, D]`."""
    length, width = x.shape[1:]
    pairs = torch.view_as_complex(x.reshape(*x.shape[:2], width // 2, 2))
    t = torch.arange(length, dtype=torch.float64)
    angles = torch.stack([t / 1e4 ** (2 * i / width) for i in range(width // 2)], 1)
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(2)


def test_heads_share_keys_and_turn_with_their_position() -> None:
    x = random(2, 5, 8)

    def equations(w: Parameters, groups: int, rotary: bool) -> Tensor:
        q, k, v, o = (w[f"attention.{name}_proj.weight"] for name in "qkvo")
        heads = []
        for head in range(4):
            shared = head // (4 // groups)
            mine, theirs = slice(2 * head, 2 * head + 2), slice(2 * shared, 2 * shared + 2)
            query, key, value = x @ q[mine].T, x @ k[theirs].T, x @ v[theirs].T
            if rotary:
                query, key = rotated(query), rotated(key)
            scores = query @ key.transpose(1, 2) / 2**0.5
            later = torch.ones(5, 5).triu(1).bool()
            heads.append(torch.softmax(scores.masked_fill(later, -torch.inf), 2) @ value)
        return torch.cat(heads, 2) @ o.T

    for groups, rotary in ((4, True), (2, True), (1, False)):
        options = f"groups = {groups}, rotary = {str(rotary).lower()}, causal = true"
        module = emitted_text(GROUPED.format(options=options))
        assert_equations(module, partial(equations, groups=groups, rotary=rotary), x)
