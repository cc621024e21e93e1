"""Who sees a candidate, and what becomes of a call to deployments that are at different releases."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.object_store import Unavailable
from cluster.releases import Promotion
from services.accounts import Account
from services.calls import Caller
from services.core import Core
from services.errors import ServiceError, TurningRelease, UnknownItem, fault
from services.messages import ScoreRequest, Shopper
from services.replies import Scores, Work
from services.trials import FollowedTrials, chosen, named
from tests.services.near import Asked

LOGGER = logging.getLogger("test")
PEOPLE = [f"shopper-{at}" for at in range(4000)]


def record(**trial: Any) -> Promotion:
    return Promotion(number=1, release="old", when="", by="", why="", token="", **trial)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_the_shoppers_is_chosen_and_stays_so(share: float) -> None:
    seeing = {who for who in PEOPLE if chosen("new", share, who)}
    assert len(seeing) / len(PEOPLE) == pytest.approx(share, rel=0.15)
    assert seeing == {who for who in PEOPLE if chosen("new", share, who)}
    assert seeing <= {who for who in PEOPLE if chosen("new", 2 * share, who)}  # a larger share takes in more
    assert seeing != {who for who in PEOPLE if chosen("another", share, who)}


def test_a_new_shopper_is_the_same_whatever_the_order_of_likes() -> None:
    assert named(Shopper(likes=["a", "b"])) == named(Shopper(likes=["b", "a"])) != named(Shopper(likes=["a"]))


def away() -> Promotion | None:
    raise Unavailable("bucket", "releases/history", "away")


def test_the_history_tells_what_is_on_trial() -> None:
    trial = record(candidate="new", share=1 - 1e-12)
    looks = [lambda: None, lambda: trial, away, record]  # while the store is away, the trial goes on

    async def seen() -> list[str | None]:
        trials, found = FollowedTrials(lambda: looks.pop(0)(), LOGGER), []
        while looks:
            await trials.look()
            found.append(trials.candidate_for("somebody"))
            trials._following.cancel()
        return found

    assert asyncio.run(seen()) == [None, "new", "new", None]


class Part:
    """A deployment that holds some releases and serves the last of them."""

    def __init__(self, *held: str) -> None:
        self.held, self.asked = held, []

    async def remote(self, request: Any, *, release: str | None) -> Scores:
        self.asked.append(release)
        if release not in (None, *self.held):
            raise TurningRelease("not held", serves=self.held[-1])
        return Scores(scores=(1.0,), release=release or self.held[-1], work=Work())


@pytest.mark.parametrize(
    ("held", "answered", "asked"),
    [
        (("old", "new"), "new", ["new"]),
        (("old",), "old", ["new", "old"]),
        (("old", "other"), "other", ["new", "other"]),
    ],
)
def test_a_candidate_that_is_not_held_yet_costs_another_try_and_no_failure(
    held: tuple[str, ...], answered: str, asked: list[str]
) -> None:
    part = Part(*held)
    core = Core(
        recommender=None,
        reads=Asked(SimpleNamespace(score=part)),
        designer=None,
        fitting_room=None,
        outgoing=None,
        caller=Caller(timeout_s=5.0, pause_s=0.001),
        logger=LOGGER,
        trials=SimpleNamespace(candidate_for=lambda who: "new"),
    )
    answer = asyncio.run(core.score(ScoreRequest(shopper=Shopper(user_id="u"), items=["a"]), "q"))
    assert (answer.release, part.asked) == (answered, asked)


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault"), UnknownItem("no such item")])
@pytest.mark.parametrize("candidate", ["new", None])
def test_what_fails_with_a_candidate_is_told_as_its_own(error: Exception, candidate: str | None) -> None:
    class Failing:
        async def remote(self, request: Any, *, release: str | None) -> Scores:
            raise error

    core = Core(
        recommender=None,
        reads=Asked(SimpleNamespace(score=Failing())),
        designer=None,
        fitting_room=None,
        outgoing=None,
        caller=Caller(timeout_s=5.0, pause_s=0.001),
        logger=LOGGER,
        trials=SimpleNamespace(candidate_for=lambda who: candidate),
    )
    account = Account(call="score", face="http")
    with pytest.raises(type(error)) as caught:
        asyncio.run(core.score(ScoreRequest(shopper=Shopper(user_id="u"), items=["a"]), "q"))
    raised = caught.value
    account.refused(raised if isinstance(raised, ServiceError) else fault(raised))
    assert account.told()["release"] == (candidate or "none")
