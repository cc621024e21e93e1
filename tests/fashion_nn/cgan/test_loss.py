import pytest
import torch

from fashion_nn.cgan import loss


def test_each_term_by_hand():
    realism = torch.tensor([0.0, 2.0, 0.5])
    assert loss.discriminator_real(realism).item() == pytest.approx(0.5 * (1 + 1 + 0.25) / 3)
    assert loss.discriminator_fake(realism).item() == pytest.approx(0.5 * (0 + 4 + 0.25) / 3)
    assert loss.generator_adversarial(realism).item() == pytest.approx(0.5 * (1 + 1 + 0.25) / 3)
