"""The decoded table: right pixels, broken pictures listed, whole or not at all."""

import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fashion_nn.datasets.picture_table import FILES, PictureTable
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.pictures import encode

GREYS = (0, 50, 100, 150, 200)


def plain(grey: int, *, height: int = 8, width: int = 6) -> bytes:
    return encode(Image.new("RGB", (width, height), (grey,) * 3), format="PNG")


def sources_of(*pictures: bytes) -> list[PictureSource]:
    return [PictureSource(f"picture {place}", data) for place, data in enumerate(pictures)]


@pytest.fixture
def greys() -> list[PictureSource]:
    return sources_of(*map(plain, GREYS))


def test_rows_are_the_pictures_in_order(greys, tmp_path):
    table = PictureTable.build(greys, height=8, width=6, cache=tmp_path)
    assert len(table) == 5 and table.size == (8, 6) and len(table.failed) == 0
    rows = table[np.array([3, 0, 3])]
    assert rows.dtype == torch.uint8 and rows.shape == (3, 3, 8, 6)
    assert [int(row.unique()) for row in rows] == [150, 0, 150]
    assert torch.equal(table[torch.tensor([1])], table[[1]]) and torch.equal(table[1:2], table[[1]])


def test_what_is_read_may_be_written_to_without_touching_the_table(greys, tmp_path):
    table = PictureTable.build(greys, height=8, width=6, cache=tmp_path)
    table[[0]].fill_(9)
    assert int(table[[0]].unique()) == 0


def test_pictures_are_letterboxed_on_white_and_masks_on_black(tmp_path):
    wide = sources_of(plain(100, height=4, width=8))
    picture = PictureTable.build(wide, height=8, width=8, cache=tmp_path)[[0]]
    assert picture[0, :, :2].unique().tolist() == [255] and picture[0, :, 2:6].unique().tolist() == [100]
    mask = PictureTable.build(wide, height=8, width=8, cache=tmp_path, channels=1)[[0]]
    assert mask.shape == (1, 1, 8, 8)
    assert mask[0, :, :2].unique().tolist() == [0] and mask[0, :, 2:6].unique().tolist() == [100]


def test_pictures_that_are_to_fill_their_own_have_its_proportions(tmp_path):
    both = sources_of(plain(100, height=10, width=20), plain(100, height=20, width=10))
    with_borders = PictureTable.build(both, height=4, width=8, cache=tmp_path)
    whole = PictureTable.build(both, height=4, width=8, cache=tmp_path, whole=True)
    assert with_borders.failed.tolist() == [] and whole.failed.tolist() == [1]
    assert torch.equal(whole[:1], with_borders[:1]) and (whole[1] == 255).all()
    (problem,) = whole.problems
    assert problem.reason == "10×20, which are not the proportions of 8×4"


def test_what_does_not_decode_is_listed_and_stays_background(tmp_path):
    broken = sources_of(plain(0), b"no picture", plain(50), plain(100)[:50])
    broken.append(PictureSource("gone.png", tmp_path / "gone.png"))
    table = PictureTable.build(broken, height=8, width=6, cache=tmp_path / "cache")
    assert table.failed.tolist() == [1, 3, 4]
    assert [problem.file for problem in table.problems] == ["picture 1", "picture 3", "gone.png"]
    assert "No such file" in table.problems[2].reason
    assert table[[1, 3, 4]].unique().tolist() == [255]
    assert [int(row.unique()) for row in table[[0, 2]]] == [0, 50]


def test_a_picture_that_comes_several_times_is_kept_once(tmp_path):
    one, other, broken = sources_of(plain(50), plain(100), b"no picture")
    table = PictureTable.build([other, one, None, broken, other, broken, None], height=8, width=6, cache=tmp_path)
    assert [row.unique().tolist() for row in table[:]] == [[100], [50], [255], [255], [100], [255], [255]]
    assert table.failed.tolist() == [3, 5] and len(table.problems) == 1 and len(table) == 7
    assert len(np.load(table.folder / FILES[0])) == 4
    assert torch.equal(pickle.loads(pickle.dumps(table))[:], table[:])


def test_no_source_is_background_and_no_failure(tmp_path):
    sources = [None, *sources_of(plain(255))]
    table = PictureTable.build(sources, height=8, width=6, cache=tmp_path, channels=1)
    assert len(table.failed) == 0 and [int(row.unique()) for row in table[[0, 1]]] == [0, 255]


def test_no_pictures_make_an_empty_table(tmp_path):
    assert len(PictureTable.build([], height=8, width=6, cache=tmp_path)) == 0


def test_the_second_time_nothing_is_decoded(greys, tmp_path):
    reports: list[tuple[int, int]] = []
    for _ in range(2):
        PictureTable.build(greys, height=8, width=6, cache=tmp_path, progress=lambda *seen: reports.append(seen))
    assert reports == [(5, 5)]


def test_progress_counts_to_the_end(tmp_path):
    reports: list[tuple[int, int]] = []
    PictureTable.build(
        sources_of(*[plain(7)] * 100),
        height=8,
        width=6,
        cache=tmp_path,
        progress=lambda *seen: reports.append(seen),
    )
    assert reports == sorted(reports) and reports[-1] == (100, 100) and len(reports) > 1


def test_other_pictures_or_sizes_make_another_table(greys, tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(plain(10))
    source = [PictureSource("picture.png", file)]
    assert int(PictureTable.build(source, height=8, width=6, cache=tmp_path)[[0]].unique()) == 10
    time.sleep(0.01)
    file.write_bytes(plain(20))
    assert int(PictureTable.build(source, height=8, width=6, cache=tmp_path)[[0]].unique()) == 20
    assert PictureTable.build(source, height=4, width=3, cache=tmp_path).size == (4, 3)
    assert len({path.name for path in tmp_path.glob("*x*x*") if path.is_dir()}) == 3


class Left(dict[str, dict[str, bytes]]):
    """Tables that machines have left: their files by name."""

    def fetch(self, name: str, folder: Path) -> bool:
        for file, content in self.get(name, {}).items():
            (folder / file).write_bytes(content)
        return name in self

    def keep(self, name: str, folder: Path) -> None:
        self[name] = {file: (folder / file).read_bytes() for file in FILES}


def test_another_machine_decodes_nothing_anew(tmp_path):
    shared, reports = Left(), []
    for machine in ("one", "other"):
        (tmp_path / machine).mkdir()
        (tmp_path / machine / "picture.png").write_bytes(plain(10))
        sources = [PictureSource("picture.png", tmp_path / machine / "picture.png"), *sources_of(b"no picture")]
        table = PictureTable.build(
            sources,
            height=8,
            width=6,
            cache=tmp_path / machine / "cache",
            shared=shared,
            progress=lambda *seen: reports.append(seen),
        )
        assert int(table[[0]].unique()) == 10 and table.failed.tolist() == [1]
    assert reports == [(2, 2)] and len(shared) == 1


def test_a_table_with_a_file_that_cannot_be_read_stays_where_it_is(tmp_path):
    shared, gone = Left(), PictureSource("gone.png", tmp_path / "gone.png")
    table = PictureTable.build(
        [gone, *sources_of(plain(5))], height=8, width=6, cache=tmp_path / "cache", shared=shared
    )
    assert table.failed.tolist() == [0] and not shared


def test_many_builders_at_once_make_one_table(greys, tmp_path):
    decoded: list[int] = []
    tables: list[PictureTable] = []

    def build() -> None:
        table = PictureTable.build(
            greys, height=8, width=6, cache=tmp_path, progress=lambda done, _: decoded.append(done)
        )
        tables.append(table)

    builders = [threading.Thread(target=build) for _ in range(8)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(tables) == 8 and len({table.folder for table in tables}) == 1
    assert decoded == [5]


def test_a_build_that_is_stopped_leaves_nothing_and_can_be_repeated(greys, tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PictureTable.build(greys, height=8, width=6, cache=tmp_path, progress=stop)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert len(PictureTable.build(greys, height=8, width=6, cache=tmp_path)) == 5


def test_what_a_killed_build_left_is_replaced(greys, tmp_path):
    folder = PictureTable.build(greys, height=8, width=6, cache=tmp_path).folder
    folder.rename(folder.with_suffix(".building"))
    (folder.with_suffix(".building") / "pixels.npy").write_bytes(b"half")
    assert len(PictureTable.build(greys, height=8, width=6, cache=tmp_path)) == 5
    assert not folder.with_suffix(".building").exists()


def test_a_pickled_table_maps_the_same_file(greys, tmp_path):
    table = PictureTable.build(greys, height=8, width=6, cache=tmp_path)
    data = pickle.dumps(table)
    assert len(data) < 1000
    assert torch.equal(pickle.loads(data)[[2]], table[[2]])


def test_channels_are_one_or_three(greys, tmp_path):
    with pytest.raises(ValueError, match="neither 1"):
        PictureTable.build(greys, height=8, width=6, cache=tmp_path, channels=4)
