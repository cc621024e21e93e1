"""Mask and picture measures against numbers worked out by hand."""

import math

import pytest
import torch

from fashion_nn.metrics.fittings import (
    colour_distance,
    garment_place,
    lab_error,
    mask_iou,
    mean_error,
    misplaced,
    psnr,
    ssim,
    texture_distance,
)


def flat(*values: float, size: int = 11) -> torch.Tensor:
    """One picture of a single value for each."""
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, size, size)


def mask(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows)[None, None]


def test_iou_counts_places():
    predicted = mask([1.0, 0.9, 0.4], [0.0, 0.6, 0.0])  # three places beyond a half
    true = mask([1.0, 0.0, 1.0], [0.0, 1.0, 0.0])  # three too, two of them the same
    assert mask_iou(predicted, true).tolist() == [2 / 4]
    assert mask_iou(predicted, true, threshold=0.3).tolist() == [3 / 4]
    assert mask_iou(true, true).tolist() == [1.0]
    assert mask_iou(1 - true, true).tolist() == [0.0]


def test_iou_of_two_empty_masks_is_one_and_of_one_is_zero():
    empty, full = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    assert mask_iou(empty, empty).tolist() == [1.0, 1.0]
    assert mask_iou(empty, full).tolist() == [0.0, 0.0]


def test_ssim_of_equal_pictures_is_one():
    picture = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert ssim(picture, picture).tolist() == pytest.approx([1.0, 1.0])


def test_ssim_of_flat_pictures_is_its_luminance_term():
    # No variance: (2 a b + C1) / (a^2 + b^2 + C1) with C1 = (0.01 * 2)^2 = 0.0004, of values that are never negative.
    expected = [(2 * 1.5 * 1.25 + 0.0004) / (1.5**2 + 1.25**2 + 0.0004), 0.0004 / 4.0004]
    assert ssim(flat(0.5, -1.0), flat(0.25, 1.0)).tolist() == pytest.approx(expected, rel=1e-6)


def test_ssim_of_greys_does_not_depend_on_which_side_of_the_middle_they_are():
    darker, middle, lighter = ssim(flat(-0.5, 0.0, 0.5), flat(-0.52, -0.02, 0.48)).tolist()
    assert 0.999 < darker < middle < lighter < 1.0


def test_ssim_of_an_inverted_pattern_is_nearly_minus_one():
    # A checkerboard c of +-1 and its negative, one window: mean m of c under the Gaussian window,
    # variance 1 - m^2 and covariance -(1 - m^2); lifted by 1, their means are 1 + m and 1 - m.
    rows = torch.arange(11)
    board = ((rows[:, None] + rows) % 2 * 2.0 - 1).expand(1, 1, 11, 11)
    line = [math.exp(-((x - 5) ** 2) / (2 * 1.5**2)) for x in range(11)]
    alternating = sum(value * (-1) ** (x + 5) for x, value in enumerate(line)) / sum(line)
    m = -(alternating**2)
    variance = 1 - m * m
    luminance = (2 * (1 - m * m) + 0.0004) / (2 * (1 + m * m) + 0.0004)
    structure = (-2 * variance + 0.0036) / (2 * variance + 0.0036)
    assert ssim(board, -board).item() == pytest.approx(luminance * structure, rel=1e-5)


def test_ssim_for_training_is_nearly_as_exact_even_where_the_rest_is_in_bfloat16():
    random = torch.Generator().manual_seed(1)
    picture = torch.rand(2, 3, 24, 16, generator=random) * 0.02 + 0.9  # faint, so that variances are small differences
    other = (picture + torch.rand(picture.shape, generator=random) * 0.01).requires_grad_()
    exact = ssim(picture, other)
    with torch.autocast("cpu", torch.bfloat16):
        fast = ssim(picture, other, dtype=torch.float32)
    assert fast.dtype == torch.float32
    assert fast.tolist() == pytest.approx(exact.tolist(), abs=1e-4)
    expected, gradient = (torch.autograd.grad(each.sum(), other)[0] for each in (exact, fast))
    assert (gradient - expected).abs().max() < 1e-3 * expected.abs().max()


def test_ssim_inside_a_mask_looks_at_the_windows_centred_in_it():
    first, second = flat(0.5, size=21).clone(), flat(0.5, size=21).clone()
    second[..., :10] = -0.5  # the left part differs
    left = torch.zeros(1, 1, 21, 21)
    left[..., 5:7] = 1
    right = torch.zeros(1, 1, 21, 21)
    right[..., 15] = 1  # this window reaches from column 10 on
    assert ssim(first, second, inside=right).item() == pytest.approx(1.0)
    assert ssim(first, second, inside=left).item() < 0.4
    assert ssim(first, second).item() < 1.0


def test_ssim_inside_a_mask_that_no_window_is_centred_in_is_nan():
    corner = torch.zeros(1, 1, 11, 11)
    corner[..., 0, 0] = 1
    assert math.isnan(ssim(flat(0.0), flat(0.0), inside=corner).item())


def test_psnr_is_relative_to_the_range_of_two():
    # Mean squared errors 0.01, 1 and 4: 10 log10(4 / mse).
    expected = [10 * math.log10(400), 10 * math.log10(4), 0.0]
    assert psnr(flat(0.1, 0.0, -1.0), flat(0.0, 1.0, 1.0)).tolist() == pytest.approx(expected, abs=1e-5)
    assert psnr(flat(0.3), flat(0.3)).tolist() == [math.inf]


def test_errors_inside_and_outside_of_a_mask():
    first = torch.zeros(1, 3, 2, 2)
    second = torch.zeros(1, 3, 2, 2)
    second[:, 0] = torch.tensor([[0.6, 0.3], [0.0, 0.9]])  # one channel of three differs
    inside = mask([1.0, 0.0], [0.0, 0.5])
    assert mean_error(first, second).item() == pytest.approx(1.8 / 12)
    assert mean_error(first, second, inside=inside).item() == pytest.approx((0.6 + 0.45) / 4.5)
    assert mean_error(first, second, inside=1 - inside).item() == pytest.approx((0.3 + 0.45) / 7.5)
    assert math.isnan(mean_error(first, second, inside=torch.zeros(1, 1, 2, 2)).item())


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="of one shape"):
        mask_iou(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
    for measure in (ssim, psnr, mean_error):
        with pytest.raises(ValueError, match="of one shape"):
            measure(flat(0.0), flat(0.0, 0.0))
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(flat(0.0, size=10), flat(0.0, size=10))


def test_lab_error_is_the_distance_that_the_eye_sees():
    black, white = flat(-1.0), flat(1.0)
    assert lab_error(black, white).item() == pytest.approx(100, abs=0.01)
    half = torch.zeros(1, 1, 11, 11)
    half[..., :5] = 1
    mixed = torch.where(half.bool(), black, white)
    assert lab_error(mixed, white, inside=half).item() == pytest.approx(100, abs=0.01)
    assert lab_error(mixed, white, inside=1 - half).item() == pytest.approx(0, abs=1e-6)


def test_a_garment_is_what_is_not_white_in_its_picture():
    garment = flat(1.0, 1.0).clone()
    garment[0, 1, 3:6, 2:4] = 0.5
    place = garment_place(garment)
    assert place[0].sum() == 6 and place[0, 0, 3:6, 2:4].all()
    assert place[1].all()  # a white garment cannot be told from its background


def test_colours_are_apart_by_their_means_and_deviations_wherever_they_are():
    grey, place = flat(0.0), torch.ones(1, 1, 11, 11)
    corner = torch.zeros(1, 1, 11, 11)
    corner[..., :3, :3] = 1
    painted = torch.where(corner.bool(), grey, flat(-1.0))
    assert colour_distance(grey, place, painted, corner).item() == pytest.approx(0, abs=1e-4)
    assert colour_distance(flat(-1.0), place, flat(1.0), corner).item() == pytest.approx(100, abs=0.01)
    striped = flat(-1.0, size=12).clone()
    striped[..., ::2] = 1.0  # mean 50, deviation 50, against black's 0 and 0
    everywhere = torch.ones(1, 1, 12, 12)
    apart = colour_distance(striped, everywhere, flat(-1.0, size=12), everywhere).item()
    assert apart == pytest.approx(math.hypot(50, 50), abs=0.01)


def test_textures_are_told_by_their_changes_and_not_by_their_place():
    place = torch.ones(1, 1, 16, 16)
    stripes = flat(-1.0, size=16).clone()
    stripes[..., ::2] = 1.0
    moved = stripes.roll(1, 3)
    assert texture_distance(stripes, place, moved, place).item() == pytest.approx(0, abs=1e-6)
    assert texture_distance(flat(-1.0, size=16), place, flat(1.0, size=16), place).item() == pytest.approx(0, abs=1e-6)
    # Of six differences (over 1, 2, 4 pixels, across and down) one is 100: over one pixel across.
    assert texture_distance(stripes, place, flat(0.0, size=16), place).item() == pytest.approx(100 / 6, abs=0.01)


def test_places_are_off_by_pixels_where_the_garment_is_seen():
    height, width = 4, 8
    where = torch.zeros(1, 2, height, width)  # everything from the middle of the garment's picture
    origins = torch.full((1, 3, height, width), 0.5)
    assert misplaced(where, origins).item() == 0, "nothing is seen"
    origins[:, :, 0, 0] = torch.tensor([0.75, 0.25, 1.0])
    assert misplaced(where, origins).item() == pytest.approx(0.25 * width + 0.25 * height)
    origins[:, 2, 1, 1] = 1.0
    assert misplaced(where, origins).item() == pytest.approx((0.25 * width + 0.25 * height) / 2)
