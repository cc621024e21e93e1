"""Lines of text files and rows of CSV files, one record a line, with what is malformed listed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from fashion_nn.datasets.problems import ProblemList, fatal


def text_lines(path: Path, problems: ProblemList) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line that is not blank; lines not in UTF-8 are listed.

    Raises DataError where the file cannot be opened.
    """
    try:
        lines = open(path, encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise fatal(path, None, error.strerror or str(error)) from error
    with lines:
        for number, line in enumerate(lines, start=1):
            line = line.rstrip("\n")
            if not line.isascii() and any("\udc80" <= letter <= "\udcff" for letter in line):
                problems.add(path, number, "not UTF-8")
            elif line.strip():
                yield number, line


def csv_rows(path: Path, columns: Sequence[str], problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    """(line, the values of `columns`) of every well-formed row; the others are listed.

    The first line names the columns, in any order; further columns are ignored. A quoted field stays on its
    line. Raises DataError where the file or one of `columns` is missing.
    """
    rows = _split_lines(path, problems)
    line, header = next(rows, (1, []))
    header = [name.strip() for name in header]
    missing = [name for name in columns if name not in header]
    if missing:
        raise fatal(path, line, f"the header must name {', '.join(columns)}; missing: {', '.join(missing)}")
    places = [header.index(name) for name in columns]
    for line, row in rows:
        if len(row) == len(header):
            yield line, [row[place].strip() for place in places]
        else:
            problems.add(path, line, f"{len(row)} fields where the header has {len(header)}")


def headless_csv_rows(path: Path, columns: Sequence[str], problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    """As csv_rows, of a file without a header whose fields are `columns`; a first line that names them is
    passed by."""
    for line, row in _split_lines(path, problems):
        fields = [field.strip() for field in row]
        if fields == list(columns) and line == 1:
            continue
        if len(fields) == len(columns):
            yield line, fields
        else:
            problems.add(path, line, f"{len(fields)} fields instead of {', '.join(columns)}")


def _split_lines(path: Path, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    for number, line in text_lines(path, problems):
        if '"' not in line:
            yield number, line.split(",")
            continue
        try:
            yield number, next(csv.reader([line], strict=True))
        except csv.Error as error:
            problems.add(path, number, f"malformed: {error}")
