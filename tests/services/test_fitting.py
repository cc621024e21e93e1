"""Painting and pasting back, without Ray."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_nn import pictures
from fashion_nn.cagan.warp import places
from services.errors import BadInput, Unexpected
from services.fitting import Fitter, Job, Painted, letterboxed, load_fitter, paste
from services.release_loader import fetch
from tests.services import tiny_release


@pytest.fixture(scope="module")
def fitter(settings, release) -> Fitter:
    return load_fitter(fetch(settings, release), torch.device("cpu"))


@pytest.fixture(scope="module")
def exact(settings, tmp_path_factory) -> Fitter:
    """A release that computes in float32."""
    release = tiny_release.publish(settings, tmp_path_factory.mktemp("exact"), fit={"precision": "fp32"}, promote=False)
    return load_fitter(fetch(settings, release), torch.device("cpu"))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def job(fitter: Fitter, value: float = 0.0) -> Job:
    picture = torch.full((3, *fitter.size), value)
    return Job(person=picture, worn=picture, wanted=picture)


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (33, 999), (1, 1), (64, 48), (1000, 3)])
def test_the_box_is_where_the_letterbox_put_the_picture(size: tuple[int, int]) -> None:
    boxed = pictures.letterbox(Image.new("RGB", size, "black"), height=64, width=48)
    dark = np.argwhere(np.asarray(boxed.convert("L")) < 128)
    left, upper, right, lower = letterboxed(size, height=64, width=48)
    assert dark.min(0).tolist() == [upper, left]
    assert (dark.max(0) + 1).tolist() == [lower, right]


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (48, 64), (1, 1)])
def test_outside_the_mask_every_pixel_is_as_it_was_sent(size: tuple[int, int]) -> None:
    person = noise(*size)
    nothing = Painted(painted=torch.ones(3, 64, 48), mask=torch.full((1, 64, 48), 0.01))
    result, mask = paste(person, nothing)
    assert result.size == mask.size == size
    np.testing.assert_array_equal(np.asarray(result), np.asarray(person))
    assert not np.asarray(mask).any()


def test_inside_the_mask_is_what_was_painted() -> None:
    red = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(3, 64, 48)
    mask = torch.zeros(1, 64, 48)
    mask[:, 16:48, 12:36] = 1
    result, shown = paste(noise(480, 640), Painted(painted=red, mask=mask))
    middle, outside = np.asarray(result)[200:440, 160:320], np.asarray(result)[:120]
    assert (middle == (255, 0, 0)).all()
    np.testing.assert_array_equal(outside, np.asarray(noise(480, 640))[:120])
    assert np.asarray(shown)[320, 240] == 255 and np.asarray(shown)[0, 0] == 0


def test_a_half_mask_mixes_as_the_network_does(fitter: Fitter) -> None:
    grey = Image.new("RGB", (96, 96), (100, 100, 100))
    painted = Painted(painted=torch.ones(3, 32, 32), mask=torch.full((1, 32, 32), 0.5))
    result, _ = paste(grey, painted)
    assert np.abs(np.asarray(result).astype(int) - 178).max() <= 1


def test_jobs_in_company_are_as_alone(exact: Fitter) -> None:
    jobs = [job(exact, value) for value in (-0.5, 0.0, 0.5)]
    for each, found in zip(jobs, exact.paint(jobs), strict=True):
        (alone,) = exact.paint([each])
        torch.testing.assert_close(found.painted, alone.painted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.mask, alone.mask, atol=1e-5, rtol=1e-4)


def test_a_job_that_does_not_stay_finite_fails_alone(fitter: Fitter) -> None:
    found = fitter.paint([job(fitter), job(fitter, float("nan"))])
    assert isinstance(found[0], Painted) and isinstance(found[1], Unexpected)


def test_a_worn_garment_may_be_left_out_only_where_that_was_learnt(settings, fitter, tmp_path) -> None:
    assert (fitter.worn(None) == 1).all()
    strict = tiny_release.publish(settings, tmp_path, fit={"worn_dropout": 0.0}, promote=False)
    with pytest.raises(BadInput) as caught:
        load_fitter(fetch(settings, strict), torch.device("cpu")).worn(None)
    assert caught.value.facts["field"] == "worn"


def test_a_garments_group_is_the_one_named_or_that_of_its_category(settings, fitter, tmp_path) -> None:
    assert fitter.group(None, "men-tops") == fitter.group(None, None) == 0
    with pytest.raises(BadInput, match="group is upper, but must be left out"):
        fitter.group("upper", "men-tops")
    groups, fits = {"groups": ("lower", "upper"), "embedding": 4}, {"men-tops": "upper", "women-tops": "lower"}
    release = tiny_release.publish(settings, tmp_path, fit=groups, fits=fits, promote=False)
    several = load_fitter(fetch(settings, release), torch.device("cpu"))
    found = [several.group(*each) for each in ((None, "men-tops"), (None, "women-tops"), ("lower", "men-tops"))]
    assert found == [1, 0, 0]
    for name in (None, "dress"):
        with pytest.raises(BadInput, match="must be one of lower, upper"):
            several.group(name, None)


def test_broken_networks_are_noticed(settings, release) -> None:
    broken = load_fitter(fetch(settings, release), torch.device("cpu"))
    broken.probe()
    next(broken.generator.parameters()).fill_(float("nan"))
    with pytest.raises(RuntimeError, match=release):
        broken.probe()


@pytest.fixture(scope="module")
def carrying(settings, tmp_path_factory) -> Fitter:
    """A release whose network carries the garment's pixels, and takes masks."""
    folder, fit = tmp_path_factory.mktemp("carrying"), {"warp": True, "given_mask": "override"}
    release = tiny_release.publish(settings, folder, fit=fit, promote=False)
    return load_fitter(fetch(settings, release), torch.device("cpu"))


def test_a_garment_is_laid_on_in_the_detail_of_its_own_picture() -> None:
    """Stripes that the network is too small to see come out at the size of the person's picture."""
    still = places(torch.zeros(1, 2, 64, 48))[0]
    everywhere, grey = torch.ones(1, 64, 48), torch.zeros(3, 64, 48)
    painted = Painted(painted=grey, mask=everywhere, places=still, share=everywhere, carried=grey)
    striped = np.zeros((640, 480, 3), np.uint8)
    striped[::4] = striped[1::4] = 255
    result, _ = paste(noise(480, 640), painted, Image.fromarray(striped))
    assert np.abs(np.asarray(result).astype(int) - striped).mean() < 2
    blurred, _ = paste(noise(480, 640), painted)
    assert np.asarray(blurred).std() < 2


def test_what_is_not_carried_is_painted_as_without_detail(carrying: Fitter) -> None:
    person, garment = noise(96, 96), Image.new("RGB", (50, 80), "red")
    job = Job(person=carrying.seen(person), worn=carrying.worn(None), wanted=carrying.wanted(garment))
    (painted,) = carrying.paint([job])
    bare = replace(painted, share=torch.zeros_like(painted.share))
    with_detail, without = (paste(person, bare, each)[0] for each in (garment, None))
    assert np.abs(np.asarray(with_detail).astype(int) - np.asarray(without)).mean() < 2


@pytest.mark.parametrize("size", [(480, 640), (333, 500), (1600, 1200)])
def test_a_part_looks_as_it_does_in_the_whole(carrying: Fitter, size: tuple[int, int]) -> None:
    person, garment = noise(*size), noise(200, 300)
    job = Job(person=carrying.seen(person), worn=carrying.worn(None), wanted=carrying.wanted(garment))
    (painted,) = carrying.paint([job])
    some = torch.zeros_like(painted.mask)
    some[:, 9:21, 10:17] = 1
    for each in (garment, None):
        whole, _ = paste(person, replace(painted, mask=torch.ones_like(some)), each)
        part, mask = paste(person, replace(painted, mask=some), each)
        inside = np.asarray(mask) == 255
        assert 0 < inside.sum() < inside.size / 2
        assert np.abs(np.asarray(whole).astype(int) - np.asarray(part))[inside].max() <= 1
        np.testing.assert_array_equal(
            np.asarray(part)[np.asarray(mask) == 0], np.asarray(person)[np.asarray(mask) == 0]
        )


@pytest.mark.parametrize(("told", "meant"), [(0.02, 0), (0.04, 0), (0.5, 128), (0.96, 255)])
def test_a_mask_means_what_it_is_near_to(told: float, meant: int) -> None:
    _, mask = paste(noise(48, 64), Painted(painted=torch.ones(3, 64, 48), mask=torch.full((1, 64, 48), told)))
    assert (np.asarray(mask) == meant).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (2000, 1500)])
def test_detail_fits_every_size_of_person(carrying: Fitter, size: tuple[int, int]) -> None:
    person, garment = Image.new("RGB", size, "grey"), noise(200, 300)
    job = Job(person=carrying.seen(person), worn=carrying.worn(None), wanted=carrying.wanted(garment))
    result, mask = paste(person, carrying.paint([job])[0], garment)
    assert result.size == mask.size == size


def test_a_mask_that_was_sent_is_where_is_painted_in_whatever_company(carrying: Fitter) -> None:
    square = Image.new("L", (100, 100), 0)
    square.paste(255, (50, 0, 100, 100))
    grey = torch.zeros(3, *carrying.size)
    free, bound = (Job(person=grey, worn=grey, wanted=grey, mask=mask) for mask in (None, carrying.place(square)))
    found = carrying.paint([free, bound, free])
    assert (
        torch.equal(found[1].mask, bound.mask) and bound.mask[0, 5, :12].max() == 0 and bound.mask[0, 5, 20:].min() == 1
    )
    torch.testing.assert_close(found[0].mask, found[2].mask)
    assert not torch.equal(found[0].mask, found[1].mask)


def test_a_mask_is_refused_where_the_network_takes_none(fitter: Fitter) -> None:
    with pytest.raises(BadInput, match="mask is given, but must be left out") as caught:
        fitter.place(Image.new("L", (8, 8)))
    assert caught.value.facts["field"] == "mask"


def test_garments_of_several_groups_are_put_on_in_one_pass(settings, fitter, tmp_path) -> None:
    fit = {"groups": ("upper", "lower"), "embedding": 4, "precision": "fp32"}
    several = tiny_release.publish(settings, tmp_path, fit=fit, promote=False)
    telling = load_fitter(fetch(settings, several), torch.device("cpu"))
    telling.probe()
    upper, lower = (replace(job(telling), group=telling.group(name, None)) for name in ("upper", "lower"))
    found = telling.paint([upper, lower, upper])
    torch.testing.assert_close(found[0].mask, found[2].mask)
    assert not torch.equal(found[0].mask, found[1].mask)
