"""The layout of VITON: pairs, masks and labels, and what is missing of them."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from fashion_nn.datasets.problems import DataError
from fashion_nn.datasets.viton import read_pairs
from fashion_nn.pictures import encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("image", "cloth", "image-mask"):
        (tmp_path / "train" / kind).mkdir(parents=True)
    for name in ("1", "2", "3"):
        for kind, ending in (("image", "jpg"), ("cloth", "jpg"), ("image-mask", "png")):
            picture = encode(Image.new("RGB", (4, 4)), format="PNG")
            (tmp_path / "train" / kind / f"{name}.{ending}").write_bytes(picture)
    write(tmp_path, "train_pairs.txt", "1.jpg 1.jpg", "2.jpg 2.jpg", "3.jpg 3.jpg")
    write(tmp_path, "train_labels.csv", "1,upper,shirt", "2,lower,jeans", "3,dress,dress")
    return tmp_path


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join(lines) + "\n")


def listed(pairs) -> list[str]:
    return [f"{Path(p.file).name}:{p.line}: {p.reason}" for p in pairs.problems]


def test_a_sound_folder_is_read_whole(folder):
    pairs = read_pairs(folder, on_problem="refuse")
    assert len(pairs) == 3 and pairs.names == ["1", "2", "3"]
    assert [source.name for source in pairs.persons] == ["1.jpg", "2.jpg", "3.jpg"]
    assert [source.name for source in pairs.masks] == ["1.png", "2.png", "3.png"]
    assert pairs.groups == ["upper", "lower", "dress"] and pairs.labels == ["shirt", "jeans", "dress"]
    assert pairs.garments[0].read() == (folder / "train" / "cloth" / "1.jpg").read_bytes()


def test_one_person_may_be_paired_with_several_garments(folder):
    write(folder, "train_pairs.txt", "1.jpg 1.jpg", "1.jpg 2.jpg", "2.jpg 1.jpg", "3.jpg 3.jpg")
    assert len(read_pairs(folder, on_problem="refuse")) == 4


def test_masks_and_labels_are_optional(folder):
    for mask in (folder / "train" / "image-mask").iterdir():
        mask.unlink()
    (folder / "train" / "image-mask").rmdir()
    (folder / "train_labels.csv").unlink()
    pairs = read_pairs(folder, on_problem="refuse")
    assert pairs.masks == [None] * 3 and pairs.groups is None and pairs.labels is None


@pytest.fixture
def known(folder: Path) -> Path:
    """The same with persons in second garments: two of three."""
    (folder / "train" / "truth").mkdir()
    for name in ("1", "3"):
        shutil.copy(folder / "train" / "image" / f"{name}.jpg", folder / "train" / "truth" / f"{name}.jpg")
    write(folder, "train_truth.csv", "person,wanted,truth", "1.jpg,2.jpg,1.jpg", "3.jpg,1.jpg,3.jpg")
    return folder


def test_truths_are_optional_for_every_pair(known):
    pairs = read_pairs(known, on_problem="refuse")
    first, none, last = pairs.truths
    assert (first.wanted.name, first.picture.name) == ("2.jpg", "1.jpg")
    assert none is None and last.wanted.name == "1.jpg"
    assert pairs.without([0]).truths == [None, last]


def test_origins_are_optional_for_every_truth(known):
    (known / "train" / "origins").mkdir()
    shutil.copy(known / "train" / "image-mask" / "1.png", known / "train" / "origins" / "3.png")
    first, _, last = read_pairs(known, on_problem="refuse").truths
    assert first.origins is None and last.origins.name == "3.png"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("4.jpg,1.jpg,1.jpg", "no pair is called '4'"),
        ("1.jpg,3.jpg,1.jpg", "'1' has a truth already; the first one stays"),
        ("2.jpg,4.jpg,1.jpg", "no file '4.jpg'"),
        ("2.jpg,1.jpg,2.jpg", "no file '2.jpg'"),
        ("2.jpg,1.jpg,../image/2.jpg", "points outside of"),
        ("2.jpg,1.jpg", "2 fields where the header has 3"),
    ],
)
def test_what_is_wrong_with_a_truth_is_listed_and_the_pair_stays(known, line, reason):
    with (known / "train_truth.csv").open("a") as file:
        file.write(line + "\n")
    pairs = read_pairs(known)
    (problem,) = listed(pairs)
    assert problem.startswith("train_truth.csv:4: ") and reason in problem
    assert pairs.names == ["1", "2", "3"] and pairs.truths[1] is None


def test_labels_may_have_a_header(folder):
    write(folder, "train_labels.csv", "name,group,label", "1,upper,x", "2,upper,x", "3,upper,x")
    assert read_pairs(folder, on_problem="refuse").groups == ["upper"] * 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("4.jpg 1.jpg", "no file '4.jpg'"),
        ("1.jpg 4.jpg", "no file '4.jpg'"),
        ("1.jpg", "1 names instead of a person and a garment"),
        ("1.jpg 2.jpg 3.jpg", "3 names instead"),
        ("1.jpg 1.jpg", "stands on line 1 already"),
        ("../../train_pairs.txt 1.jpg", "points outside of"),
        ("1.jpg /etc/hostname", "points outside of"),
    ],
)
def test_what_is_wrong_with_a_pair_is_listed_and_passed_by_or_refused(folder, line, reason):
    (folder / "train_labels.csv").unlink()
    write(folder, "train_pairs.txt", "1.jpg 1.jpg", line, "2.jpg 2.jpg")
    pairs = read_pairs(folder)
    assert pairs.names == ["1", "2"]
    (problem,) = listed(pairs)
    assert problem.startswith("train_pairs.txt:2: ") and reason in problem
    with pytest.raises(DataError, match=r"train_pairs\.txt:2"):
        read_pairs(folder, on_problem="refuse")


def test_a_pair_without_its_mask_is_listed_and_stays(folder):
    (folder / "train" / "image-mask" / "2.png").unlink()
    pairs = read_pairs(folder)
    assert len(pairs) == 3 and pairs.masks[1] is None and pairs.masks[0] is not None
    assert "no mask for 2.jpg" in listed(pairs)[0]


def test_labels_that_match_nothing_or_are_missing_are_listed(folder):
    write(folder, "train_labels.csv", "1,upper,shirt", "1,lower,jeans", "9,upper,shirt", "3,dress")
    pairs = read_pairs(folder)
    assert pairs.groups == ["upper", "", ""]
    assert [problem.split(": ")[0] for problem in listed(pairs)] == [
        "train_labels.csv:2",
        "train_labels.csv:3",
        "train_labels.csv:4",
        "train_labels.csv:None",
        "train_labels.csv:None",
    ]


@pytest.mark.parametrize("on_problem", ["skip", "refuse"])
def test_no_pairs_at_all_is_an_error_either_way(folder, on_problem):
    with pytest.raises(DataError, match="No such file"):
        read_pairs(folder, part="test", on_problem=on_problem)
    write(folder, "train_pairs.txt", "8.jpg 9.jpg")
    with pytest.raises(DataError, match="no usable pair; the first problem"):
        read_pairs(folder, on_problem=on_problem)


def test_without_drops_the_pairs_at_these_places(folder):
    pairs = read_pairs(folder).without([0, 2])
    assert pairs.names == ["2"] and pairs.groups == ["lower"] and pairs.masks[0].name == "2.png"


@pytest.mark.parametrize(("part", "count"), [("train", 1096), ("test", 156)])
def test_the_real_pairs_have_no_problem(real_data, part, count):
    pairs = read_pairs(real_data / "ccp-pairs", part=part, on_problem="refuse")
    assert len(pairs) == count and None not in pairs.masks
    assert set(pairs.groups) == {"upper", "lower", "dress"}
