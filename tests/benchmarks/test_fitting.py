"""The benchmark of the try-on runs, on networks of debug size."""

import json
import sys

import pytest

from benchmarks.fitting import PLAIN, main


def test_it_prints_its_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("benchmarks.fitting.SECONDS", 0.01)
    words = "benchmarks.fitting --size debug --batches 1 2 --company 2 --pixels 64 --runs 1".split()
    monkeypatch.setattr(sys, "argv", words)
    main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["name"] for row in found["rows"]] == ["network/1", "network/2", "fitting/2", "fitting/2/together"]
    assert all(row["value"] > 0 and row["baseline"] == PLAIN and row["ratio"] > 0 for row in found["rows"])
