"""A training on the cluster, begun by its command, and what it loses when a part of it is killed."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from tests.chaos.nodes import wait_until
from tests.training.conftest import draw_catalogue
from tests.training.uninterrupted import uninterrupted
from training import arguments, checkpoints, recipe, runs

WORKER = "ray::RayTrainWorker"
STEPS, EVERY = 1000, 20
FIRST = 200  # steps, by which it is well under way
SAID = re.compile(r"  (?P<what>step|continues from step) (?P<step>\d+)")


class Said(NamedTuple):
    """That so many steps were done, or that a run continues from there."""

    when: float
    step: int
    continues: bool = False


class TrainingRun:
    """From when this is entered, and under way by then, until it has ended."""

    def __init__(self, run: str, environment: Mapping[str, str], settings: Settings, folder: Path) -> None:
        self._settings, self._data = settings, folder / run
        draw_catalogue(self._data, np.random.default_rng(0))
        fields = [f"steps={STEPS}", f"checkpoint_every={EVERY}", "report_every=2", f"sheet_every={STEPS}"]
        words = ["--config", "debug", "--data", str(self._data), "--run", run, "--threads", "1", "--device", "cpu"]
        words += ["precision=fp32", *fields]
        self._order, _ = arguments.read(recipe.find("dvbpr"), words)
        self._command = [sys.executable, "-m", "training.dvbpr", *words]
        self._environment = dict(environment)
        self._said: list[Said] = []
        self._lines: list[str] = []
        self._killed_at = 0.0

    def __enter__(self) -> "TrainingRun":
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: self._done() >= FIRST or self._process.poll() is not None, "the training is under way")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def struck(self) -> None:
        """Said when a part of it is killed."""
        self._killed_at = time.monotonic()

    def lost(self) -> dict[str, float]:
        """What was lost, once the run has ended. Raises RuntimeError where it did not come to its end."""
        wait_until(lambda: self._process.poll() is not None, "the training ends")
        self._reader.join()
        if self._process.returncode != 0:
            raise RuntimeError(f"the training ended with {self._process.returncode}: {self._lines[-20:]}")
        return {**losses(self._said, self._killed_at, EVERY), "weights_that_differ": self._differing()}

    def _differing(self) -> int:
        """Tensors of the step that are not, bit by bit, those of a run that nothing has happened to."""
        store = open_store(self._settings.bucket_url, self._settings)
        ours = checkpoints.download(store, self._order.run, runs.checkpoint_name(STEPS))["step"]
        theirs = uninterrupted(self._order, self._data, self._settings).state()
        return sum(not torch.equal(one, other) for one, other in zip(tensors(ours), tensors(theirs), strict=True))

    def _done(self) -> int:
        return max((each.step for each in self._said), default=0)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.append(line.rstrip())
            if said := SAID.search(line):
                self._said.append(Said(time.monotonic(), int(said["step"]), said["what"] != "step"))


def losses(said: Sequence[Said], killed_at: float, every: int) -> dict[str, float]:
    """What a run lost that had a checkpoint every so many steps. Raises LookupError where it never went on."""
    resumed = [at for at, each in enumerate(said) if each.continues and each.when > killed_at]
    if not resumed or resumed[-1] + 1 == len(said):
        raise LookupError(f"the training did not go on: {said[-20:]}")
    before, after = said[: resumed[0]], said[resumed[-1] + 1 :]  # what it had told may be read once it is dead
    done, again = max(each.step for each in before), said[resumed[-1]].step
    return {
        "steps_done": done,
        "steps_lost": done - again,
        "checkpoints_lost": done // every - again // every,
        "stood_still_s": after[0].when - before[-1].when,
        "begun_again": len(resumed),
    }


def tensors(state: Any) -> list[torch.Tensor]:
    """All of a state, in its order."""
    if isinstance(state, torch.Tensor):
        return [state]
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return [tensor for each in inner for tensor in tensors(each)]
