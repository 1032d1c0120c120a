"""Emitted sequence networks beside the same networks of torch and other libraries.

Run `python -m tests.benchmarks.bench_sequences`, or `make bench`. A ratio is of medians of CPU
seconds, passes of both in turn, one thread; the goal stands where torch or torchvision has the
module. Both have the same weights, and the same outputs, which is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from statistics import median
from time import process_time
from typing import Any, cast

import torch
from torch import Tensor, nn

from addnn_spec import Network, load
from addnn_spec.backends.torch_code import emit
from tests import oracles
from tests.benchmarks.bench_compiler import Figure
from tests.support import graph_of
from tests.zoo.prove import build, tensors
from tests.zoo.references import REFERENCES

PAIRS = 15
GOAL = 1.05

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Contest:
    """An emitted network and another implementation of it.

    Attributes:
        text: the emitted source.
        name: of the network in it.
        theirs: makes the other implementation.
        inputs: what both are called with.
        weights: from the other's state dict to ours.
        call: calls the other.
        goal: the largest ratio; None where the other is not torch's.
    """

    text: str
    name: str
    theirs: Callable[[], nn.Module]
    inputs: tuple[Tensor, ...]
    weights: Callable[[Weights], Weights] = dict
    call: Callable[..., Any] = field(default=lambda module, *inputs: module(*inputs))
    goal: float | None = GOAL


def one_layer(layer: str, theirs: Callable[[], nn.Module], call: Any = None) -> Contest:
    """A layer of torch's alone, over 8 sequences of 50 steps, 256 wide."""
    text = f"network Net {{\n  input x: float[N, T, 256]\n  {layer}\n  output y\n}}"
    x = torch.randn(8, 50, 256)
    how = {} if call is None else {"call": call}
    return Contest(emit(graph_of(text)).text, "Net", theirs, (x,), _in_layer, **how)


def _in_layer(weights: Weights) -> Weights:
    return {f"layer.{key}": value for key, value in weights.items()}


def _packaged(name: str, theirs: Callable[[], nn.Module], *inputs: Tensor, **how: Any) -> Contest:
    network: Network = load(name)
    return Contest(emit(network.graph).text, name, theirs, inputs, **how)


def _words(below: int, *shape: int) -> Tensor:
    return torch.randint(below, shape)


def _transformers(config: str, model: str) -> nn.Module:
    oracles.torchvision()  # transformers imports it
    transformers = import_module("transformers")
    return cast(nn.Module, getattr(transformers, model)(getattr(transformers, config)()))


def _bert_states(module: nn.Module, words: Tensor, segments: Tensor, mask: Tensor) -> Any:
    found = module(input_ids=words, token_type_ids=segments, attention_mask=mask)
    return found.last_hidden_state, found.pooler_output


def contests() -> Iterator[tuple[str, Callable[[], Contest]]]:
    """What is compared, made when it is its turn."""
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        rest = "_, _" if kind is nn.LSTM else "_"
        yield (
            f"{kind.__name__} / torch's",
            partial(
                one_layer,
                f"y, {rest} = x -> layer: {kind.__name__}(256, 2, bidirectional = true)",
                partial(kind, 256, 256, 2, batch_first=True, bidirectional=True),
                lambda module, x: module(x)[0],
            ),
        )
    yield (
        "MultiheadAttention / torch's",
        partial(
            one_layer,
            "y, _ = (x, x, x) -> layer: MultiheadAttention(8)",
            partial(nn.MultiheadAttention, 256, 8, batch_first=True),
            lambda module, x: module(x, x, x, need_weights=False)[0],
        ),
    )
    yield (
        "TransformerEncoderLayer / torch's",
        partial(
            one_layer,
            "y = x -> layer: TransformerEncoderLayer(8)",
            partial(nn.TransformerEncoderLayer, 256, 8, batch_first=True),
        ),
    )
    sizes = (_words(37000, 1, 32), _words(37000, 1, 32))
    translation = REFERENCES["Transformer"].full
    assert translation is not None
    yield (
        "Transformer / torch's nn.Transformer",
        partial(_packaged, "Transformer", translation, *sizes),
    )
    yield (
        "ViT_B_16 / torchvision's",
        partial(
            _packaged, "ViT_B_16", oracles.torchvision().models.vit_b_16, torch.rand(1, 3, 224, 224)
        ),
    )
    yield (
        "GPT2 / transformers'",
        partial(
            _packaged,
            "GPT2",
            partial(_transformers, "GPT2Config", "GPT2LMHeadModel"),
            _words(50257, 1, 64),
            weights=REFERENCES["GPT2"].weights,
            call=lambda module, words: module(words, use_cache=False).logits,
            goal=None,
        ),
    )
    words, segments = _words(30522, 1, 64), _words(2, 1, 64)
    yield (
        "BERT / transformers'",
        partial(
            _packaged,
            "BERT",
            partial(_transformers, "BertConfig", "BertModel"),
            *(words, segments, torch.ones(1, 64, dtype=torch.bool)),
            call=_bert_states,
            goal=None,
        ),
    )


def measured(name: str, contest: Contest) -> Iterator[Figure]:
    """In evaluation, and of a step of training: forwards and backwards."""
    torch.manual_seed(0)
    theirs = contest.theirs().eval()
    weights = contest.weights({key: value.clone() for key, value in theirs.state_dict().items()})
    ours = build(contest.text, contest.name, weights)
    runs = {
        "ours": partial(ours, *contest.inputs),
        "theirs": partial(contest.call, theirs, *contest.inputs),
    }
    with torch.inference_mode():
        outputs = [tensors(run()) for run in runs.values()]
        for one, other in zip(*outputs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
        yield Figure(f"{name}, evaluation", _ratio(runs), "", contest.goal)
    ours.train()
    theirs.train()
    steps = {key: partial(_step, run) for key, run in runs.items()}
    yield Figure(f"{name}, training", _ratio(steps), "", contest.goal)


def _step(run: Callable[[], Any]) -> None:
    torch.autograd.backward([out.square().mean() for out in tensors(run())])


def _ratio(runs: Mapping[str, Callable[[], Any]]) -> float:
    """Of the medians of both, run in turn after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(PAIRS + 1):
        for name, run in runs.items():
            start = process_time()
            run()
            times[name].append(process_time() - start)
    return median(times["ours"][1:]) / median(times["theirs"][1:])


def figures() -> Iterator[Figure]:
    """All ratios, measured as they are asked for."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, make in contests():
        yield from measured(name, make())


def main() -> None:
    """Print all ratios; what misses its goal says so."""
    for figure in figures():
        print(figure, flush=True)


if __name__ == "__main__":
    main()
