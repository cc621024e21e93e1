"""Product pictures: what a spec says is what one sees."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_nn.world.fabrics import Paint
from fashion_nn.world.garments import CATEGORIES, GarmentSpec, draw_garment, sample_garment
from fashion_nn.world.specs import BOTTOMS, SHOES, TOPS


def spec(category: str, seed: int) -> GarmentSpec:
    return sample_garment(np.random.default_rng(seed), category)


def pixels(garment: GarmentSpec, size: int = 64) -> np.ndarray:
    return np.asarray(draw_garment(garment, height=size, width=size)[0], float) / 255


def cover(garment: GarmentSpec, size: int = 64) -> np.ndarray:
    return np.asarray(draw_garment(garment, height=size, width=size)[1], float) / 255


TEE = GarmentSpec(category="men-tops", cut="tee", paint=Paint(colour=(0.8, 0.15, 0.17)), sleeve=0.34)


@pytest.mark.parametrize("category", CATEGORIES)
def test_equal_specs_draw_equal_pictures_and_others_do_not(category):
    assert spec(category, 3) == spec(category, 3)
    assert pixels(spec(category, 3)).tobytes() == pixels(spec(category, 3)).tobytes()
    assert pixels(spec(category, 3)).tobytes() != pixels(spec(category, 4)).tobytes()


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_garment_fills_its_picture_and_leaves_the_border_white(category):
    for seed in range(8):
        mask = cover(spec(category, seed))
        rows, columns = np.where(mask > 0.5)
        assert max(np.ptp(rows), np.ptp(columns)) > 0.8 * 64
        assert mask[[0, -1]].max() == mask[:, [0, -1]].max() == 0
        border = pixels(spec(category, seed))
        assert border[0].min() == border[:, 0].min() == 1.0


@pytest.mark.parametrize(
    ("category", "cut"),
    [
        (f"{figure}-{part}", cut)
        for part, cuts in (("tops", TOPS), ("bottoms", BOTTOMS), ("shoes", SHOES))
        for figure in cuts
        for cut in cuts[figure]
    ],
)
def test_every_cut_can_be_drawn_at_its_extremes(category, cut):
    for extreme in (0.0, 1.0):
        garment = replace(spec(category, 1), cut=cut, length=max(extreme, 0.1), fit=extreme, motif=None)
        assert cover(garment).mean() > 0.08


def test_the_categories_can_be_told_apart_by_outline_alone():
    """The most alike of 96 other garments is of the same category, by outline alone."""
    known = np.stack([cover(spec(category, seed), 32) for category in CATEGORIES for seed in range(16)])
    named = [
        int(np.abs(known - cover(spec(category, seed), 32)).mean((1, 2)).argmin()) // 16 == k
        for k, category in enumerate(CATEGORIES)
        for seed in range(100, 110)
    ]
    assert np.mean(named) > 0.85


def test_the_same_garment_looks_the_same_at_every_size():
    for category in CATEGORIES:
        garment = spec(category, 5)
        small = pixels(garment, 64)
        large = pixels(garment, 256).reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert np.abs(small - large).mean() < 0.03


def test_the_colour_of_the_paint_is_the_colour_of_the_garment():
    inside = cover(TEE) > 0.99
    seen = np.median(pixels(TEE)[inside], axis=0)
    assert np.abs(seen - TEE.paint.colour).max() < 0.12


@pytest.mark.parametrize("pattern", ["stripes", "pinstripes", "checks", "plaid", "dots", "band", "block"])
def test_patterns_show_the_accent_colour(pattern):
    start = 0.27 if pattern in ("band", "block") else 0.0
    paint = replace(TEE.paint, accent=(0.1, 0.2, 0.9), pattern=pattern, period=0.06, start=start)
    blue = pixels(replace(TEE, paint=paint))[..., 2][cover(TEE) > 0.99]
    plain = pixels(TEE)[..., 2][cover(TEE) > 0.99]
    assert blue.mean() > plain.mean() + 0.08


def test_stripes_run_across_and_pinstripes_down():
    def change(pattern: str, axis: int) -> float:
        paint = replace(TEE.paint, accent=(1.0, 1.0, 1.0), pattern=pattern, period=0.06)
        middle = pixels(replace(TEE, paint=paint), 128)[50:90, 50:78, 1]
        return float(np.abs(np.diff(middle, axis=axis)).mean())

    assert change("stripes", 0) > 2 * change("stripes", 1)
    assert change("pinstripes", 1) > 2 * change("pinstripes", 0)


def test_longer_sleeves_and_hems_cover_more():
    bare, long = replace(TEE, sleeve=0.2), replace(TEE, sleeve=0.5)
    wide = [
        np.ptp(np.where(cover(g).max(0) > 0.5)[0]) / np.ptp(np.where(cover(g).max(1) > 0.5)[0]) for g in (bare, long)
    ]
    assert wide[1] > wide[0]


def test_the_cuts_of_men_and_women_differ():
    ladies = replace(TEE, category="women-tops")
    assert np.abs(cover(TEE) - cover(ladies)).mean() > 0.03


def test_an_unknown_category_is_named():
    with pytest.raises(ValueError, match="'hats'"):
        sample_garment(np.random.default_rng(0), "hats")
