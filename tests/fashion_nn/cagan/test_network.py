import dataclasses

import pytest
import torch
import torch.nn.functional as F

from fashion_nn.cagan import config
from fashion_nn.cagan.layers import InstanceNorm
from fashion_nn.cagan.network import Discriminator, Down, Generator, Up
from fashion_nn.cagan.warp import bent, doubled, placed
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


MATCHED = {"warp": True, "matched": True}
SMALL = {"height": 32, "width": 32, "generator_width": 8, "discriminator_width": 8}


def small(**options) -> Generator:
    torch.manual_seed(0)
    return Generator(config.CAGANConfig(**SMALL, **options)).eval()


@pytest.mark.parametrize("upsampling", ["transposed", "nearest", "smooth"])
@pytest.mark.parametrize("options", [{}, {"warp": True}, {"colours": "lab"}, {"warp": True, "embedding": 4}, MATCHED])
def test_every_option_paints_within_the_range_and_mixes_by_the_mask(options: dict, upsampling: str):
    person, worn, wanted = inputs(3, 32, 32)
    fitting = small(upsampling=upsampling, **options)(person, worn, wanted)
    assert fitting.painted.abs().max() <= 1 + 1e-6 and 0 <= fitting.mask.min() and fitting.mask.max() <= 1
    torch.testing.assert_close(fitting.picture, fitting.mask * fitting.painted + (1 - fitting.mask) * person)


def test_a_warp_lays_the_garments_own_pixels_where_its_mask_is_sure():
    generator = small(warp=True)
    with torch.no_grad():
        for layer in (*(level.correction for level in generator.bend.values()), generator.last):
            layer.weight.zero_()
            layer.bias.zero_()
        generator.last.bias[4] = 50.0  # the share of what is carried
    person, worn, wanted = inputs(3, 32, 32)
    fitting = generator(person, worn, wanted)
    torch.testing.assert_close(fitting.carried, wanted)
    torch.testing.assert_close(fitting.painted, wanted)
    torch.testing.assert_close(fitting.picture, (wanted + person) / 2)


def test_convolutions_see_a_finer_garment_as_large_as_the_person():
    generator, discriminator = small(warp=True, embedding=4), Discriminator(config.CAGANConfig(**SMALL))
    (person,), (worn, wanted) = inputs(1, 32, 32), inputs(2, 64, 64)
    shrunk = [F.avg_pool2d(each, 2) for each in (worn, wanted)]
    fine, coarse = generator(person, worn, wanted), generator(person, *shrunk)
    torch.testing.assert_close(fine.mask, coarse.mask)
    torch.testing.assert_close(fine.flow, coarse.flow)
    assert (fine.carried - coarse.carried).abs().mean() > 0.01, "what is carried is of the fine one"
    torch.testing.assert_close(discriminator(person, worn), discriminator(person, shrunk[0]))


@pytest.mark.parametrize(("options", "first"), [({"warp": True}, 0), (MATCHED, 2)])
def test_a_level_of_the_warp_begins_with_the_flow_above_it(options: dict, first: int):
    generator, told, given, matched = small(**options), [], [], []

    def look(_level, seen, answer):
        given.append(seen[3])
        told.append(answer[1])

    for level in generator.bend.values():
        level.register_forward_hook(look)
    if generator.match is not None:
        generator.match.register_forward_hook(lambda _m, _seen, answer: matched.append(answer))
    generator(*inputs(3, 32, 32))
    assert len(given) == 4 - first and len(matched) == len(options) - 1
    torch.testing.assert_close(given[0], matched[0] if matched else torch.zeros(1, 2, 2, 2))
    for above, begins in zip(told[:-1], given[1:], strict=True):
        torch.testing.assert_close(begins, doubled(above))


def test_a_garment_is_matched_or_placed():
    with pytest.raises(ValueError, match="placement is True, but matched is True"):
        config.CAGANConfig(**MATCHED, placement=True)


def test_a_description_does_not_depend_on_where_the_garment_is():
    generator = small(embedding=4)
    white = torch.ones(2, 3, 64, 64)
    white[0, :, 16:32, 16:32] = white[1, :, 32:48, 16:32] = -0.5
    code = generator.description(white, None)
    torch.testing.assert_close(code[0], code[1])
    red = white.clone()
    red[:, 0] = white[:, 0] + 0.4
    assert not torch.allclose(code, generator.description(red, None))


def test_the_group_of_a_garment_changes_what_is_painted():
    generator = small(embedding=4, groups=("upper", "lower"))
    pictures = inputs(3, 32, 32)
    upper, lower = (generator(*pictures, group=torch.tensor([group])).picture for group in (0, 1))
    assert not torch.allclose(upper, lower)


def test_a_given_mask_overrides_the_learnt_one():
    person, worn, wanted = inputs(3, 32, 32)
    given = torch.zeros(1, 1, 32, 32)
    given[..., 8:24, 8:24] = 1
    fitting = small(given_mask="override")(person, worn, wanted, given=given)
    assert torch.equal(fitting.mask, given)
    assert torch.equal(fitting.picture[given.expand(-1, 3, -1, -1) == 0], person[given.expand(-1, 3, -1, -1) == 0])


def test_a_given_mask_is_a_prior_that_the_network_may_overrule():
    generator, pictures = small(given_mask="prior"), inputs(3, 32, 32)
    learnt = generator(*pictures).mask
    unsure, likely = (generator(*pictures, given=torch.full_like(learnt, share)).mask for share in (0.5, 1.0))
    torch.testing.assert_close(unsure, learnt)
    assert (likely > learnt).all() and likely.max() < 1
    torch.testing.assert_close(likely.logit() - learnt.logit(), torch.full_like(learnt, 49.0).log(), atol=1e-3, rtol=0)


def test_a_mask_is_refused_by_a_network_that_was_not_configured_for_it():
    with pytest.raises(ValueError, match="given_mask 'refused'"):
        small()(*inputs(3, 32, 32), given=torch.zeros(1, 1, 32, 32))


def test_channels_that_are_last_stay_there():
    settings = config.CAGANConfig(**SMALL, **MATCHED, finish=8)
    at_the_front = []

    def look(_module, given, _answer):
        at_the_front.extend(each.shape for each in given if not each.is_contiguous(memory_format=torch.channels_last))

    for network, seen in ((Generator(settings), inputs(3, 32, 32)), (Discriminator(settings), inputs(2, 32, 32))):
        network.to(memory_format=torch.channels_last)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(look)
        network(*(each.expand(2, -1, -1, -1).contiguous() for each in seen))
    assert not at_the_front


def test_spectral_norm_replaces_the_discriminators_instance_norm():
    settings = config.CAGANConfig(**SMALL, discriminator_norm="spectral")
    discriminator = Discriminator(settings).eval()
    assert not any(isinstance(module, InstanceNorm) for module in discriminator.modules())
    weight = discriminator.down[1].convolution.weight
    with torch.no_grad():
        discriminator.down[1].convolution.parametrizations.weight.original.mul_(100)
    torch.testing.assert_close(discriminator.down[1].convolution.weight, weight)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("groups", ("upper", "lower"), "embedding is 0, but must be at least 1"),
        ("groups", ("upper", "upper"), "must name each group once"),
        ("transplants", True, "transplants is True, but taught is False"),
        ("origins_weight", 0.5, "origins_weight is 0.5, but truths is False"),
        ("placement", True, "placement is True, but warp is False"),
        ("matched", True, "matched is True, but warp is False"),
        ("finish", -1, "finish is -1, but must be at least 0"),
        ("last_rate_share", 1.5, "last_rate_share is 1.5, but must lie"),
        ("given_mask", "maybe", "given_mask is 'maybe', but must be one of refused, override, prior"),
        ("total_variation_weight", -1.0, "total_variation_weight is -1.0, but must be at least 0"),
        ("penalised_every", 0, "penalised_every is 0, but must be at least 1"),
        ("detail", 0, "detail is 0, but must lie between 1 and 8"),
        ("detail", 2, "detail is 2, but warp is False"),
    ],
)
def test_a_wrong_option_is_refused(field: str, value: object, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        config.CAGANConfig(**({"embedding": 1} if "once" in complaint else {}), **{field: value})


def test_a_finished_outline_is_drawn_from_the_pictures_themselves():
    """One pixel of the person moves what is painted beside it, which features of half the size share among four."""
    torch.manual_seed(0)
    seen = inputs(3, 32, 32)
    finished = Generator(dataclasses.replace(config.debug(), finish=8, warp=True))
    features = torch.rand(1, 2 * 8 + 3, 16, 16)
    last = finished.last
    pictures = torch.cat([*seen, seen[2]], 1)
    moved = pictures.clone()
    moved[:, 0, 16, 16] += 1
    apart = (last(features, moved) - last(features, pictures)).abs().amax(1)[0]
    assert apart[16, 16] > 0 and apart[16, 18] > 0 and apart[16, 19] == 0
    assert finished(*seen).picture.shape == (1, 3, 32, 32)


def test_the_finish_sees_the_garment_as_it_was_bent_so_far():
    finished = Generator(dataclasses.replace(config.debug(), finish=8, warp=True, placement=True))
    given = []
    finished.last.register_forward_pre_hook(lambda _m, seen: given.append(seen[1]))
    finished.bend["3"].register_forward_hook(
        lambda _m, seen, outputs: given.append(placed(seen[2], doubled(outputs[1])))
    )
    person, worn, wanted = inputs(3, 32, 32)
    finished(person, worn, wanted)
    flow, seen = given
    torch.testing.assert_close(seen, torch.cat([person, worn, wanted, bent(wanted, flow)], 1))
