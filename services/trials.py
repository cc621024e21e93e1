"""Releases on trial: who sees the candidate, and who the release that serves.

A shopper sees one of them, whichever gateway is asked and however often: the candidate's id and the shopper's decide.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from cluster.object_store import StoreError
from cluster.releases import Promotion
from services.errors import TurningRelease
from services.messages import Shopper

Who = str | bytes  # a shopper in a word, or the picture of somebody who gives none
FOLLOW_S = 5.0  # how often the history is asked whether a trial has begun or ended


class Trials(Protocol):
    """What is on trial."""

    def candidate_for(self, who: Who) -> str | None:
        """The release that somebody is to see in the place of the one that serves, if they are."""
        ...


class NoTrials:
    """Everybody sees the release that serves."""

    def candidate_for(self, who: Who) -> str | None:
        """See `Trials`."""
        return None


class FollowedTrials:
    """The trial that the last record of the history tells of, as of a few seconds ago."""

    def __init__(self, last: Callable[[], Promotion | None], logger: logging.Logger) -> None:
        self._last, self._logger = last, logger
        self._standing: Promotion | None = None
        self._following: asyncio.Task[None] | None = None

    def candidate_for(self, who: Who) -> str | None:
        """See `Trials`. The first time of asking begins to follow the history: until it is read nothing is on trial."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        standing = self._standing
        if standing is None or standing.candidate is None or not chosen(standing.candidate, standing.share, who):
            return None
        return standing.candidate

    async def look(self) -> None:
        """Ask the history. Where it cannot be read, everything stays as it was."""
        try:
            self._standing = await asyncio.to_thread(self._last)
        except StoreError as error:
            self._logger.warning("cannot ask which release is on trial: %s", error)
        except Exception:
            self._logger.exception("the history of releases could not be read")

    async def _follow(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(FOLLOW_S)


def chosen(candidate: str, share: float, who: Who) -> bool:
    """Whether somebody is of the share that sees a candidate. Another candidate is seen by others."""
    asks = who if isinstance(who, bytes) else who.encode()
    digest = hashlib.sha256(candidate.encode() + b"\n" + asks).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def named(shopper: Shopper) -> str:
    """A shopper in a word: their id, or what somebody new likes."""
    return shopper.user_id or "\n".join(sorted(shopper.likes or []))


@dataclass(slots=True)
class Choice:
    """The release that a call asks for, None for the one that serves. Where it is not held, what the other part has."""

    release: str | None

    def turn(self, error: TurningRelease) -> None:
        """Another try asks for what the part serves that refused the last one, since the others may have kept that."""
        self.release = error.facts.get("serves")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What goes wrong within tells which release it went wrong with, where that is on trial."""
        try:
            yield
        except Exception as error:
            error.release = self.release  # type: ignore[attr-defined]  # an error may be anybody's
            raise

    def asked(self, call: Callable[[str | None], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
        """The call as it is made for every try."""
        return lambda: call(self.release)
