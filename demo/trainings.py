"""Trains the networks: programs beside one another, each as a user would start it by hand."""

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cluster.object_store import ObjectStore
from cluster.settings import Settings
from demo.children import ChildFailed, Children
from demo.progress import Note, Progress, StepFailed, duration
from demo.sizes import Size
from fashion_nn import configs
from fashion_nn.latent.bank import BankConfig
from training import recipe, runs

# What is trained side by side; in each lane one after another. About equally long at the size of the demonstration.
LANES = (("cagan",), ("dvbpr", "cgan", "encoder"))
COLOURS = {"cagan": "magenta", "dvbpr": "cyan", "cgan": "yellow", "encoder": "green"}
POLL_S = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainings:
    """The runs of one size on one data set."""

    size: Size
    data: str  # URL
    store: ObjectStore
    settings: Settings
    logs: Path
    children: Children
    progress: Progress

    def names(self) -> dict[str, str]:
        """Network: its run."""
        return {network: f"{self.size.name}-{network}" for lane in LANES for network in lane}

    def remove(self) -> None:
        """Forget all runs."""
        for run in self.names().values():
            remove(self.store, runs.key(run) + "/")

    def carry_out(self, note: Note) -> None:
        """Train whatever is not trained yet. Raises StepFailed."""
        lacking = self.lacking()
        lanes = [[network for network in lane if network in lacking] for lane in LANES]
        with ThreadPoolExecutor(len(LANES), thread_name_prefix="lane") as pool:
            futures = [pool.submit(self.lane, lane) for lane in lanes if lane]
            try:
                finish(futures)
            except BaseException:
                self.children.stop()  # the lanes end with their programs
                raise
        note.text = self.durations() if lacking else f"trained before: {self.durations()}"

    def config(self, network: str) -> Any:
        """What a network is to be trained by."""
        return configs.override(configs.named(recipe.find(network).configs, self.size.name), self.fields(network))

    def fields(self, network: str) -> list[str]:
        """What a named config leaves open: the run that another one builds upon."""
        return [f"generator={self.names()['cgan']}"] if network == "encoder" else []

    def lacking(self) -> list[str]:
        """The networks whose run is not complete. What was trained differently than now is removed."""
        lacking: list[str] = []
        for network, run in self.names().items():
            known, wanted = runs.read(self.store, run), self.config(network)
            reasons = differences(known, wanted, self.data) if known else []
            if network == "encoder" and "cgan" in lacking:
                reasons.append("against another generator")
            if known and reasons:
                self.progress.line(f"{run} was trained differently ({'; '.join(reasons)}): anew")
                remove(self.store, runs.key(run) + "/")
                known = None
            if known is None or not runs.is_complete(known, wanted.steps):
                lacking.append(network)
        return lacking

    def lane(self, networks: Sequence[str]) -> None:
        """Train one network after another."""
        for network in networks:
            self.train(network)

    def train(self, network: str) -> None:
        """Train one network. Raises StepFailed, Stopping."""
        run, log = self.names()[network], self.logs / f"{network}.log"
        command = [sys.executable, "-m", f"training.{network}", "--threads", "1"]
        command += ["--config", self.size.name, "--data", self.data, "--run", run, *self.fields(network)]

        def say(line: str) -> None:
            if line.startswith(run):
                self.progress.line(line.removeprefix(run).strip(), prefix=network, style=COLOURS[network])

        try:
            self.children.run(network, command, environment=self.environment(), log=log, say=say)
        except ChildFailed as error:
            raise StepFailed(f"Train {network}", str(error), log) from error

    def environment(self) -> Mapping[str, str]:
        """What a training program is started with: our own, and the way to the bucket and to Ray."""
        here = str(Path(__file__).resolve().parent.parent)
        return {
            **os.environ,
            **self.settings.environment(),
            "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def durations(self) -> str:
        """How long each run took when it was trained."""
        found = {network: runs.read(self.store, run) for network, run in self.names().items()}
        return ", ".join(f"{network} {duration(seconds_of(known))}" for network, known in found.items() if known)


def made_of(
    manifest: Mapping[str, Any],
    names: Mapping[str, str],
    bank: BankConfig,
    fits: Mapping[str, str | None],
    store: ObjectStore,
) -> bool:
    """Whether a release is made of these runs {network: run} as they are, with such a seed bank and to put on this."""
    known = {network: runs.read(store, run) for network, run in names.items()}
    wanted = {network: {"run": each.run, "step": each.step} for network, each in known.items() if each}
    trained = {network: each.metrics for network, each in known.items() if each}
    same_bank = manifest["configs"].get("bank") == configs.to_json(bank)
    same_runs = manifest["runs"] == wanted and manifest["metrics"] == trained
    return same_runs and same_bank and manifest.get("fits") == fits


def finish(futures: Sequence[Future[None]]) -> None:
    """Wait for all, or for the first error, which is raised. Polls, so that signals reach this thread."""
    left = set(futures)
    while left:
        done, left = wait(left, timeout=POLL_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def differences(known: runs.RunRecord, wanted: object, data: str) -> list[str]:
    """In what a run differs from what is wanted now; more steps than before only continue it."""
    changed = configs.differences(wanted, known.config)
    now, then = changed.get("steps", (0, 0))
    if now > then:
        changed.pop("steps")
    found = [f"{name} was {then}" for name, (_, then) in changed.items()]
    return found + (["another world"] if known.data != data else [])


def remove(store: ObjectStore, prefix: str) -> None:
    """Delete everything whose key begins so."""
    for info in list(store.list(prefix)):
        store.delete(info.key)


def seconds_of(known: runs.RunRecord) -> float:
    """From a run's beginning to its end."""
    if known.ended is None:
        return 0.0
    return (datetime.fromisoformat(known.ended) - datetime.fromisoformat(known.began)).total_seconds()
