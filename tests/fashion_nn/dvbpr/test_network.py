from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fashion_nn.dvbpr import config, network
from fashion_nn.dvbpr.network import Look, Recommender, colours, upsample
from tests.fashion_nn.drawn import receptive_field, shapes_of


def test_the_papers_look_has_cnn_f_shapes_layer_by_layer():
    look = Look(config.paper()).eval()
    assert shapes_of(look, (nn.Conv2d, nn.MaxPool2d, nn.Linear), torch.zeros(1, 3, 224, 224)) == [
        (64, 54, 54),
        (64, 27, 27),
        (256, 27, 27),
        (256, 13, 13),
        (256, 13, 13),
        (256, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
        (4096,),
        (4096,),
        (50,),
    ]


def test_the_authors_padding_gives_seven_by_seven_features():
    look = Look(config.authors()).eval()
    assert shapes_of(look, (nn.MaxPool2d,), torch.zeros(1, 3, 224, 224))[-1] == (256, 7, 7)


@pytest.mark.parametrize(("name", "side", "dimensions"), [("paper", 6, 50), ("authors", 7, 100)])
def test_parameter_count(name: str, side: int, dimensions: int):
    convolutions = 3 * 64 * 121 + 64 * 256 * 25 + 3 * 256 * 256 * 9 + 64 + 4 * 256
    head = 256 * side * side * 4096 + 4096 * 4096 + 4096 * dimensions + 2 * 4096 + dimensions
    look = Look(getattr(config, name)())
    assert sum(p.numel() for p in look.parameters()) == convolutions + head


def test_receptive_field_of_the_papers_features():
    features = Look(config.paper()).features.double()
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):  # an average sees every place that a maximum might
            layer.forward = lambda x: nn.functional.avg_pool2d(x, 2)
        if isinstance(layer, nn.ReLU):
            layer.forward = lambda x: x
    field = receptive_field(features, [torch.rand(1, 3, 224, 224, dtype=torch.double)], (3, 3))
    assert field == (11 + 4 * (1 + 2 * (4 + 1 + 2 * (6 + 1))),) * 2


def test_tastes_start_between_zero_and_a_hundredth():
    taste = Recommender(config.debug(), 50).taste.weight
    assert taste.shape == (50, 8)
    assert 0 <= taste.min() and taste.max() <= 0.01


def test_a_category_is_placed_behind_the_look():
    look = Look(replace(config.debug(), category_weight=2.0), 3).eval()
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    vectors = look(pictures, torch.tensor([2, 0]))
    assert vectors.shape == (2, 8 + 3) and look.dimensions == 11
    assert torch.equal(vectors[:, :8], look.seen(pictures))
    assert vectors[:, 8:].tolist() == [[0, 0, 2], [2, 0, 0]]
    assert Recommender(replace(config.debug(), category_weight=2.0), 5, 3).taste.weight.shape == (5, 11)


def test_categories_that_are_not_weighed_change_nothing():
    torch.manual_seed(0)
    without = Look(config.debug(), 3)
    assert without.dimensions == 8 and without.state_dict().keys() == Look(config.debug()).state_dict().keys()
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(without(pictures, torch.tensor([2, 0])), without(pictures))


def test_a_weight_of_categories_needs_to_know_how_many():
    with pytest.raises(ValueError, match=r"category_weight is 2.0.*n_categories is 0.*at least 1"):
        Look(replace(config.debug(), category_weight=2.0))


def test_statistics_tell_pictures_apart_that_have_the_same_means():
    settings = replace(config.debug(), pooling="statistics")
    w = settings.width
    features = Look(settings).features
    flat, striped = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    striped[..., ::2] = -1
    told = features(torch.cat([flat, striped]))
    assert told.shape == (2, 2 * (3 + 2 * w + 4 * w + 4 * w) + 4 * 4 * w)
    assert told[:, :3].abs().max() < 1e-6
    torch.testing.assert_close(told[:, 3:6], torch.tensor([[0.01] * 3, [1.0] * 3]), atol=1e-3, rtol=0)


def test_colours_are_shared_out_among_their_nearest_levels():
    pictures = torch.tensor([[1.0, -1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1 / 3, -1.0]])[..., None, None].expand(
        3, 3, 8, 8
    )
    shares = (colours(pictures, 4).square() - 1e-4).view(3, 4, 4, 4)
    expected = torch.zeros(3, 4, 4, 4)
    expected[0, 3, 0, 0] = 1
    expected[1, 1:3, 1:3, 1:3] = 1 / 8
    expected[2, 3, 2, 0] = 1
    torch.testing.assert_close(shares, expected, atol=1e-6, rtol=0)


def test_colours_of_a_picture_in_two_halves_are_half_of_each():
    picture = torch.full((1, 3, 8, 8), -1.0)
    picture[..., :4] = 1
    shares = (colours(picture, 2).square() - 1e-4).view(8)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0, 0, 0, 0, 0, 0, 0.5]), atol=1e-6, rtol=0)


def test_a_colour_that_is_near_has_a_gradient_towards_it():
    """What the latent engine climbs by."""
    picture, wanted = torch.full((1, 3, 8, 8), 0.1, requires_grad=True), (2 * 4 + 2) * 4 + 2  # all channels at 1/3
    before = colours(picture, 4)[0, wanted]
    before.backward()
    with torch.no_grad():
        assert colours(picture + 0.1 * picture.grad.sign(), 4)[0, wanted] > before


def test_statistics_take_the_histogram_where_the_config_asks_for_it():
    plain, coloured = (replace(config.debug(), pooling="statistics", colours=levels) for levels in (0, 4))
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    told = Look(coloured).features(pictures)
    assert told.shape[1] == Look(plain).features(pictures).shape[1] + 64
    torch.testing.assert_close(told[:, 6:70] / network.COLOUR_SCALE, colours(pictures, 4))


def test_how_tastes_usually_are_is_told_by_the_tastes_or_kept_beside_them():
    plain, kept = (Recommender(replace(config.debug(), population=on), 50) for on in (False, True))
    assert np.allclose(plain.usual().mean, plain.taste.weight.detach().mean(0).numpy())
    kept.mean.fill_(3.0)
    again = Recommender(replace(config.debug(), population=True), 50)
    again.load_state_dict(kept.state_dict())
    assert (again.usual().mean == 3).all() and np.array_equal(again.usual().precision, np.eye(8))


def test_upsample_repeats_pixels():
    picture = torch.arange(4.0).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert upsample(picture, 4)[0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("picture_size", 32, "64"),
        ("dropout", 1.0, "0.95"),
        ("batch_size", 0, "1"),
        ("split", "first", "random"),
        ("pooling", "statistics", "grid"),
        ("colours", 4, "0"),
        ("batches", "shoppers", "items"),
        ("shift", 57, "56"),
        ("last_rate_share", 1.5, "1.0"),
        ("category_weight", -1.0, "0.0"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_limit(field: str, value: object, limit: str):
    with pytest.raises(ValueError, match=field) as refusal:
        config.DVBPRConfig(**{field: value})
    assert str(value) in str(refusal.value) and limit in str(refusal.value)
