"""The authors' files: read as Python 2 wrote them, and never run."""

import io
import os
import pickle
import pickletools
import struct
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from fashion_nn.datasets.dvbpr_npy import read_dvbpr
from fashion_nn.datasets.problems import DataError
from fashion_nn.pictures import decode, encode


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2 wrote its `str`, and NumPy's names as they were then."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_str(self, value: str | bytes) -> None:
        data = value if isinstance(value, bytes) else value.encode("latin1")
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = save_str
    dispatch[bytes] = save_str


def python2(value: Any) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def objects(elements: list) -> np.ndarray:
    array = np.empty(len(elements), object)
    for place, element in enumerate(elements):
        array[place] = element
    return array


def write_npy(path: Path, data: bytes, *, shape: str = "(6,)", descr: str = "'|O'") -> Path:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)
    return path


def jpeg(grey: int) -> bytes:
    return encode(Image.new("RGB", (8, 6), (grey,) * 3))


def one_hot(place: int, length: int = 3) -> np.ndarray:
    return np.eye(length)[place]


def bought(*items: int) -> list[dict]:
    return [{"productid": item} for item in items]


@pytest.fixture
def contents() -> list:
    """Two users, six items of three categories, in the shape of the authors' files."""
    items = {i: {"imgs": jpeg(40 * i), "c": one_hot(i % 3)} for i in range(6)}
    train = {0: bought(0, 1, 2), 1: bought(3)}
    return [train, {0: bought(3), 1: bought(4)}, {0: bought(4), 1: bought(5)}, items, 2, 6]


def write(path: Path, contents: list) -> Path:
    return write_npy(path / "set.npy", python2(objects(contents)))


def test_a_file_of_python_2_is_read_whole(contents, tmp_path):
    path = write(tmp_path, contents)
    assert b"BINUNICODE" not in pickletools_names(path)
    catalogue, split = read_dvbpr(path, on_problem="refuse")
    assert catalogue.item_ids == ["0", "1", "2", "3", "4", "5"] and catalogue.user_ids == ["0", "1"]
    assert catalogue.categories == ["category 0", "category 1", "category 2"]
    assert catalogue.item_category.tolist() == [0, 1, 2, 0, 1, 2]
    assert [items.tolist() for items in split.train] == [[0, 1, 2], [3]]
    assert split.validation.tolist() == [3, 4] and split.test.tolist() == [4, 5]
    assert catalogue.interactions.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [1, 3], [1, 4], [1, 5]]
    assert [decode(picture.read()).getpixel((0, 0))[0] for picture in catalogue.pictures] == [40 * i for i in range(6)]


def pickletools_names(path: Path) -> set[bytes]:
    data = path.read_bytes()[10 + struct.unpack("<H", path.read_bytes()[8:10])[0] :]
    return {opcode.name.encode() for opcode, _, _ in pickletools.genops(data)}


def test_files_saved_again_by_python_3_are_read_too(contents, tmp_path):
    for protocol in (2, 3, 4):
        path = write_npy(tmp_path / f"{protocol}.npy", pickle.dumps(objects(contents), protocol=protocol))
        assert len(read_dvbpr(path, on_problem="refuse")[0]) == 6
    np.save(tmp_path / "saved.npy", objects(contents), allow_pickle=True)
    assert len(read_dvbpr(tmp_path / "saved.npy", on_problem="refuse")[0]) == 6


def test_headers_that_python_2_wrote_with_long_numbers_are_read(contents, tmp_path):
    path = write_npy(tmp_path / "set.npy", python2(objects(contents)), shape="(6L,)")
    assert len(read_dvbpr(path)[0]) == 6


@pytest.mark.parametrize("container", [OrderedDict, lambda users: defaultdict(list, users)])
def test_other_plain_containers_are_read(contents, tmp_path, container):
    contents[0] = container(contents[0])
    assert len(read_dvbpr(write(tmp_path, contents))[0]) == 6


def test_lists_arrays_and_numpy_numbers_stand_for_dicts_and_numbers(contents, tmp_path):
    contents[0] = [bought(np.int64(0), np.int32(1), np.uint8(2)), objects(bought(3))]
    contents[3] = objects(list(contents[3].values()))
    contents[4:] = [np.int64(2), np.int64(6)]
    catalogue, split = read_dvbpr(write(tmp_path, contents), on_problem="refuse")
    assert [items.tolist() for items in split.train] == [[0, 1, 2], [3]] and len(catalogue) == 6


def test_categories_are_named_by_the_caller(contents, tmp_path):
    path = write(tmp_path, contents)
    assert read_dvbpr(path, categories=["tops", "bottoms", "shoes"])[0].categories[1] == "bottoms"
    with pytest.raises(DataError, match="2 category names for 3 categories"):
        read_dvbpr(path, categories=["tops", "bottoms"])


def test_a_set_without_categories_has_one(contents, tmp_path):
    for item in contents[3].values():
        del item["c"]
    catalogue, _ = read_dvbpr(write(tmp_path, contents), on_problem="refuse")
    assert catalogue.categories == ["item"] and catalogue.item_category.tolist() == [0] * 6


def test_an_item_bought_twice_counts_once(contents, tmp_path):
    contents[0][0] += bought(1, 1)
    _, split = read_dvbpr(write(tmp_path, contents), on_problem="refuse")
    assert split.train[0].tolist() == [0, 1, 2]


def drop_picture(contents):
    contents[3][2] = {"imgs": b"", "c": one_hot(2)}


def drop_item(contents):
    del contents[3][2]


def drop_category(contents):
    contents[3][2]["c"] = np.zeros(3)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (drop_picture, r"Item\[2\] has no picture"),
        (drop_item, r"Item\[2\] has no picture"),
        (drop_category, r"Item\[2\] has no one-hot category"),
    ],
)
def test_an_unusable_item_is_listed_and_dropped_or_refused(contents, tmp_path, damage, reason):
    damage(contents)
    path = write(tmp_path, contents)
    catalogue, split = read_dvbpr(path)
    assert catalogue.item_ids == ["0", "1", "3", "4", "5"]
    assert split.train[0].tolist() == [0, 1] and split.test.tolist() == [3, 4]
    assert len(catalogue.problems) == 1
    with pytest.raises(DataError, match=reason):
        read_dvbpr(path, on_problem="refuse")


@pytest.mark.parametrize(
    ("part", "extra", "reason"),
    [
        (0, bought(6), r"user_train\[0\]: unknown item 6"),
        (0, bought(-1), r"user_train\[0\]: unknown item -1"),
        (0, [{"asin": "x"}], r"user_train\[0\]: unknown item None"),
        (0, ["x"], r"user_train\[0\]: unknown item None"),
        (0, bought(4), r"user_train\[0\]: item 4 is held out"),
    ],
)
def test_a_wrong_purchase_is_listed_and_passed_by_or_refused(contents, tmp_path, part, extra, reason):
    contents[part][0] += extra
    path = write(tmp_path, contents)
    catalogue, split = read_dvbpr(path)
    assert split.train[0].tolist() == [0, 1, 2] and len(catalogue.problems) == 1
    with pytest.raises(DataError, match=reason):
        read_dvbpr(path, on_problem="refuse")


def test_users_without_anything_are_left_out(contents, tmp_path):
    contents[4] = 3
    catalogue, split = read_dvbpr(write(tmp_path, contents), on_problem="refuse")
    assert catalogue.user_ids == ["0", "1"] and len(split.train) == 2


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_file_is_refused_by_name_and_runs_nothing(contents, tmp_path, protocol):
    witness = tmp_path / "ran"
    contents[3][0]["imgs"] = Calls(os.system, f"touch {witness}")
    data = pickle.dumps(objects(contents), protocol=protocol)
    path = write_npy(tmp_path / "set.npy", data)
    for on_problem in ("skip", "refuse"):
        with pytest.raises(DataError, match=r"posix\.system, which is not allowed"):
            read_dvbpr(path, on_problem=on_problem)
    assert not witness.exists()
    np.load(path, allow_pickle=True, encoding="latin1")  # the same file does run where it is trusted
    assert witness.exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Calls(eval, "1"), r"__builtin__\.eval"),
        (Calls(getattr, "x", "upper"), r"__builtin__\.getattr"),
        (np.ones(1).view(np.recarray), r"recarray"),
        (Path("x"), r"pathlib"),
        (np.ma.array([1]), r"numpy\.ma"),
        (np.zeros(1, [("a", "f4")]), "arrays of type"),
        (np.array(["2020"], "M8[D]"), "arrays of type"),
        (Calls(np.ndarray, (2**40,)), r"numpy\.ndarray is called"),
        (Calls(np.dtype, "f4,f4"), "arrays of type 'f4,f4'"),
        (np.empty((2, 2), object), r"array of objects of shape \(2, 2\)"),
        (Calls(np.dtype, 5), "broken .npy file"),
    ],
)
def test_whatever_is_not_plain_is_refused(contents, tmp_path, value, reason):
    contents[3][0]["c"] = value
    with pytest.raises(DataError, match=reason):
        read_dvbpr(write(tmp_path, contents))


def test_a_dotted_name_does_not_lead_around_the_list(tmp_path):
    data = b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93)R."
    with pytest.raises(DataError, match=r"numpy\.ndarray\.__init__, which is not allowed"):
        read_dvbpr(write_npy(tmp_path / "set.npy", data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02]q\x01.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
        b"\x80\x02K\x01R.",
        b"\x80\x02}K\x01b.",
        b"Pname\n.",
    ],
)
def test_a_broken_pickle_is_an_error(tmp_path, data):
    with pytest.raises(DataError, match=r"broken|no one-dimensional"):
        read_dvbpr(write_npy(tmp_path / "set.npy", data))


def test_every_truncation_is_an_error(contents, tmp_path):
    whole = write(tmp_path, contents).read_bytes()
    path = tmp_path / "cut.npy"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_dvbpr(path)


@pytest.mark.parametrize(
    "contents",
    [[], [1, 2, 3, 4, 5, 6], [{}, {}, {}, {}, 0, 0], [{}, {}, {}, {}, "2", 6], [{}, {}, {}, 5, 2, 6]],
)
def test_another_shape_is_an_error(tmp_path, contents):
    with pytest.raises(DataError, match="not \\[user_train"):
        read_dvbpr(write(tmp_path, contents))


def test_a_file_without_a_usable_item_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no usable item"):
        read_dvbpr(write(tmp_path, [{}, {}, {}, {}, 2, 6]))


def test_what_is_no_array_of_objects_is_an_error(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(6))
    with pytest.raises(DataError, match="instead of a list of objects"):
        read_dvbpr(tmp_path / "numbers.npy")
    with pytest.raises(DataError, match="No such file"):
        read_dvbpr(tmp_path / "nowhere.npy")
