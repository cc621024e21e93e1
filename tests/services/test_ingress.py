"""How Serve's proxies are told to answer, and TLS for gRPC where they have none of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from ray import serve
from ray._common.tls_utils import generate_self_signed_tls_certs

from cluster.ports import free_port
from cluster.settings import Settings
from services import ingress
from services.application import build
from services.protos import atelier_pb2 as wire
from services.protos.atelier_pb2_grpc import AtelierStub
from tests.services.near import Face, grpc_served
from tests.services.test_grpc_face import SCORE, Echo


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """Settings of a certificate for localhost."""
    chain, key = generate_self_signed_tls_certs()
    (tmp_path / "chain.pem").write_text(chain)
    (tmp_path / "key.pem").write_text(key)
    return {"tls_certificate": tmp_path / "chain.pem", "tls_key": tmp_path / "key.pem"}


def test_http_is_as_the_settings_say(tls: dict[str, Any]) -> None:
    plain = ingress.http_options(Settings(http_host="0.0.0.0", http_port=81))
    assert (plain.host, plain.port, plain.ssl_certfile) == ("0.0.0.0", 81, None)
    secure = ingress.http_options(Settings(**tls))
    assert (secure.ssl_certfile, secure.ssl_keyfile) == tuple(map(str, tls.values()))


def test_grpc_is_there_where_it_has_a_port() -> None:
    assert ingress.grpc_options(Settings()) is None
    options = ingress.grpc_options(Settings(grpc_port=9000))
    assert options.port == 9000 and options.enable_reflection
    assert options.grpc_servicer_func_callable == [ingress.register]


def test_grpc_answers_over_tls_and_nowhere_else(tls: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(grpc_port=1, grpc_tls_port=free_port(), **tls)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    credentials = grpc.ssl_channel_credentials(tls["tls_certificate"].read_bytes())
    with (
        grpc_served(Face(Echo(), tls=True)) as in_clear,
        grpc.secure_channel(f"localhost:{settings.grpc_tls_port}", credentials) as secure,
        grpc.insecure_channel(f"127.0.0.1:{in_clear}") as clear,
    ):
        assert AtelierStub(secure).Score(SCORE).release == "r"
        with pytest.raises(grpc.RpcError) as caught:
            AtelierStub(clear).Score(wire.ScoreRequest())
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("given", [{"api_keys": "off"}, "tls"])
def test_haproxy_knows_no_tls_and_hides_where_calls_come_from(
    given: Any, tls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress, "RAY_SERVE_ENABLE_HA_PROXY", True)
    with pytest.raises(ValueError, match="api_keys stay on"):
        ingress.start(Settings(**(tls if given == "tls" else given)))


def deployments(node: serve.Application) -> Iterator[serve.Deployment]:
    """Every deployment of a built application."""
    yield node._bound_deployment
    for argument in node._bound_deployment.init_args:
        if isinstance(argument, serve.Application):
            yield from deployments(argument)


def test_logs_are_served_as_json_where_that_is_wanted() -> None:
    plain = [each._deployment_config.logging_config for each in deployments(build(Settings()))]
    assert plain == [None] * 5
    wanted = [each._deployment_config.logging_config for each in deployments(build(Settings(log_format="json")))]
    assert [(each["encoding"], each["enable_access_log"]) for each in wanted] == [("JSON", False)] * 5
