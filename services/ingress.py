"""How the world gets in: Ray Serve's proxies for HTTP and gRPC, on every node that has replicas, as the settings say.

Serve's gRPC proxy listens on all addresses and knows no TLS of its own. What it does not do is done here, where it
asks for the services of its server, and in the Gateway, which sees how each call came: see `services.grpc_face`.
"""

from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from ray import serve
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY
from ray.serve.config import HTTPOptions, gRPCOptions
from ray.serve.schema import LoggingConfig

from cluster.settings import Settings
from services.protos import atelier_pb2

REGISTER = "services.ingress:register"
SERVICE = atelier_pb2.DESCRIPTOR.services_by_name["Atelier"]
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]


def start(settings: Settings) -> None:
    """Start Serve with its proxies, on the cluster that this process is connected to. Again is fine.

    Raises ValueError for settings that HAProxy, where Serve runs it, would not hold to.
    """
    if RAY_SERVE_ENABLE_HA_PROXY and (settings.tls_certificate is not None or settings.api_keys == "off"):
        raise ValueError(
            "with RAY_SERVE_ENABLE_HA_PROXY no tls_certificate is set, for TLS ends before it, and api_keys stay on"
        )
    with suppress(TimeoutError):  # Serve waits a minute for its proxies: who needs them has to ask them anyway
        serve.start(
            http_options=http_options(settings),
            grpc_options=grpc_options(settings),
            logging_config=logging_config(settings, calls=True),
        )


def logging_config(settings: Settings, *, calls: bool) -> LoggingConfig | None:
    """How a part of Serve writes its log, and whether with its own line for every call. None: in Serve's own way."""
    return LoggingConfig(encoding="JSON", enable_access_log=calls) if settings.log_format == "json" else None


def http_options(settings: Settings) -> HTTPOptions:
    """Host, port, and TLS where there is a certificate."""
    tls = {}
    if settings.tls_certificate is not None:
        tls = {"ssl_certfile": str(settings.tls_certificate), "ssl_keyfile": str(settings.tls_key)}
    return HTTPOptions(host=settings.http_host, port=settings.http_port, **tls)


def grpc_options(settings: Settings) -> gRPCOptions | None:
    """Port, services and reflection; None where gRPC is not wanted."""
    if settings.grpc_port is None:
        return None
    return gRPCOptions(port=settings.grpc_port, grpc_servicer_functions=[REGISTER])


def register(servicer: object, server: grpc.aio.Server) -> None:
    """Serve's call in every proxy: the services of a gRPC server that is about to start.

    Serve puts the Gateway's methods of the same names in the place of the servicer's. Requests reach them as bytes,
    so that what cannot be read is refused there like any other bad input.
    """
    for service in (SERVICE, HEALTH):
        handlers = {method.name: _handler(servicer, method) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    settings = Settings()
    if settings.grpc_tls_port is not None and settings.tls_certificate is not None and settings.tls_key is not None:
        pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
        address = f"{settings.http_host}:{settings.grpc_tls_port}"
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))


def _handler(servicer: object, method: Any) -> grpc.RpcMethodHandler:
    kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return kind(getattr(servicer, method.name))
