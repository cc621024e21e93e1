import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fashion_nn.cgan import config
from fashion_nn.cgan.architecture import networks
from fashion_nn.cgan.modern import Block, Discriminator, Generator, lowpass, resampled
from tests.fashion_nn.drawn import shapes_of


def test_the_generator_block_by_block():
    shapes = shapes_of(Generator(config.modern(), 6), (Block,), torch.zeros(2, 32), torch.tensor([0, 5]))
    assert shapes == [(w, 4 * 2**i, 4 * 2**i) for i, w in enumerate(config.modern().generator_widths)]


def test_the_discriminator_block_by_block():
    shapes = shapes_of(Discriminator(config.modern(), 6), (Block,), torch.zeros(2, 3, 64, 64), torch.tensor([0, 5]))
    assert shapes == [(w, 64 // 2**i, 64 // 2**i) for i, w in enumerate(config.modern().discriminator_widths)]


def test_pictures_of_128_pixels_take_one_more_stage():
    settings = dataclasses.replace(
        config.modern_debug(),
        picture_size=128,
        generator_widths=(16, 16, 16, 8, 8, 8),
        discriminator_widths=(8, 8, 8, 16, 16, 16),
    )
    generator, discriminator = networks(settings, 3)
    pictures = generator(torch.zeros(2, 8), torch.tensor([0, 2]))
    assert pictures.shape == (2, 3, 128, 128)
    assert discriminator(pictures, torch.tensor([0, 2])).shape == (2,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"generator_widths": (16, 16, 8, 8)}, "generator_widths is .*, but must be 5 widths, for 4 to 64 pixels"),
        ({"discriminator_widths": (8, 8, 16, 16, 10)}, "discriminator_widths is 20, but must be a positive multiple"),
        ({"penalised_every": 0}, "penalised_every is 0, but must be at least 1"),
    ],
)
def test_a_wrong_value_is_refused(changes: dict, words: str):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(config.modern_debug(), **changes)


def test_a_block_starts_as_the_identity_and_scales_with_its_depth():
    features = torch.randn(2, 64, 8, 8)
    block = Block(64, 16, depth=1)
    assert torch.equal(block(features), features)
    deep = Block(64, 16, depth=16)
    spread, deep_spread = block.layers[0].weight.std().item(), deep.layers[0].weight.std().item()
    assert deep_spread / spread == pytest.approx(0.5, rel=0.05)
    assert block.layers[2].weight.std().item() == pytest.approx((2 / 1.04) ** 0.5 / (16 * 9) ** 0.5, rel=0.05)


def test_resolutions_are_changed_as_by_pytorch():
    features = torch.randn(2, 3, 8, 8)
    doubled = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resampled(features, lowpass(8, 16)), doubled)
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    padded = F.pad(features, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None]
    halved = F.conv2d(padded, (kernel[:, None] * kernel)[None, None], stride=2).view(2, 3, 4, 4)
    torch.testing.assert_close(resampled(features, lowpass(8, 4)), halved)


PATCHED = dataclasses.replace(config.modern_debug(), discriminator_patch=2, discriminator_widths=(8, 16, 16, 16))


def test_patches_take_one_stage_less():
    shapes = shapes_of(Discriminator(PATCHED, 3), (Block,), torch.zeros(2, 3, 64, 64), torch.tensor([0, 2]))
    assert shapes == [(8, 32, 32), (16, 16, 16), (16, 8, 8), (16, 4, 4)]


def test_patches_start_as_their_means_and_every_pixel_counts():
    discriminator = Discriminator(PATCHED, 3)
    pictures, category = torch.rand(1, 3, 64, 64, requires_grad=True), torch.tensor([1])
    means = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2)
    realism = discriminator(pictures, category)
    torch.testing.assert_close(realism, discriminator(means, category))
    realism.backward()
    assert (pictures.grad != 0).all()
    seen = discriminator.critic.pixels.weight.grad.unflatten(1, (3, 4))
    assert (seen[:, :, 0] != seen[:, :, 1]).all()


def test_no_picture_touches_another():
    generator, discriminator = networks(config.modern_debug(), 3)
    codes, category = torch.rand(4, 8), torch.tensor([0, 1, 2, 0])
    pictures = generator(codes, category)
    torch.testing.assert_close(generator(codes[1:2], category[1:2]), pictures[1:2])
    realism = discriminator(pictures, category)
    torch.testing.assert_close(discriminator(pictures[1:2], category[1:2]), realism[1:2])


def test_both_depend_on_the_category():
    generator, discriminator = networks(config.modern_debug(), 3)
    pictures = generator(torch.rand(1, 8).repeat(2, 1), torch.tensor([0, 2]))
    assert not torch.equal(pictures[0], pictures[1])
    realism = discriminator(pictures[:1].repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert realism[0] != realism[1]


def test_pictures_of_the_trained_generator_lie_in_range():
    generator = Generator(config.modern_debug(), 3)
    nn.init.constant_(generator.colours.weight, 100.0)
    codes, category = torch.rand(4, 8), torch.tensor([0, 1, 2, 0])
    assert generator(codes, category).abs().max() > 1
    torch.testing.assert_close(generator.eval()(codes, category), generator.train()(codes, category).clamp(-1, 1))


def scores(*, gap: float) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    level = torch.tensor([5.0, -3.0, 100.0])[:, None]
    real, fake = torch.randn(2, 3, 50, generator=random)
    return level + 2 * real + gap, level + 2 * fake


def test_realism_is_the_least_squares_reading_of_the_critic():
    discriminator = Discriminator(config.modern_debug(), 3)
    real, fake = scores(gap=3.0)
    discriminator.calibrate(real, fake)
    levels = torch.eye(3).repeat_interleave(100, 0)
    both = torch.cat([real, fake], 1)
    design = torch.cat([both.reshape(-1, 1), levels], 1).double()
    targets = torch.cat([torch.ones(3, 50), torch.zeros(3, 50)], 1).reshape(-1, 1).double()
    expected = torch.linalg.lstsq(design, targets).solution.squeeze(1).float()
    torch.testing.assert_close(discriminator.slope, expected[0])
    torch.testing.assert_close(discriminator.offset, expected[1:])


def test_realism_follows_the_critic():
    discriminator = Discriminator(config.modern_debug(), 3)
    discriminator.calibrate(*scores(gap=3.0))
    pictures, category = torch.rand(3, 3, 64, 64), torch.tensor([0, 1, 2])
    expected = discriminator.slope * discriminator.critic(pictures, category) + discriminator.offset
    torch.testing.assert_close(discriminator(pictures, category), expected)


def test_a_clear_critic_puts_real_at_one_and_generated_at_zero():
    discriminator = Discriminator(config.modern_debug(), 3)
    real, fake = scores(gap=400.0)
    discriminator.calibrate(real, fake)
    offset = discriminator.offset[:, None]
    torch.testing.assert_close((discriminator.slope * real + offset).mean(1), torch.ones(3), rtol=0, atol=0.01)
    torch.testing.assert_close((discriminator.slope * fake + offset).mean(1), torch.zeros(3), rtol=0, atol=0.01)


def test_a_critic_that_is_wrong_says_one_half():
    discriminator = Discriminator(config.modern_debug(), 3)
    discriminator.calibrate(*scores(gap=-3.0))
    realism = discriminator(torch.rand(3, 3, 64, 64), torch.tensor([0, 1, 2]))
    torch.testing.assert_close(realism, torch.full((3,), 0.5))
