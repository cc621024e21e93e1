"""The looks of a catalogue on a real Ray: what is missing is computed, what is there is taken."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from cluster.object_store import ObjectInfo, open_store, picture_key
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from tests.training.finished import RUNS, finish
from training.looks import Looker, as_parquet, compute, folder_of, kept, parts_of
from training.publish import publish

RUN = RUNS["dvbpr"]


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """The data set, to be changed."""
    return Path(shutil.copytree(data, tmp_path / "data"))


@pytest.mark.usefixtures("local_ray")
def test_only_what_is_missing_is_looked_at(copied: Path, settings: Settings) -> None:
    step = finish("dvbpr", copied, settings)
    store = open_store(settings.bucket_url, settings)
    told: list[tuple[int, int]] = []
    (copied / "images" / "3.png").write_bytes(b"not a picture")
    assert compute(settings, RUN, part=6, listen=lambda *each: told.append(each)) == (23, ["images/3.png"])
    assert told[-1] == (24, 24) and len(told) > 1
    found = kept(store, RUN, 10)
    for number in (0, 7, 23):
        key = picture_key((copied / "images" / f"{number}.png").read_bytes(), suffix="png")
        np.testing.assert_allclose(found[key], step.looks()[number].numpy(), rtol=1e-3, atol=1e-4)
        assert store.exists(key)
    assert len(found) == 23

    assert compute(settings, RUN, part=6) == (0, [])
    Image.new("RGB", (40, 40), "green").save(copied / "images" / "3.png")
    again, failed = compute(settings, RUN, part=6)
    assert 1 <= again < 24 and failed == []
    assert len(kept(store, RUN, 10)) == 24


def test_a_release_takes_the_looks_that_are_there(data: Path, settings: Settings) -> None:
    steps = {network: finish(network, data, settings) for network in RUNS if network != "encoder"}
    store = open_store(settings.bucket_url, settings)
    key = picture_key((data / "images" / "5.png").read_bytes(), suffix="png")
    constant = np.full((1, 8), 7.0, np.float32)
    store.put(f"{folder_of(RUN, 10)}part.parquet", as_parquet([key], constant))
    publish(settings, *(RUNS[network] for network in ("dvbpr", "cgan", "cagan")), bank=None)
    releases = ReleaseStore(store)
    folder = releases.fetch(releases.current(), settings.cache / "releases")
    table = pq.read_table(folder / "items.parquet")
    vectors = torch.tensor(table["look"].to_pylist())
    assert table["item_id"][5].as_py() == "i5" and (vectors[5] == 7).all()
    torch.testing.assert_close(vectors[6:9], steps["dvbpr"].looks()[6:9], rtol=1e-3, atol=1e-4)


def test_looks_are_of_pictures_alone_where_vectors_have_categories(data: Path, settings: Settings) -> None:
    step = finish("dvbpr", data, settings, "category_weight=2")
    looker = Looker(settings, step.recommender.look, data.as_uri(), folder_of(RUN, 10), "cpu")
    assert looker.look_at("part", ["images/0.png", "images/7.png"]) == (2, [])
    found = kept(open_store(settings.bucket_url, settings), RUN, 10)
    for number in (0, 7):
        key = picture_key((data / "images" / f"{number}.png").read_bytes(), suffix="png")
        np.testing.assert_allclose(found[key], step.looks()[number, :8].numpy(), rtol=1e-3, atol=1e-4)


def test_a_change_concerns_its_own_part_alone() -> None:
    def infos(count: int, changed: int = -1) -> list[ObjectInfo]:
        return [
            ObjectInfo(key=f"images/{at}.jpg", size=1, modified=None, etag="new" if at == changed else "old")
            for at in range(count)
        ]

    before, after, more = (parts_of(each, 10) for each in (infos(100), infos(100, changed=42), infos(101)))
    assert sorted(key for part in before for key in part.keys) == sorted(info.key for info in infos(100))
    assert max(len(part.keys) for part in before) < 25
    for changed in (after, more):
        assert len({part.name for part in changed} - {part.name for part in before}) == 1
    assert parts_of([], 10) == []
