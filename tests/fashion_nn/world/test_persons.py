"""Persons: the mask is true, and only the garment differs between two pictures of the same person."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_nn.world.bodies import Arm
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.garments import sample_garment
from fashion_nn.world.persons import Person, draw_person, sample_person

FIGURES = ("men", "women")


def person(seed: int, figure: str) -> Person:
    return sample_person(np.random.default_rng([seed, 9]), figure)


def top(seed: int, figure: str):
    return sample_garment(np.random.default_rng([seed, 7]), f"{figure}-tops")


def drawn(who: Person, garment, height: int = 96) -> tuple[np.ndarray, np.ndarray]:
    picture, mask = draw_person(who, garment, height=height)
    return np.asarray(picture, float) / 255, np.asarray(mask, float) / 255


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("seed", range(12))
def test_two_tops_on_one_person_differ_only_where_either_shows(figure, seed):
    who = person(seed, figure)
    one, one_mask = drawn(who, top(seed, figure))
    other, other_mask = drawn(who, top(seed + 100, figure))
    outside = np.maximum(one_mask, other_mask) == 0
    assert np.array_equal(one[outside], other[outside])
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("figure", FIGURES)
def test_the_mask_is_where_the_garments_colour_matters(figure):
    """Repaint the garment: exactly the pixels of the mask change."""
    who = person(1, figure)
    garment = replace(top(2, figure), paint=Paint(colour=(0.9, 0.1, 0.1)), motif=None)
    red, mask = drawn(who, garment)
    green, _ = drawn(who, replace(garment, paint=Paint(colour=(0.1, 0.9, 0.1))))
    changed = np.abs(red - green).max(axis=2) > 0.25
    assert np.array_equal(changed[mask > 0.7], np.ones((mask > 0.7).sum(), bool)) or changed[mask > 0.7].mean() > 0.97
    assert not changed[mask < 0.05].any()


@pytest.mark.parametrize("figure", FIGURES)
def test_the_worn_garment_keeps_its_colour(figure):
    who = person(4, figure)
    garment = replace(top(2, figure), paint=Paint(colour=(0.15, 0.35, 0.8)), motif=None)
    picture, mask = drawn(who, garment)
    assert np.abs(np.median(picture[mask > 0.95], axis=0) - (0.15, 0.35, 0.8)).max() < 0.15


def test_longer_sleeves_cover_more_of_the_arms():
    hanging = (Arm(upper=12, fore=8), Arm(upper=12, fore=8))
    who = person(3, "men")
    who = replace(who, body=replace(who.body, arms=hanging))
    garment = replace(top(2, "men"), cut="tee", neckline="crew")
    areas = [drawn(who, replace(garment, sleeve=s))[1].sum() for s in (0.0, 0.3, 0.6, 1.0)]
    assert areas == sorted(areas) and areas[-1] > 1.15 * areas[0]


def test_a_forearm_before_the_trunk_is_cut_out_of_the_mask():
    who = person(3, "men")
    aside, across = (
        replace(who, body=replace(who.body, arms=(a, a)))
        for a in (Arm(upper=12, fore=8), Arm(upper=13, fore=-74, front=True))
    )
    garment = replace(top(2, "men"), cut="tank", sleeve=0.0, neckline="crew")
    assert drawn(across, garment)[1].sum() < drawn(aside, garment)[1].sum()


@pytest.mark.parametrize("height", [64, 128, 256])
def test_persons_are_upright_three_by_four_and_mostly_show_their_top(height):
    picture, mask = drawn(person(5, "women"), top(5, "women"), height)
    assert picture.shape == (height, height * 3 // 4, 3)
    assert 0.04 < mask.mean() < 0.6


def test_the_same_person_looks_the_same_at_every_size():
    small, _ = drawn(person(6, "women"), top(6, "women"), 64)
    large, _ = drawn(person(6, "women"), top(6, "women"), 256)
    assert np.abs(small - large.reshape(64, 4, 48, 4, 3).mean((1, 3))).mean() < 0.03


def test_people_differ():
    somebody = [person(seed, "women") for seed in range(20)]
    assert len({who.style for who in somebody}) > 3
    assert len({who.background.kind for who in somebody}) > 3
    assert len({tuple(np.round(who.skin, 1)) for who in somebody}) > 3
    assert np.std([who.body.build for who in somebody]) > 0.03


def test_nobody_wears_shoes_on_the_trunk():
    with pytest.raises(ValueError, match="men-shoes"):
        draw_person(person(1, "men"), sample_garment(np.random.default_rng(1), "men-shoes"), height=64)
