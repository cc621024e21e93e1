"""What can become of a call beside its answer."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

AGAIN = frozenset({429, 502, 503})  # another try may fare better
AGAIN_OF_OTHERS = frozenset({404, 500})  # ... where the answer is not ours: a proxy that has just begun knows no routes


class Failure(Exception):
    """Base of both: `again` says whether another try may fare better, `retry_after_s` how soon at the earliest."""

    again: bool = False
    retry_after_s: float | None = None


class Refused(Failure):
    """The service answered with an error: its status and what RFC 9457 has it say."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, ours: bool, retry_after_s: float | None) -> None:
        self.status, self.problem, self.ours, self.retry_after_s = status, dict(problem), ours, retry_after_s
        self.type = str(problem.get("type", "about:blank")).rpartition(":")[2]  # as unknown-item, overloaded
        self.field: str | None = problem.get("field")
        self.request_id: str | None = problem.get("request_id")
        self.again = status in AGAIN or (status in AGAIN_OF_OTHERS and not ours)
        super().__init__(f"{status} {self.type}: {problem.get('detail', '')}")

    def __reduce__(self) -> tuple[Any, ...]:
        """For pools of processes."""
        return partial(Refused, ours=self.ours, retry_after_s=self.retry_after_s), (self.status, self.problem)


class NoAnswer(Failure):
    """The service could not be asked, or did not answer in time."""

    def __init__(self, told: str, *, again: bool) -> None:
        self.again = again
        super().__init__(told)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(NoAnswer, again=self.again), self.args


def refused(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """The failure that an answer with a status of 400 or more is."""
    ours = headers.get("content-type", "").startswith("application/problem+json")
    try:
        problem = json.loads(body) if ours else {}
    except ValueError:
        problem = {}
    if not problem:
        problem = {"detail": " ".join(body[:400].decode(errors="replace").split())[:200]}
    told = headers.get("retry-after", problem.get("retry_after_s"))  # an event has no headers
    return Refused(status, problem, ours=ours, retry_after_s=_seconds(told))


def _seconds(value: str | int | None) -> float | None:
    return float(value) if str(value).isdigit() else None
