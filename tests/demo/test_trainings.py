"""Which of the runs are there already, and which are trained again."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cluster.object_store import ObjectStore, open_store
from cluster.settings import Settings
from demo import sizes
from demo.children import Children
from demo.progress import Note, Progress, StepFailed
from demo.trainings import Trainings, made_of
from fashion_nn import configs
from training import recipe, runs

DATA = "s3://atelier/datasets/world-debug-1234"


@pytest.fixture
def trainings(tmp_path: Path) -> Trainings:
    settings = Settings(bucket_url=tmp_path.as_uri(), home=tmp_path / "home")
    return Trainings(
        size=sizes.debug(),
        data=DATA,
        store=open_store(settings.bucket_url, settings),
        settings=settings,
        logs=tmp_path / "logs",
        children=Children(),
        progress=Progress(Console(file=io.StringIO(), width=200)),
    )


def finished(network: str) -> runs.RunRecord:
    """The record of a finished run of the demonstration."""
    config = configs.named(recipe.find(network).configs, "debug")
    if network == "encoder":
        config = replace(config, generator="debug-cgan")
    return runs.RunRecord(
        run=f"debug-{network}",
        network=network,
        config_name="debug",
        config=configs.to_json(config),
        data=DATA,
        counts={},
        identity={},
        state="finished",
        step=config.steps,
        checkpoint="runs/…",
        metrics={"auc/test": 0.5},
        began="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:05+00:00",
    )


def keep(store: ObjectStore, *records: runs.RunRecord) -> None:
    for record in records:
        runs.write(store, record)


def test_finished_runs_are_left_alone(trainings: Trainings) -> None:
    keep(trainings.store, *(finished(network) for network in trainings.names()))
    note = Note()
    trainings.carry_out(note)
    assert note.text == "trained before: cagan 65 s, dvbpr 65 s, cgan 65 s, encoder 65 s"


def test_a_release_of_these_runs_is_recognised(trainings: Trainings) -> None:
    keep(trainings.store, *(finished(network) for network in trainings.names()))
    bank, names, fits = trainings.size.bank, trainings.names(), {"men-tops": None}
    manifest = {
        "fits": fits,
        "configs": {"bank": configs.to_json(bank)},
        "runs": {network: {"run": run, "step": 10} for network, run in names.items()},
        "metrics": {network: {"auc/test": 0.5} for network in names},
    }
    assert made_of(manifest, names, bank, fits, trainings.store)
    assert not made_of({**manifest, "metrics": {}}, names, bank, fits, trainings.store)
    assert not made_of({**manifest, "configs": {}}, names, bank, fits, trainings.store), "one without a seed bank"
    assert not made_of({**manifest, "fits": None}, names, bank, fits, trainings.store), "one that puts everything on"
    trainings.remove()
    assert not made_of(manifest, names, bank, fits, trainings.store)


def test_interrupted_and_missing_runs_are_trained(trainings: Trainings) -> None:
    keep(trainings.store, replace(finished("cagan"), state="running", step=5), finished("cgan"))
    assert trainings.lacking() == ["cagan", "dvbpr", "encoder"]
    assert runs.read(trainings.store, "debug-cagan") is not None  # goes on from its checkpoint


@pytest.mark.parametrize("change", [{"data": "s3://atelier/datasets/other"}, {"config": {"batch_size": 7}}])
def test_what_was_trained_differently_is_trained_anew(trainings: Trainings, change: dict[str, object]) -> None:
    known = finished("cgan")
    if "config" in change:
        change = {"config": {**known.config, **change["config"]}}
    keep(trainings.store, finished("cagan"), finished("dvbpr"), finished("encoder"), replace(known, **change))
    trainings.store.put("runs/debug-cgan/samples/1.jpg", b"old")
    assert trainings.lacking() == ["cgan", "encoder"], "and the encoder, which was trained against it"
    assert list(trainings.store.list("runs/debug-cgan/")) == list(trainings.store.list("runs/debug-encoder/")) == []


def test_more_steps_only_continue_a_run(trainings: Trainings) -> None:
    known = finished("cgan")
    keep(trainings.store, replace(known, config={**known.config, "steps": 5}, step=5))
    assert "cgan" in trainings.lacking()
    assert runs.read(trainings.store, "debug-cgan") is not None


def test_a_training_that_fails_names_itself_and_its_log(trainings: Trainings) -> None:
    broken = replace(trainings, data=f"{trainings.settings.bucket_url}/datasets/none")
    with pytest.raises(StepFailed, match=r"Train dvbpr: it ended with code 1: error: .*none") as failure:
        broken.train("dvbpr")
    assert failure.value.log == trainings.logs / "dvbpr.log" and failure.value.log.read_text()
