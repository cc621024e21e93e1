"""The command line of every `python -m training.NAME`: reads an order, carries it out, says what went wrong."""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from cluster.local_s3 import bucket_at_hand
from cluster.object_store import StoreError, open_store
from cluster.ray_runtime import RayUnavailable
from cluster.settings import ENV_PREFIX, Settings
from fashion_nn import configs
from fashion_nn.datasets.problems import DataError
from training import arguments, recipe, runs
from training.arguments import Order
from training.errors import TrainingError, in_one_line
from training.job import train
from training.progress import table
from training.runs import RunRecord
from training.sources import local_source

SHOWN_PROBLEMS = 10
INTERRUPTED = 130


def told_in_one_line(program: Callable[[list[str] | None], int]) -> Callable[[list[str] | None], int]:
    """Let a program end with code 1 and one line where a user can mend what is wrong; with 130 on Ctrl-C."""

    @functools.wraps(program)
    def told(argv: list[str] | None = None) -> int:
        try:
            return program(argv)
        except (TrainingError, DataError, StoreError, RayUnavailable) as error:
            print(f"error: {in_one_line(error)}", file=sys.stderr)
            return 1
        except ValidationError as error:
            wrong = "; ".join(f"{ENV_PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            print(f"error: {wrong}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped; the same command takes it up again", file=sys.stderr)
            return INTERRUPTED

    return told


def main(network: str, argv: list[str] | None = None) -> int:
    """Carry out one command line of `python -m training.NETWORK`; the process's exit code."""
    return told_in_one_line(functools.partial(_main, recipe.find(network)))(argv)


def _main(which: recipe.Recipe, argv: list[str] | None) -> int:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    order, dry = arguments.read(which, argv)
    with bucket_at_hand(Settings()) as settings:
        plan(order, settings, console) if dry else carry_out(order, settings, console)
    return 0


def carry_out(order: Order, settings: Settings, console: Console) -> None:
    """Train, and print what came of it."""
    conclude(train(order, settings, console=console), settings, console)


def plan(order: Order, settings: Settings, console: Console) -> None:
    """Print what would be trained, on what and by how many, without Ray. Raises as training would."""
    known = runs.read(open_store(settings.bucket_url, settings), order.run)
    if known is not None:
        runs.check(order, known)
    which = recipe.find(order.network)
    data = which.open(local_source(order, settings), order.config)
    summary = which.summary(data)
    runs.begin(order, summary, known)
    networks = which.networks(order.config, data)
    sizes = {name: f"{sum(p.numel() for p in each.parameters()):,} parameters" for name, each in networks.items()}
    share = order.config.batch_size // order.workers
    workers = f"{order.workers} on {order.device}, each {share} of the batch's {order.config.batch_size}"
    section(console, "config", {"name": order.config_name, **configs.to_json(order.config)})
    section(console, "data", {"url": order.data, **summary.counts, "problems": len(summary.problems)})
    for problem in summary.problems[:SHOWN_PROBLEMS]:
        console.print(f"    {problem}")
    section(console, "networks", sizes)
    section(console, "run", {"name": order.run, "state": state_of(order, known), "workers": workers})


def state_of(order: Order, known: RunRecord | None) -> str:
    """What carrying out the order would do, in words."""
    if known is None:
        return f"new, {order.config.steps} steps"
    if runs.is_complete(known, order.config.steps):
        return f"finished at step {known.step}: nothing left to do"
    return f"goes on from its last checkpoint to step {order.config.steps}"


def conclude(record: RunRecord, settings: Settings, console: Console) -> None:
    """Print where a finished run is and how good it is."""
    section(console, f"run {record.run} is finished at step {record.step}", record.metrics)
    console.print(f"  {settings.bucket_url}/{record.checkpoint}")


def section(console: Console, title: str, values: Mapping[str, Any]) -> None:
    """A title and two columns."""
    console.print(title, style="bold")
    if values:
        console.print(table(values))
