"""CIELAB against published values, and the way back."""

import pytest
import torch

from fashion_nn.colour import REACH, from_scaled_lab, lab, rgb, scaled_lab, turned


def flat(red: float, green: float, blue: float) -> torch.Tensor:
    """One pixel of a colour in [0, 1]."""
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1) * 2 - 1


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
    ],
)
def test_the_corners_of_srgb_are_where_they_are_known_to_be(colour: tuple, expected: tuple) -> None:
    assert lab(flat(*colour)).flatten().tolist() == pytest.approx(expected, abs=0.05)


def test_there_and_back_is_the_same_and_scaled_values_stay_within_one() -> None:
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(rgb(lab(pictures)), pictures, atol=2e-4, rtol=0)
    torch.testing.assert_close(from_scaled_lab(scaled_lab(pictures)), pictures, atol=2e-4, rtol=0)
    corners = torch.cartesian_prod(*3 * [torch.tensor([-1.0, 1.0])]).reshape(8, 3, 1, 1)
    assert scaled_lab(corners).abs().max() <= 1.0
    assert lab(corners)[:, 1:].abs().max() > 0.95 * REACH


def test_gradients_are_finite_everywhere_in_srgb_and_beyond_its_border() -> None:
    pictures = torch.linspace(-1, 1, 27).reshape(1, 3, 3, 3).requires_grad_()
    lab(pictures).sum().backward()
    assert pictures.grad.isfinite().all()
    values = torch.tensor([100.0, 110.0, -110.0]).reshape(1, 3, 1, 1).requires_grad_()
    back = rgb(values)
    back.sum().backward()
    assert back.abs().max() <= 1 and values.grad.isfinite().all()


def test_a_turn_moves_hues_and_leaves_lightness_greys_and_whole_turns() -> None:
    dull = torch.cat([flat(0.5, 0.4, 0.45), flat(0.5, 0.5, 0.5)])
    half = turned(dull, torch.tensor([0.5, 0.5]))
    before, after = lab(dull), lab(half)
    torch.testing.assert_close(after[:, 0], before[:, 0], atol=0.05, rtol=0)
    torch.testing.assert_close(after[:, 1:], -before[:, 1:], atol=0.05, rtol=0)
    torch.testing.assert_close(turned(dull, torch.tensor([1.0, 0.0])), dull, atol=2e-4, rtol=0)


def test_autocast_leaves_it_as_exact_as_it_is() -> None:
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    values = scaled_lab(pictures)
    with torch.autocast("cpu", torch.bfloat16):
        there, back = scaled_lab(pictures), from_scaled_lab(values)
    assert torch.equal(there, values) and torch.equal(back, from_scaled_lab(values))
