"""A world on disk: complete, the same every time, and never half there."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_nn.datasets.catalogue import read_catalogue
from fashion_nn.datasets.viton import read_pairs
from fashion_nn.world import config as configs
from fashion_nn.world import world
from fashion_nn.world.config import WorldConfig
from fashion_nn.world.origins import draw_origins
from fashion_nn.world.population import pair
from fashion_nn.world.world import is_world, write_world

SMALL = replace(configs.debug(), items_per_category=3, shoppers=6, pairs_train=4, pairs_test=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "small", SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_catalogue_reads_without_a_problem(small):
    catalogue = read_catalogue(small, on_problem="refuse")
    assert len(catalogue.item_ids) == SMALL.items
    assert len(catalogue.user_ids) == SMALL.shoppers
    assert catalogue.problems == [] or not catalogue.problems
    for row in rows(small / "items.csv"):
        with Image.open(small / row["image"]) as picture:
            assert picture.size == (64, 64)


def test_the_pairs_read_without_a_problem(small):
    for part, count in (("train", 4), ("test", 4)):
        pairs = read_pairs(small / "pairs", part=part, on_problem="refuse")
        assert len(pairs.names) == count
        assert all(mask is not None for mask in pairs.masks)
        assert [truth.picture.name for truth in pairs.truths] == [f"{name}.jpg" for name in pairs.names]
        for name in pairs.names:
            stem = Path(name).stem
            for file in (f"image/{stem}.jpg", f"cloth/{stem}.jpg", f"image-mask/{stem}.png"):
                with Image.open(small / "pairs" / part / file) as picture:
                    assert picture.size == (48, 64)


def test_origins_come_where_they_are_asked_for(tmp_path):
    config = replace(SMALL, origins=True)
    folder = write_world(tmp_path / "placed", config)
    for part in ("train", "test"):
        pairs = read_pairs(folder / "pairs", part=part, on_problem="refuse")
        for place, truth in enumerate(pairs.truths):
            this = pair(config, part, place)
            with Image.open(folder / "pairs" / part / "origins" / truth.origins.name) as found:
                drawn = draw_origins(this.person, this.wanted, height=config.person_height)
                assert found.tobytes() == drawn.tobytes()


def test_a_person_with_several_pairs_is_drawn_once_in_every_top(tmp_path):
    """Each pair's picture is the truth of the one before; garments are other persons', and drawn once each."""
    config = replace(SMALL, pairs_train=18, pairs_per_person=3, origins=True)
    folder = write_world(tmp_path / "several", config)
    part = folder / "pairs" / "train"
    pairs = read_pairs(folder / "pairs", part="train", on_problem="refuse")
    assert len(pairs) == 18 and len(list((part / "cloth").iterdir())) == 6
    for place, (worn, truth) in enumerate(zip(pairs.garments, pairs.truths, strict=True)):
        person = place // 3
        next_one = 3 * person + (place + 1) % 3
        assert truth.picture.read() == pairs.persons[next_one].read()
        assert truth.wanted.origin == pairs.garments[next_one].origin != worn.origin
        assert int(worn.name.removeprefix("train").removesuffix(".jpg")) == 3 * ((person + 2 * (place % 3)) % 6)
        this = pair(config, "train", place)
        assert this.person == pair(config, "train", next_one).person and this.wanted.figure == this.person.figure
        with Image.open(truth.origins.origin) as found:
            assert found.tobytes() == draw_origins(this.person, this.wanted, height=config.person_height).tobytes()
    assert contents(folder / "pairs" / "test") == contents(
        write_world(tmp_path / "one", replace(config, pairs_per_person=1)) / "pairs" / "test"
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_truths_show_the_person_in_the_wanted_garment(small, part):
    truths = rows(small / "pairs" / f"{part}_truth.csv")
    assert len(truths) == SMALL.pairs(part)
    folder = small / "pairs" / part
    for row in truths:
        worn, truth = (
            np.asarray(Image.open(folder / p), float) for p in (f"image/{row['person']}", f"truth/{row['truth']}")
        )
        assert worn.shape == truth.shape
        assert (folder / "cloth" / row["wanted"]).exists() and row["wanted"] != row["worn"]
        changed = np.abs(worn - truth).max(axis=2) > 40
        assert 0 < changed.mean() < 0.6


def test_wanted_garments_come_from_the_next_pair_of_the_same_figure():
    for index in range(SMALL.pairs_test):
        this = pair(SMALL, "test", index)
        assert this.wanted.figure == this.person.figure == this.worn.figure


def test_the_stated_tastes_are_all_there(small):
    stated = json.loads((small / "shoppers.json").read_text())
    assert len(stated["shoppers"]) == SMALL.shoppers
    for shopper in stated["shoppers"]:
        assert list(shopper["taste"]) == stated["features"]
    bought = {row["user_id"] for row in rows(small / "interactions.csv")}
    assert bought == {shopper["user_id"] for shopper in stated["shoppers"]}


def test_the_same_seed_makes_the_same_bytes_with_any_number_of_workers(small, tmp_path):
    again = write_world(tmp_path / "again", replace(SMALL, workers=2))
    assert contents(again) == contents(small)
    other = write_world(tmp_path / "other", replace(SMALL, seed=1))
    assert contents(other)["images/i000000.jpg"] != contents(small)["images/i000000.jpg"]


def test_a_finished_world_is_left_alone(small):
    before = {p: p.stat().st_mtime_ns for p in small.rglob("*")}
    told = []
    write_world(small, SMALL, progress=lambda drawn, total: told.append(drawn))
    assert told == [] and {p: p.stat().st_mtime_ns for p in small.rglob("*")} == before


def test_an_interrupted_world_is_never_taken_for_a_whole_one_and_is_taken_up_again(small, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(drawn: int, total: int) -> None:
        if drawn > SMALL.items + 2:
            raise Interrupted

    folder = tmp_path / "world"
    with pytest.raises(Interrupted):
        write_world(folder, SMALL, progress=interrupt)
    assert not folder.exists() and not is_world(folder, SMALL)
    growing = next(p for p in tmp_path.iterdir() if (p / "images").exists())
    first = (growing / "images" / "i000000.jpg").stat().st_mtime_ns
    write_world(folder, SMALL)
    assert contents(folder) == contents(small)
    assert (folder / "images" / "i000000.jpg").stat().st_mtime_ns == first  # not drawn again
    assert [p.name for p in tmp_path.iterdir()] == ["world"]


def test_a_folder_with_something_else_in_it_is_refused(small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(FileExistsError, match="mine"):
        write_world(tmp_path / "mine", SMALL)
    assert (tmp_path / "mine" / "diary.txt").exists()
    with pytest.raises(FileExistsError):
        write_world(small, replace(SMALL, seed=5))


def test_an_empty_folder_is_filled(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    assert is_world(write_world(folder, SMALL), SMALL)


def test_another_call_that_was_first_with_the_same_world_does_no_harm(tmp_path):
    folder, nested = tmp_path / "world", []

    def meanwhile(drawn: int, total: int) -> None:
        if not nested:
            nested.append(True)
            write_world(folder, SMALL)

    assert is_world(write_world(folder, SMALL, progress=meanwhile), SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["world"]


def test_progress_counts_to_the_end(tmp_path):
    told = []
    write_world(tmp_path / "world", SMALL, progress=lambda drawn, total: told.append((drawn, total)))
    assert told[-1][0] == told[-1][1] == SMALL.items + SMALL.pairs_train + SMALL.pairs_test
    assert told == sorted(told)


def test_a_world_without_shoppers_or_pairs_is_a_catalogue(tmp_path):
    bare = replace(SMALL, shoppers=0, pairs_train=0, pairs_test=0)
    folder = write_world(tmp_path / "bare", bare)
    assert len(rows(folder / "items.csv")) == bare.items and rows(folder / "interactions.csv") == []


def test_fingerprints_tell_worlds_apart_but_not_workers():
    assert SMALL.fingerprint() == replace(SMALL, workers=2).fingerprint()
    assert len({c.fingerprint() for c in (SMALL, configs.debug(), configs.demo(), configs.showcase())}) == 4


@pytest.mark.parametrize(("field", "value"), [("item_size", 8), ("workers", 0), ("full_length", 1.5), ("quality", 101)])
def test_wrong_values_are_named_with_their_limits(field, value):
    with pytest.raises(ValueError, match=rf"{field}.*{value}"):
        replace(WorldConfig(), **{field: value})


def test_the_module_offers_the_names_of_its_sizes():
    assert world.demo() == WorldConfig() and world.debug() != world.demo() != world.showcase()


def test_pairs_that_would_leave_somebody_short_are_refused():
    with pytest.raises(ValueError, match="pairs_train: must be a multiple of pairs_per_person, which is 3, not 10"):
        WorldConfig(pairs_train=10, pairs_per_person=3)
    with pytest.raises(ValueError, match="pairs_train: must be at least 18, so that each person finds"):
        WorldConfig(pairs_train=12, pairs_per_person=3)
    with pytest.raises(ValueError, match="pairs_per_person: must lie between 1 and 100, not 0"):
        WorldConfig(pairs_per_person=0)
