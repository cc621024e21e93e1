import dataclasses

import pytest
import torch

from fashion_nn.cgan import config
from fashion_nn.cgan.relativistic import DiscriminatorObjective, RelativisticStep
from tests.fashion_nn.drawn import items_data

SETTINGS = dataclasses.replace(config.modern_debug(), precision="fp32")


@pytest.fixture(scope="module")
def step() -> RelativisticStep:
    made = RelativisticStep(SETTINGS, items_data())
    for number in range(2):  # past the start, at which every block is the identity
        made(made.draw(number))
    return made


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(step: RelativisticStep):
    real, category, codes = step._ready(step.draw(2))
    step.discriminator.zero_grad()
    step.generator.zero_grad()
    step.on_generator(codes[1], category, real)[0].backward()
    assert all(p.grad is None for p in step.discriminator.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in step.generator.parameters())


def test_the_discriminators_step_leaves_no_gradient_in_the_generator(step: RelativisticStep):
    real, category, codes = step._ready(step.draw(2))
    fake = step._paint(codes[0], category)
    step.discriminator.zero_grad()
    step.generator.zero_grad()
    step.on_discriminator(real, fake, category, 1.0)[0].backward()
    assert all(p.grad is None for p in step.generator.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in step.discriminator.parameters())


def test_a_pair_has_one_category(step: RelativisticStep):
    """The loss of pairs is that of the pairs one by one, each judged as its own category."""
    real, category, codes = step._ready(step.draw(2))
    fake, critic = step._paint(codes[0], category), step.discriminator.critic
    _, terms = step.on_discriminator(real, fake, category, 0.0)
    each = [(real[[i]], fake[[i]], category[[i]]) for i in range(len(real))]
    alone = [critic(ours, label) - critic(theirs, label) for ours, theirs, label in each]
    expected = torch.cat([torch.log1p(torch.exp(-difference)) for difference in alone]).mean()
    torch.testing.assert_close(terms["loss/discriminator/pairs"], expected, rtol=1e-4, atol=1e-5)


def test_penalties_of_some_pairs_are_those_of_a_smaller_batch(step: RelativisticStep):
    real, category, codes = step._ready(step.draw(2))
    fake, discriminator = step._paint(codes[0], category), step.discriminator
    every, second = (
        DiscriminatorObjective(discriminator, dataclasses.replace(SETTINGS, penalised_every=number))
        for number in (1, 2)
    )
    _, few = every(real[::2], fake[::2], category[::2], 3.0)
    _, all_pairs = every(real, fake, category, 3.0)
    _, found = second(real, fake, category, 3.0)
    for kind in ("real", "fake"):
        name = f"loss/discriminator/{kind}_penalty"
        torch.testing.assert_close(found[name], few[name])
        assert found[name] != all_pairs[name]
    torch.testing.assert_close(found["loss/discriminator/pairs"], all_pairs["loss/discriminator/pairs"])


def test_two_replicas_take_the_gradients_of_one():
    settings = dataclasses.replace(SETTINGS, penalised_every=2)
    step = RelativisticStep(settings, items_data())

    def gradients(rank: int, replicas: int) -> torch.Tensor:
        real, category, codes = step._ready(step.draw(0, rank, replicas))
        fake = step._paint(codes[0], category)
        step.discriminator.zero_grad()
        step.generator.zero_grad()
        step.on_discriminator(real, fake, category, 2.0)[0].backward()
        step.on_generator(codes[1], category, real)[0].backward()
        both = [*step.discriminator.parameters(), *step.generator.parameters()]
        return torch.cat([p.grad.flatten() for p in both])

    torch.testing.assert_close((gradients(0, 2) + gradients(1, 2)) / 2, gradients(0, 1), rtol=1e-4, atol=1e-6)


def test_state_goes_on_bit_for_bit():
    settings = dataclasses.replace(config.modern_debug(), checkpoint_every=2, steps=4)
    whole, first, second = (RelativisticStep(settings, items_data()) for _ in range(3))
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


def test_the_scale_of_realism_is_set_whenever_a_run_is_saved_and_at_its_end():
    settings = dataclasses.replace(config.modern_debug(), checkpoint_every=2, steps=3)
    step = RelativisticStep(settings, items_data())
    untouched = torch.full_like(step.discriminator.offset, 7.0)
    kept = []
    for number in range(3):
        step.discriminator.offset.copy_(untouched)
        step(step.draw(number))
        kept.append(torch.equal(step.discriminator.offset, untouched))
    assert kept == [True, False, False]


def test_rates_follow_their_schedule():
    settings = dataclasses.replace(
        config.modern_debug(), generator_rate=1e-3, last_rate_share=0.2, beta2=0.9, last_beta2=0.99, decay_steps=2
    )
    step = RelativisticStep(settings, items_data())
    seen = []
    for number in range(4):
        step(step.draw(number))
        (group,) = step.generator_optimiser.param_groups
        seen.append((group["lr"], *group["betas"]))
    expected = [(1e-3, 0.0, 0.9), (6e-4, 0.0, 0.945), (2e-4, 0.0, 0.99), (2e-4, 0.0, 0.99)]
    assert seen == [pytest.approx(values) for values in expected]
