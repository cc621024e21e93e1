"""Diversity within a category."""

import pytest
import torch

from fashion_nn.metrics.generation import opposite_mean_ssim
from fashion_nn.metrics.similarity import ssim


def pictures(n: int) -> torch.Tensor:
    return torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_alike_pictures_have_no_diversity_and_different_ones_have():
    alike, different = pictures(1).expand(3, -1, -1, -1), pictures(3)
    diversity = opposite_mean_ssim(torch.cat([alike, different]), torch.tensor([0, 0, 0, 2, 2, 2]), seed=0)
    assert diversity.keys() == {0, 2}
    assert diversity[0] == pytest.approx(0.0, abs=1e-9) and diversity[2] > 0.5


def test_with_room_every_pair_counts_once():
    three = pictures(3)
    expected = 1 - sum(ssim(three[[a]], three[[b]]).item() for a, b in ((0, 1), (0, 2), (1, 2))) / 3
    assert opposite_mean_ssim(three, [0, 0, 0], seed=5)[0] == pytest.approx(expected)


def test_fewer_pairs_are_drawn_by_the_seed():
    many, classes = pictures(12), [0] * 12
    first, again, other = (opposite_mean_ssim(many, classes, seed=seed, pairs=5)[0] for seed in (1, 1, 2))
    assert first == again != other


def test_a_category_of_one_picture_is_left_out():
    assert opposite_mean_ssim(pictures(3), [0, 1, 1], seed=0).keys() == {1}
