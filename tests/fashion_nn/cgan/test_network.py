import pytest
import torch
from torch import nn

from fashion_nn.cgan import config
from fashion_nn.cgan.network import Discriminator, Generator
from tests.fashion_nn.drawn import shapes_of


def test_the_authors_generator_layer_by_layer():
    generator = Generator(config.authors(), 6)
    shapes = shapes_of(generator, (nn.ConvTranspose2d,), torch.zeros(2, 256), torch.tensor([0, 5]))
    assert shapes == [
        (256, 8, 8),
        (256, 8, 8),
        (256, 16, 16),
        (256, 16, 16),
        (128, 32, 32),
        (64, 64, 64),
        (3, 64, 64),
    ]


def test_the_papers_generator_has_one_more_doubling():
    generator = Generator(config.paper(), 6)
    shapes = shapes_of(generator, (nn.ConvTranspose2d,), torch.zeros(2, 100), torch.tensor([0, 5]))
    assert shapes[-3:] == [(64, 64, 64), (32, 128, 128), (3, 128, 128)]


@pytest.mark.parametrize(("name", "size"), [("authors", 64), ("paper", 128)])
def test_the_discriminator_layer_by_layer(name: str, size: int):
    discriminator = Discriminator(getattr(config, name)(), 6)
    shapes = shapes_of(discriminator, (nn.Conv2d,), torch.zeros(2, 3, size, size), torch.tensor([0, 5]))
    assert shapes == [(64 * 2**i, size // 2 ** (i + 1), size // 2 ** (i + 1)) for i in range(4)]


def test_parameter_counts_of_the_authors_networks():
    def convolution(inputs: int, outputs: int, kernel: int) -> int:
        return inputs * outputs * kernel * kernel + outputs

    up = [(256, 256)] * 4 + [(256, 128), (128, 64), (64, 3)]
    norms = 2 * (5 * 256 + 128 + 64)
    expected = (256 + 6) * 4096 + 4096 + sum(convolution(i, o, 3) for i, o in up) + norms
    assert sum(p.numel() for p in Generator(config.authors(), 6).parameters()) == expected
    down = [(3 + 6, 64), (64 + 6, 128), (128 + 6, 256), (256 + 6, 512)]
    expected = sum(convolution(i, o, 5) for i, o in down) + 2 * (128 + 256 + 512) + 512 * 16 + 1
    assert sum(p.numel() for p in Discriminator(config.authors(), 6).parameters()) == expected


def test_pictures_lie_in_range_and_depend_on_the_category():
    generator = Generator(config.debug(), 3).eval()
    codes = torch.rand(1, 8).repeat(2, 1)
    pictures = generator(codes, torch.tensor([0, 2]))
    assert pictures.abs().max() <= 1
    assert not torch.equal(pictures[0], pictures[1])


def test_the_verdict_depends_on_the_category():
    discriminator = Discriminator(config.debug(), 3).eval()
    realism = discriminator(torch.rand(1, 3, 64, 64).repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert realism.shape == (2,)
    assert realism[0] != realism[1]


@pytest.mark.parametrize(("field", "value"), [("picture_size", 96), ("generator_width", 12), ("batch_size", 1)])
def test_a_wrong_value_is_refused(field: str, value: int):
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        config.CGANConfig(**{field: value})
