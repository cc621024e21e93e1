"""R3GAN's networks on their way into the engine."""

import pytest
import torch
from torch import nn

from fashion_nn.cgan import config as cgan_config
from fashion_nn.cgan.architecture import networks as pair_of
from fashion_nn.cgan.modern import Block
from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent import Networks
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Rows, scores
from tests.fashion_nn.latent.conftest import CATEGORIES

LOOK = dvbpr_config.debug()


@pytest.fixture(scope="module")
def plain() -> Networks:
    """As if trained: no block is the identity, and the critic's scale is far from realism's."""
    torch.manual_seed(0)
    generator, discriminator = pair_of(cgan_config.modern_debug(), CATEGORIES)
    for network in (generator, discriminator):
        for block in network.modules():
            if isinstance(block, Block):
                nn.init.normal_(block.layers[-1].weight, 0.0, 0.1)
    codes, _ = rows()
    category = torch.arange(len(codes)) % CATEGORIES
    generator.eval()
    with torch.no_grad():
        scale = discriminator.critic(generator(codes, category), category).std()
        fake = torch.randn(CATEGORIES, 50) * scale + 30 * scale
    discriminator.calibrate(fake + scale, fake)
    return Networks(*(each.eval().requires_grad_(False) for each in (generator, discriminator, Look(LOOK))))


def rows(count: int = 6) -> tuple[torch.Tensor, Rows]:
    torch.manual_seed(1)
    codes = torch.rand(count, 8) * 2 - 1
    category = torch.arange(count) % CATEGORIES
    return codes, Rows(torch.randn(count, 8), category, torch.zeros(count, 3, 64, 64), codes, torch.ones(count, 4))


def test_in_fp32_they_compute_the_same(plain: Networks):
    codes, of = rows()
    for ours, theirs in zip(scores(folded(plain), codes, of), scores(plain, codes, of), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


def test_in_bf16_they_take_and_give_float32(plain: Networks):
    codes, of = rows()
    rounded = folded(plain, dtype=torch.bfloat16)
    found, exact = scores(rounded, codes, of), scores(plain, codes, of)
    assert {each.dtype for each in found} == {torch.float32}
    assert next(rounded.generator.layers.parameters()).dtype is torch.bfloat16
    assert next(rounded.discriminator.critic.layers.parameters()).dtype is torch.bfloat16
    assert (found.pictures - exact.pictures).abs().mean() < 0.02
    assert (found.realism - exact.realism).abs().max() < 0.1 * exact.realism.std()


def test_folding_leaves_the_networks_as_they_were(plain: Networks):
    codes, of = rows()
    wanted = scores(plain, codes, of)
    folded(plain, dtype=torch.bfloat16)
    assert {parameter.dtype for network in plain for parameter in network.parameters()} == {torch.float32}
    assert torch.equal(scores(plain, codes, of).objective, wanted.objective)


def test_codes_can_be_climbed(plain: Networks):
    for dtype in (torch.float32, torch.bfloat16):
        codes, of = rows()
        codes.requires_grad_()
        (gradient,) = torch.autograd.grad(scores(folded(plain, dtype=dtype), codes, of).realism.sum(), codes)
        assert gradient.isfinite().all()
        assert (gradient.norm(dim=1) > 0).all()
