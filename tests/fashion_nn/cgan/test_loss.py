import math

import pytest
import torch

from fashion_nn.cgan import loss


def test_each_term_by_hand():
    realism = torch.tensor([0.0, 2.0, 0.5])
    assert loss.discriminator_real(realism).item() == pytest.approx(0.5 * (1 + 1 + 0.25) / 3)
    assert loss.discriminator_fake(realism).item() == pytest.approx(0.5 * (0 + 4 + 0.25) / 3)
    assert loss.generator_adversarial(realism).item() == pytest.approx(0.5 * (1 + 1 + 0.25) / 3)


def test_pairs_are_compared_one_by_one():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0])
    expected = (math.log(1 + math.exp(-0.5)) + math.log(1 + math.exp(2.0))) / 2
    assert loss.more_real(real, fake).item() == pytest.approx(expected)


def test_the_gradient_penalty_of_a_quadratic_score_and_its_own_gradient():
    """score = a·Σx² of pictures of ones: ½·mean ‖2ax‖² = 2a²·n, whose derivative by a is 4a·n."""
    pictures = torch.ones(2, 3, 2, 2, requires_grad=True)
    a = torch.tensor(0.5, requires_grad=True)
    penalty = loss.gradient_penalty(a * pictures.square().sum((1, 2, 3)), pictures)
    assert penalty.item() == pytest.approx(2 * 0.5**2 * 12)
    penalty.backward()
    assert a.grad.item() == pytest.approx(4 * 0.5 * 12)
