"""When a gateway answers reads itself, and when it asks the Recommender; what it knows, and how soon."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from cluster.object_store import open_store
from cluster.settings import Settings
from services import catalogue_copy, live_catalogue, metrics
from services.catalogue_copy import CatalogueCopy
from services.errors import UnknownItem
from services.gateway import tables_of
from services.live_catalogue import LiveCatalogue
from services.messages import RecommendRequest, ScoreRequest, Shopper
from services.meters import Meters
from services.recommender import Recommender as Replica
from services.replies import Reply, Work
from services.traces import NoTraces
from tests.services import tiny_release
from tests.services.test_live_catalogue import opened, request

LOGGER = logging.getLogger("copy")
SHOPPER = Shopper(user_id="shopper-1")
BEST = RecommendRequest(shopper=SHOPPER, k=100, exclude_bought=False)


class Recommender:
    """A replica as from afar, over live catalogues by release, of which the last one serves."""

    def __init__(self, **held: LiveCatalogue) -> None:
        self.held, self.asked, self.lost = held, [], False
        for method in ("score", "recommend", "item"):
            setattr(self, method, Method(self, method))
        self.changes = Changes(self)

    @property
    def _live(self) -> LiveCatalogue:
        return list(self.held.values())[-1]

    async def on_pictures(self, work: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        return work(*args), 0.0


class Method:
    def __init__(self, replica: Recommender, name: str) -> None:
        self.replica, self.name = replica, name

    async def remote(self, asked: Any, *, release: str | None) -> Reply:
        self.replica.asked.append((self.name, release))
        live = self.replica._live if release is None else self.replica.held[release]
        return getattr(live.ranker, self.name)(asked)


class Changes:
    def __init__(self, replica: Recommender) -> None:
        self.replica = replica

    async def remote(self, of: str | None, after: int) -> Reply:
        if self.replica.lost:
            raise ActorDiedError
        return await Replica.func_or_class.changes(self.replica, of, after)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[str]]:
    """A bucket in a folder, and two releases in it."""
    folder = tmp_path_factory.mktemp("bucket")
    settings = Settings(bucket_url=(folder / "bucket").as_uri(), home=folder / "home")
    made: Path = tmp_path_factory.mktemp("made")
    return settings, [tiny_release.publish(settings, made, seed=seed, codes=0) for seed in range(2)]


@pytest.fixture
def settings(bucket: tuple[Settings, list[str]]) -> Iterator[Settings]:
    """The same bucket, without anything recorded before or after the test."""
    yield bucket[0]
    store = open_store(bucket[0].bucket_url, bucket[0])
    for info in list(store.list("catalogue/")):
        store.delete(info.key)


@pytest.fixture
def recommender(settings: Settings, bucket: tuple[Settings, list[str]]) -> Recommender:
    """It serves the first release."""
    release = bucket[1][0]
    return Recommender(**{release: opened(settings, release)})


def copy_of(
    recommender: Recommender, settings: Settings, load: Any = None, *, by_itself: bool = False
) -> CatalogueCopy:
    """One that reads on when it is told to, or by itself."""
    loads = load or (lambda release: tables_of(release, settings))
    copy = CatalogueCopy(recommender, loads, meters=Meters(), traces=NoTraces(), logger=LOGGER)
    if not by_itself:
        copy._begin = lambda: None
    return copy


async def best(copy: CatalogueCopy, release: str | None = None) -> dict[str, float]:
    return {each.item_id: each.score for each in (await copy.recommend(BEST, release=release)).offers}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


def test_what_is_read_here_is_what_the_recommender_would_say(recommender: Recommender, settings: Settings) -> None:
    score = ScoreRequest(shopper=Shopper(likes=["item-03", "item-04"]), items=["item-00", "item-07"])

    async def run() -> None:
        copy = copy_of(recommender, settings)
        reads = ((copy.recommend, BEST), (copy.score, score), (copy.item, "item-05"))
        assert copy.at_hand("recommend", BEST, release=None) is None
        first = [await read(asked, release=None) for read, asked in reads]
        assert [name for name, _ in recommender.asked] == ["recommend", "score", "item"]
        await copy.read_on()
        second = [await read(asked, release=None) for read, asked in reads]
        assert len(recommender.asked) == 3
        timeless = [[replace(reply, work=Work()) for reply in replies] for replies in (first, second)]
        assert timeless[0] == timeless[1]
        told = {each.labels[0]: each.value for each in copy._meters.readings() if each.metric is metrics.READS}
        assert told == {"copy": 3, "recommender": 3}
        with pytest.raises(UnknownItem):
            await copy.item("no such item", release=None)

    asyncio.run(run())


def test_at_hand_is_what_keeps_nobody_waiting(
    recommender: Recommender, settings: Settings, bucket: tuple[Settings, list[str]]
) -> None:
    first, other = bucket[1]
    asked = ScoreRequest(shopper=SHOPPER, items=["item-00"])
    somebody_new = ScoreRequest(shopper=Shopper(likes=["item-03"]), items=["item-00"])

    async def run() -> None:
        copy = copy_of(recommender, settings)
        await copy.read_on()
        for release in (None, first):
            reply = copy.at_hand("score", asked, release=release)
            assert reply.scores == (await copy.score(asked, release=release)).scores and reply.release == first
        assert copy.at_hand("item", "item-05", release=None).offers[0].item_id == "item-05"
        with pytest.raises(UnknownItem):
            copy.at_hand("item", "no such item", release=None)
        assert copy.at_hand("score", asked, release=other) is None
        assert copy.at_hand("score", somebody_new, release=None) is None  # whose taste takes a while
        copy.acknowledged(copy._copy.record + 1)
        assert copy.at_hand("score", asked, release=None) is None
        assert not recommender.asked

    asyncio.run(run())


def test_it_learns_of_items_as_they_come_and_go(
    recommender: Recommender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_catalogue, "TOLD", 2)
    live = recommender._live

    async def run() -> None:
        copy = copy_of(recommender, settings)
        for number in range(3):
            live.put(f"coat-{number}", request(40 * number), f"put-{number}")
        live.delete("item-00", "gone")
        live.delete("coat-1", "gone too")
        await copy.read_on()
        assert await best(copy) == {each.item_id: each.score for each in live.ranker.recommend(BEST).offers}
        assert {"coat-0", "coat-2"} < set(await best(copy)) and "item-00" not in await best(copy)
        live.put("coat-0", request(200), "another picture")
        live.delete("coat-2", "gone as well")
        await copy.read_on()
        assert await best(copy) == {each.item_id: each.score for each in live.ranker.recommend(BEST).offers}
        assert not recommender.asked and copy._copy.record == live.record == 7

    asyncio.run(run())


def test_who_was_told_of_a_change_sees_it_at_once(recommender: Recommender, settings: Settings) -> None:
    async def run() -> None:
        copy = copy_of(recommender, settings)
        await copy.read_on()
        change, _ = recommender._live.put("coat", request(77), "t")
        assert "coat" not in await best(copy)
        copy.acknowledged(change.number)
        copy.acknowledged(change.number - 1)
        assert "coat" in await best(copy) and len(recommender.asked) == 1
        await copy.read_on()
        assert "coat" in await best(copy) and len(recommender.asked) == 1

    asyncio.run(run())


def test_a_replica_that_is_behind_takes_nothing_back(recommender: Recommender, settings: Settings) -> None:
    (release,) = recommender.held
    behind = Recommender(**{release: opened(settings, release)})

    async def run() -> None:
        copy = copy_of(recommender, settings)
        copy.acknowledged(recommender._live.put("coat", request(77), "t")[0].number)
        await copy.read_on()
        copy._recommender = behind
        await copy.read_on()
        assert "coat" in await best(copy) and not behind.asked

    asyncio.run(run())


def test_a_recommender_that_does_not_answer_is_asked_again(
    recommender: Recommender, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(catalogue_copy, "STALE_S", 0.05)
    monkeypatch.setattr(catalogue_copy, "READ_ON_S", 0.01)
    answer, asked = recommender.changes.remote, []

    async def silent(*args: Any) -> Reply:
        asked.append(args)
        return await (asyncio.sleep(60) if len(asked) < 3 else answer(*args))

    recommender.changes.remote = silent

    async def run() -> None:
        copy = copy_of(recommender, settings, by_itself=True)
        copy._begin()
        await until(lambda: copy._copy is not None)
        copy._keeping.cancel()

    asyncio.run(run())
    assert [record.message for record in caplog.records] == ["the copy of the catalogue cannot be kept up: no answer"]


def test_replicas_at_two_releases_do_not_have_them_loaded_over_and_over(
    recommender: Recommender, settings: Settings, bucket: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, other = bucket[1]
    replicas, loaded = [recommender, Recommender(**{other: opened(settings, other)})], []

    def load(release: str) -> Any:
        loaded.append(release)
        return tables_of(release, settings)

    async def run() -> None:
        copy = copy_of(recommender, settings, load)

        async def in_turns(*asked: Any) -> Reply:
            replicas.reverse()
            return await replicas[0].changes.remote(*asked)

        copy._recommender = SimpleNamespace(changes=SimpleNamespace(remote=in_turns))
        for _ in range(5):
            await copy.read_on()
        assert sorted(loaded) == sorted([served, other])
        copy._recommender = recommender  # both serve the first again
        live = recommender._live
        live.put("coat", request(77), "t")
        await copy.read_on()
        assert await best(copy) == {each.item_id: each.score for each in live.ranker.recommend(BEST).offers}
        assert not recommender.asked and len(loaded) == 2
        monkeypatch.setattr(catalogue_copy, "LEFT_S", 0.0)
        await copy.read_on()
        assert copy._left is None

    asyncio.run(run())


def test_the_recommender_is_asked_for_a_candidate_and_once_it_turns(
    recommender: Recommender, settings: Settings, bucket: tuple[Settings, list[str]]
) -> None:
    served, other = bucket[1]

    async def run() -> None:
        copy = copy_of(recommender, settings)
        await copy.read_on()
        recommender.held = {other: opened(settings, other), **recommender.held}
        of_the_candidate = await best(copy, other)
        assert recommender.asked == [("recommend", other)] and of_the_candidate != await best(copy, served)
        recommender.held[served] = recommender.held.pop(served)
        recommender.held[other] = recommender.held.pop(other)
        assert await best(copy) != of_the_candidate  # nobody has said so yet
        copy.serves(other)
        assert await best(copy) == of_the_candidate and len(recommender.asked) == 2
        await copy.read_on()
        assert await best(copy) == of_the_candidate and len(recommender.asked) == 2

    asyncio.run(run())


def test_a_turn_is_noticed_by_reading_on(
    recommender: Recommender, settings: Settings, bucket: tuple[Settings, list[str]]
) -> None:
    other = bucket[1][1]

    async def run() -> None:
        copy = copy_of(recommender, settings)
        await copy.read_on()
        recommender.held[other] = opened(settings, other)
        await copy.read_on()
        assert (await copy.recommend(BEST, release=None)).release == other and not recommender.asked

    asyncio.run(run())


def test_a_copy_that_nobody_vouches_for_is_not_used(
    recommender: Recommender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        copy = copy_of(recommender, settings)
        await copy.read_on()
        monkeypatch.setattr(catalogue_copy, "STALE_S", -1.0)
        assert await best(copy) and len(recommender.asked) == 1

    asyncio.run(run())


def test_a_large_catalogue_is_left_where_it_is(recommender: Recommender, settings: Settings) -> None:
    small = settings.with_updates(gateway_copy_items=tiny_release.ITEMS - 1)
    loaded: list[str] = []

    async def run() -> None:
        copy = copy_of(recommender, settings, lambda release: loaded.append(release) or tables_of(release, small))
        for _ in range(3):
            await copy.read_on()
        assert await best(copy) and len(recommender.asked) == 1 == len(loaded)

    asyncio.run(run())


def test_it_keeps_itself_up_whatever_happens(
    recommender: Recommender, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Recommender that is gone for a while, and a release that cannot be loaded at first."""
    monkeypatch.setattr(catalogue_copy, "READ_ON_S", 0.01)
    monkeypatch.setattr(catalogue_copy, "AGAIN_S", 0.01)
    broken = iter([True, True])

    def load(release: str) -> Any:
        if next(broken, False):
            raise ValueError("not a table")
        return tables_of(release, settings)

    async def run() -> None:
        copy = copy_of(recommender, settings, load, by_itself=True)
        assert await best(copy)  # which begins to keep it
        await until(lambda: copy._usable(None) is not None)
        recommender.lost = True
        await until(lambda: "being replaced" in caplog.text)
        assert await best(copy) and len(recommender.asked) == 1
        recommender._live.put("coat", request(77), "t")
        recommender.lost = False
        await until(lambda: copy._copy.record == 1)
        assert "coat" in await best(copy) and len(recommender.asked) == 1
        copy._keeping.cancel()

    asyncio.run(run())
    messages = [record.message for record in caplog.records]
    assert sum("being replaced" in message for message in messages) == 1
    assert "not a table" in caplog.text
