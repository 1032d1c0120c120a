"""A fixed batch of small real data for each network, and what it is to learn of it.

Images are scikit-learn's digits; the text is the project's own description of its language, read
character by character; the graph joins each digit with those most like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

TEXT = Path(__file__).parents[2] / "docs" / "language.md"
BATCH = 16
LENGTH = 12
"""Characters in a line."""
NODES, LIKE = 128, 5
"""Digits in the graph, and the neighbours of each."""

Inputs = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Inputs], Tensor]
Objective = Callable[[nn.Module, Inputs, int], Tensor]


@dataclass(frozen=True)
class Lesson:
    """What a network learns.

    Attributes:
        inputs: makes the batch, in the order of the network's inputs.
        loss: what is to fall; by default the network's own output `loss`.
        settings: the reduced width.
        objective: what is minimised at a step, where that is not `loss`.
        slow: takes more than two seconds.
    """

    inputs: Callable[[], Inputs]
    loss: Loss
    settings: dict[str, Any] = field(default_factory=dict)
    objective: Objective | None = None
    slow: bool = False


@cache
def digits(n: int = BATCH) -> tuple[Tensor, Tensor]:
    """The first digits: `[n, 8, 8]`, 0 or 1 (ink or none), and what they are."""
    data = load_digits()
    images = torch.tensor(data.images[:n] > 7, dtype=torch.float32)
    return images, torch.tensor(data.target[:n])


def pixels() -> Tensor:
    """`[BATCH, 64]`."""
    return digits()[0].flatten(1)


def kinds(n: int = BATCH) -> Tensor:
    """What the digits are: `[n]`."""
    return digits(n)[1]


def enlarged(size: int) -> Tensor:
    """`[BATCH, 1, size, size]`."""
    return functional.interpolate(digits()[0].unsqueeze(1), size=size, mode="bilinear")


def video(frames: int) -> Tensor:
    """Each digit as it moves to the right, a pixel a frame: `[BATCH, frames, 1, 8, 8]`."""
    image = digits()[0]
    return torch.stack([image.roll(t, -1) for t in range(frames)], 1).unsqueeze(2)


@cache
def text() -> tuple[Tensor, int]:
    """The project's text as numbers of characters, from 1 on, and how many there are with 0."""
    found = TEXT.read_text(encoding="utf-8")
    known = {character: number for number, character in enumerate(sorted(set(found)), 1)}
    return torch.tensor([known[character] for character in found]), len(known) + 1


def lines(first: int = 0) -> Tensor:
    """Pieces of the text, `[BATCH, LENGTH]`, from its `first` character on."""
    return text()[0][first : first + BATCH * LENGTH].view(BATCH, LENGTH)


VOCABULARY = text()[1]


@cache
def fenced() -> tuple[Tensor, Tensor]:
    """Lines of the text, `[BATCH, LENGTH]`, by turns of prose and of code, and which is which."""
    found: dict[bool, list[str]] = {False: [], True: []}
    code = False
    for line in TEXT.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            code = not code
        elif len(line) >= LENGTH:
            found[code].append(line[:LENGTH])
    pairs = list(zip(found[False], found[True], strict=False))[: BATCH // 2]
    words = [[min(ord(c), 127) for c in line] for pair in pairs for line in pair]
    return torch.tensor(words), torch.tensor([0, 1] * (BATCH // 2))


def own_loss(module: nn.Module, inputs: Inputs) -> Tensor:
    loss: Tensor = module(*inputs).loss
    return loss


def classified(labels: Callable[[], Tensor], module: nn.Module, inputs: Inputs) -> Tensor:
    """Cross entropy of logits `[N, …, classes]` with labels `[N, …]`."""
    return functional.cross_entropy(module(*inputs).flatten(0, -2), labels().flatten())


def following() -> Tensor:
    return lines(1)


def tagger(**settings: int) -> Lesson:
    """Which character comes next."""
    sizes = {"vocabulary": VOCABULARY, "width": 16, "hidden": 32, "classes": VOCABULARY}
    return Lesson(lambda: (lines(),), partial(classified, following), sizes | settings)


def next_line() -> Tensor:
    return lines(BATCH * LENGTH)


def translation() -> Inputs:
    """A piece of the text, and the piece after it, shifted by one."""
    return lines(), functional.pad(next_line()[:, :-1], (1, 0))


def translator(slow: bool = False) -> Lesson:
    sizes = {"source": VOCABULARY, "target": VOCABULARY, "width": 16, "hidden": 32}
    return Lesson(translation, partial(classified, next_line), sizes, slow=slow)


def masked() -> Inputs:
    """Every fifth character is hidden; a line is two sentences of half its length."""
    words = lines().clone()
    words.view(-1)[::5] = 0
    segments = (torch.arange(LENGTH) >= LENGTH // 2).long().expand(BATCH, -1)
    return words, segments, torch.ones(BATCH, LENGTH, dtype=torch.bool)


def hidden_words(module: nn.Module, inputs: Inputs) -> Tensor:
    """Which characters are hidden; the embedding, transposed, is the head."""
    states: Tensor = module(*inputs).states
    embedding = module.get_parameter("embeddings.word_embeddings.weight")
    hidden = inputs[0] == 0
    return functional.cross_entropy(states[hidden] @ embedding.T, lines()[hidden])


def next_frame(module: nn.Module, inputs: Inputs) -> Tensor:
    return functional.binary_cross_entropy(module(*inputs), video(5)[:, 4])


def reconstructed(module: nn.Module, inputs: Inputs) -> Tensor:
    return functional.binary_cross_entropy(module(*inputs).reconstruction, inputs[0])


def contrastive_divergence(module: nn.Module, inputs: Inputs, step: int) -> Tensor:
    """F(v₀) − F(v₁) of a sample by one step of Gibbs'."""
    (v,) = inputs
    with torch.no_grad():
        hidden = module(v).hidden_probability.bernoulli()
        weight, a = module.get_parameter("weight"), module.get_parameter("a")
        sample = torch.sigmoid(hidden @ weight + a).bernoulli()
    loss: Tensor = (module(v).free_energy - module(sample).free_energy).mean()
    return loss


def annealed(module: nn.Module, inputs: Inputs, step: int) -> Tensor:
    """Softmax first, then more and more of the margin, as the authors of A-Softmax do.

    With the margin from the start all codes shrink to nothing, where the loss is log(classes).
    """
    image, label = inputs
    head = module.get_submodule("head")
    code = module.get_submodule("embed")(image)
    softness = 1000 * 0.95**step
    logits = (softness * head(code) + head(code, label)) / (1 + softness)
    return functional.cross_entropy(logits, label)


def noise() -> Tensor:
    return torch.randn(BATCH, 10, 1, 1, generator=torch.Generator().manual_seed(1))


def drawn(module: nn.Module, inputs: Inputs) -> Tensor:
    """Each noise becomes one of the digits. P. Bojanowski et al., 2017, arXiv:1707.05776."""
    return functional.mse_loss(module(*inputs), 2 * enlarged(16) - 1)


def told_apart(module: nn.Module, inputs: Inputs) -> Tensor:
    """Digits from noise, half of the batch each."""
    real = (torch.arange(BATCH) < BATCH // 2).float()
    return functional.binary_cross_entropy(module(*inputs), real)


def half_noise() -> Inputs:
    image = 2 * enlarged(16) - 1
    generator = torch.Generator().manual_seed(1)
    image[BATCH // 2 :] = torch.rand(image[BATCH // 2 :].shape, generator=generator) * 2 - 1
    return (image,)


def discriminated(module: nn.Module, inputs: Inputs) -> Tensor:
    loss: Tensor = module(*inputs).discriminator_loss
    return loss


def graph() -> Inputs:
    """The digits' pixels, and for each its nearest others."""
    x = digits(NODES)[0].flatten(1)
    nearest = torch.cdist(x, x).fill_diagonal_(torch.inf).topk(LIKE, largest=False).indices
    return x, torch.zeros(NODES, NODES).scatter_(1, nearest, 1.0)


def edges() -> Inputs:
    """The same graph, its edges as a list `[2, E]` of where they begin and end."""
    x, adjacency = graph()
    return x, adjacency.nonzero().T.flip(0)


def pairs() -> Inputs:
    """Each digit beside the first of them that is of its kind or, by turns, is not."""
    image, label = enlarged(28), digits()[1]
    same = label[:, None] == label
    same.fill_diagonal_(False)
    other = torch.where(torch.arange(BATCH) % 2 == 0, same.int().argmax(1), (~same).int().argmax(1))
    return image, image[other], (label == label[other]).float()


def triplets() -> Inputs:
    image, label = enlarged(28), digits()[1]
    same = label[:, None] == label
    near = (same & ~torch.eye(BATCH, dtype=torch.bool)).int().argmax(1)
    far = torch.arange(BATCH).roll(1)
    keep = (label[near] == label) & (label[far] != label) & (near != torch.arange(BATCH))
    return image[keep], image[near[keep]], image[far[keep]]


def labelled() -> Inputs:
    return enlarged(28), digits()[1]


def of_a_graph(inputs: Callable[[], Inputs] = graph, **settings: int) -> Lesson:
    labels = partial(kinds, NODES)
    return Lesson(inputs, partial(classified, labels), {"features": 64, "classes": 10} | settings)


def metric(
    inputs: Callable[[], Inputs] = labelled,
    objective: Objective | None = None,
    slow: bool = False,
) -> Lesson:
    return Lesson(inputs, own_loss, {"width": 16, "size": 32}, objective, slow)


ENCODER = {"vocabulary": VOCABULARY, "context": LENGTH, "width": 32, "depth": 2, "heads": 4}

GAME = {"width": 8, "channels": 1, "size": 16}

LESSONS: dict[str, Lesson] = {
    "RNNTagger": tagger(),
    "LSTMTagger": tagger(),
    "GRUTagger": tagger(),
    "BiLSTMTagger": tagger(hidden=16),
    "LSTMTagger_equations": tagger(),
    "GRUTagger_equations": tagger(),
    "DCBiLSTM": Lesson(
        lambda: fenced()[:1],
        partial(classified, lambda: fenced()[1]),
        {"vocabulary": 128, "width": 16, "depth": 4, "growth": 4, "last": 8, "classes": 2},
    ),
    "ConvLSTM": Lesson(lambda: (video(4),), next_frame, {"height": 8, "width": 8, "hidden": 8}),
    "CNNLSTM": Lesson(
        lambda: (video(4),),
        partial(classified, kinds),
        {"channels": 1, "width": 4, "hidden": 32},
    ),
    "Seq2Seq": translator(),
    "Seq2Seq_Additive": translator(slow=True),
    "Seq2Seq_Bahdanau": translator(slow=True),
    "Seq2Seq_Luong": translator(slow=True),
    "Seq2Seq_LuongDot": translator(slow=True),
    "Seq2Seq_LuongLocal": translator(slow=True),
    "Seq2Seq_LuongPredictive": translator(slow=True),
    "Seq2Seq_LuongHard": translator(slow=True),
    "Seq2Seq_Tutorial": translator(slow=True),
    "Transformer": Lesson(
        translation,
        partial(classified, next_line),
        {"vocabulary": VOCABULARY, "width": 32, "heads": 4, "hidden": 64, "depth": 2},
        slow=True,
    ),
    "GPT2": Lesson(lambda: (lines(),), partial(classified, following), ENCODER),
    "BERT": Lesson(masked, hidden_words, ENCODER, slow=True),
    "ViT": Lesson(
        lambda: (digits()[0].unsqueeze(1),),
        partial(classified, kinds),
        {"patch": 2, "width": 32, "depth": 2, "heads": 4, "size": 8, "classes": 10, "channels": 1},
    ),
    "AutoEncoder": Lesson(
        lambda: (pixels(),), own_loss, {"size": 64, "widths": [64, 32], "code": 10}
    ),
    "DenoisingAutoEncoder": Lesson(lambda: (pixels(),), own_loss, {"size": 64, "hidden": 80}),
    "VAE": Lesson(
        lambda: (digits()[0].unsqueeze(1),),
        own_loss,
        {"hidden": 64, "latent": 10, "height": 8, "width": 8},
    ),
    "RBM": Lesson(
        lambda: (pixels(),), reconstructed, {"visible": 64, "hidden": 64}, contrastive_divergence
    ),
    "DBM": Lesson(
        lambda: (pixels(),),
        reconstructed,
        {"visible": 64, "hidden1": 48, "hidden2": 32, "steps": 3},
    ),
    "DCGAN_Generator": Lesson(lambda: (noise(),), drawn, {"latent": 10, **GAME}),
    "DCGAN_Discriminator": Lesson(half_noise, told_apart, GAME),
    "DCGAN": Lesson(lambda: (noise(), 2 * enlarged(16) - 1), discriminated, {"latent": 10, **GAME}),
    "GCN": of_a_graph(hidden=16),
    "GAT": of_a_graph(hidden=8, heads=4),
    "GraphSAGE": of_a_graph(hidden=16),
    "SparseGCN": of_a_graph(edges, hidden=16),
    "SparseGAT": of_a_graph(edges, hidden=8, heads=4),
    "SparseGraphSAGE": of_a_graph(edges, hidden=16),
    "SoftmaxEmbedding": metric(),
    "ASoftmaxEmbedding": metric(objective=annealed),
    "CosFaceEmbedding": metric(),
    "ArcFaceEmbedding": metric(),
    "Siamese": metric(pairs, slow=True),
    "Triplet": metric(triplets, slow=True),
    "TripletBatchHard": metric(),
}
