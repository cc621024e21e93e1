import pytest
import torch
import torch.nn.functional as F

from fashion_nn.cagan import config
from fashion_nn.cagan.network import Discriminator, Down, Generator, Up
from tests.fashion_nn.drawn import receptive_field, shapes_of


def inputs(n: int, height: int = 128, width: int = 96) -> list[torch.Tensor]:
    return [torch.rand(1, 3, height, width) * 2 - 1 for _ in range(n)]


def test_the_papers_generator_has_figure_threes_layers():
    generator = Generator(config.paper())
    person, worn, wanted = inputs(3)
    assert shapes_of(generator, (Down, Up), person, worn, wanted) == [
        (64, 64, 48),
        (128, 32, 24),
        (256, 16, 12),
        (512, 8, 6),
        (512, 16, 12),
        (256, 32, 24),
        (128, 64, 48),
    ]
    fitting = generator(person, worn, wanted)
    assert fitting.picture.shape == fitting.painted.shape == (1, 3, 128, 96)
    assert fitting.mask.shape == (1, 1, 128, 96)


def test_the_papers_discriminator_has_figure_threes_layers():
    discriminator = Discriminator(config.paper())
    assert shapes_of(discriminator, (Down,), *inputs(2)) == [(64, 64, 48), (128, 32, 24), (256, 16, 12), (512, 8, 6)]
    assert discriminator(*inputs(2)).shape == (1, 1, 8, 6)


def test_parameter_counts():
    def down(inputs: int, outputs: int) -> int:
        return inputs * (outputs - 6) * 25 + outputs - 6

    def up(inputs: int, outputs: int) -> int:
        return inputs * outputs * 16 + outputs

    generator = down(9, 64) + down(64, 128) + down(128, 256) + down(256, 512)
    generator += up(512, 256) + up(512, 128) + up(256, 64) + up(128, 4)
    assert sum(p.numel() for p in Generator(config.paper()).parameters()) == generator
    discriminator = down(6, 64) + down(64, 128) + down(128, 256) + down(256, 512) + 512 + 1
    assert sum(p.numel() for p in Discriminator(config.paper()).parameters()) == discriminator


def test_receptive_field_of_the_discriminator_is_sixty_one():
    discriminator = Discriminator(config.paper()).double()
    for layer in discriminator.down:
        layer.norm = torch.nn.Identity()  # a norm looks at the whole picture, and the copies are the inputs themselves
        layer.forward = lambda features, _inputs, layer=layer: F.pad(layer.convolution(features), (0, 0, 0, 0, 0, 6))
    tall = [torch.rand(1, 3, 256, 192, dtype=torch.double) for _ in range(2)]
    assert receptive_field(discriminator, tall, (8, 6)) == (61, 61)


def test_the_last_six_channels_are_copies_of_person_and_worn_garment():
    generator = Generator(config.paper())
    person, worn, wanted = inputs(3)
    copies = {}
    for number, layer in enumerate([*generator.down, *generator.up]):
        layer.register_forward_hook(lambda _m, _i, output, number=number: copies.update({number: output[:, -6:]}))
    generator(person, worn, wanted)
    for copy in copies.values():
        expected = F.interpolate(torch.cat([person, worn], 1), size=copy.shape[2:], mode="area")
        torch.testing.assert_close(copy, expected)


def test_the_result_mixes_person_and_painting_by_the_mask():
    person, worn, wanted = inputs(3)
    fitting = Generator(config.paper())(person, worn, wanted)
    assert fitting.mask.min() >= 0 and fitting.mask.max() <= 1 and fitting.painted.abs().max() <= 1
    torch.testing.assert_close(fitting.picture, fitting.mask * fitting.painted + (1 - fitting.mask) * person)


@pytest.mark.parametrize(("field", "value", "limit"), [("height", 100, 16), ("worn_dropout", 1.0, 0.9)])
def test_a_wrong_value_is_refused(field: str, value: float, limit: float):
    with pytest.raises(ValueError, match=rf"{field} is {value}.*{limit}"):
        config.CAGANConfig(**{field: value})
