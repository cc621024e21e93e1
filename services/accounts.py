"""What is told of every request: metrics always, a line in the log and a span where those are wanted."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services import messages, metrics
from services.errors import Overloaded, RateLimited, ServiceError, SlowBody, TooLarge
from services.meters import Meters
from services.traces import NoTraces, Traces

UNKNOWN = "none"  # the release of what none has answered, but for one on trial that failed to
LEFT = "left"  # outcome of a request whose caller did not wait for its end
LEFT_STATUS = 499


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounts:
    """Where what is told goes. lines: whether every request is one in the log."""

    logger: logging.Logger
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=NoTraces)
    lines: bool = False

    @contextmanager
    def of(self, call: str, face: str, *, request_id: str, trace: str | None = None) -> Iterator["Account"]:
        """A request's account, told when this is left. Who leaves by an error has the account say which, or has left.

        trace: the `traceparent` that came with it.
        """
        account = Account(call=call, face=face)
        span, began = self.traces.begin(call, parent=trace, entry=True), time.perf_counter()
        try:
            yield account
        finally:
            seconds = time.perf_counter() - began
            self._measure(account, seconds)
            told = {"call": call, "face": face, **account.told(), "seconds": round(seconds, 6)}
            span.end(failed=account.status >= 500, request_id=request_id, **told)
            if self.lines:
                write_line(self.logger, {"request_id": request_id, **told})

    def _measure(self, account: "Account", seconds: float) -> None:
        meters, call = self.meters, account.call
        told = (account.outcome, str(account.status), account.release)
        meters.count(metrics.REQUESTS, call, account.face, *told)
        if account.limit is not None:
            meters.count(metrics.REFUSED, call, account.limit)
        if account.timings is not None:
            meters.observe(metrics.REQUEST_SECONDS, seconds, call, account.release)
            for stage in ("queue", "compute", "encode"):
                meters.observe(metrics.STAGE_SECONDS, getattr(account.timings, stage) / 1000, call, stage)
        if account.score is not None:
            meters.observe(metrics.BEST_SCORE, account.score, call, account.release)


@dataclass(kw_only=True, slots=True)
class Account:
    """One request, and what became of it."""

    call: str
    face: str
    outcome: str = LEFT
    status: int = LEFT_STATUS
    release: str = UNKNOWN
    limit: str | None = None  # that it met
    timings: messages.Timings | None = None
    score: float | None = None

    def answered(self, answer: messages.Answer) -> None:
        """It has this answer."""
        self.outcome, self.status = "ok", 200
        self.release, self.timings, self.score = answer.release, answer.timings, best_score(answer)

    def refused(self, error: ServiceError) -> None:
        """It has this error for an answer, also where an answer had begun."""
        self.outcome, self.status, self.limit = outcome_of(error), error.status, limit_of(error)
        self.release = error.release or UNKNOWN

    def responded(self, status: int) -> None:
        """It has something for an answer that is neither: a page, a schema."""
        if self.outcome == LEFT:
            self.outcome, self.status = "ok" if status < 400 else "refused", status

    def told(self) -> dict[str, str | int]:
        """What became of it, for those who read."""
        return {"outcome": self.outcome, "status": self.status, "release": self.release}


def write_line(logger: logging.Logger, told: dict[str, str | int | float]) -> None:
    """One line of the log, whose fields stand apart where it is written as JSON."""
    logger.info("%s %s in %.3f s", told["call"], told["outcome"], told["seconds"], extra=told)


def outcome_of(error: ServiceError) -> str:
    """The type of a problem; of one that has none, that it was refused."""
    return "refused" if ":" in error.type else error.type


def limit_of(error: ServiceError) -> str | None:
    """The limit that an error says was met; None for any other error."""
    if isinstance(error, Overloaded):
        return str(error.facts.get("full", "queue"))
    kinds = {RateLimited: "rate", TooLarge: "bytes", SlowBody: "body-time"}
    return next((limit for kind, limit in kinds.items() if isinstance(error, kind)), None)


def best_score(answer: messages.Answer) -> float | None:
    """The best preference score of what an answer recommends or designs."""
    match answer:
        case messages.RecommendAnswer():
            offers = answer.items
        case messages.DesignAnswer():
            offers = answer.designs
        case messages.AlterAnswer():
            offers = answer.stages
        case messages.FittingAnswer():
            offers = [each.item or each.design for each in answer.fittings]
        case _:
            return None
    return max((offer.score for offer in offers if offer.score is not None), default=None)
