"""What the training job knows of a network: how to open its data, build its step, judge and show it.

Each of `training/dvbpr.py`, `cgan.py`, `cagan.py` and `encoder.py` is one recipe, and the program that trains by it.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from cluster.object_store import ObjectStore
from fashion_nn.datasets.picture_table import PictureTable
from fashion_nn.datasets.problems import OnProblem, Problem
from fashion_nn.datasets.sources import PictureSource
from training.shared_tables import SharedTables

NETWORKS = ("dvbpr", "cgan", "cagan", "encoder")


class Step(Protocol):
    """What happens to one batch: plain PyTorch, all its randomness a pure function of (seed, step)."""

    @property
    def networks(self) -> dict[str, nn.Module]: ...

    def distribute(self, wrap: Callable[[nn.Module], nn.Module], replicas: int) -> None: ...

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Any: ...

    def __call__(self, batch: Any) -> dict[str, Tensor]: ...

    def sample(self) -> Tensor: ...

    def state(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A run's data, already on this machine: its folder, where to keep what is decoded, how strict to be.

    store: of the runs that this one builds upon, and of what other machines have decoded.
    """

    path: Path
    cache: Path
    store: ObjectStore
    on_problem: OnProblem = "skip"

    def table(
        self, pictures: Sequence[PictureSource | None], *, height: int, width: int, **options: Any
    ) -> PictureTable:
        """The pictures decoded: found on this machine or in the bucket, or else decoded for both. Raises StoreError.

        options: as `PictureTable.build` takes them.
        """
        shared = SharedTables(self.store)
        return PictureTable.build(pictures, height=height, width=width, cache=self.cache, shared=shared, **options)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What was found in the data.

    counts: such as {"items": 300}. identity: what the weights depend on beyond the config and what must be the
    same when a run continues, such as the shoppers whose tastes are learnt.
    """

    counts: dict[str, int]
    identity: dict[str, list[str]]
    problems: tuple[Problem, ...] = ()


class Recipe(ABC):
    """One network's part in the job that all share. `data` is whatever its `open` returns."""

    name: ClassVar[str]
    configs: ClassVar[ModuleType]  # its functions return the named configs
    columns: ClassVar[Sequence[str] | None] = None  # what the columns of a sample sheet show

    @abstractmethod
    def open(self, source: Source, config: Any) -> Any:
        """Read the data and decode its pictures into the cache, or find them there.

        Raises DataError; TrainingError and StoreError where the run builds upon another one.
        """

    @abstractmethod
    def summary(self, data: Any) -> Summary:
        """What `open` found."""

    @abstractmethod
    def build(self, config: Any, data: Any, device: torch.device) -> Step:
        """The step on `device`, at its seeded start."""

    @abstractmethod
    def networks(self, config: Any, data: Any) -> dict[str, nn.Module]:
        """The networks alone, untrained: to count their parameters."""

    def rows(self, data: Any) -> list[str] | None:
        """What the rows of a sample sheet show."""
        return None

    @abstractmethod
    def evaluate(self, step: Any, data: Any) -> dict[str, float]:
        """Metrics of a trained step, under path-like names; nan where there is nothing to measure on."""


def find(name: str) -> Recipe:
    """The recipe of a network, by its name."""
    if name not in NETWORKS:
        raise ValueError(f"network is {name!r}, but must be one of {', '.join(NETWORKS)}")
    return importlib.import_module(f"training.{name}").RECIPE
