import math

import pytest
import torch

from fashion_nn.cagan import loss


def test_log_terms_by_hand():
    logits = torch.tensor([[[[0.0, 1.0]]]])
    to_one = (math.log(2) + math.log(1 + math.exp(-1))) / 2
    to_zero = (math.log(2) + math.log(1 + math.exp(1))) / 2
    assert loss.classified(logits, 1.0, "log").item() == pytest.approx(to_one, rel=1e-6)
    assert loss.classified(logits, 0.0, "log").item() == pytest.approx(to_zero, rel=1e-6)


def test_least_squares_terms_by_hand():
    logits = torch.tensor([[[[0.0, 3.0]]]])
    assert loss.classified(logits, 1.0, "least-squares").item() == pytest.approx((1 + 4) / 2)
    assert loss.classified(logits, 0.0, "least-squares").item() == pytest.approx((0 + 9) / 2)


def test_identity_and_cycle_by_hand():
    assert loss.identity(torch.tensor([[[[0.0, 0.5, 1.0, 0.5]]]])).item() == pytest.approx(0.5)
    person, returned = torch.tensor([[[[1.0, -1.0]]]]), torch.tensor([[[[0.5, 0.0]]]])
    assert loss.cycle(person, returned).item() == pytest.approx((0.5 + 1.0) / 2)
