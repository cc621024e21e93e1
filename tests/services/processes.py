"""The processes of this test's own Ray, found by descent and never by name alone."""

import os
from pathlib import Path


def replicas(deployment: str) -> set[int]:
    """Process ids of a deployment's replicas below this process."""
    return {pid for pid in _descendants(os.getpid()) if f"ServeReplica:atelier:{deployment}" in _title(pid)}


def _descendants(pid: int) -> set[int]:
    children: dict[int, set[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), set()).add(int(stat.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), set())
        found |= below
        waiting.extend(below)
    return found


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
