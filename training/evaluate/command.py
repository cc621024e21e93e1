"""The command line of `python -m training.evaluate`."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import torch

from cluster.local_s3 import bucket_at_hand
from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.datasets.problems import OnProblem
from training import runs
from training.arguments import Parser, as_url
from training.command import told_in_one_line
from training.errors import TrainingError
from training.evaluate import tables
from training.evaluate.figures import to_json
from training.evaluate.recommender import Inquiry, evaluate

KEPT = "evaluation.json"  # beside the run's record


@told_in_one_line
def main(argv: list[str] | None = None) -> int:
    """Judge a finished run: prints tables, and keeps the figures beside the run."""
    inquiry, file = read(argv)
    with bucket_at_hand(Settings()) as settings:
        store = open_store(settings.bucket_url, settings)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        say = partial(print, file=sys.stderr, flush=True)
        findings = evaluate(inquiry, store, settings, device=device, say=say)
        content = to_json(findings)
        store.put(runs.key(inquiry.run, KEPT), content, content_type="application/json")
        if file is not None:
            write(file, content)
        tables.show(findings, tables.console())
    return 0


def read(argv: list[str] | None) -> tuple[Inquiry, Path | None]:
    """What is asked, and the file that the figures are also written to. Raises TrainingError."""
    words = parser().parse_args(argv)
    inquiry = Inquiry(
        run=words.run,
        data=None if words.data is None else as_url(words.data),
        peers=words.peers,
        newcomers=words.newcomers,
        seed=words.seed,
        on_problem=words.on_problem,
    )
    return inquiry, words.json


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = Parser(prog="python -m training.evaluate", description="Judge a finished run on what it never saw.")
    networks = words.add_subparsers(required=True, metavar="NETWORK")
    dvbpr = networks.add_parser("dvbpr", help="the recommender: beside its peers, and for new shoppers")
    dvbpr.add_argument("--run", required=True, metavar="NAME", help="a finished dvbpr run")
    dvbpr.add_argument("--data", metavar="URL", help="judge on other data than the run's own, all tastes folded in")
    dvbpr.add_argument("--peers", action="store_true", help="tune and fit BPR-MF and VBPR too (pip: atelier[peers])")
    dvbpr.add_argument("--newcomers", type=int, default=500, metavar="N", help="shoppers treated as new (500)")
    dvbpr.add_argument("--seed", type=int, default=0, metavar="N", help="of peers, chance and what is told (0)")
    dvbpr.add_argument("--on-problem", choices=get_args(OnProblem), default="skip", help="broken data (skip)")
    dvbpr.add_argument("--json", type=Path, metavar="FILE", help=f"the figures, also kept as runs/NAME/{KEPT}")
    return words


def write(file: Path, content: bytes) -> None:
    """To a file of this machine. Raises TrainingError."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise TrainingError(f"json is {file}, which cannot be written: {error.strerror}") from error
