import numpy as np
import pytest

from services import cells as module
from services.cells import Cells, Floats, largest

ROWS, DIMENSIONS = 6000, 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are searched though there are few rows, and filed anew though few have changed."""
    monkeypatch.setattr(module, "LEAST", 50)
    monkeypatch.setattr(module, "FRESH", 8)


@pytest.fixture
def rows() -> Floats:
    random = np.random.default_rng(0)
    centres = random.standard_normal((40, DIMENSIONS))
    rows = centres[random.integers(0, 40, ROWS)] + 0.3 * random.standard_normal((ROWS, DIMENSIONS))
    return rows.astype(np.float32)


def asked(count: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)


def everything(rows: Floats) -> np.ndarray:
    return np.ones(len(rows), dtype=bool)


def test_the_recall_is_what_was_asked_for(rows: Floats):
    ours = Cells(rows, asked(50), recall=0.95)
    assert ours.recall >= 0.95 and ours.probes(1.0) <= ours.cells // 4
    found = [set(ours.best(query, 100, rows, everything(rows))) for query in asked(50, seed=2)]
    best = [set(largest(rows @ query, 100)) for query in asked(50, seed=2)]
    assert np.mean([len(a & b) for a, b in zip(found, best, strict=True)]) / 100 > 0.9


def test_what_is_found_comes_best_first(rows: Floats):
    ours = Cells(rows, asked(50))
    (query,) = asked(1, seed=3)
    found = ours.best(query, 20, rows, everything(rows))
    assert len(set(found)) == 20
    assert (np.diff(rows[found] @ query) <= 0).all()
    assert found[0] == (rows @ query).argmax()


@pytest.mark.parametrize("share", [0.5, 0.05, 0.002])
@pytest.mark.parametrize("aligned", [False, True])
def test_only_what_is_allowed_is_found_however_little_that_is(rows: Floats, share: float, aligned: bool):
    """Spread over all cells, or where the rows that would be best without a filter are elsewhere."""
    values = rows @ asked(1, seed=9)[0] if aligned else np.random.default_rng(4).random(ROWS)
    allowed = values < np.quantile(values, share)
    ours = Cells(rows, asked(50), [allowed])
    recalls = []
    for query in asked(20, seed=5):
        found = ours.best(query, 10, rows, allowed)
        assert allowed[found].all() and len(found) == min(10, allowed.sum())
        best = largest(np.where(allowed, rows @ query, -np.inf), len(found))
        recalls.append(len(set(found) & set(best)) / len(best))
    assert np.mean(recalls) > 0.9


def test_a_filter_that_allows_few_does_not_spoil_the_recall_that_is_told(rows: Floats):
    few = np.arange(ROWS) < 30
    ours, without = Cells(rows, asked(50), [few]), Cells(rows, asked(50))
    assert (ours.recall, ours.probes(1.0)) == (without.recall, without.probes(1.0))


def test_as_many_as_are_wanted_are_found_though_the_near_cells_hold_fewer(rows: Floats):
    (query,) = asked(1, seed=7)
    assert len(Cells(rows, asked(50)).best(query, ROWS - 100, rows, everything(rows))) == ROWS - 100


def test_nothing_is_allowed(rows: Floats):
    assert len(Cells(rows, asked(9)).best(asked(1)[0], 5, rows, ~everything(rows))) == 0


@pytest.mark.parametrize("changes", [3, 20])  # before and after they are filed
def test_what_changes_is_found_by_its_new_value_alone(rows: Floats, changes: int):
    ours = Cells(rows, asked(50))
    (query,) = asked(1, seed=6)
    was = ours.best(query, changes, rows, everything(rows))
    for at in was:
        rows[at] = -rows[at]
        ours.put(at, rows)
    grown = np.concatenate([rows, 9 * query[None], 8 * query[None]]).astype(np.float32)
    for at in (ROWS, ROWS + 1):
        ours.put(at, grown)
    found = ours.best(query, 10, grown, everything(grown))
    assert found[:2] == [ROWS, ROWS + 1]
    assert not set(found) & set(was)
    for at in was:
        assert ours.best(-query, 100, grown, everything(grown)).count(at) <= 1
    assert set(was[:1]) <= set(ours.best(-query, ROWS // 2, grown, everything(grown)))


def test_the_largest_of_equal_values_are_the_first():
    assert largest(np.array([1.0, 3.0, 3.0, 2.0]), 3) == [1, 2, 3]
    assert largest(np.array([1.0]), 5) == [0]
    assert largest(np.array([]), 5) == []


@pytest.mark.parametrize(("rows", "queries"), [(10, 5), (200, 0)])
def test_too_few_of_anything_are_refused(rows: int, queries: int):
    with pytest.raises(ValueError, match="rows is 10" if rows == 10 else "queries is 0"):
        Cells(asked(rows), asked(queries))
