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


def test_hinge_terms_by_hand():
    logits = torch.tensor([[[[-2.0, 0.5, 3.0]]]])
    assert loss.classified(logits, 1.0, "hinge").item() == pytest.approx((3 + 0.5 + 0) / 3)
    assert loss.classified(logits, 0.0, "hinge").item() == pytest.approx((0 + 1.5 + 4) / 3)
    assert loss.fooled(logits, "hinge").item() == pytest.approx(-0.5)
    assert loss.fooled(logits, "log").item() == pytest.approx(loss.classified(logits, 1.0, "log").item())


def test_the_total_variation_of_a_mask_is_the_length_of_its_outline():
    mask = torch.zeros(1, 1, 5, 5)
    mask[..., 1:3, 1:4] = 1  # two rows of three: four crossings across, six down
    assert loss.total_variation(mask).item() == pytest.approx(4 / 20 + 6 / 20)


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_slope():
    persons = torch.rand(2, 3, 4, 4, requires_grad=True)
    logits = 0.5 * persons.sum((1, 2, 3))[:, None, None, None].expand(-1, 1, 2, 2)
    assert loss.gradient_penalty(logits, persons).item() == pytest.approx(48 * 0.5**2 / 2)


def test_the_cycle_in_lab_weighs_what_the_eye_sees():
    grey, lighter, red = (torch.tensor(c).reshape(1, 3, 1, 1) for c in ([0.0] * 3, [0.3] * 3, [0.3, -0.15, -0.15]))
    by_lab, by_rgb = ([loss.cycle(grey, each, kind).item() for each in (lighter, red)] for kind in ("lab", "rgb"))
    assert by_rgb[1] < by_rgb[0] and by_lab[1] > by_lab[0]


def test_texture_looks_inside_of_the_mask_alone():
    person, carried, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    carried[..., :4] = 0.5
    mask[..., 4:] = 1
    assert loss.texture(person, carried, mask).item() == 0
    assert loss.texture(person, carried, 1 - mask).item() == pytest.approx(2 * 0.25)


def test_a_mask_is_sure_enough_at_four():
    logits = torch.tensor([-30.0, -6.0, -4.0, 0.0, 3.0, 5.0], requires_grad=True)
    term = loss.saturation(logits)
    assert term.item() == pytest.approx((26**2 + 4 + 0 + 0 + 0 + 1) / 6)
    (gradient,) = torch.autograd.grad(term, logits)
    assert gradient.tolist() == pytest.approx([-52 / 6, -4 / 6, 0, 0, 0, 2 / 6])  # not a vanishing one, however sure
