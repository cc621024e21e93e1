import pickle

import pytest
import torch
from torch import nn

from fashion_nn.latent import Networks
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Rows, scores
from tests.fashion_nn.latent.conftest import CATEGORIES, made

KINDS = {
    "paper": {},
    "resize convolutions": {"upsampling": "nearest"},
    "spectral": {"discriminator_norm": "spectral"},
    "128 pixels, hidden layer": {"picture_size": 128, "discriminator_hidden": 16},
    "no norm": {"discriminator_norm": "none", "upsampling": "nearest"},
}


def rows(size: int, count: int = 6) -> tuple[torch.Tensor, Rows]:
    torch.manual_seed(1)
    codes = torch.rand(count, 8) * 2 - 1
    category = torch.arange(count) % CATEGORIES
    return codes, Rows(torch.randn(count, 8), category, torch.zeros(count, 3, size, size), codes, torch.ones(count, 4))


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_folded_networks_compute_the_same(changes: dict):
    plain = made(**changes)
    codes, of = rows(plain.generator.picture_size)
    for ours, theirs in zip(scores(folded(plain), codes, of), scores(plain, codes, of), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_nothing_is_left_to_normalise_or_to_repeat(changes: dict):
    left = (nn.BatchNorm2d, nn.Upsample)
    assert not [
        module for network in folded(made(**changes)) for module in network.modules() if isinstance(module, left)
    ]


def test_folding_leaves_the_networks_as_they_were():
    plain = made(discriminator_norm="spectral")
    before = {name: value.clone() for name, value in plain.discriminator.state_dict().items()}
    codes, of = rows(64)
    wanted = scores(plain, codes, of)
    folded(plain, dtype=torch.bfloat16)
    assert all(torch.equal(before[name], value) for name, value in plain.discriminator.state_dict().items())
    assert torch.equal(scores(plain, codes, of).objective, wanted.objective)


def test_in_bf16_they_take_and_give_float32(networks: Networks):
    rounded = folded(networks, dtype=torch.bfloat16)
    codes, of = rows(64)
    found, exact = scores(rounded, codes, of), scores(networks, codes, of)
    assert {each.dtype for each in found} == {torch.float32}
    assert next(rounded.generator.layers.parameters()).dtype is torch.bfloat16
    assert (found.pictures - exact.pictures).abs().mean() < 0.02


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_what_is_folded_can_be_sent_and_folded_again(changes: dict):
    once = folded(made(**changes))
    again = folded(Networks(*pickle.loads(pickle.dumps(tuple(once)))))
    codes, of = rows(once.generator.picture_size)
    for ours, theirs in zip(scores(again, codes, of), scores(once, codes, of), strict=True):
        assert torch.equal(ours, theirs)
