"""The page of results is what the program writes from the files beside it."""

import json

from benchmarks.page import FOLDER, page
from benchmarks.report import report, row


def test_every_row_is_a_line_of_its_table() -> None:
    rows = [
        row("speed/new", [4.0, 6.0, 5.0], unit="1/s", baseline="old", baseline_values=[2.0]),
        row("bytes", [7.0], unit="B"),
    ]
    written = page({"latent-here.json": report("latent", rows)})
    assert "| speed/new | 5 | 1/s | old | 2 | 2.5 | 3 | 0.2 |" in written
    assert "| bytes | 7 | B |  |  |  | 1 | 0 |" in written


def test_a_table_of_cases_has_a_column_for_every_figure() -> None:
    rows = [
        row(f"{case}/{figure}", [value], unit="1") for case in ("a", "b_c") for figure, value in (("x_s", 1), ("y", 2))
    ]
    written = page({"chaos-here.json": {**report("chaos", rows), "pivot": True}})
    assert "| | x s | y |\n|---|---:|---:|\n| a | 1 | 2 |\n| b c | 1 | 2 |" in written


def test_cases_of_other_figures_have_a_table_of_their_own_and_each_tells_its_commit() -> None:
    named = ("a/x", "c/x", "a/run/y")
    found = {**report("chaos", [row(each, [1], unit="1") for each in named]), "pivot": True}
    found["commits"] = {"a": "0123", "c": "4567", "gone": "89ab"}
    tables = (
        "| | x | commit |\n|---|---:|---:|\n| a | 1 | 0123 |\n| c | 1 | 4567 |\n\n| | y |\n|---|---:|\n| a/run | 1 |"
    )
    assert tables in page({"chaos-here.json": found})


def test_the_page_is_up_to_date() -> None:
    results = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert (FOLDER / "README.md").read_text() == page(results)
