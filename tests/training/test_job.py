"""Runs on a real Ray: checkpoints in the bucket, resuming, extending, two workers, divergence."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from cluster.object_store import ObjectStore, open_store
from cluster.settings import Settings
from fashion_nn.pictures import decode
from tests.training.finished import RUNS, finish, source_of
from tests.training.uninterrupted import uninterrupted
from training import arguments, checkpoints, recipe, runs
from training.arguments import Order
from training.errors import TrainingError

pytestmark = pytest.mark.usefixtures("local_ray")


def order_of(network: str, data: Path, *words: str) -> Order:
    given = ["--config", "debug", "--data", str(data), "--run", f"{network}-1", "--threads", "1", "precision=fp32"]
    return arguments.read(recipe.find(network), [*given, *words])[0]


def train(order: Order, settings: Settings) -> tuple[runs.RunRecord, list[str]]:
    """The finished record and the lines that were shown."""
    from training.job import train

    console = Console(file=io.StringIO())
    return train(order, settings, console=console), console.file.getvalue().splitlines()


def kept_state(settings: Settings, record: runs.RunRecord) -> dict[str, Any]:
    """The state of the step in a run's last checkpoint."""
    store = open_store(settings.bucket_url, settings)
    return checkpoints.download(store, record.run, Path(record.checkpoint).name)["step"]


def assert_same(ours: Any, theirs: Any, path: str = "state") -> None:
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), path
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), path
        for key in ours:
            assert_same(ours[key], theirs[key], f"{path}/{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), path
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(one, other, f"{path}/{i}")
    else:
        assert ours == theirs, path


def keys_of(store: ObjectStore, run: str) -> list[str]:
    return [info.key.removeprefix(f"runs/{run}/") for info in store.list(f"runs/{run}/")]


def test_a_run_in_s3_and_its_extension_come_to_what_one_run_comes_to(data: Path, local_s3_settings: Settings) -> None:
    settings = local_s3_settings.with_updates(bucket_url="s3://atelier/extended")
    store = open_store(settings.bucket_url, settings)
    record, lines = train(order_of("cgan", data, "steps=7"), settings)
    assert (record.state, record.step, record.checkpoint) == ("finished", 7, "runs/cgan-1/checkpoint-00000007")
    assert [line.split("  ")[1] for line in lines[1:]] == [f"step {i}/7" for i in (2, 4, 5, 6, 7)]
    assert lines[0] == "cgan-1  begins: 1 worker on cpu"
    assert "loss/discriminator/fake" in lines[1] and "s left" in lines[1]
    assert {"checkpoint-00000005/state.json", "checkpoint-00000007/state.safetensors", "samples/00000005.jpg"} <= set(
        keys_of(store, "cgan-1")
    )
    assert decode(store.get("runs/cgan-1/samples/00000007.jpg")).width > 8 * 64
    assert train(order_of("cgan", data, "steps=7"), settings) == (record, []), "nothing is left to do"

    longer = order_of("cgan", data, "steps=12")
    extended, lines = train(longer, settings)
    assert lines[0] == "cgan-1  continues from step 7: 1 worker on cpu"
    assert (extended.step, extended.began, extended.config["steps"]) == (12, record.began, 12)
    assert_same(kept_state(settings, extended), uninterrupted(longer, data, settings).state())
    history = [json.loads(line)["step"] for line in store.get("runs/cgan-1/metrics.jsonl").splitlines()]
    assert history == [2, 4, 5, 6, 7, 8, 10, 12]
    names = {key.split("/")[0] for key in keys_of(store, "cgan-1") if key.startswith("checkpoint-")}
    assert names == {"checkpoint-00000010", "checkpoint-00000012"}, "the newest two are kept"
    with pytest.raises(TrainingError, match=r"generator_rate was 0\.0001, now 0\.1"):
        train(order_of("cgan", data, "steps=12", "generator_rate=0.1"), settings)


def test_a_killed_worker_resumes_and_comes_to_the_same_weights(data: Path, settings: Settings) -> None:
    order = order_of("dvbpr", data, "steps=200", "checkpoint_every=20", "sheet_every=100", "report_every=20")
    killed: list[int] = []
    watch = threading.Thread(target=kill_after_third_checkpoint, args=(settings, "dvbpr-1", killed), daemon=True)
    watch.start()
    record, lines = train(order, settings)
    watch.join()
    assert killed
    assert any("continues from step " in line for line in lines)
    assert record.step == 200 and record.metrics["auc/test"] > 0.5
    assert_same(kept_state(settings, record), uninterrupted(order, data, settings).state())
    rows = open_store(settings.bucket_url, settings).get("runs/dvbpr-1/metrics.jsonl").splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(20, 201, 20))


def kill_after_third_checkpoint(settings: Settings, run: str, killed: list[int]) -> None:
    """By then Ray Train knows of the first: the newest ones are lost with the worker that reported them."""
    store = open_store(settings.bucket_url, settings)
    until(lambda: store.exists(f"runs/{run}/{runs.checkpoint_name(60)}/state.json"))
    killed += workers_of_this_process()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of_this_process() -> list[int]:
    """The train workers of the Ray that this very process started: its children's children."""
    parents, titles = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(entry.name)] = (entry / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
    workers = [pid for pid, title in titles.items() if title.startswith("ray::RayTrainWorker")]
    return [pid for pid in workers if parents.get(parents.get(pid, 0)) == os.getpid()]


def test_two_workers_fit_persons_like_one(data: Path, settings: Settings) -> None:
    order = order_of("cagan", data, "steps=4", "--workers", "2", "checkpoint_every=4", "worn_dropout=0")
    record, _ = train(order, settings)
    assert record.metrics.keys() == {"test/cycle", "test/mask_iou", "test/outside"}
    whole = uninterrupted(order, data, settings)
    halves = recipe.find("cagan").build(
        order.config, recipe.find("cagan").open(source_of(data, settings), order.config), torch.device("cpu")
    )
    untrained = halves.sample()
    halves.load(kept_state(settings, record))
    assert (whole.sample() - untrained).abs().max() > 1e-2
    assert (whole.sample() - halves.sample()).abs().max() < 1e-3


def test_a_run_that_could_not_be_kept_fails_in_one_line_and_goes_on_when_it_can(data: Path, settings: Settings) -> None:
    order = order_of("dvbpr", data, "--failures", "0")
    in_the_way = settings.folder / "runs" / "dvbpr-1" / "checkpoint-00000010"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where a folder should be")
    with pytest.raises(TrainingError, match=r"run 'dvbpr-1' failed: worker 0: .*checkpoint-00000010.*goes on from"):
        train(order, settings)
    assert runs.read(open_store(settings.bucket_url, settings), "dvbpr-1").state == "failed"
    in_the_way.unlink()
    record, lines = train(order, settings)
    assert lines[0] == "dvbpr-1  continues from step 5: 1 worker on cpu"
    assert_same(kept_state(settings, record), uninterrupted(order, data, settings).state())


def test_a_diverged_run_says_so_and_is_not_tried_again(data: Path, settings: Settings) -> None:
    order = order_of("dvbpr", data, "learning_rate=1e30")
    with pytest.raises(TrainingError, match=r"run 'dvbpr-1' diverged at step \d+: loss/.* is (nan|inf)"):
        train(order, settings)
    record = runs.read(open_store(settings.bucket_url, settings), "dvbpr-1")
    assert record.state == "diverged" and record.checkpoint is None


def test_an_encoder_goes_on_only_against_the_same_generator(data: Path, settings: Settings) -> None:
    finish("cgan", data, settings)
    words = ("encoder", data, f"generator={RUNS['cgan']}")
    train(order_of(*words, "steps=5"), settings)
    record, lines = train(order_of(*words), settings)
    assert lines[0] == "encoder-1  continues from step 5: 1 worker on cpu"
    assert_same(kept_state(settings, record), uninterrupted(order_of(*words), data, settings).state())
    assert record.metrics.keys() == {"error/generated", "error/generated/random", "error/real", "error/real/random"}
    finish("cgan", data, settings, "steps=12")
    with pytest.raises(
        TrainingError, match=r"differs: generator was cgan-1, step 10, .*, now cgan-1, step 12, weights"
    ):
        train(order_of(*words, "steps=20"), settings)
