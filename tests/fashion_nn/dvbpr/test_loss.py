import math

import pytest
import torch
from torch import nn

from fashion_nn.dvbpr import loss


def minus_log_sigmoid(x: float) -> float:
    return math.log(1 + math.exp(-x))


def test_triplet_ranking_by_hand():
    taste = torch.tensor([[1.0, 2.0], [0.5, 0.0]])
    positive = torch.tensor([[1.0, 1.0], [2.0, 9.0]])
    negative = torch.tensor([[0.0, 2.0], [4.0, 9.0]])
    expected = minus_log_sigmoid(1 * 1 + 2 * -1) + minus_log_sigmoid(0.5 * -2)
    assert loss.triplet_ranking(taste, positive, negative).item() == pytest.approx(expected, rel=1e-6)


def test_batch_ranking_averages_over_a_shoppers_negatives():
    taste = torch.tensor([[1.0], [2.0]])
    looks = torch.tensor([[3.0], [1.0], [2.0]])
    is_negative = torch.tensor([[False, True, True], [True, False, False]])
    first = (minus_log_sigmoid(3 - 1) + minus_log_sigmoid(3 - 2)) / 2
    second = minus_log_sigmoid(2 * 1 - 2 * 3)
    actual = loss.batch_ranking(taste, looks[[0, 1]], looks, is_negative)
    assert actual.item() == pytest.approx(first + second, rel=1e-6)


def test_batch_ranking_with_one_negative_each_is_triplet_ranking():
    taste, looks = torch.randn(2, 5), torch.randn(4, 5)
    is_negative = torch.tensor([[False, False, True, False], [False, False, False, True]])
    batch = loss.batch_ranking(taste, looks[:2], looks, is_negative)
    torch.testing.assert_close(batch, loss.triplet_ranking(taste, looks[:2], looks[2:]))


def test_penalties_by_hand():
    network = nn.Linear(2, 1)
    nn.init.constant_(network.weight, 3.0)
    nn.init.constant_(network.bias, 100.0)
    assert loss.weight_penalty(network).item() == pytest.approx(0.5 * (9 + 9))
    assert loss.taste_penalty(torch.tensor([[1.0, 2.0], [0.0, 2.0]])).item() == pytest.approx(0.5 * 9)
