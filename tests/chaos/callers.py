"""Callers that go on and on, and what they noticed: failures, tries, gaps, wrong answers, writes that were lost."""

import io
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from services.client import Atelier, Failure, NoAnswer, Patience, Refused, calls

IMPATIENT = Patience(tries=1)
PATIENT = Patience()  # as whoever sets nothing has it
GROUPS = (("score", "recommend"), ("try_on",), ("design",), ("put",))  # each asked for by a caller of its own
WITHOUT_STORE = GROUPS[:2]  # that the object store has no part in
LEVELS = 1.0  # by which a picture may differ, on average, with who shared its pass
PAUSE_S = 0.05  # between two calls of one caller
READ_ON_S = 30.0  # for every replica to have read what was written


@dataclass(slots=True)
class Noticed:
    """What became of the calls of one kind of caller."""

    sent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    tries: int = 0
    answered: dict[str, list[float]] = field(default_factory=dict)  # when, by the kind of call
    acknowledged: dict[str, int] = field(default_factory=dict)  # item ids, and their records

    def gap(self, begun: float, ended: float, groups: Sequence[Sequence[str]]) -> float:
        """The longest time without an answer to any call of the kinds of a group."""
        return max(_longest([begun, *sorted(self._times(group)), ended]) for group in groups)

    def _times(self, kinds: Sequence[str]) -> list[float]:
        return [at for kind in kinds for at in self.answered.get(kind, ())]


class Callers:
    """Some that try again and some that do not, from when this is entered until it is left."""

    def __init__(self, url: str, key: str, *, shoppers: Sequence[str], items: Sequence[str], picture: bytes) -> None:
        self._url, self._key = url, key
        self._shoppers, self._items, self._picture = shoppers, items, picture
        self._end = threading.Event()
        self._turn = threading.Lock()
        self.noticed = {"without_retries": Noticed(), "with_retries": Noticed()}
        self.begun = self.ended = 0.0
        self._truth: dict[tuple[str, str], float] = {}
        self._painted: np.ndarray | None = None
        self._serial = itertools.count()
        self._run = f"{time.time_ns():x}"

    def __enter__(self) -> "Callers":
        self._learn()
        self.begun = time.monotonic()
        self._threads = [
            threading.Thread(target=self._call_on, args=(self.noticed[name], patience, kinds))
            for name, patience in (("without_retries", IMPATIENT), ("with_retries", PATIENT))
            for kinds in GROUPS
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended = time.monotonic()
        self._end.set()
        for thread in self._threads:
            thread.join()

    def lost(self) -> int:
        """How many writes that were acknowledged cannot be found."""
        missing = {item for noticed in self.noticed.values() for item in noticed.acknowledged}
        end = time.monotonic() + READ_ON_S
        with Atelier(self._url, key=self._key, patience=PATIENT) as shop:
            while missing and time.monotonic() < end:  # replicas read on what others have recorded
                missing = {item for item in missing if not _found(shop, item)}
        return len(missing)

    def _learn(self) -> None:
        """What scores are, and the picture that a try-on paints, as long as nothing is wrong."""
        with Atelier(self._url, key=self._key, patience=PATIENT) as shop:
            for shopper in self._shoppers:
                told = shop.ask(calls.score(shopper, self._items)).scores
                self._truth |= {(shopper, each.item_id): each.score for each in told}
            self._painted = self._try(shop)

    def _call_on(self, noticed: Noticed, patience: Patience, kinds: Sequence[str]) -> None:
        makers: dict[str, Callable[[Atelier], bool]] = {
            "score": self._score,
            "recommend": self._recommend,
            "design": self._design,
            "try_on": self._try_on,
            "put": lambda shop: self._put(shop, noticed),
        }
        shop = Atelier(self._url, key=self._key, patience=patience)
        shop._http.event_hooks["request"].append(lambda request: self._count(noticed))
        with shop:
            for kind in itertools.cycle(kinds):
                if self._end.wait(PAUSE_S):
                    return
                self._one(noticed, kind, lambda make=makers[kind]: make(shop))

    def _one(self, noticed: Noticed, kind: str, make: Callable[[], bool]) -> None:
        try:
            right, failure = make(), None
        except Refused as error:
            right, failure = True, f"{kind} {error.status} {error.type}"
        except (NoAnswer, Failure) as error:
            right, failure = True, f"{kind} {error}"
        except (ValueError, OSError):  # an answer that cannot be read
            right, failure = False, None
        with self._turn:
            noticed.sent += 1
            if failure is not None:
                noticed.failed[failure] += 1
            else:
                noticed.wrong += not right
                noticed.answered.setdefault(kind, []).append(time.monotonic())

    def _count(self, noticed: Noticed) -> None:
        with self._turn:
            noticed.tries += 1

    def _score(self, shop: Atelier) -> bool:
        shopper = self._any(self._shoppers)
        told = shop.ask(calls.score(shopper, self._items)).scores
        return all(abs(each.score - self._truth[shopper, each.item_id]) < 1e-3 for each in told)

    def _recommend(self, shop: Atelier) -> bool:
        items = shop.ask(calls.recommend(self._any(self._shoppers), k=5)).items
        return len(items) == 5 and [each.score for each in items] == sorted(
            (each.score for each in items), reverse=True
        )

    def _design(self, shop: Atelier) -> bool:
        category = "men-tops"
        designs = shop.ask(calls.design(self._any(self._shoppers), category, k=1, restarts=4, steps=5)).designs
        return [each.category for each in designs] == [category]

    def _try_on(self, shop: Atelier) -> bool:
        painted = self._try(shop)
        return painted.shape == self._painted.shape and np.abs(painted - self._painted).mean() < LEVELS

    def _try(self, shop: Atelier) -> np.ndarray:
        """The picture of one that the object store has no part in, [H, W, 3] in 0 … 255."""
        fitting = shop.ask(calls.try_on(self._picture, self._picture, format="png")).fitting
        return np.asarray(Image.open(io.BytesIO(shop.picture(fitting.picture))), np.float32)

    def _put(self, shop: Atelier, noticed: Noticed) -> bool:
        item_id = f"chaos-{self._run}-{next(self._serial)}"
        answer: Any = shop.ask(calls.put_item(item_id, "men-tops", self._picture))
        with self._turn:
            noticed.acknowledged[item_id] = answer.record
        return bool(answer.item.item_id == item_id)

    def _any(self, those: Sequence[str]) -> str:
        return those[next(self._serial) % len(those)]


def _longest(times: Sequence[float]) -> float:
    return max(late - early for early, late in itertools.pairwise(times))


def _found(shop: Atelier, item_id: str) -> bool:
    try:
        return bool(shop.ask(calls.get_item(item_id)).item.item_id == item_id)
    except Refused as error:
        if error.type == "unknown-item":
            return False
        raise
