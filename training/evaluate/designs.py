"""Is the taste real? In a drawn world every shopper's true taste is stated: what their designs are truly worth.

The latent engine climbs the model's score. Here the same shopper's true utility (`fashion_nn.world.tastes`) is read
off the pictures on the way, beside that of random generated items and of the catalogue's best, as the model and as
the true taste rank them. Scores and utilities are told in standard deviations of the catalogue's items of the same
category above their mean, so that 0 is an item taken blindly, whoever the shopper is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cluster.mirror import mirror
from cluster.object_store import ObjectStore
from cluster.settings import Settings
from fashion_nn.cgan.network import Discriminator
from fashion_nn.dvbpr.network import Recommender, upsample
from fashion_nn.latent import bank
from fashion_nn.latent.ascent import Ascended, Ascent
from fashion_nn.latent.engine import Engine, EngineConfig
from fashion_nn.latent.objective import Networks, Weights
from fashion_nn.pictures import normalise
from fashion_nn.world import tastes
from fashion_nn.world.shoppers import Shopper
from training import runs
from training.catalogue_data import CatalogueData, open_catalogue
from training.errors import TrainingError
from training.evaluate.figures import Mean
from training.evaluate.truth import stated
from training.recipe import Source
from training.trained import averaged_generator, load

BEST = 5  # catalogue items at the top of a list
RANDOM = 64  # generated items of a category that nobody asked for

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignInquiry:
    """What is asked about two runs of one drawn world."""

    dvbpr: str
    cgan: str
    shoppers: int = 24
    rows: int = 4  # blind starts of an ascent; every one of them counts
    realism: tuple[float, ...] = (0.0, 1.0, 5.0, 10.0, 20.0)  # weights of the objective
    steps: tuple[int, ...] = (0, 5, 10, 20, 40, 80)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("realism", "steps"):
            if (least := min(getattr(self, name), default=-1)) < 0:
                raise TrainingError(f"{name} has {least:g}, but must be some, each at least 0")
        for name, least in (("shoppers", 2), ("rows", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise TrainingError(f"{name} is {value}, but must be at least {least}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """Some pictures of every shopper: the model's score, the true utility, the realism (1 is real)."""

    name: str
    realism_weight: float | None = None
    steps: int | None = None
    score: Mean
    utility: Mean
    realism: Mean | None = None  # of generated pictures

    @property
    def figures(self) -> tuple[Mean, Mean, Mean | None]:
        """Score, utility, realism."""
        return self.score, self.utility, self.realism


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignFindings:
    """What was found about the two runs."""

    dvbpr: str
    cgan: str
    data: str
    seed: int
    shoppers: int
    rows: int
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

    def told(self, scores: Tensor, utilities: Tensor) -> tuple[float, float]:
        """Their means, in standard deviations of the category's items above those items' mean."""
        pairs = (scores, self.scores), (utilities, self.utilities)
        return tuple(float((ours.mean() - theirs.mean()) / theirs.std().clamp(min=1e-6)) for ours, theirs in pairs)


def evaluate(inquiry: DesignInquiry, store: ObjectStore, settings: Settings, *, say: Say) -> DesignFindings:
    """Climb for some shoppers, and read off what it is worth. Raises TrainingError, DataError, StoreError."""
    dvbpr, cgan = (load(store, runs.finished(store, getattr(inquiry, each), each)) for each in ("dvbpr", "cgan"))
    generator, url = averaged_generator(cgan), dvbpr.record.data
    if dvbpr.record.identity["categories"] != cgan.record.identity["categories"]:
        raise TrainingError(f"runs {inquiry.dvbpr!r} and {inquiry.cgan!r} do not know the same categories")
    discriminator = cgan.fill(Discriminator(cgan.config, generator.n_categories), "discriminator")
    recommender = dvbpr.fill(Recommender(dvbpr.config, len(dvbpr.record.identity["shoppers"])), "recommender")
    networks = Networks(generator, discriminator, recommender.look)
    path = mirror(url, settings, settings.cache / "data")
    source = Source(path=path, cache=settings.cache / "pictures", store=store)
    data = open_catalogue(source, size=dvbpr.config.picture_size)
    clients = invited(stated(path), dvbpr.record.identity["shoppers"], recommender, data, inquiry)
    say(f"{len(clients)} shoppers, {inquiry.rows} starts each")
    engine = Engine(networks, EngineConfig(slots=inquiry.rows * len(clients), max_waiting=inquiry.rows * len(clients)))
    return DesignFindings(
        dvbpr=inquiry.dvbpr,
        cgan=inquiry.cgan,
        data=url,
        seed=inquiry.seed,
        shoppers=len(clients),
        rows=inquiry.rows,
        catalogue=list(without_climbing(networks, clients, inquiry)),
        ascents=list(climbed(engine, networks, clients, inquiry, say)),
    )


def invited(
    shoppers: Mapping[str, Shopper],
    known: Sequence[str],
    recommender: Recommender,
    data: CatalogueData,
    inquiry: DesignInquiry,
) -> list[Client]:
    """Some of the shoppers that both the world and the run know, each with the category that they buy most of."""
    place = {user: at for at, user in enumerate(known) if user in shoppers}
    chosen = [shoppers[list(place)[at]] for at in np.random.default_rng(inquiry.seed).permutation(len(place))]
    chosen, names = chosen[: inquiry.shoppers], data.catalogue.categories
    wanted = [max(names, key=lambda name, mix=each.mix: mix.get(name, 0.0)) for each in chosen]
    shelves = {name: Shelf.of(recommender, data, names.index(name)) for name in sorted(set(wanted))}
    return [
        shelves[name].client(each, recommender.taste.weight[place[each.user_id]].detach())
        for each, name in zip(chosen, wanted, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The catalogue's items of a category: looks [n, K] as the model has them, and as a true taste sees them [n, F]."""

    category: int
    looks: Tensor
    true_looks: Tensor

    @classmethod
    @torch.inference_mode()
    def of(cls, recommender: Recommender, data: CatalogueData, category: int) -> "Shelf":
        """Of all items of the category."""
        pictures = normalise(data.pictures[np.flatnonzero(data.catalogue.item_category == category)])
        return cls(category, recommender.look(pictures), tastes.looks(pictures))

    def client(self, shopper: Shopper, learnt: Tensor) -> Client:
        """A shopper who buys here."""
        stated = torch.tensor([shopper.taste[feature] for feature in tastes.FEATURES])
        return Client(
            learnt=learnt,
            stated=stated,
            category=self.category,
            scores=self.looks @ learnt,
            utilities=self.true_looks @ stated,
        )


def without_climbing(networks: Networks, clients: Sequence[Client], inquiry: DesignInquiry) -> Iterator[Worth]:
    """What there is before anything is designed."""
    lists = {
        f"best {BEST} of the catalogue, by score": lambda client: client.scores,
        f"best {BEST} of the catalogue, by true taste": lambda client: client.utilities,
    }
    for name, order in lists.items():
        tops = [order(client).topk(min(BEST, len(client.scores))).indices for client in clients]
        told = [
            client.told(client.scores[top], client.utilities[top]) for client, top in zip(clients, tops, strict=True)
        ]
        yield worth(name, told)
    painted = {at: generated(networks, at, inquiry.seed) for at in sorted({client.category for client in clients})}
    told, realism = [], []
    for client in clients:
        pictures, looks, judged = painted[client.category]
        told.append(client.told(looks @ client.learnt, tastes.utility(pictures, client.stated)))
        realism.append(float(judged.mean()))
    yield worth("generated blindly", told, realism=realism)


@torch.inference_mode()
def generated(networks: Networks, category: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """RANDOM pictures of a category, their looks and their realism."""
    codes = bank.draw(seed, category, RANDOM, networks.generator.latent_dimensions)
    labels = torch.full((RANDOM,), category)
    pictures = networks.generator(codes, labels)
    looks = networks.look(upsample(pictures, networks.look.picture_size))
    return pictures, looks, networks.discriminator(pictures, labels)


def climbed(
    engine: Engine, networks: Networks, clients: Sequence[Client], inquiry: DesignInquiry, say: Say
) -> Iterator[Worth]:
    """Every weight of realism and number of steps, from the same starts."""
    dimensions = networks.generator.latent_dimensions
    starts = [
        bank.draw(inquiry.seed + 1 + at, client.category, inquiry.rows, dimensions) for at, client in enumerate(clients)
    ]
    for weight in inquiry.realism:
        for steps in inquiry.steps:
            asked = [
                Ascent(
                    taste=client.learnt,
                    category=client.category,
                    starts=start,
                    weights=Weights(realism=weight),
                    steps=steps,
                    keep=inquiry.rows,
                )
                for client, start in zip(clients, starts, strict=True)
            ]
            scores = [found.scores for found in answered(engine.ascend(asked))]
            told = [
                client.told(each.preference, tastes.utility(each.pictures, client.stated))
                for client, each in zip(clients, scores, strict=True)
            ]
            realism = [float(each.realism.mean()) for each in scores]
            yield worth("designs", told, realism=realism, realism_weight=weight, steps=steps)
            say(f"realism {weight:g}, {steps} steps")


def answered(found: Sequence[Ascended | Exception]) -> list[Ascended]:
    """What the engine has found. Raises what it failed by."""
    for each in found:
        if isinstance(each, Exception):
            raise each
    return list(found)


def worth(name: str, told: Sequence[tuple[float, float]], *, realism: Sequence[float] | None = None, **how) -> Worth:
    """Means over shoppers of (score, utility)."""
    scores, utilities = np.array(told).T
    judged = None if realism is None else Mean.of(np.array(realism))
    return Worth(name=name, score=Mean.of(scores), utility=Mean.of(utilities), realism=judged, **how)
