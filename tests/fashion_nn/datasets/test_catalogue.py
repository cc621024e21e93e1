"""The catalogue layout: what is read, and that everything wrong is listed with its line."""

import os

import numpy as np
import pytest

from fashion_nn.datasets.catalogue import read_catalogue
from fashion_nn.datasets.problems import DataError

ITEMS = ["item_id,category,image", "a,tops,images/a.png", "b,shoes,images/b.png", "c,tops,images/c.png"]
BOUGHT = ["user_id,item_id,timestamp", "u,a,5", "v,c,3", "u,c,4", "u,a,9"]


def reasons(catalogue) -> list[str]:
    return [f"{os.path.basename(p.file)}:{p.line}: {p.reason}" for p in catalogue.problems]


def test_a_sound_folder_is_read_whole(write_catalogue):
    catalogue = read_catalogue(write_catalogue(ITEMS, BOUGHT), on_problem="refuse")
    assert catalogue.item_ids == ["a", "b", "c"] and len(catalogue) == 3
    assert catalogue.categories == ["shoes", "tops"]
    assert catalogue.item_category.tolist() == [1, 0, 1] and catalogue.item_category.dtype == np.int64
    assert catalogue.user_ids == ["u", "v"]
    assert catalogue.interactions.tolist() == [[0, 0], [1, 2], [0, 2], [0, 0]]
    assert catalogue.timestamps.tolist() == [5, 3, 4, 9]
    assert catalogue.problems == ()
    assert catalogue.pictures[1].read().startswith(b"\x89PNG")


def test_without_interactions_there_are_no_users(write_catalogue):
    catalogue = read_catalogue(write_catalogue(ITEMS))
    assert catalogue.user_ids == [] and catalogue.interactions.shape == (0, 2)


def test_columns_come_in_any_order_and_further_ones_are_ignored(write_catalogue):
    items = ["image,price,category,item_id", "images/a.png,12,tops,a"]
    assert read_catalogue(write_catalogue(items), on_problem="refuse").item_ids == ["a"]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_not_matter(write_catalogue):
    folder = write_catalogue(ITEMS)
    (folder / "items.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(ITEMS).encode())
    assert read_catalogue(folder, on_problem="refuse").item_ids == ["a", "b", "c"]


def test_quoted_fields_may_hold_commas(write_catalogue):
    items = [*ITEMS[:2], '"b, the second","shoes",images/b.png']
    assert read_catalogue(write_catalogue(items), on_problem="refuse").item_ids == ["a", "b, the second"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a,shoes,images/b.png", "item 'a' is listed twice; the first stays"),
        ("d,tops,images/d.png", "no file 'images/d.png'"),
        ("d,tops,images", "no file 'images'"),
        ("d,tops,", "no file name"),
        ("d,,images/a.png", "no category"),
        (",tops,images/a.png", "no item_id"),
        ("d,tops", "2 fields where the header has 3"),
        ("d,tops,images/a.png,x", "4 fields where the header has 3"),
        ('d,"tops,images/a.png', "malformed"),
        ('d,"to"ps,images/a.png', "malformed"),
        ("d,tops,../outside.png", "points outside of"),
        ("d,tops,images/../../outside.png", "points outside of"),
        ("d,tops,/etc/hostname", "points outside of"),
        ("d,tops,.", "points outside of"),
        ("d,tops,images/" + "x" * 5000, "no file"),
        ("d,tops,images/a\0.png", "zero byte"),
    ],
)
def test_what_is_wrong_with_an_item_is_listed_and_passed_by_or_refused(write_catalogue, line, reason):
    folder = write_catalogue([*ITEMS[:3], line, ITEMS[3]])
    (folder.parent / "outside.png").write_bytes((folder / "images" / "a.png").read_bytes())
    catalogue = read_catalogue(folder)
    assert catalogue.item_ids == ["a", "b", "c"]
    (problem,) = reasons(catalogue)
    assert problem.startswith("items.csv:4: ") and reason in problem
    with pytest.raises(DataError, match=r"items\.csv:4"):
        read_catalogue(folder, on_problem="refuse")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("u,z,5", "unknown item 'z'"),
        (",a,5", "no user_id"),
        ("u,a,yesterday", "timestamp 'yesterday' is not a whole number"),
        ("u,a,", "timestamp '' is not a whole number"),
        (f"u,a,{2**63}", "is not a whole number"),
        ("u,a", "2 fields where the header has 3"),
        ('u,"a,5', "malformed"),
    ],
)
def test_what_is_wrong_with_an_interaction_is_listed_and_passed_by_or_refused(write_catalogue, line, reason):
    folder = write_catalogue(ITEMS, [BOUGHT[0], line, *BOUGHT[1:]])
    catalogue = read_catalogue(folder)
    assert len(catalogue.interactions) == 4
    (problem,) = reasons(catalogue)
    assert problem.startswith("interactions.csv:2: ") and reason in problem
    with pytest.raises(DataError, match=r"interactions\.csv:2"):
        read_catalogue(folder, on_problem="refuse")


def test_a_link_that_leads_out_of_the_folder_is_not_followed(write_catalogue):
    folder = write_catalogue(ITEMS, pictures=("a", "b"))
    outside = folder.parent / "elsewhere.png"
    outside.write_bytes(b"secret")
    (folder / "images" / "c.png").symlink_to(outside)
    catalogue = read_catalogue(folder)
    assert catalogue.item_ids == ["a", "b"] and "points outside" in reasons(catalogue)[0]


def test_a_line_that_is_not_utf8_is_listed_alone(write_catalogue):
    folder = write_catalogue(ITEMS)
    lines = [line.encode() for line in ITEMS]
    (folder / "items.csv").write_bytes(b"\n".join([*lines[:2], b"\xff\xfe,tops,images/b.png", lines[3]]))
    catalogue = read_catalogue(folder)
    assert catalogue.item_ids == ["a", "c"] and reasons(catalogue) == ["items.csv:3: not UTF-8"]


def test_an_item_that_was_passed_by_is_unknown_to_the_interactions(write_catalogue):
    catalogue = read_catalogue(write_catalogue(ITEMS, BOUGHT, pictures=("b", "c")))
    assert reasons(catalogue) == [
        f"items.csv:2: no file 'images/a.png' in {os.path.dirname(catalogue.problems[0].file)}",
        "interactions.csv:2: unknown item 'a'",
        "interactions.csv:5: unknown item 'a'",
    ]
    assert catalogue.user_ids == ["v", "u"] and catalogue.interactions.tolist() == [[0, 1], [1, 1]]


def test_a_refusal_lists_everything_at_once(write_catalogue):
    folder = write_catalogue([*ITEMS, "a,tops,images/a.png", "d,tops,nowhere.png"], [*BOUGHT, "u,z,1"])
    with pytest.raises(DataError) as error:
        read_catalogue(folder, on_problem="refuse")
    assert [problem.line for problem in error.value.problems] == [5, 6, 6]


@pytest.mark.parametrize("on_problem", ["skip", "refuse"])
@pytest.mark.parametrize(
    ("items", "interactions", "reason"),
    [
        (ITEMS[1:], None, "missing: item_id, category, image"),
        (["item_id,kind,image", *ITEMS[1:]], None, "missing: category"),
        ([""], None, "missing: item_id"),
        (ITEMS[:1], None, "no usable item"),
        ([ITEMS[0], "d,tops,nowhere.png"], None, "no usable item; the first problem"),
        (ITEMS, BOUGHT[1:], "missing: user_id, item_id, timestamp"),
    ],
)
def test_what_leaves_nothing_to_read_is_an_error_either_way(write_catalogue, items, interactions, reason, on_problem):
    with pytest.raises(DataError, match=reason):
        read_catalogue(write_catalogue(items, interactions), on_problem=on_problem)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"items.csv: No such file"):
        read_catalogue(tmp_path / "nowhere")


def test_the_policy_is_one_of_two(write_catalogue):
    with pytest.raises(ValueError, match="neither 'skip' nor 'refuse'"):
        read_catalogue(write_catalogue(ITEMS), on_problem="ignore")


def test_without_gives_the_catalogue_as_if_the_items_had_not_been_listed(write_catalogue):
    catalogue = read_catalogue(write_catalogue(ITEMS, [*BOUGHT, "w,b,1"])).without([1])
    assert catalogue.item_ids == ["a", "c"] and catalogue.categories == ["tops"]
    assert catalogue.item_category.tolist() == [0, 0]
    assert catalogue.user_ids == ["u", "v"]
    assert catalogue.interactions.tolist() == [[0, 0], [1, 1], [0, 1], [0, 0]]
    assert catalogue.timestamps.tolist() == [5, 3, 4, 9]
    assert [picture.name for picture in catalogue.pictures] == ["images/a.png", "images/c.png"]


def test_without_nothing_changes_nothing(write_catalogue):
    catalogue = read_catalogue(write_catalogue(ITEMS, BOUGHT))
    assert catalogue.without([]).interactions.tolist() == catalogue.interactions.tolist()


def test_the_real_catalogue_has_no_problem(real_data):
    catalogue = read_catalogue(real_data / "clothing", on_problem="refuse")
    assert (len(catalogue), len(catalogue.categories)) == (3409, 10)
    assert (len(catalogue.user_ids), len(catalogue.interactions)) == (2400, 33766)
