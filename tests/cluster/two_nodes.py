"""A cluster of a head and two workers, one of which leaves under load: prints what came of it as JSON.

python -m tests.cluster.two_nodes
"""

import json
import threading
import time

import ray
from ray import serve
from ray.cluster_utils import Cluster

from cluster.leaving import leave, replicas_on
from cluster.ports import free_port


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 1}, graceful_shutdown_timeout_s=30)
class Slow:
    def __call__(self) -> str:
        time.sleep(0.5)
        return ray.get_runtime_context().get_node_id()


PORTS = ("metrics_export_port", "metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def node() -> dict[str, int]:
    """What all nodes have alike, and the ports of its agents (see `cluster.ports.agent_ports`)."""
    return {"object_store_memory": 80 * 2**20} | {name: free_port() for name in PORTS}


def main() -> None:
    head = {"num_cpus": 0, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head | node())
    first = nodes.add_node(num_cpus=1, **node())
    ray.init(address=nodes.address, log_to_driver=False)
    serve.start(proxy_location="Disabled")
    handle = serve.run(Slow.bind(), name="slow", route_prefix=None)
    before = handle.remote().result(timeout_s=60)
    print("the cluster is up", flush=True)
    nodes.add_node(num_cpus=1, **node())
    answers: list[str] = []
    errors: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(handle.remote().result(timeout_s=120))
            except Exception as error:
                errors.append(repr(error))

    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    left = leave(first.node_id, 120)
    after = handle.remote().result(timeout_s=60)
    done.set()
    for caller in callers:
        caller.join()
    print(
        json.dumps(
            {
                "served by the first": before == first.node_id,
                "left on the first": left,
                "there": replicas_on(first.node_id),
                "served by another": after not in (before, None),
                "answers": len(answers),
                "errors": errors,
            }
        )
    )
    ray.shutdown()
    nodes.shutdown()


if __name__ == "__main__":
    main()
