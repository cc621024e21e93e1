"""The service on a Ray of its own, for as long as it is measured: the current release of the settings' bucket."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cluster.ports import free_port
from cluster.ray_runtime import SERVING

QUIET = {
    **SERVING,
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_prestart_worker_first_driver": "0",
}  # to be in the environment before Ray is imported


class Stage(NamedTuple):
    """Where the service is found."""

    http: str  # URL
    rpc: str  # host:port of gRPC
    key: str  # for everything

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows the key."""
        return {"authorization": f"Bearer {self.key}"}


@contextmanager
def served(**changes: Any) -> Iterator[Stage]:
    """The service with these changes to the settings."""
    import ray
    from ray import serve

    from cluster.keys import SCOPES, KeyStore
    from cluster.local_s3 import bucket_at_hand
    from cluster.object_store import open_store
    from cluster.settings import Settings
    from services import application, ingress

    folder = Path(tempfile.mkdtemp(prefix="serving-", dir="/tmp"))  # sockets need a short path
    ports = {"http_port": free_port(), "grpc_port": free_port()}
    own = Settings().with_updates(**ports, designer_precision="fp32", **changes)
    try:
        with bucket_at_hand(own) as settings:
            _, key = KeyStore(open_store(settings.bucket_url, settings)).issue("bench", SCOPES)
            ray.init(
                address="local",
                num_cpus=8,
                object_store_memory=100 * 2**20,
                include_dashboard=False,
                log_to_driver=False,
                runtime_env={"env_vars": settings.environment()},
                _temp_dir=str(folder / "r"),
            )
            ingress.start(settings)
            serve.run(application.build(settings), name=application.NAME, route_prefix="/")
            yield Stage(f"http://127.0.0.1:{settings.http_port}", f"127.0.0.1:{settings.grpc_port}", key)
            ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
