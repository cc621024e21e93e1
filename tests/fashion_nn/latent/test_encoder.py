"""The encoder: what it is trained by leaves the generator alone, goes on where it stopped, and finds codes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_nn.cgan import config as cgan_config
from fashion_nn.latent import Networks
from fashion_nn.latent.encoder import Encoder, EncoderConfig, config
from fashion_nn.latent.encoder.step import EncoderData, EncoderStep
from tests.fashion_nn.drawn import pixels

FP32 = replace(config.debug(), precision="fp32")


@pytest.fixture
def data(networks: Networks) -> EncoderData:
    names = ["bottoms", "shoes", "tops"]
    return EncoderData(pixels(24, 64, 64), np.arange(24) % 3, names, networks.generator, cgan_config.debug())


def trained(data: EncoderData, settings: EncoderConfig) -> tuple[EncoderStep, list[dict[str, float]]]:
    """A step after all its steps, and their terms."""
    step = EncoderStep(settings, data)
    rows = [step(step.draw(number)) for number in range(settings.steps)]
    return step, [{name: float(value) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize(("size", "width"), [(64, 8), (128, 16)])
def test_codes_lie_inside_of_the_cube(size: int, width: int) -> None:
    generator = replace(cgan_config.debug(), picture_size=size, latent_dimensions=20)
    encoder = Encoder(replace(config.debug(), width=width), generator, 3)
    codes = encoder(torch.rand(5, 3, size, size) * 2 - 1, torch.arange(5) % 3)
    assert codes.shape == (5, 20) and codes.abs().max() < 1


def test_pictures_of_a_batch_do_not_touch_each_other_and_the_category_counts() -> None:
    encoder = Encoder(config.debug(), cgan_config.debug(), 3)
    pictures, category = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 0])
    whole = encoder(pictures, category)
    torch.testing.assert_close(encoder(pictures[1:2], category[1:2]), whole[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(encoder(pictures, (category + 1) % 3), whole, atol=1e-3)


def test_training_leaves_the_generator_as_it_is(data: EncoderData) -> None:
    before = {name: value.clone() for name, value in data.generator.state_dict().items()}
    step, _ = trained(data, replace(FP32, steps=2))
    assert all(torch.equal(value, before[name]) for name, value in data.generator.state_dict().items())
    assert all(not p.requires_grad and p.grad is None for p in step.generator.parameters())
    assert list(step.networks) == ["encoder"]


@pytest.mark.parametrize(("decay_steps", "share"), [(0, 1.0), (4, 0.505), (2, 0.01)])
def test_the_rate_falls_to_a_hundredth_where_that_is_wanted(data: EncoderData, decay_steps: int, share: float) -> None:
    step, _ = trained(data, replace(FP32, steps=3, decay_steps=decay_steps))
    assert [group["lr"] for group in step.optimiser.param_groups] == [pytest.approx(share * FP32.learning_rate)]


def test_the_losses_fall_and_the_codes_found_beat_random_ones(data: EncoderData) -> None:
    settings = replace(FP32, width=16, hidden=64, batch_size=8, steps=120, learning_rate=2e-3)
    step, rows = trained(data, settings)
    for name in ("loss/codes", "loss/generated", "loss/real"):
        first, last = (np.mean([row[name] for row in part]) for part in (rows[:10], rows[-10:]))
        assert last < first, name
    random = torch.Generator().manual_seed(7)
    codes, others = (2 * torch.rand(2, 30, 8, generator=random) - 1).unbind()
    category = torch.arange(30) % 3
    pictures = step.paint(codes, category)
    errors = (step.reconstruct(pictures, category) - pictures).abs().mean((1, 2, 3))
    assert errors.mean() < 0.9 * (step.paint(others, category) - pictures).abs().mean()
    untrained = EncoderStep(settings, data).reconstruct(pictures, category)
    assert errors.mean() < 0.9 * (untrained - pictures).abs().mean()


def test_state_goes_on_bit_for_bit(data: EncoderData) -> None:
    whole, first, second = (EncoderStep(FP32, data) for _ in range(3))
    for number in range(4):
        whole(whole.draw(number))
    for number in range(2):
        first(first.draw(number))
    second.load(first.state())
    for number in range(2, 4):
        second(second.draw(number))
    for mine, theirs in ((whole.encoder, second.encoder), (whole.average.network, second.average.network)):
        assert all(torch.equal(one, other) for one, other in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert torch.equal(whole.sample(), second.sample())


def test_shares_make_the_whole_batch(data: EncoderData) -> None:
    step = EncoderStep(FP32, data)
    whole, halves = step.draw(1), [step.draw(1, rank, 2) for rank in (0, 1)]
    for name in ("pictures", "category", "codes"):
        assert torch.equal(torch.cat([getattr(half, name) for half in halves]), getattr(whole, name))
    assert whole.codes.abs().max() <= 1
    assert not torch.equal(step.draw(2).codes, whole.codes)


def test_the_generator_of_the_step_paints_what_the_plain_one_paints(data: EncoderData) -> None:
    codes, category = torch.rand(6, 8) * 2 - 1, torch.arange(6) % 3
    with torch.no_grad():
        plain = data.generator(codes, category)
    torch.testing.assert_close(EncoderStep(FP32, data).paint(codes, category), plain, rtol=1e-3, atol=1e-4)


def test_a_sheet_has_items_beside_what_is_painted_of_their_codes(data: EncoderData) -> None:
    step = EncoderStep(FP32, data)
    sheet = step.sample()
    assert sheet.shape == (3, 8, 3, 64, 64)
    again = step.reconstruct(sheet[1, ::2], torch.full((4,), 1))
    torch.testing.assert_close(sheet[1, 1::2], again)
    lonely = EncoderStep(FP32, replace(data, category=np.array([0] * 22 + [1, 2]))).sample()
    assert torch.equal(lonely[1, 0], lonely[1, 2]), "the one item of a category, three times"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 12}, "width is 12, but must be a positive multiple of 8"),
        ({"average_decay": 1.5}, "average_decay is 1.5, but must lie between 0.0 and 1.0"),
        ({"real_weight": -1.0}, "real_weight is -1.0, but must be at least 0.0"),
        ({"batch_size": 0}, "batch_size is 0, but must be at least 1"),
    ],
)
def test_wrong_fields_are_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(config.debug(), **changes)
