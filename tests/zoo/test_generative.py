"""The unsupervised networks by their equations; the machines by enumerating their states."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.zoo.emitted import Parameters, assert_equations, emitted, random

GENERATOR = [(512, 1, 0), (256, 2, 1), (128, 2, 1), (64, 2, 1)]
"""The paper's maps, stride and padding, layer by layer."""


def affine(w: Parameters, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def test_the_auto_encoder_narrows_and_widens() -> None:
    image = random(2, 9).sigmoid()

    def equations(w: Parameters) -> tuple[Tensor, ...]:
        x = image
        for k in (0, 2):
            x = torch.sigmoid(affine(w, f"encoder.{k}", x))
        code = affine(w, "encoder.4", x)
        x = code
        for k in (0, 2):
            x = torch.sigmoid(affine(w, f"decoder.{k}", x))
        again = torch.sigmoid(affine(w, "decoder.4", x))
        loss = -(image * again.log() + (1 - image) * (1 - again).log()).mean()
        return (code, again, loss) if module.training else (code, again)

    module = emitted("AutoEncoder", size=9, widths=[7, 5], code=3)
    assert_equations(module, equations, image)
    assert_equations(module.train(), equations, image)


def test_the_denoising_one_sees_a_part_and_is_held_against_all() -> None:
    image = random(2, 9).sigmoid()
    module = emitted("DenoisingAutoEncoder", size=9, hidden=11).train()
    torch.manual_seed(3)
    code, again, loss = module(image)
    torch.manual_seed(3)
    kept = functional.dropout(image, 0.25)
    assert (kept == 0).any()
    w: Parameters = dict(module.named_parameters())
    torch.testing.assert_close(code, torch.sigmoid(affine(w, "encoder", kept)))
    torch.testing.assert_close(again, torch.sigmoid(affine(w, "decoder", code)))
    torch.testing.assert_close(loss, functional.binary_cross_entropy(again, image))


def test_the_vae_lowers_the_negative_bound() -> None:
    image = random(3, 1, 4, 5).sigmoid()
    module = emitted("VAE", hidden=6, latent=2, height=4, width=5).train()
    w: Parameters = dict(module.named_parameters())
    torch.manual_seed(3)
    mu, logvar, again, loss = module(image)
    torch.manual_seed(3)
    h = torch.relu(affine(w, "fc1", image.flatten(1)))
    torch.testing.assert_close(mu, affine(w, "fc21", h))
    torch.testing.assert_close(logvar, affine(w, "fc22", h))
    z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
    expected = torch.sigmoid(affine(w, "fc4", torch.relu(affine(w, "fc3", z))))
    torch.testing.assert_close(again, expected.view_as(image), rtol=1e-9, atol=1e-9)
    posterior = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    divergence = torch.distributions.kl_divergence(posterior, prior).sum()
    crossed = -(image * again.log() + (1 - image) * (1 - again).log()).sum()
    torch.testing.assert_close(loss, (crossed + divergence) / 3, rtol=1e-9, atol=1e-9)


def generator(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    maps = 10
    for out, stride, padding in GENERATOR:
        out = out * width // 64
        layers += [nn.ConvTranspose2d(maps, out, 4, stride, padding, bias=False)]
        layers += [nn.BatchNorm2d(out), nn.ReLU()]
        maps = out
    return nn.Sequential(*layers, nn.ConvTranspose2d(maps, 3, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for m in (2, 4, 8):
        layers += [nn.Conv2d(m * width // 2, m * width, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(m * width), nn.LeakyReLU(0.2)]
    return nn.Sequential(
        *layers, nn.Conv2d(8 * width, 1, 4, bias=False), nn.Sigmoid(), nn.Flatten(0)
    )


def test_the_two_networks_of_the_game() -> None:
    module = emitted("DCGAN", latent=10, width=2)
    for parameter in module.parameters():
        parameter.detach().mul_(0.2)
    theirs = nn.ModuleDict({"generator": generator(2), "discriminator": discriminator(2)}).double()
    theirs.load_state_dict({k.replace(".main.", "."): v for k, v in module.state_dict().items()})
    z, image = random(3, 10, 1, 1), random(3, 3, 64, 64, seed=2)
    fake, judged, *none = module(z)
    assert none == [None, None]
    expected = theirs["generator"].eval()(z)
    torch.testing.assert_close(fake, expected, rtol=1e-9, atol=1e-9)
    other = theirs["discriminator"].eval()(expected)
    torch.testing.assert_close(judged, other, rtol=1e-9, atol=1e-9)

    module.train()
    theirs.train()
    found = module(z, image)
    fake = theirs["generator"](z)
    seen, refused = theirs["discriminator"](image), theirs["discriminator"](fake.detach())
    discriminator_loss = -seen.log().mean() - (1 - refused).log().mean()
    torch.testing.assert_close(found[2], discriminator_loss, rtol=1e-9, atol=1e-9)
    generator_loss = -theirs["discriminator"](fake).log().mean()
    torch.testing.assert_close(found[3], generator_loss, rtol=1e-9, atol=1e-9)
    found[2].backward(retain_graph=True)  # the discriminator's loss does not reach the generator
    assert all(p.grad is None for n, p in module.named_parameters() if n.startswith("generator"))


@pytest.mark.parametrize(
    ("name", "params"), [("DCGAN_Generator", 3_576_704), ("DCGAN_Discriminator", 2_765_568)]
)
def test_the_sizes_of_the_game(name: str, params: int) -> None:
    """By hand: 4·4·(100·512 + 512·256 + 256·128 + 128·64 + 64·3) + 2·(512 + 256 + 128 + 64)."""
    module = emitted(name)
    assert sum(p.numel() for p in module.parameters()) == params


def states(n: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def test_the_free_energy_sums_over_all_hidden_states() -> None:
    module = emitted("RBM", visible=4, hidden=3)
    w: Parameters = dict(module.named_parameters())
    v, h = states(4), states(3)
    energy = -(v @ w["a"])[:, None] - h @ w["b"] - v @ w["weight"].T @ h.T
    likely = torch.softmax(-energy, 1)  # P(h | v)
    probability, again, free = module(v)
    torch.testing.assert_close(free, -torch.logsumexp(-energy, 1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(probability, likely @ h, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again, torch.sigmoid(probability @ w["weight"] + w["a"]))
    for k in range(len(v)):  # the gradient of the free energy is −P(h | v) vᵀ, −v, −P(h | v)
        found = torch.autograd.grad(module(v)[2][k], [w[name] for name in ("weight", "a", "b")])
        expected = -torch.outer(probability[k], v[k]), -v[k], -probability[k]
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_mean_field_inference_is_a_fixed_point() -> None:
    """h1 = σ(W1ᵀv + W2 h2 + b1) and h2 = σ(W2ᵀh1 + b2), after enough steps."""
    module = emitted("DBM", visible=5, hidden1=4, hidden2=3, steps=200)
    w: Parameters = dict(module.named_parameters())
    v = random(2, 5).sigmoid()
    lower, upper, again = module(v)
    up = torch.sigmoid(v @ w["weight1"] + upper @ w["weight2"].T + w["b1"])
    torch.testing.assert_close(lower, up, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(upper, torch.sigmoid(lower @ w["weight2"] + w["b2"]))
    torch.testing.assert_close(again, torch.sigmoid(lower @ w["weight1"].T + w["a"]))

    first = emitted("DBM", visible=5, hidden1=4, hidden2=3, steps=1)
    up = v @ w["weight1"]
    h2 = torch.sigmoid(torch.sigmoid(2 * up + w["b1"]) @ w["weight2"] + w["b2"])
    lower = torch.sigmoid(up + h2 @ w["weight2"].T + w["b1"])
    torch.testing.assert_close(first(v)[0], lower, rtol=1e-9, atol=1e-9)
