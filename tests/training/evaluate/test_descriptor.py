"""The hand-made features of pictures say what a plain eye sees."""

import torch

from training.evaluate.descriptor import DIRECTIONS, LENGTH, LEVELS, colours, described, edges


def plain(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb)[None, :, None, None].expand(1, 3, 16, 16)


def test_a_picture_of_one_colour_has_all_its_share() -> None:
    red = colours(plain(1.0, -1.0, -1.0))
    assert red.shape == (1, LEVELS**3) and red.sum() == 1
    assert red.argmax() == (LEVELS - 1) * LEVELS**2 and red.max() == 1


def test_stripes_have_edges_across_them_and_plain_cloth_has_none() -> None:
    upright = plain(1.0, 1.0, 1.0).clone()
    upright[..., ::4] = upright[..., 1::4] = -1
    lying = upright.transpose(2, 3)
    strengths = [edges(each).mean((0, 2, 3)) for each in (upright, lying)]
    assert strengths[0].argmax() == 0 and strengths[1].argmax() == DIRECTIONS // 2
    assert edges(plain(0.3, 0.3, 0.3)).abs().max() == 0


def test_features_are_on_one_scale_whatever_they_measure() -> None:
    pictures = torch.randint(0, 256, (40, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    features = described(pictures)
    assert features.shape == (40, LENGTH) and torch.allclose(features.mean(0), torch.zeros(LENGTH), atol=1e-5)
    assert abs(float(features.square().sum(1).mean()) - 1) < 0.1
    assert not described(pictures[:1].expand(5, -1, -1, -1)).any()
