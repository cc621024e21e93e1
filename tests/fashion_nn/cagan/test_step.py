import dataclasses

import pytest
import torch

from fashion_nn.cagan import config, loss
from fashion_nn.cagan.step import CAGANStep
from tests.fashion_nn.drawn import pairs_data

FP32 = dataclasses.replace(config.debug(), precision="fp32", worn_dropout=0.0)


def test_the_generators_step_leaves_no_gradient_in_the_discriminator():
    step = CAGANStep(config.debug(), pairs_data())
    total, _ = step.on_generator(step.draw(0))
    total.backward()
    assert all(p.grad is None for p in step.discriminator.parameters())
    assert all(p.grad is not None for p in step.generator.parameters())


def test_the_discriminators_step_leaves_no_gradient_in_the_generator():
    step = CAGANStep(config.debug(), pairs_data())
    batch = step.draw(0)
    step.on_discriminator(batch, step._fit(batch).picture)[0].backward()
    assert all(p.grad is None for p in step.generator.parameters())


def test_the_terms_are_the_papers():
    step = CAGANStep(FP32, pairs_data())
    batch = step.draw(0)
    fitting = step.generator(batch.person, batch.worn, batch.wanted)
    returned = step.generator(fitting.picture, batch.wanted, batch.worn)
    total, terms = step.on_generator(batch)
    fooled = loss.classified(step.discriminator(fitting.picture, batch.wanted), 1.0, "log")
    torch.testing.assert_close(terms["loss/generator/adversarial"], fooled)
    torch.testing.assert_close(terms["loss/generator/identity"], 0.1 * fitting.mask.mean())
    torch.testing.assert_close(terms["loss/generator/cycle"], (batch.person - returned.picture).abs().mean())
    _, terms = step.on_discriminator(batch, fitting.picture.detach())
    for name, person, garment, target in (
        ("real", batch.person, batch.worn, 1.0),
        ("fake", fitting.picture, batch.wanted, 0.0),
        ("mismatched", batch.person, batch.wanted, 0.0),
    ):
        expected = loss.classified(step.discriminator(person, garment), target, "log")
        torch.testing.assert_close(terms[f"loss/discriminator/{name}"], expected)
    assert total.item() == pytest.approx(
        sum(value.item() for name, value in step.on_generator(batch)[1].items() if name.startswith("loss/")), rel=1e-5
    )


def test_the_wanted_garment_is_never_the_pairs_own():
    step = CAGANStep(config.debug(), pairs_data(3))
    for number in range(8):
        batch = step.draw(number)
        assert (batch.worn - batch.wanted).abs().flatten(1).sum(1).min() > 0


def test_an_unknown_worn_garment_is_shown_as_blank_white():
    settings = dataclasses.replace(config.debug(), worn_dropout=0.5)
    step = CAGANStep(settings, pairs_data())
    batch = step.draw(0)
    hidden = batch.worn_known.flatten() == 0
    assert 0 < hidden.sum() < len(hidden)
    assert (batch.worn_shown[hidden] == 1).all()
    assert torch.equal(batch.worn_shown[~hidden], batch.worn[~hidden])


def test_state_goes_on_bit_for_bit():
    whole, first, second = (CAGANStep(config.debug(), pairs_data()) for _ in range(3))
    for number in range(4):
        whole(whole.draw(number))
    for number in range(2):
        first(first.draw(number))
    second.load(first.state())
    for number in range(2, 4):
        second(second.draw(number))
    assert torch.equal(whole.generator.last.weight, second.generator.last.weight)
    torch.testing.assert_close(whole.sample(), second.sample(), rtol=0, atol=0)


def test_one_pair_is_not_enough():
    with pytest.raises(ValueError, match="1 persons and 1 garments"):
        CAGANStep(config.debug(), pairs_data(1))
