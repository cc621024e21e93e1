"""From one release to the next with real deployments in this process, each following the history at its own pace."""

import asyncio
import functools
import gc
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve

from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from fashion_nn import pictures
from services import deployment, trials
from services.calls import Caller
from services.core import Core
from services.designer import Designer
from services.fitting_room import FittingRoom
from services.messages import DesignRequest, FittingRequest, RecommendRequest, ScoreRequest, Shopper, Upload
from services.meters import Meters
from services.outgoing import Outgoing
from services.picture_cache import PictureCache
from services.promotion import Unsound, check
from services.recommender import Recommender
from services.trials import FollowedTrials
from tests.services import tiny_release
from tests.services.near import Asked

LOGGER = logging.getLogger("test")
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'Designer.__del__' was never awaited")  # Serve's, elsewhere
ENOUGH_S = 120.0


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that waits, with an event loop around it."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))
        gc.collect()

    return run


class Handle:
    """A deployment's methods as from afar: replies on their way may be handed on."""

    def __init__(self, replica: Any) -> None:
        self.replica = replica

    def __getattr__(self, name: str) -> "Handle.Method":
        return Handle.Method(getattr(self.replica, name))

    class Method:
        def __init__(self, method: Any) -> None:
            self.method = method

        async def remote(self, *args: Any, **options: Any) -> Any:
            return await self.method(*[await each if inspect.isawaitable(each) else each for each in args], **options)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATELIER_BUCKET_URL", (tmp_path / "bucket").as_uri())
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ATELIER_DESIGNER_PRECISION", "fp32")
    for module in (trials, deployment):
        monkeypatch.setattr(module, "FOLLOW_S", 0.1)
    options = SimpleNamespace(max_ongoing_requests=32)  # which batches look at
    replica = SimpleNamespace(app_name="atelier", deployment="Deployment", replica_tag="1", _deployment_config=options)
    monkeypatch.setattr(serve, "get_replica_context", lambda: replica)  # of no replica of Serve's, in this process
    room = FittingRoom.func_or_class
    alone = serve.batch(max_batch_size=4, batch_wait_timeout_s=0.001)(room._pass.__wrapped__)
    monkeypatch.setattr(room, "_pass", alone)  # a batch's queue is of one event loop, and each test has its own
    monkeypatch.setattr(deployment.Teller, "start", lambda teller: None)  # what a real one tells is tested elsewhere
    return Settings()


@pytest.fixture
def releases(settings: Settings) -> ReleaseStore:
    return ReleaseStore(open_store(settings.bucket_url, settings))


@pytest.fixture
def published(settings: Settings, tmp_path: Path) -> list[str]:
    """Two sound releases, of which the first serves and the second puts on less, and a broken one."""
    fits = [tiny_release.FITS, {"women-tops": None}, tiny_release.FITS]
    return [
        tiny_release.publish(
            settings, tmp_path, seed=seed, promote=not seed, broken=seed == 2, codes=0, fits=fits[seed]
        )
        for seed in range(3)
    ]


@asynccontextmanager
async def standing(settings: Settings, releases: ReleaseStore) -> AsyncIterator[Core]:
    """The deployments over the current release, and each one promoted meanwhile."""
    kinds = {"recommender": Recommender, "designer": Designer, "fitting_room": FittingRoom}
    parts = {name: kind.func_or_class() for name, kind in kinds.items()}
    for part in parts.values():
        await part.reconfigure({"release": None})
    store = open_store(settings.bucket_url, settings)
    handles = {name: Handle(part) for name, part in parts.items()}
    yield Core(
        **handles,
        reads=Asked(handles["recommender"]),
        outgoing=Outgoing(store=store, cache=PictureCache(store, 0, Meters()), expires_s=60, signs=False),
        caller=Caller(timeout_s=60.0, pause_s=0.01),
        logger=LOGGER,
        trials=FollowedTrials(releases.last, LOGGER),
    )
    for part in parts.values():
        part._following.cancel()
    parts["recommender"]._reading.cancel()
    await parts["designer"].__del__()


async def until(true: Any) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not true():
            await asyncio.sleep(0.05)


def served(core: Core) -> set[str | None]:
    return {part.replica.shelf.release_id for part in (core.recommender, core.designer, core.fitting_room)}


async def designed(core: Core, shopper: str = "shopper-0") -> str:
    """The release that answers a design."""
    request = DesignRequest(shopper=Shopper(user_id=shopper), category="men-tops", k=1, restarts=2, steps=2, seed=1)
    return (await core.design(request, "q")).release


async def fitted(core: Core, shopper: str = "shopper-0") -> str:
    """The release that answers a fitting of whatever it recommends and puts on."""
    person = Upload(data=pictures.encode(tiny_release.garment(0), format="PNG"))
    answer = await core.fitting(FittingRequest(shopper=Shopper(user_id=shopper), person=person, k=4), "q")
    put_on = {each.item.category for each in answer.fittings}
    assert put_on <= set(ReleaseStore(core.outgoing.store).manifest(answer.release)["fits"])
    return answer.release


@in_a_loop
async def test_nothing_is_lost_from_one_release_to_the_next_and_back(
    settings: Settings, releases: ReleaseStore, published: list[str]
) -> None:
    first, second, _ = published
    asked = 0
    told: list[tuple[int, str]] = []  # the number of a request, and the release that answered it

    async def ask_on(core: Core) -> None:
        nonlocal asked
        while True:
            asked += 1
            number = asked
            told.append((number, await (designed if number % 2 else fitted)(core)))

    async with standing(settings, releases) as core:
        asking = [asyncio.create_task(ask_on(core)) for _ in range(3)]
        for promoted in (second, first):
            if promoted == second:
                releases.promote(second)
            else:
                releases.roll_back()
            await until(lambda promoted=promoted: served(core) == {promoted})
            before = asked  # those under way may have begun with the other
            await until(lambda before=before: sum(number > before for number, _ in told) > 10)
            assert {release for number, release in told if number > before} == {promoted}
        assert not any(task.done() for task in asking)  # each goes on: none has failed
        for task in asking:
            task.cancel()
    assert {release for _, release in told} == {first, second}


@in_a_loop
async def test_a_trial_is_for_its_shoppers_and_ends(
    settings: Settings, releases: ReleaseStore, published: list[str]
) -> None:
    first, second, _ = published
    shoppers = [f"shopper-{at}" for at in range(tiny_release.SHOPPERS)]
    shares = [at / 1000 for at in range(1000)]
    sees = {share: {who for who in shoppers if trials.chosen(second, share, who)} for share in shares}
    share, seeing = next((share, seeing) for share, seeing in sees.items() if seeing)  # the first of them, or two
    assert len(seeing) < len(shoppers)
    async with standing(settings, releases) as core:
        releases.try_out(second, share)
        held = [part.replica.shelf for part in (core.recommender, core.designer, core.fitting_room)]
        await until(lambda: all(shelf.holds(second) for shelf in held))
        assert core.trials.candidate_for("anybody") in (None, second)
        await until(lambda: core.trials._standing is not None and core.trials._standing.candidate == second)
        for who in shoppers:
            expected = second if who in seeing else first
            shopper = Shopper(user_id=who)
            assert await designed(core, who) == await fitted(core, who) == expected
            assert (await core.recommend(RecommendRequest(shopper=shopper, k=2), "q")).release == expected
            assert (await core.score(ScoreRequest(shopper=shopper, items=["item-00"]), "q")).release == expected
        assert served(core) == {first}
        releases.roll_back()
        await until(lambda: core.trials._standing.candidate is None)
        assert {await designed(core, who) for who in shoppers} == {first}


@in_a_loop
async def test_a_broken_release_does_not_serve_whoever_promotes_it(
    settings: Settings, releases: ReleaseStore, published: list[str]
) -> None:
    first, second, broken = published
    check(settings, second)
    with pytest.raises(Unsound, match=f"{broken} is not promoted, for its designer fails"):
        check(settings, broken)
    async with standing(settings, releases) as core:
        releases.promote(broken)
        await until(lambda: broken in core.designer.replica._unsound)
        assert await designed(core) == first
    async with standing(settings, releases) as core:  # who begins now finds it, and the one before
        shelves = (core.recommender.replica.shelf, core.designer.replica.shelf)
        assert [shelf.release_id for shelf in shelves] == [
            broken,
            first,
        ]  # for it is the designer's part that is broken
        assert await designed(core) == first
        assert shelves[0].holds(first)


@in_a_loop
async def test_where_nothing_can_be_loaded_a_replica_does_not_begin(
    settings: Settings, releases: ReleaseStore, tmp_path: Path
) -> None:
    tiny_release.publish(settings, tmp_path, broken=True, codes=0)
    with pytest.raises(FloatingPointError):
        async with standing(settings, releases):
            pass
