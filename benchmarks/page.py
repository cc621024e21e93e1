"""`python -m benchmarks.page`: writes docs/benchmarks/README.md from the results beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
HEAD = """# What was measured

Written by `python -m benchmarks.page` from the files beside it; each is the last line of `python -m benchmarks.NAME`,
kept as NAME-MACHINE.json. A ratio compares two things that were measured in turns in the same run.
"""


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, for results by file name."""
    return "\n".join([HEAD, *(section(name, found) for name, found in sorted(results.items()))])


def section(name: str, found: Mapping[str, Any]) -> str:
    """One file's part: the machine, and a table of its rows."""
    machine = found["machine"]
    where = ", ".join(
        str(each) for each in (machine["cpu"], f"{machine['cores']} cores", machine["gpu"]) if each is not None
    )
    if found.get("pivot"):
        return "\n".join([*head(name, found, where), *pivoted(found["rows"], found.get("commits", {})), ""])
    lines = [
        *head(name, found, where),
        "| what | value | unit | against | its value | ratio | runs | spread |",
        "|---|---:|---|---|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *(line(row) for row in found["rows"]), ""])


def head(name: str, found: Mapping[str, Any], where: str) -> list[str]:
    """The lines above a table."""
    lines = [
        f"## {found['benchmark']} ({name})",
        "",
        f"{where}; torch {found['machine']['torch']}; commit {found['commit']}",
        "",
    ]
    return [*lines, found["note"], ""] if "note" in found else lines


def pivoted(rows: Sequence[Mapping[str, Any]], commits: Mapping[str, str]) -> list[str]:
    """Rows named case/figure as tables with a line for every case and a column for every figure.

    Cases of the same figures share a table. commits: of cases that were measured at different times.
    """
    cases: dict[str, dict[str, str]] = {}
    for row in rows:
        case, _, figure = row["name"].rpartition("/")
        cases.setdefault(case, {})[figure] = number(row["value"])
    for case in cases.keys() & commits.keys():
        cases[case]["commit"] = commits[case]
    lines: list[str] = []
    for figures in dict.fromkeys(tuple(cells) for cells in cases.values()):
        alike = {case: cells for case, cells in cases.items() if tuple(cells) == figures}
        lines += ["", *table(figures, alike)] if lines else table(figures, alike)
    return lines


def table(figures: Sequence[str], cases: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The lines of one."""
    lines = [f"| | {' | '.join(figure.replace('_', ' ') for figure in figures)} |", f"|---|{'---:|' * len(figures)}"]
    return lines + [f"| {case.replace('_', ' ')} | {' | '.join(cells.values())} |" for case, cells in cases.items()]


def line(row: Mapping[str, Any]) -> str:
    """One row of a table; what was not compared stays empty."""
    cells = (
        row["name"],
        number(row["value"]),
        row["unit"],
        row["baseline"] or "",
        number(row["baseline_value"]),
        number(row["ratio"]),
        row["runs"],
        number(row["spread"]),
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def number(value: float | None) -> str:
    """Four digits that count; nothing for None."""
    return "" if value is None else f"{value:.4g}"


def main() -> None:
    results = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    (FOLDER / "README.md").write_text(page(results))


if __name__ == "__main__":
    main()
