"""The processes of this test's own Ray, found by descent and never by name alone."""

import os

from tests.processes import descendants, title


def replicas(deployment: str) -> set[int]:
    """Process ids of a deployment's replicas below this process."""
    return {pid for pid in descendants(os.getpid()) if f"ServeReplica:atelier:{deployment}" in title(pid)}
