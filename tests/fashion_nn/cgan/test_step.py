import dataclasses

import numpy as np
import pytest
import torch

from fashion_nn.cgan import config
from fashion_nn.cgan.step import CGANStep, draw_codes, draw_hues
from tests.fashion_nn.drawn import items_data


def test_the_generators_step_leaves_no_gradient_in_the_discriminator():
    step = CGANStep(config.debug(), items_data())
    batch = step.draw(0)
    total, _ = step.on_generator(batch.codes[1], batch.category)
    total.backward()
    assert all(p.grad is None for p in step.discriminator.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in step.generator.layers[0].parameters())


def test_the_discriminators_step_leaves_no_gradient_in_the_generator():
    step = CGANStep(config.debug(), items_data())
    batch = step.draw(0)
    fake = step._paint(batch.codes[0], batch.category)
    step.on_discriminator(batch.pictures.float(), fake, batch.category)[0].backward()
    assert all(p.grad is None for p in step.generator.parameters())


def test_an_epoch_sees_every_picture_once():
    settings = dataclasses.replace(config.debug(), batch_size=6)
    step = CGANStep(settings, items_data(24))
    seen = torch.cat([step.draw(number).pictures for number in range(4)])
    assert len(np.unique(seen.numpy(), axis=0)) == 24


def test_shares_make_the_whole_batch():
    step = CGANStep(config.debug(), items_data())
    whole, halves = step.draw(1), [step.draw(1, rank, 2) for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([half.pictures for half in halves]), whole.pictures)
    torch.testing.assert_close(torch.cat([half.codes for half in halves], 1), whole.codes)


def test_state_goes_on_bit_for_bit():
    whole, first, second = (CGANStep(config.debug(), items_data()) for _ in range(3))
    for number in range(4):
        whole(whole.draw(number))
    for number in range(2):
        first(first.draw(number))
    second.load(first.state())
    for number in range(2, 4):
        second(second.draw(number))
    for name in ("generator", "discriminator"):
        for mine, theirs in zip(
            getattr(whole, name).state_dict().values(), getattr(second, name).state_dict().values(), strict=True
        ):
            assert torch.equal(mine, theirs)
    torch.testing.assert_close(whole.sample(), second.sample(), rtol=0, atol=0)


@pytest.mark.parametrize(("prior", "spread"), [("uniform", 1 / 3), ("normal", 1.0)])
def test_codes_follow_their_prior(prior: str, spread: float):
    codes = draw_codes((20_000,), prior, np.random.default_rng(0))
    assert codes.dtype == np.float32
    assert codes.var() == pytest.approx(spread, rel=0.05)
    assert prior == "normal" or np.abs(codes).max() <= 1


def test_hues_are_turned_for_a_share():
    hues = draw_hues(10_000, 0.25, np.random.default_rng(0))
    assert (hues != 0).mean() == pytest.approx(0.25, abs=0.02)
    assert not draw_hues(100, 0.0, np.random.default_rng(0)).any()


def test_recolouring_leaves_the_other_pictures_and_all_codes_as_they_are():
    plain = CGANStep(config.debug(), items_data())
    half = CGANStep(dataclasses.replace(config.debug(), recoloured=0.5, batch_size=4), items_data())
    batch = half.draw(0)
    assert torch.equal(batch.codes, plain.draw(0).codes)
    turned = batch.hues != 0
    assert turned.any() and not turned.all()
    same = (half._ready(batch)[0] == plain._ready(batch)[0]).flatten(1).all(1)
    assert torch.equal(same, ~turned)
