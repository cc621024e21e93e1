"""Preference scores over the catalogue, x(u, i) = θ_u·Φ(X_i): plain arrays of one release, no Ray.

Where the release weighs categories, an item's vector has its category behind its look: the score is the same product.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_nn.configs import from_json
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.fold_in import OTHERS, Usual, fold_in, fold_in_among
from services.errors import UnknownItem, UnknownShopper
from services.item_table import Entry, Floats, ItemTable
from services.messages import RecommendRequest, ScoreRequest, Shopper
from services.release_loader import Release
from services.replies import Contents, OfferedItem, Offers, Scores, StoredPicture, Taste, Work

ITEMS_FILE = "items.parquet"
POPULATION_FILE = "population.safetensors"
ASKED = 64  # tastes by which it is found how many cells are to be searched


@dataclass(frozen=True, kw_only=True, slots=True)
class Shoppers:
    """The shoppers of a release, their tastes [U, L] and what they bought."""

    position: dict[str, int]
    tastes: Floats
    bought: "Purchases"
    usual_length: float  # median ‖θ‖
    usual: Usual | None  # how tastes are; none where too few say


class Purchases:
    """What each shopper bought, as numbers of items: an id is kept once, however often it was bought."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        """column: a list of item ids for each shopper."""
        lists = column.combine_chunks()
        ids = lists.flatten().dictionary_encode()
        self._item_ids: list[str] = ids.dictionary.to_pylist()
        self._items = ids.indices.to_numpy()
        self._ends = np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())

    def of(self, shopper: int) -> list[str]:
        """The items that shopper number `shopper` bought."""
        begins = self._ends[shopper - 1] if shopper else 0
        return [self._item_ids[item] for item in self._items[begins : self._ends[shopper]].tolist()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranker:
    """Scores and ranks with one release, and with what became of its items since. Safe between threads."""

    release: Release
    catalogue: ItemTable
    shoppers: Shoppers
    decay: float  # λ_θ of the training
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)  # around every look at the catalogue

    def change(self, put: Collection[Entry], dropped: Collection[str]) -> None:
        """Add, replace and drop items: all at once, as far as any request can tell."""
        with self._lock:
            self.catalogue.drop(dropped)
            for entry in put:
                self.catalogue.put(entry)

    def entry(self, item_id: str) -> Entry | None:
        """What there is of an item; None where there is no such item."""
        with self._lock:
            at = self.catalogue.position.get(item_id)
            if at is None:
                return None
            return Entry(
                item_id=item_id,
                category=int(self.catalogue.category[at]),
                picture=self.catalogue.pictures[at],
                look=self.catalogue.looks[at].copy(),
            )

    def taste(self, shopper: Shopper) -> Taste:
        """A known shopper's taste, or that of a new one by what they like. Raises UnknownShopper, UnknownItem.

        A new one is of the kind of this release's tastes, and no longer than they usually are: designs weigh
        preference against realism on that scale.
        """
        began = time.perf_counter()
        with self._lock:
            vector = self._vector(shopper)
        return Taste(vector=vector, release=self.release.id, work=_since(began))

    def score(self, request: ScoreRequest) -> Scores:
        """Preference scores of the items asked for. Raises UnknownShopper, UnknownItem."""
        began = time.perf_counter()
        with self._lock:
            looks = self.catalogue.looks[self._positions(request.items, "items")]
            scores = looks @ self._vector(request.shopper)
        return Scores(scores=tuple(map(float, scores)), release=self.release.id, work=_since(began))

    def recommend(self, request: RecommendRequest, *, to_fit: bool = False) -> Offers:
        """The best items that the request allows. Raises UnknownShopper, UnknownItem, BadInput (a category).

        to_fit: of those that the fitting room puts on.
        """
        began = time.perf_counter()
        if to_fit and request.category is not None:
            self.release.check_fits(request.category, "category")
        with self._lock:
            rows, scores = self.catalogue.best(self._vector(request.shopper), request.k, self._allowed(request, to_fit))
            offers = self._offers(rows, scores)
        return Offers(offers=offers, release=self.release.id, work=_since(began))

    def item(self, item_id: str) -> Offers:
        """One item, without a score. Raises UnknownItem."""
        with self._lock:
            offers = self._offers(self._positions([item_id], "item_id").tolist(), [None])
        return Offers(offers=offers, release=self.release.id, work=Work())

    def contents(self, record: int = 0) -> Contents:
        """What there is. record: the last one of the live catalogue that has been applied."""
        return Contents(
            categories=self.release.categories,
            fits=tuple(self.release.fits),
            items=len(self.catalogue.position),
            record=record,
            shoppers=len(self.shoppers.position),
            configs=self.release.manifest.get("configs", {}),
            metrics=self.release.manifest.get("metrics", {}),
            release=self.release.id,
            work=Work(),
        )

    def probe(self) -> None:
        """A tiny real score, to tell whether this still works. Raises RuntimeError."""
        with self._lock:
            looks = self.catalogue.looks[np.flatnonzero(self.catalogue.shown)[:8]]
        if not np.isfinite(looks @ looks.T).all():
            raise RuntimeError(f"release {self.release.id}: a score is not finite")

    def _vector(self, shopper: Shopper) -> Floats:
        if shopper.user_id is not None:
            return self.shoppers.tastes[self._known(shopper.user_id)]
        liked = np.unique(self._positions(shopper.likes or [], "shopper.likes"))
        others = np.setdiff1d(self._sample(), liked)
        looks, usual = self.catalogue.looks, self.shoppers.usual
        if not len(others):  # who likes everything has no taste
            return np.zeros(looks.shape[1], np.float32)
        if usual is None:
            taste = fold_in(looks[liked], looks[others], decay=self.decay)
        else:
            taste = fold_in_among(looks[liked], looks[others], usual)
        return taste * min(1.0, self.shoppers.usual_length / max(1e-12, float(np.linalg.norm(taste))))

    def _sample(self) -> NDArray[np.int64]:
        """Rows of items spread over the catalogue, the same every time for the same ones."""
        rows = np.flatnonzero(self.catalogue.shown)
        return rows if len(rows) <= OTHERS else np.random.default_rng(0).choice(rows, OTHERS, replace=False)

    def _known(self, user_id: str) -> int:
        try:
            return self.shoppers.position[user_id]
        except KeyError:
            raise UnknownShopper(
                f"no shopper {user_id!r} in this release", field="shopper.user_id", value=user_id
            ) from None

    def _positions(self, item_ids: Sequence[str], field: str) -> NDArray[np.int64]:
        unknown = [item_id for item_id in item_ids if item_id not in self.catalogue.position]
        if unknown:
            raise UnknownItem(f"no item {unknown[0]!r} in the catalogue", field=field, value=unknown[0])
        return np.array([self.catalogue.position[item_id] for item_id in item_ids], dtype=np.int64)

    def _allowed(self, request: RecommendRequest, to_fit: bool) -> NDArray[np.bool_]:
        allowed = self.catalogue.shown.copy()
        for name, names in (
            ("category", None if request.category is None else [request.category]),
            ("filters.categories", request.filters.categories),
            ("fits", list(self.release.fits) if to_fit else None),
        ):
            if names is not None:
                wanted = np.zeros(len(self.release.categories), dtype=bool)
                wanted[self._class_ids(name, names)] = True
                allowed &= wanted[self.catalogue.category]
        excluded = self._found(request.filters.exclude)
        if request.exclude_bought:
            excluded += self._found(self._bought(request.shopper))
        if excluded:
            allowed[excluded] = False
        return allowed

    def _class_ids(self, field: str, names: Iterable[str]) -> list[int]:
        return [self.release.class_id(name, field) for name in names]

    def _bought(self, shopper: Shopper) -> Iterable[str]:
        if shopper.user_id is None:
            return shopper.likes or []
        return self.shoppers.bought.of(self._known(shopper.user_id))

    def _found(self, item_ids: Iterable[str]) -> list[int]:
        position = self.catalogue.position
        return [position[item_id] for item_id in item_ids if item_id in position]

    def _offers(self, rows: Sequence[int], scores: Sequence[float | None]) -> tuple[OfferedItem, ...]:
        catalogue, categories = self.catalogue, self.release.categories
        class_ids = catalogue.category[rows].tolist()
        return tuple(
            OfferedItem(
                item_id=catalogue.item_ids[at],
                category=categories[class_id],
                picture=StoredPicture(key=catalogue.pictures[at]),
                score=score,
            )
            for at, class_id, score in zip(rows, class_ids, scores, strict=True)
        )


def items_of(release: Release) -> int:
    """How many items a release has."""
    return int(pq.read_metadata(release.folder / ITEMS_FILE).num_rows)


def load_ranker(release: Release, *, cells_above: int | None = None) -> Ranker:
    """The tables of a release. More items than `cells_above` are searched by cells."""
    items = pq.read_table(release.folder / ITEMS_FILE)
    users = pq.read_table(release.folder / "users.parquet")
    config = from_json(DVBPRConfig, release.manifest["configs"]["dvbpr"])
    user_ids, dimensions = users["user_id"].to_pylist(), config.length(len(release.categories))
    tastes = _vectors(users["taste"], dimensions)
    class_of = {name: at for at, name in enumerate(release.categories)}
    catalogue = ItemTable(
        item_ids=items["item_id"].to_pylist(),
        category=np.array([class_of[name] for name in items["category"].to_pylist()], dtype=np.int64),
        pictures=items["picture"].to_pylist(),
        looks=_vectors(items["look"], dimensions),
    )
    if cells_above is not None and len(items) > cells_above and len(tastes):
        catalogue.divide(np.random.default_rng(0).permutation(tastes)[:ASKED])
    return Ranker(
        release=release,
        catalogue=catalogue,
        shoppers=Shoppers(
            position={user_id: at for at, user_id in enumerate(user_ids)},
            tastes=tastes,
            bought=Purchases(users["bought"]),
            usual_length=float(np.median(np.linalg.norm(tastes, axis=1))) if len(tastes) else np.inf,
            usual=usual_among(tastes, release),
        ),
        decay=max(1e-6, config.taste_decay),
    )


def usual_among(tastes: Floats, release: Release) -> Usual | None:
    """How tastes usually are: as the release tells, or else as its own [U, L] are; None where too few say."""
    if POPULATION_FILE in release.manifest["files"]:
        return Usual.load(release.folder / POPULATION_FILE)
    return Usual.of(tastes) if len(tastes) > 1 and np.ptp(tastes, axis=0).any() else None


def _vectors(column: pa.ChunkedArray, dimensions: int) -> Floats:
    """A column of equally long lists as an array [n, L]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(-1, dimensions)


def _since(began: float) -> Work:
    return Work(compute_ms=1000 * (time.perf_counter() - began))
