"""Decoded pictures in the bucket: what one machine has decoded, another one copies."""

from pathlib import Path

import pytest

from cluster.object_store import ObjectStore, open_store
from cluster.settings import Settings
from fashion_nn.datasets.picture_table import FILES
from training.catalogue_data import open_catalogue
from training.recipe import Source
from training.shared_tables import FOLDER, SharedTables


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return open_store(settings.bucket_url, settings)


def test_a_second_machine_decodes_nothing(
    data: Path, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_catalogue(Source(path=data, cache=tmp_path / "first", store=store), size=16)
    assert len({info.key.split("/")[2] for info in store.list(FOLDER)}) == 1
    monkeypatch.setattr("fashion_nn.datasets.picture_table.decode", None)
    second = open_catalogue(Source(path=data, cache=tmp_path / "second", store=store), size=16)
    assert (first.pictures[:] == second.pictures[:]).all()


def test_a_table_that_is_not_whole_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    tables, kept, found = SharedTables(store), tmp_path / "kept", tmp_path / "found"
    for folder in (kept, found):
        folder.mkdir()
    for file in FILES:
        (kept / file).write_bytes(b"something")
    assert not tables.fetch("name", found)
    tables.keep("name", kept)
    assert tables.fetch("name", found)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == dict.fromkeys(FILES, b"something")
    store.delete(f"{FOLDER}/name/{FILES[0]}")
    assert not tables.fetch("name", found)
