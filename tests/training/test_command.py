"""The command line, as far as it goes without training."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.object_store import open_store
from cluster.settings import Settings
from tests.training.finished import source_of
from training import arguments, recipe, runs
from training.command import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line that is right, with the settings as this process's environment."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return ["--config", "debug", "--data", str(data), "--run", "first"]


def test_a_dry_run_says_what_would_be_trained_and_leaves_no_trace(
    command: list[str], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("dvbpr", [*command, "--dry-run", "--workers", "2", "batch_size=12"]) == 0
    said = capsys.readouterr().out
    words = (
        "picture_size      32",
        "items           24",
        "shoppers        8",
        "problems        0",
        "recommender  5,328",
    )
    assert all(word in said for word in words), said
    assert "new, 10 steps" in said and "2 on auto, each 6 of the batch's 12" in said
    assert list(open_store(settings.bucket_url, settings).list("runs/")) == []


def test_a_dry_run_goes_without_ray(command: list[str]) -> None:
    program = (
        "import sys; from training.command import main; code = main('cagan', sys.argv[1:]);"
        "print('ray' in sys.modules, code)"
    )
    words = [sys.executable, "-c", program, *command, "--dry-run"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
    assert "test pairs" in done.stdout


def finish(command: list[str], settings: Settings) -> None:
    """As if the run of `command` had been trained to its end."""
    which = recipe.find("cgan")
    order, _ = arguments.read(which, command)
    found = which.open(source_of(Path(command[3]), settings), order.config)
    record = runs.begin(order, which.summary(found), None)
    prefix = "runs/first/checkpoint-00000010"
    record = replace(record, state="finished", step=10, checkpoint=prefix, metrics={"diversity/mean": 0.25})
    runs.write(open_store(settings.bucket_url, settings), record)


def test_a_finished_run_says_so(command: list[str], settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    finish(command, settings)
    assert main("cgan", command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "run first is finished at step 10"
    assert said[1].split() == ["diversity/mean", "0.25"]
    assert said[2].strip() == f"{settings.bucket_url}/runs/first/checkpoint-00000010"
    assert main("cgan", [*command, "--dry-run"]) == 0
    assert "finished at step 10: nothing left to do" in capsys.readouterr().out
    assert main("cgan", [*command, "--dry-run", "steps=30"]) == 0
    assert "goes on from its last checkpoint to step 30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "/no/such/folder"], "file:///no/such/folder/: not found: there is no such folder"),
        (["seed=3"], "run 'first' exists and differs: seed was 0, now 3. Choose another --run"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_a_user_can_mend_is_one_line(
    command: list[str], settings: Settings, capsys: pytest.CaptureFixture[str], words, message, dry
) -> None:
    if "seed=3" in words:
        finish(command, settings)
    assert main("cgan", [*command, *words, *dry]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_wrong_setting_is_named(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("ATELIER_S3_ATTEMPTS", "0")
    assert main("cgan", command) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ATELIER_S3_ATTEMPTS: ") and error.count("\n") == 1
