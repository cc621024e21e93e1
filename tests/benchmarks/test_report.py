"""What every benchmark prints."""

import json
from itertools import count

import pytest

from benchmarks.report import emit, in_turns, report, row


def test_subjects_are_measured_in_turns() -> None:
    clock = count()
    values = in_turns({"a": lambda: next(clock), "b": lambda: next(clock)}, runs=3, say=lambda line: None)
    assert values == {"a": [0, 2, 4], "b": [1, 3, 5]}


def test_a_row_compares_medians_of_the_same_run() -> None:
    found = row("speed/new", [4.0, 6.0, 5.0], unit="1/s", baseline="old", baseline_values=[2.0, 2.5, 3.0])
    assert (found.value, found.baseline_value, found.ratio, found.runs) == (5.0, 2.5, 2.0, 3)
    assert found.spread == pytest.approx(0.2)  # quartiles 4.5 and 5.5 over 5


def test_a_row_alone_has_no_ratio() -> None:
    found = row("bytes", [7.0], unit="B")
    assert (found.ratio, found.baseline, found.spread) == (None, None, 0.0)


def test_the_last_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    emit(report("latent", [row("bytes", [7.0], unit="B")]))
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["benchmark"] == "latent" and found["rows"][0]["name"] == "bytes"
    assert set(found["machine"]) == {"cpu", "cores", "gpu", "torch"}


def test_runs_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        in_turns({}, runs=0)
