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
from training.evaluate import designs, fittings, generator, recommender, tables
from training.evaluate.designs import DesignInquiry
from training.evaluate.figures import to_json
from training.evaluate.fittings import FittingInquiry
from training.evaluate.generator import GeneratorInquiry
from training.evaluate.recommender import Inquiry

RECOMMENDER, DESIGNS = "evaluation.json", "designs.json"  # beside the run's record
FITTINGS, PICTURES = "fittings.json", "pictures.json"
CASES = "fittings.jpg"

Asked = Inquiry | DesignInquiry | FittingInquiry | GeneratorInquiry


@told_in_one_line
def main(argv: list[str] | None = None) -> int:
    """Judge finished runs: prints tables, and keeps the figures beside the run."""
    inquiry, file = read(argv)
    say = partial(print, file=sys.stderr, flush=True)
    with bucket_at_hand(Settings()) as settings:
        store = open_store(settings.bucket_url, settings)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        match inquiry:
            case DesignInquiry():
                findings, run, name = designs.evaluate(inquiry, store, settings, say=say), inquiry.cgan, DESIGNS
            case FittingInquiry():
                findings, sheet = fittings.evaluate(inquiry, store, settings, device=device)
                run, name = inquiry.run, FITTINGS
                store.put(runs.key(run, CASES), sheet, content_type="image/jpeg")
            case GeneratorInquiry():
                findings, run, name = generator.evaluate(inquiry, store, settings), inquiry.run, PICTURES
            case Inquiry():
                findings = recommender.evaluate(inquiry, store, settings, device=device, say=say)
                run, name = inquiry.run, RECOMMENDER
        content = to_json(findings)
        store.put(runs.key(run, name), content, content_type="application/json")
        if file is not None:
            write(file, content)
        tables.show(findings, tables.console())
    return 0


def read(argv: list[str] | None) -> tuple[Asked, Path | None]:
    """What is asked, and the file that the figures are also written to. Raises TrainingError."""
    words = vars(parser().parse_args(argv))
    kind, file = words.pop("kind"), words.pop("json")
    if words.get("data") is not None:
        words["data"] = as_url(words["data"])
    return kind(**words), file


def parser() -> argparse.ArgumentParser:
    """The command line; every option but --json is a field of what is asked."""
    words = Parser(prog="python -m training.evaluate", description="Judge finished runs on what they never saw.")
    subjects = words.add_subparsers(required=True, metavar="SUBJECT")
    dvbpr = subjects.add_parser("dvbpr", help="the recommender: beside its peers, and for new shoppers")
    dvbpr.set_defaults(kind=Inquiry)
    dvbpr.add_argument("--run", required=True, metavar="NAME", help="a finished dvbpr run")
    dvbpr.add_argument("--data", metavar="URL", help="judge on other data than the run's own, all tastes folded in")
    dvbpr.add_argument("--peers", action="store_true", help="tune and fit BPR-MF and VBPR too (pip: .[peers])")
    dvbpr.add_argument("--newcomers", type=int, default=500, metavar="N", help="shoppers treated as new (500)")
    dvbpr.add_argument("--seed", type=int, default=0, metavar="N", help="of peers, chance and what is told (0)")
    dvbpr.add_argument("--on-problem", choices=get_args(OnProblem), default="skip", help="broken data (skip)")
    dvbpr.add_argument("--json", type=Path, metavar="FILE", help=f"the figures, also kept as runs/NAME/{RECOMMENDER}")
    climbs = subjects.add_parser("designs", help="of a drawn world: what designs are worth to the true taste")
    climbs.set_defaults(kind=DesignInquiry)
    climbs.add_argument("--dvbpr", required=True, metavar="RUN", help="a finished run on the world")
    climbs.add_argument("--cgan", required=True, metavar="RUN", help="another")
    climbs.add_argument("--shoppers", type=int, default=24, metavar="N", help="of the world (24)")
    climbs.add_argument("--rows", type=int, default=8, metavar="N", help="starts of each, whose best designs count (8)")
    climbs.add_argument("--codes", type=int, default=2048, metavar="N", help="of a seed bank (2048); 0: blind starts")
    climbs.add_argument("--tastes", choices=("learnt", "stated"), default="learnt", help="climbed for (learnt)")
    climbs.add_argument("--realism", type=float, nargs="+", default=(0, 1, 5, 10, 20), help="weights (0 1 5 10 20)")
    climbs.add_argument("--steps", type=int, nargs="+", default=(0, 5, 10, 20, 40, 80), help="(0 5 10 20 40 80)")
    climbs.add_argument("--seed", type=int, default=0, metavar="N", help="of shoppers and starts (0)")
    climbs.add_argument("--json", type=Path, metavar="FILE", help=f"the figures, also kept as runs/CGAN/{DESIGNS}")
    painted = subjects.add_parser("cgan", help="the generator: its pictures beside real ones, by category")
    painted.set_defaults(kind=GeneratorInquiry)
    painted.add_argument("--run", required=True, metavar="NAME", help="a finished cgan run")
    painted.add_argument("--data", metavar="URL", help="judge beside pictures that it never saw (the run's own, seen)")
    painted.add_argument("--pictures", type=int, default=500, metavar="N", help="of a category, at most (500)")
    painted.add_argument("--seed", type=int, default=0, metavar="N", help="of codes and the classifier (0)")
    painted.add_argument("--json", type=Path, metavar="FILE", help=f"the figures, also kept as runs/NAME/{PICTURES}")
    tryon = subjects.add_parser("cagan", help="the try-on: masks and pictures, beside the truth where it is known")
    tryon.set_defaults(kind=FittingInquiry)
    tryon.add_argument("--run", required=True, metavar="NAME", help="a finished cagan run")
    tryon.add_argument("--data", metavar="URL", help="judge on the test pairs of other data than the run's own")
    tryon.add_argument("--group", metavar="NAME", help="of the pairs' labels (all that the run has learnt)")
    tryon.add_argument("--seed", type=int, default=0, metavar="N", help="of what is put on where nobody says (0)")
    tryon.add_argument("--json", type=Path, metavar="FILE", help=f"the figures, also kept as runs/NAME/{FITTINGS}")
    return words


def write(file: Path, content: bytes) -> None:
    """To a file of this machine. Raises TrainingError."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise TrainingError(f"json is {file}, which cannot be written: {error.strerror}") from error
