"""Checkpoints in the bucket, and patience with it."""

import json
from pathlib import Path

import pytest
import torch

from cluster.object_store import AccessDenied, NotFound, Unavailable, open_store
from cluster.settings import Settings
from fashion_nn.state_files import StateError, save_state
from training import checkpoints


def test_a_state_comes_back_from_the_bucket(settings: Settings, tmp_path: Path) -> None:
    store = open_store(settings.bucket_url, settings)
    save_state(tmp_path / "state", {"step": {"weights": torch.arange(3)}, "done": 5})
    checkpoints.upload(store, "first", "checkpoint-00000005", tmp_path / "state")
    state = checkpoints.download(store, "first", "checkpoint-00000005")
    assert state["done"] == 5 and torch.equal(state["step"]["weights"], torch.arange(3))
    with pytest.raises(NotFound, match="checkpoint-00000006"):
        checkpoints.download(store, "first", "checkpoint-00000006")
    store.put("runs/first/checkpoint-00000005/state.json", b"{")
    with pytest.raises(StateError):
        checkpoints.download(store, "first", "checkpoint-00000005")


def test_the_history_is_one_row_a_line(settings: Settings) -> None:
    store = open_store(settings.bucket_url, settings)
    rows = [{"step": 2, "loss/ranking": 0.5}, {"step": 4, "loss/ranking": 0.25}]
    checkpoints.put_history(store, "first", rows)
    assert [json.loads(line) for line in store.get("runs/first/metrics.jsonl").splitlines()] == rows


class Failing:
    """Raises `error` the first `times` times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error


def test_an_absent_store_is_waited_for_a_bounded_number_of_times() -> None:
    short = Failing(Unavailable("b", "k", "no route"), times=2)
    checkpoints.patiently(short, attempts=3, pause_s=0)
    assert short.calls == 3
    long = Failing(Unavailable("b", "k", "no route"), times=9)
    with pytest.raises(Unavailable, match="b/k: unavailable: no route"):
        checkpoints.patiently(long, attempts=3, pause_s=0)
    assert long.calls == 3


def test_what_waiting_does_not_mend_is_raised_at_once() -> None:
    denied = Failing(AccessDenied("b", "k", "wrong key"), times=9)
    with pytest.raises(AccessDenied):
        checkpoints.patiently(denied, pause_s=0)
    assert denied.calls == 1
