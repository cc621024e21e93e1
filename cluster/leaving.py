"""Hands over what a node serves before the node ends: the preStop hook of a pod.

    python -m cluster.leaving

Tells Ray that the node is being drained. Serve then starts each of its replicas elsewhere, ends the one here once it
has finished what it has, and sends nobody to this node any more. Ends when no replica is left, or after a while:
where there is no room for them elsewhere they stay until the node goes.
"""

import sys
import time

PATIENCE_S = 100.0  # longer than a replica may take over its last requests
POLL_S = 0.5
REPLICA = "SERVE_REPLICA::"  # what Serve's names of replicas begin with
ALIVE = "ALIVE"


class NotDrained(Exception):
    """Ray does not let the node go; says why."""


def leave(node_id: str, patience_s: float = PATIENCE_S) -> int:
    """Drain a node of the cluster that this process has joined; how many replicas are left on it. Raises NotDrained."""
    import ray
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    ends = time.time() + patience_s
    gcs = GcsClient(address=ray.get_runtime_context().gcs_address)
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")  # the other reason is refused while anything runs
    accepted, why = gcs.drain_node(node_id, reason, "its pod ends", int(ends * 1000))
    if not accepted:
        raise NotDrained(f"node {node_id} is not drained: {why}")
    while (left := len(replicas_on(node_id))) and time.time() < ends:
        time.sleep(POLL_S)
    return left


def replicas_on(node_id: str) -> list[str]:
    """The names of Serve's replicas that live on a node."""
    from ray._private.state import actors

    found = [actor for actor in actors().values() if actor["Address"]["NodeID"] == node_id]
    return [actor["Name"] for actor in found if actor["State"] == ALIVE and actor["Name"].startswith(REPLICA)]


def main() -> int:
    """Drain the node that this process is on. The exit code: 0, or 1 and one line on stderr."""
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    try:
        left = leave(ray.get_runtime_context().get_node_id())
    except NotDrained as error:
        print(f"cluster.leaving: {error}", file=sys.stderr)
        return 1
    if left:
        print(f"cluster.leaving: {left} replicas are left, for there is no room elsewhere", file=sys.stderr)
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
