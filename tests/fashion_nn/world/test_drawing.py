"""Outlines, patterns and coverage."""

import numpy as np
import pytest

from fashion_nn.world.drawing import (
    Canvas,
    Piece,
    View,
    along,
    along_axis,
    ellipse,
    limb,
    mirrored,
    off_axis,
    ribbon,
    spline,
)
from fashion_nn.world.fabrics import Paint, pattern

VIEW = View(height=100, width=80, scale=100, left=40, top=0)
RED = Paint(colour=(1.0, 0.0, 0.0))


def area(*pieces: Piece, view: View = VIEW) -> float:
    canvas = Canvas(view, (1.0, 1.0, 1.0))
    canvas.paint(pieces, worn=True)
    return float(canvas.worn.sum()) / view.scale**2


def test_a_spline_goes_through_its_points():
    points = np.array([(0.0, 0.0), (1.0, 0.5), (2.0, -0.3), (3.0, 0.0)])
    assert np.allclose(spline(points, samples=8)[::8], points)
    assert np.allclose(spline(points, closed=True, samples=8)[::8], points)


def test_covered_areas_are_those_of_geometry():
    square = np.array([(-0.2, 0.2), (0.2, 0.2), (0.2, 0.6), (-0.2, 0.6)])
    assert area(Piece(outlines=(square,), paint=RED)) == pytest.approx(0.16, rel=0.03)
    assert area(Piece(outlines=(ellipse(0, 0.5, 0.2, 0.1, samples=60),), paint=RED)) == pytest.approx(
        np.pi * 0.02, rel=0.04
    )
    rod = ribbon(np.array([(-0.2, 0.5), (0.2, 0.5)]), 0.05)
    assert area(Piece(outlines=(rod,), paint=RED)) == pytest.approx(0.04, rel=0.06)


def test_overlapping_outlines_are_a_union_and_holes_are_holes():
    disc = ellipse(0, 0.5, 0.2, 0.2)
    once, twice = Piece(outlines=(disc,), paint=RED), Piece(outlines=(disc, disc), paint=RED)
    assert area(once) == area(twice)
    ring = Piece(outlines=(disc,), holes=(ellipse(0, 0.5, 0.1, 0.1),), paint=RED)
    assert area(ring) == pytest.approx(0.75 * area(once), rel=0.03)
    half = Piece(outlines=(disc,), clip=(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]),), paint=RED)
    assert area(half) == pytest.approx(0.5 * area(once), rel=0.03)


def test_what_lies_outside_the_picture_is_not_drawn():
    assert area(Piece(outlines=(ellipse(3, 3, 0.2, 0.2),), paint=RED)) == 0


def test_what_is_painted_over_leaves_the_mask():
    disc = Piece(outlines=(ellipse(0, 0.5, 0.2, 0.2),), paint=RED)
    canvas = Canvas(VIEW, (1.0, 1.0, 1.0))
    canvas.paint([disc], worn=True)
    canvas.paint([disc])
    assert canvas.worn.max() < 0.3  # only the softened border is left


def test_a_bent_limb_has_no_gap():
    joints = np.array([(0.0, 0.2), (0.15, 0.4), (-0.1, 0.5)])
    canvas = Canvas(VIEW, (1.0, 1.0, 1.0))
    canvas.paint([Piece(outlines=limb(joints, (0.05, 0.04, 0.03)), paint=RED)], worn=True)
    for share in np.linspace(0, 1, 20):
        column, row = VIEW.place(along(joints, share)[-1:])[0]
        assert canvas.worn[int(row), int(column)] == 1.0


def test_along_keeps_a_share_of_the_length():
    joints = np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    assert np.allclose(along(joints, 0.25)[-1], (0, 0.5))
    assert np.allclose(along(joints, 0.75)[-1], (0.5, 1))
    assert along(joints, 1.0).shape == (3, 2)


def test_distances_along_an_axis_run_on_over_its_joints():
    axis = np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    across, down = along_axis(np.array([[0.1, 0.5]]), np.array([[0.5, 1.1]]), axis)
    assert np.allclose(np.abs(across), 0.1) and np.allclose(down, (0.5, 1.5))


def test_what_was_told_along_a_line_is_found_along_another():
    bent, straight = (
        np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 2.0)]),
        np.array([(5.0, 0.0), (5.0, 1.0), (5.0, 1 + 2**0.5)]),
    )
    x, y = np.array([[0.1, -0.2, 0.4]]), np.array([[0.4, 0.9, 1.5]])
    across, down = along_axis(x, y, bent)
    for there in zip((x, y), off_axis(across, down, bent), strict=True):
        assert np.allclose(*there)
    x, y = off_axis(across, down, straight)
    assert np.allclose(x, 5 + across) and np.allclose(y, down)


def test_a_leaning_view_finds_its_way_back():
    view = View(height=120, width=90, scale=140, left=44, top=8, lean=0.06, sway=0.02)
    x, y = view.figure(np.arange(120), np.arange(90))
    there = view.place(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(120, 90, 2)
    assert np.allclose(there[..., 0], np.arange(90)[None] + 0.5) and np.allclose(
        there[..., 1], np.arange(120)[:, None] + 0.5
    )


def test_mirrored_is_the_other_side_walked_back():
    assert mirrored(np.array([(1.0, 2.0), (3.0, 4.0)])).tolist() == [[-3.0, 4.0], [-1.0, 2.0]]


@pytest.mark.parametrize(
    "name", ["solid", "stripes", "pinstripes", "checks", "plaid", "dots", "block", "band", "ribs", "denim"]
)
def test_patterns_stay_within_bounds_and_average_out_when_finer_than_a_pixel(name):
    x, y = np.meshgrid(np.linspace(-0.2, 0.2, 50), np.linspace(0, 0.5, 60))
    for pixel in (0.001, 0.01, 0.5):
        accent = pattern(Paint(colour=(1, 1, 1), pattern=name, period=0.05), x, y, pixel)
        assert accent.shape == x.shape and 0 <= accent.min() and accent.max() <= 1
    if name in ("stripes", "pinstripes", "checks"):
        assert np.ptp(accent) < 0.1


def test_an_unknown_pattern_is_named():
    with pytest.raises(ValueError, match="tartan"):
        pattern(Paint(colour=(1, 1, 1), pattern="tartan"), np.zeros((1, 1)), np.zeros((1, 1)), 0.01)
