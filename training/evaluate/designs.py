"""Is the taste real? In a drawn world every shopper's true taste is stated: what their designs are truly worth.

The latent engine climbs the model's score, as it does when it serves: from the best codes of a seed bank, and what
counts are the best designs that differ. Here the same shopper's true utility (`fashion_nn.world.tastes`) is read off
the pictures on the way, beside that of random generated items and of as many items of the catalogue, the best as the
model and as the true taste rank them. Scores and utilities are told in standard deviations of the items of the same
category above their mean, so that 0 is an item taken blindly, whoever the shopper is. Shoppers differ more from each
other than what they are shown does: so everything is also compared shopper by shopper with the best items by score,
and with the best of those that the shopper has not bought, as they are recommended. Of an item that somebody has bought
it is not the model that says they like it.

What the learnt tastes lack is told apart from what the looks lack by climbing with tastes that are fitted to the stated
ones (`tastes="stated"`): nobody could learn better ones for these looks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from cluster.mirror import mirror
from cluster.object_store import ObjectStore
from cluster.settings import Settings
from fashion_nn.dvbpr.network import upsample
from fashion_nn.latent import bank
from fashion_nn.latent.ascent import LEARNING_RATE, Ascended, Ascent
from fashion_nn.latent.engine import Engine, EngineConfig
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks, Weights
from fashion_nn.pictures import normalise
from fashion_nn.world import tastes
from fashion_nn.world.shoppers import Shopper
from training import runs
from training.catalogue_data import CatalogueData
from training.dvbpr import RECIPE, Bought
from training.errors import TrainingError
from training.evaluate.figures import Mean
from training.evaluate.truth import stated
from training.publish import agreed_categories, networks_of
from training.recipe import Source
from training.trained import load, recommender

BEST = 3  # items at the top of a list, and designs
AT_ONCE = 4  # shoppers in one pass: more rows no longer fit a core's cache, and are slower
RANDOM = 64  # generated items of a category that nobody asked for

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignInquiry:
    """What is asked about two runs of one drawn world."""

    dvbpr: str
    cgan: str
    shoppers: int = 24
    rows: int = 8  # starts of an ascent, of which the best designs count
    codes: int = 2048  # of each category's seed bank, from which the starts are; 0: they are blind
    tastes: Literal["learnt", "stated"] = "learnt"  # that are climbed for; stated: what comes nearest to these
    realism: tuple[float, ...] = (0.0, 1.0, 5.0, 10.0, 20.0)  # weights of the objective
    steps: tuple[int, ...] = (0, 5, 10, 20, 40, 80)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("realism", "steps"):
            if (least := min(getattr(self, name), default=-1)) < 0:
                raise TrainingError(f"{name} has {least:g}, but must be some, each at least 0")
        for name, least in (("shoppers", 2), ("rows", 1), ("codes", 0), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise TrainingError(f"{name} is {value}, but must be at least {least}")
        if 0 < self.codes < self.rows:
            raise TrainingError(f"codes is {self.codes}, but must be 0 or at least rows, {self.rows}")


@dataclass(frozen=True, slots=True)
class Worth:
    """Some pictures of every shopper."""

    name: str
    score: Mean  # θ·Φ
    utility: Mean  # to the true taste
    realism: Mean  # as the discriminator has it: 1 is real
    ahead: Mean  # in utility, of the catalogue's best by score for the same shopper
    ahead_of_new: Mean  # ... and of the best that they have not bought: of what they are recommended
    realism_weight: float | None = None  # of an ascent
    steps: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignFindings:
    """What was found about the two runs."""

    dvbpr: str
    cgan: str
    data: str
    seed: int
    shoppers: int
    rows: int
    codes: int
    tastes: str
    catalogue: list[Worth]
    ascents: list[Worth]


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A shopper with a category that they buy: the learnt taste, the stated one, and how the category's items do."""

    learnt: Tensor  # [K]
    stated: Tensor  # [len(FEATURES)]
    category: int
    scores: Tensor  # [n] of the category's items
    utilities: Tensor  # [n]
    realism: Tensor  # [n]
    new: Tensor  # bool [n]: not bought, as far as the model knows

    def told(self, scores: Tensor, utilities: Tensor) -> tuple[float, float]:
        """Their means, in standard deviations of the category's items above those items' mean."""
        pairs = (scores, self.scores), (utilities, self.utilities)
        return tuple(float((ours.mean() - theirs.mean()) / theirs.std().clamp(min=1e-6)) for ours, theirs in pairs)

    def told_of(self, items: Tensor) -> tuple[float, float]:
        """Of some of the category's items, by place [m]."""
        return self.told(self.scores[items], self.utilities[items])

    def recommended(self) -> Tensor:
        """The places of the best by score that are new to them; of all items to who has bought every one."""
        return best(self.scores.where(self.new, -torch.inf) if self.new.any() else self.scores)


def evaluate(inquiry: DesignInquiry, store: ObjectStore, settings: Settings, *, say: Say) -> DesignFindings:
    """Climb for some shoppers, and read off what it is worth. Raises TrainingError, DataError, StoreError."""
    dvbpr, cgan = (load(store, runs.finished(store, getattr(inquiry, each), each)) for each in ("dvbpr", "cgan"))
    agreed_categories({"dvbpr": dvbpr.record, "cgan": cgan.record})
    networks, url = laid_out(networks_of({"dvbpr": dvbpr, "cgan": cgan})), dvbpr.record.data
    learnt = dict(zip(dvbpr.record.identity["shoppers"], recommender(dvbpr).taste.weight.detach(), strict=True))
    path = mirror(url, settings, settings.cache / "data")
    source = Source(path=path, cache=settings.cache / "pictures", store=store)
    data = RECIPE.open(source, dvbpr.config)
    clients = invited(stated(path), learnt, networks, data, inquiry)
    say(f"{len(clients)} shoppers, {inquiry.rows} starts each")
    slots, waiting = (inquiry.rows * count for count in (min(len(clients), AT_ONCE), len(clients)))
    engine = Engine(networks, EngineConfig(slots=slots, max_waiting=waiting))
    return DesignFindings(
        dvbpr=inquiry.dvbpr,
        cgan=inquiry.cgan,
        data=url,
        seed=inquiry.seed,
        shoppers=len(clients),
        rows=inquiry.rows,
        codes=inquiry.codes,
        tastes=inquiry.tastes,
        catalogue=list(without_climbing(networks, clients, inquiry)),
        ascents=list(climbed(engine, networks, clients, inquiry, say)),
    )


def laid_out(networks: Networks) -> Networks:
    """The same networks with the channels of their weights last: a quarter faster on a processor's core."""
    return Networks(*(each.to(memory_format=torch.channels_last) for each in networks))


def invited(
    shoppers: Mapping[str, Shopper],
    learnt: Mapping[str, Tensor],
    networks: Networks,
    data: Bought,
    inquiry: DesignInquiry,
) -> list[Client]:
    """Some of the shoppers that both the world and the run know, each with the category that they buy most of."""
    catalogue = data.items.catalogue
    known, names = [user for user in learnt if user in shoppers], catalogue.categories
    places = np.random.default_rng(inquiry.seed).permutation(len(known))[: inquiry.shoppers]
    chosen = [shoppers[known[place]] for place in places]
    wanted = [max(names, key=lambda name, mix=each.mix: mix.get(name, 0.0)) for each in chosen]
    shelves = {name: Shelf.of(networks, data.items, names.index(name)) for name in sorted(set(wanted))}
    if inquiry.tastes == "stated":
        fitted = nearest(shelves.values())
        learnt = {each.user_id: fitted @ torch.from_numpy(each.weights).float() for each in chosen}
    bought = dict(zip(catalogue.user_ids, data.split.train, strict=True))
    return [
        shelves[name].client(each, learnt[each.user_id], bought[each.user_id])
        for each, name in zip(chosen, wanted, strict=True)
    ]


def nearest(shelves: Iterable["Shelf"]) -> Tensor:
    """What makes a taste [L] of a stated one [F]: scores come as near to true utilities as they can, by least squares.

    A matrix [L, F]. Up to a constant, which ranks nothing.
    """
    columns = ((each.looks, each.true_looks) for each in shelves)
    looks, true_looks = (torch.cat(column).double() for column in zip(*columns, strict=True))
    centred = (each - each.mean(0) for each in (looks, true_looks))
    return torch.linalg.lstsq(*centred).solution.float()


@dataclass(frozen=True, slots=True)
class Shelf:
    """The n items of a category: looks [n, K] as the model has them and [n, F] as a true taste does, realism [n]."""

    category: int
    items: NDArray[np.int64]  # their numbers [n]
    looks: Tensor
    true_looks: Tensor
    realism: Tensor

    @classmethod
    @torch.inference_mode()
    def of(cls, networks: Networks, data: CatalogueData, category: int) -> "Shelf":
        """Of all items of the category; the discriminator sees them in the generator's size."""
        items = np.flatnonzero(data.catalogue.item_category == category)
        pictures = normalise(data.pictures[items])
        size, labels = (networks.generator.picture_size,) * 2, torch.full((len(pictures),), category)
        realism = networks.discriminator(interpolate(pictures, size, mode="area"), labels)
        return cls(category, items, networks.look(pictures, labels), tastes.looks(pictures), realism)

    def client(self, shopper: Shopper, learnt: Tensor, bought: NDArray[np.int64]) -> Client:
        """A shopper who buys here, and has bought these items, by their numbers."""
        stated = torch.from_numpy(shopper.weights).float()
        return Client(
            learnt=learnt,
            stated=stated,
            category=self.category,
            scores=self.looks @ learnt,
            utilities=self.true_looks @ stated,
            realism=self.realism,
            new=torch.from_numpy(~np.isin(self.items, bought)),
        )


def without_climbing(networks: Networks, clients: Sequence[Client], inquiry: DesignInquiry) -> Iterator[Worth]:
    """What there is before anything is designed."""
    lists = {
        "the catalogue": lambda client: torch.arange(len(client.scores)),
        f"its best {BEST} by score": lambda client: best(client.scores),
        f"its best {BEST} new ones": Client.recommended,
        f"its best {BEST} by true taste": lambda client: best(client.utilities),
    }
    for name, choose in lists.items():
        rows = [choose(client) for client in clients]
        told = [client.told_of(row) for client, row in zip(clients, rows, strict=True)]
        realism = [float(client.realism[row].mean()) for client, row in zip(clients, rows, strict=True)]
        yield worth(name, clients, told, realism)
    painted = {at: generated(networks, at, inquiry.seed) for at in sorted({client.category for client in clients})}
    told, realism = [], []
    for client in clients:
        pictures, looks, judged = painted[client.category]
        told.append(client.told(looks @ client.learnt, tastes.utility(pictures, client.stated)))
        realism.append(float(judged.mean()))
    yield worth("generated blindly", clients, told, realism)


def best(values: Tensor) -> Tensor:
    """The places of the BEST highest that are finite."""
    return values.topk(min(BEST, int(values.isfinite().sum()))).indices


@torch.inference_mode()
def generated(networks: Networks, category: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """RANDOM pictures of a category, their looks and their realism."""
    codes = bank.draw(seed, category, RANDOM, networks.generator.latent_dimensions)
    labels = torch.full((RANDOM,), category)
    pictures = networks.generator(codes, labels)
    looks = networks.look(upsample(pictures, networks.look.picture_size), labels)
    return pictures, looks, networks.discriminator(pictures, labels)


def climbed(
    engine: Engine, networks: Networks, clients: Sequence[Client], inquiry: DesignInquiry, say: Say
) -> Iterator[Worth]:
    """Every weight of realism, and from the same starts every number of steps."""
    first = beginnings(networks, clients, inquiry)
    for weight in inquiry.realism:
        weights = Weights(realism=weight)
        starts = [first(at, weights) for at in range(len(clients))]
        for steps in inquiry.steps:
            asked = [
                Ascent(
                    taste=client.learnt,
                    category=client.category,
                    starts=start,
                    weights=weights,
                    steps=steps,
                    rate=bank.RATE if inquiry.codes else LEARNING_RATE,
                    keep=min(BEST, inquiry.rows),
                )
                for client, start in zip(clients, starts, strict=True)
            ]
            scores = [found.scores for found in answered(engine.ascend(asked))]
            told = [
                client.told(each.preference, tastes.utility(each.pictures, client.stated))
                for client, each in zip(clients, scores, strict=True)
            ]
            realism = [float(each.realism.mean()) for each in scores]
            yield worth("designs", clients, told, realism, realism_weight=weight, steps=steps)
            say(f"realism {weight:g}, {steps} steps")


def beginnings(
    networks: Networks, clients: Sequence[Client], inquiry: DesignInquiry
) -> Callable[[int, Weights], Tensor]:
    """The codes z [rows, Z] from which a client, told by their place, climbs under some weights."""
    dimensions = networks.generator.latent_dimensions
    if not inquiry.codes:
        return lambda at, weights: bank.draw(inquiry.seed + 1 + at, clients[at].category, inquiry.rows, dimensions)
    banks, judges = {}, folded(networks)
    for category in sorted({client.category for client in clients}):
        codes = bank.draw(inquiry.seed + 1, category, inquiry.codes, dimensions)
        looks, realism = bank.judge(judges, codes, category)
        banks[category] = bank.Bank(codes[None], looks[None], realism[None])

    def best_of_bank(at: int, weights: Weights) -> Tensor:
        client = clients[at]
        return banks[client.category].starts(client.learnt, 0, inquiry.rows, weights, seed=inquiry.seed)

    return best_of_bank


def answered(found: Sequence[Ascended | Exception]) -> list[Ascended]:
    """What the engine has found. Raises what it failed by."""
    for each in found:
        if isinstance(each, Exception):
            raise each
    return list(found)


def worth(
    name: str,
    clients: Sequence[Client],
    told: Sequence[tuple[float, float]],
    realism: Sequence[float],
    **asked: float,
) -> Worth:
    """Means over the clients, of (score, utility), of realism, and of each one's leads in utility."""
    scores, utilities = np.array(told).T
    listed = np.array([client.told_of(best(client.scores))[1] for client in clients])
    recommended = np.array([client.told_of(client.recommended())[1] for client in clients])
    leads = utilities - listed, utilities - recommended
    return Worth(name, *(Mean.of(values) for values in (scores, utilities, np.array(realism), *leads)), **asked)
