"""What a run is asked to be: an order, from the words of a command line."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from fashion_nn import configs
from training.errors import TrainingError, in_one_line
from training.recipe import OnProblem, Recipe

Device = Literal["auto", "cpu", "gpu"]

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One training run as it was asked for; what the weights depend on is `network`, `config` and `data`."""

    network: str
    config_name: str
    config: Any
    data: str  # URL of a folder or file: file:///… or s3://…
    run: str
    workers: int = 1
    device: Device = "auto"
    threads: int | None = None  # of PyTorch in each worker; None: the node's processors but one, divided
    failures: int = 3  # how often a failed worker group is started again
    on_problem: OnProblem = "skip"

    def __post_init__(self) -> None:
        if not RUN_NAME.fullmatch(self.run):
            raise TrainingError(f"run is {self.run!r}, but must be letters, digits, '.', '_' and '-', at most 100")
        if not self.data.startswith(("file:///", "s3://")):
            raise TrainingError(f"data is {self.data!r}, but must be file:///…, s3://… or a local path")
        for field in ("workers", "threads", "failures"):
            least = 0 if field == "failures" else 1
            if (value := getattr(self, field)) is not None and value < least:
                raise TrainingError(f"{field} is {value}, but must be at least {least}")
        if self.config.batch_size % self.workers:
            raise TrainingError(
                f"batch_size is {self.config.batch_size}, but must be a multiple of the {self.workers} workers"
            )


class Parser(argparse.ArgumentParser):
    """Complains by a TrainingError instead of ending the process with code 2."""

    def error(self, message: str) -> NoReturn:
        raise TrainingError(f"{message} (see {self.prog} --help)")


def parser(recipe: Recipe) -> argparse.ArgumentParser:
    """The command line of `python -m training.NAME`."""
    words = Parser(
        prog=f"python -m training.{recipe.name}",
        description=f"Train {recipe.name} on Ray. The same command again continues the run, or says that it is done.",
    )
    words.add_argument("--config", required=True, metavar="NAME", help="a named config, such as debug, demo, paper")
    words.add_argument("--data", required=True, metavar="URL", help="file:///… or s3://…, or a local path")
    words.add_argument("--run", required=True, metavar="NAME", help="kept as runs/NAME in the bucket")
    words.add_argument("--workers", type=int, default=1, metavar="N", help="data-parallel workers (1)")
    words.add_argument("--device", choices=get_args(Device), default="auto", help="auto: GPUs where Ray has them")
    words.add_argument("--threads", type=int, metavar="N", help="of PyTorch a worker (the processors but one, divided)")
    words.add_argument("--failures", type=int, default=3, metavar="N", help="restarts after a worker's death (3)")
    words.add_argument("--on-problem", choices=get_args(OnProblem), default="skip", help="broken data (skip)")
    words.add_argument("--dry-run", action="store_true", help="print what would be trained, on what, and stop")
    words.add_argument("fields", nargs="*", metavar="field=value", help="changes to the config")
    return words


def read(recipe: Recipe, argv: list[str] | None) -> tuple[Order, bool]:
    """The order in `argv` (None: the process's own), and whether it is a dry run. Raises TrainingError."""
    words = parser(recipe).parse_intermixed_args(argv)
    try:
        config = configs.override(configs.named(recipe.configs, words.config), words.fields)
    except ValueError as error:
        raise TrainingError(in_one_line(error)) from error
    order = Order(
        network=recipe.name,
        config_name=words.config,
        config=config,
        data=as_url(words.data),
        run=words.run,
        workers=words.workers,
        device=words.device,
        threads=words.threads,
        failures=words.failures,
        on_problem=words.on_problem,
    )
    return order, words.dry_run


def as_url(place: str) -> str:
    """`place` itself where it is an URL, else the file:// URL of that local path."""
    return place.rstrip("/") if "://" in place else Path(place).expanduser().absolute().as_uri()
