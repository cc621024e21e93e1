"""A finished dvbpr run, judged: beside its peers on the same split, and for shoppers who are new to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cluster.mirror import mirror
from cluster.object_store import ObjectStore
from cluster.settings import Settings
from fashion_nn.datasets.problems import OnProblem, fatal
from fashion_nn.datasets.split import Split
from fashion_nn.dvbpr.fold_in import Usual
from fashion_nn.dvbpr.network import Look, Recommender
from fashion_nn.dvbpr.population import spread
from fashion_nn.metrics.ranking import (
    Scores,
    Standings,
    scores_by_chance,
    scores_by_popularity,
    scores_by_taste,
    standings,
)
from fashion_nn.pictures import normalise
from fashion_nn.steps import Pictures
from training import runs
from training.dvbpr import RECIPE, Bought
from training.errors import TrainingError
from training.evaluate import peers
from training.evaluate.descriptor import described
from training.evaluate.figures import Mean
from training.evaluate.newcomers import Told, folded, newcomers, some
from training.evaluate.peers import Choice
from training.evaluate.truth import is_stated, true_scores
from training.recipe import Source
from training.trained import Trained, class_ids, load, recommender

DEPTH = 20  # of nDCG and recall
ROWS = 128  # pictures that Φ looks at at once
CPU = torch.device("cpu")
LEAST_SHOPPERS = 4  # of whom half are treated as new, and the tastes of the others tell how tastes usually are

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """What is asked about a run."""

    run: str
    data: str | None = None  # URL; None: the run's own
    peers: bool = False  # also those that need the extra, and minutes
    newcomers: int = 500  # shoppers that are treated as new; at most half of them
    seed: int = 0
    on_problem: OnProblem = "skip"

    def __post_init__(self) -> None:
        for name, least in (("newcomers", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise TrainingError(f"{name} is {value}, but must be at least {least}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """Somebody's scores; `choice` where they were tuned here."""

    name: str
    scores: Scores
    choice: Choice | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One contestant on the test items."""

    name: str
    auc: Mean  # over all unobserved items
    cold_auc: Mean  # where the test item has fewer than five training interactions
    ndcg: Mean  # within the first DEPTH of what is neither in training nor validation
    recall: Mean  # likewise
    behind: Mean | None  # the first contestant's AUC less this one's, shopper by shopper; None for the first
    chosen: dict[str, float] = field(default_factory=dict)
    validation_auc: float | None = None  # that decided it
    tried: int | None = None  # settings
    seconds: float | None = None  # for all of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Newcomers:
    """The same shoppers with the tastes that were trained, and as if they were new."""

    shoppers: int
    trained: Mean | None  # AUC; None on other data than the run's
    told: list[Told]


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What was found about a run."""

    run: str
    data: str
    seed: int
    counts: dict[str, int]
    cold: int  # held-out items that are cold
    judged: list[Judged]
    newcomers: Newcomers


def evaluate(
    inquiry: Inquiry, store: ObjectStore, settings: Settings, *, device: torch.device = CPU, say: Say = print
) -> Findings:
    """Judge a finished run; Φ sees pictures on `device`, and `say` is told how far it is.

    Trained tastes count only on the data that they were trained on, since on other data they may have seen the test
    items: there it is Φ that is judged, with every taste folded in. Raises TrainingError, DataError, StoreError.
    """
    trained = load(store, runs.finished(store, inquiry.run, "dvbpr"))
    url = inquiry.data or trained.record.data
    path = mirror(url, settings, settings.cache / "data")
    data, network = opened(path, trained, inquiry, store, settings), recommender(trained)
    classes = class_ids(data.items.catalogue, url, trained.record) if trained.config.category_weight else None
    looks = looks_of(network.look, data.items.pictures, classes, device)
    if not (own := is_its_own(data, trained)):
        say(f"{url} is not what run {inquiry.run!r} was trained on: its tastes are left out, all are folded in")
    say(f"tastes of {len(data.split.train):,} shoppers")
    ours = list(our_contestants(network, looks, data, own, inquiry.seed))
    others = rivals(data, path, inquiry, trained.config.dimensions, say)
    return Findings(
        run=inquiry.run,
        data=url,
        seed=inquiry.seed,
        counts=RECIPE.summary(data).counts,
        cold=len(standings(ours[0].scores, data.split, cold=True)),
        judged=judge([*ours, *others], data),
        newcomers=as_new(network, looks, data, own, inquiry),
    )


def opened(path: Path, trained: Trained, inquiry: Inquiry, store: ObjectStore, settings: Settings) -> Bought:
    """The data, split as the run splits it. Raises DataError and TrainingError where there are too few shoppers."""
    if (known := len(trained.record.identity["shoppers"])) < LEAST_SHOPPERS:
        raise TrainingError(f"run {inquiry.run!r} knows {known} shoppers, but must know at least {LEAST_SHOPPERS}")
    source = Source(path=path, cache=settings.cache / "pictures", store=store, on_problem=inquiry.on_problem)
    data = RECIPE.open(source, trained.config)
    if (found := len(some(data.split, LEAST_SHOPPERS, inquiry.seed))) < LEAST_SHOPPERS:
        wanted = "have three different items, to train on, to validate and to test"
        raise fatal(path, None, f"{found} shoppers {wanted}, but must be at least {LEAST_SHOPPERS}")
    return data


def is_its_own(data: Bought, trained: Trained) -> bool:
    """Whether this is what the run was trained on, as far as its record tells."""
    summary = RECIPE.summary(data)
    return (summary.counts, summary.identity) == (trained.record.counts, trained.record.identity)


@torch.inference_mode()
def looks_of(look: Look, pictures: Pictures, classes: Tensor | None, device: torch.device) -> Tensor:
    """Vectors [n, L] of all items by their pictures and, where these count, categories int64 [n]; on the host."""
    cuts, seen = range(0, len(pictures), ROWS), look.to(device).seen
    rows = (pictures[slice(cut, cut + ROWS)].to(device) for cut in cuts)
    return look.cpu().placed(torch.cat([seen(normalise(each)).float().cpu() for each in rows]), classes)


def our_contestants(network: Recommender, looks: Tensor, data: Bought, own: bool, seed: int) -> Iterator[Contestant]:
    """The trained tastes where they count, and the same shoppers by the fold-in of what they have in training."""
    if own:
        yield Contestant(name="dvbpr", scores=scores_by_taste(network.taste.weight.detach(), looks))
    refolded, _ = folded(looks.numpy(), data.split.train, network.usual(), seed=seed)
    yield Contestant(name="dvbpr, folded in", scores=scores_by_taste(torch.from_numpy(refolded), looks))


def as_new(network: Recommender, looks: Tensor, data: Bought, own: bool, inquiry: Inquiry) -> Newcomers:
    """At most half of the shoppers as if they were new; how tastes usually are is told by all others."""
    split, everybody, tastes = data.split, np.arange(len(data.split.train)), network.taste.weight.detach()
    users = some(split, min(inquiry.newcomers, len(everybody) // 2), inquiry.seed)
    usual = usual_without(users, network, looks, split) if own else network.usual()
    return Newcomers(
        shoppers=len(users),
        trained=Mean.of(standings(scores_by_taste(tastes, looks), split, users=users).auc()) if own else None,
        told=newcomers(looks.numpy(), split, users, usual, seed=inquiry.seed),
    )


def usual_without(users: np.ndarray, network: Recommender, looks: Tensor, split: Split) -> Usual:
    """How the tastes of all but some users are, told as the run tells it."""
    others = np.setdiff1d(np.arange(len(split.train)), users)
    if network.population:
        return spread(looks.numpy(), [split.train[user] for user in others])
    return Usual.of(network.taste.weight.detach()[others].numpy())


def rivals(data: Bought, path: Path, inquiry: Inquiry, dimensions: int, say: Say) -> Iterator[Contestant]:
    """Whom ours is compared with. Factors of peers are as long as our tastes; a drawn world knows the true taste."""
    split, n_items = data.split, len(data.items.catalogue)
    if inquiry.peers:
        alike = {"factors": dimensions, "seed": inquiry.seed}
        fits = {
            "vbpr": (peers.VBPR_GRID, partial(peers.vbpr, split, described(data.items.pictures), **alike)),
            "bpr-mf": (peers.BPR_MF_GRID, partial(peers.bpr_mf, split, n_items, **alike)),
        }
        for name, (grid, fit) in fits.items():
            choice = peers.best_of(grid, fit, split, lambda line, name=name: say(f"{name} {line}"))
            yield Contestant(name=name, scores=choice.scores, choice=choice)
    yield Contestant(name="popularity", scores=scores_by_popularity(split, n_items))
    yield Contestant(name="random", scores=scores_by_chance(inquiry.seed, n_items))
    if is_stated(path):
        yield Contestant(name="true taste", scores=true_scores(path, data.items))


def judge(all_of_them: list[Contestant], data: Bought) -> list[Judged]:
    """Every contestant on the same test items."""
    found = [(each, standings(each.scores, data.split)) for each in all_of_them]
    first = found[0][1].auc()
    return [judged(each, stand, data, first if place else None) for place, (each, stand) in enumerate(found)]


def judged(contestant: Contestant, stand: Standings, data: Bought, first: np.ndarray | None) -> Judged:
    """One of them; `first` [u] is the AUC of the one that it is compared with."""
    choice = contestant.choice
    return Judged(
        name=contestant.name,
        auc=Mean.of(stand.auc()),
        cold_auc=Mean.of(stand.cold(data.split).auc()),
        ndcg=Mean.of(stand.ndcg(DEPTH)),
        recall=Mean.of(stand.recall(DEPTH)),
        behind=None if first is None else Mean.of(first - stand.auc()),
        **({} if choice is None else choice.told()),
    )
