"""Tastes: a stated function of how a picture looks, for any picture."""

import numpy as np
import pytest
import torch

from fashion_nn.world.garments import draw_garment, sample_garment
from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.tastes import COLOURS, FEATURES, looks, utility


def patch(colour: tuple[float, float, float], size: int = 64) -> torch.Tensor:
    """A square of one colour on white: [1, 3, size, size] in [-1, 1]."""
    picture = torch.ones(1, 3, size, size)
    edge = size // 4
    picture[:, :, edge:-edge, edge:-edge] = torch.tensor(colour)[None, :, None, None] * 2 - 1
    return picture


def garments(size: int, count: int = 12) -> torch.Tensor:
    rows = []
    for k in range(count):
        spec = sample_garment(np.random.default_rng([1, k]), CATEGORIES[k % 6])
        rows.append(np.asarray(draw_garment(spec, height=size, width=size)[0], np.float32))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2) / 127.5 - 1


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("red", (0.80, 0.15, 0.17)),
        ("orange", (0.95, 0.50, 0.10)),
        ("yellow", (0.95, 0.80, 0.10)),
        ("green", (0.16, 0.60, 0.25)),
        ("teal", (0.06, 0.55, 0.55)),
        ("blue", (0.15, 0.35, 0.80)),
        ("purple", (0.48, 0.20, 0.70)),
        ("pink", (0.95, 0.50, 0.65)),
        ("brown", (0.45, 0.30, 0.20)),
        ("dark", (0.10, 0.10, 0.10)),
        ("grey", (0.55, 0.55, 0.55)),
        ("light", (0.86, 0.86, 0.86)),
    ],
)
def test_every_colour_is_recognised(name, colour):
    seen = looks(patch(colour))[0, : len(COLOURS)]
    assert COLOURS[int(seen.argmax())] == name
    assert utility(patch(colour), {name: 2.0}).item() > 1.0


def test_shares_of_colours_add_up_to_one():
    shares = looks(garments(64))[:, : len(COLOURS)]
    assert torch.allclose(shares.sum(1), torch.ones(len(shares)), atol=1e-3)
    assert shares.min() >= -1e-6


def test_white_around_the_garment_does_not_count():
    wide = torch.ones(1, 3, 64, 64)
    wide[:, :, 24:40, 24:40] = patch((0.8, 0.15, 0.17))[:, :, 16:32, 16:32]
    assert torch.allclose(looks(wide), looks(patch((0.8, 0.15, 0.17))), atol=0.08)


def test_what_is_seen_hardly_depends_on_the_size_of_the_picture():
    small, large = looks(garments(64)), looks(garments(256))
    assert (small - large).abs().mean() < 0.02
    ranks = [
        torch.argsort(torch.argsort(utility(p, {"blue": 1.0, "lightness": 1.0}))).float()
        for p in (garments(64), garments(128))
    ]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.97


def test_stripes_are_a_pattern_and_plain_cloth_is_not():
    plain = patch((0.2, 0.4, 0.8))
    striped = plain.clone()
    striped[:, :, 16:48:8, 16:48] = -1.0
    striped[:, :, 17:48:8, 16:48] = -1.0
    name = FEATURES.index("pattern")
    assert looks(plain)[0, name] < 0.05
    assert looks(striped)[0, name] > 0.3


def test_lightness_and_chroma_are_what_they_say():
    light, chroma = FEATURES.index("lightness"), FEATURES.index("chroma")
    assert looks(patch((0.8, 0.8, 0.8)))[0, light] == pytest.approx(0.8, abs=0.03)
    assert looks(patch((0.9, 0.1, 0.1)))[0, chroma] == pytest.approx(0.8, abs=0.05)


def test_an_empty_picture_is_no_error():
    assert torch.isfinite(looks(torch.ones(2, 3, 32, 32))).all()


def test_many_tastes_at_once_agree_with_one_by_one():
    pictures, tastes = garments(64, 6), torch.randn(4, len(FEATURES))
    together = utility(pictures, tastes)
    assert together.shape == (6, 4)
    for k in range(4):
        assert torch.allclose(together[:, k], utility(pictures, tastes[k]), atol=1e-5)


def test_a_taste_can_be_climbed():
    picture = garments(64, 1).requires_grad_()
    utility(picture, {"red": 1.0, "lightness": 0.5}).sum().backward()
    assert torch.isfinite(picture.grad).all() and picture.grad.abs().sum() > 0


def test_an_unknown_feature_and_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="frilly"):
        utility(patch((0, 0, 0)), {"frilly": 1.0})
    with pytest.raises(ValueError, match=r"\[N, 3, H, W\]"):
        utility(torch.zeros(3, 64, 64), {"red": 1.0})
