"""The table that is kept: each fault's figures as they were when it was last tried."""

from collections.abc import Mapping, Sequence
from typing import Any

NOTE = (
    "By `make chaos`, through {}. Each fault once, under the load of eight callers: four with the client's retries,"
    " as whoever sets nothing has them, and four without; one of each for score and recommend, try-on, design, put "
    "an item. The longest gap is that of any of the four with retries; the one before it, without design and put, "
    "which need the store. The load is that of the machine just before, most of it the trial's own."
)
THROUGH = {"default": "Serve's proxies", "haproxy": "HAProxies (`--ingress haproxy`), as in production"}


def merged(
    kept: Mapping[str, Any] | None, found: Mapping[str, Any], order: Sequence[str], ingress: str
) -> dict[str, Any]:
    """The kept report with the cases of `found` in the place of what it had of them, in an order of cases.

    ingress: what all of them went through.
    """
    kept = kept or {}
    new = {case_of(row) for row in found["rows"]}
    rows = [*(row for row in kept.get("rows", ()) if case_of(row) not in new), *found["rows"]]
    rows = [row for row in rows if case_of(row) in order]
    rows.sort(key=lambda row: (row["name"].count("/"), order.index(case_of(row))))
    commits = {**kept.get("commits", {}), **{case: found["commit"] for case in new}}
    commits = {case: commits[case] for case in order if case in commits}
    return {**found, "rows": rows, "note": NOTE.format(THROUGH[ingress]), "commits": commits, "pivot": True}


def case_of(row: Mapping[str, Any]) -> str:
    """The fault that a row is of: `proxy_killed/sent` and `training_killed/run/steps_lost` begin with it."""
    return str(row["name"]).partition("/")[0]
