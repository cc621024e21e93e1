import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.settings import Settings


def test_the_environment_sets_fields(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATELIER_BUCKET_URL", "s3://shop/atelier/")
    monkeypatch.setenv("ATELIER_HTTP_PORT", "9000")
    monkeypatch.setenv("ATELIER_SOMETHING_ELSE", "is not ours to refuse")
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert (settings.bucket_url, settings.http_port) == ("s3://shop/atelier", 9000)
    assert settings.home == tmp_path / ".atelier"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bucket_url", "shop"),
        ("bucket_url", "file://relative/path"),
        ("http_port", 70000),
        ("s3_attempts", 0),
        ("s3_part_bytes", 2**20),
        ("signed_url_expires_s", 8 * 24 * 3600),
        ("ray_address", "None"),
        ("ray_address", "http://127.0.0.1"),
        ("designer_slots", 0),
        ("designer_precision", "fp8"),
        ("no_such_field", 1),
    ],
)
def test_wrong_values_are_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Settings(**{field: value})


def test_keys_come_in_pairs() -> None:
    with pytest.raises(ValidationError, match="together"):
        Settings(s3_access_key="only this")


def test_secrets_are_not_shown() -> None:
    settings = Settings(s3_access_key="key", s3_secret_key="hidden treasure")
    assert "hidden treasure" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_folder_url_is_a_path() -> None:
    assert Settings(bucket_url="file:///data/a%20store").folder == Path("/data/a store")
    assert Settings(bucket_url="s3://data").folder is None


def test_the_environment_carries_the_settings_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(
        bucket_url="s3://shop",
        s3_endpoint="http://127.0.0.1:9111",
        s3_access_key="key",
        s3_secret_key="secret",
        s3_connect_timeout_s=1.5,
        home=tmp_path,
        ray_address="10.0.0.1:6379",
    )
    environment = settings.environment()
    assert environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9111"
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings.with_updates(ray_address=None)


def test_the_environment_for_another_machine_has_no_paths_of_this_one(tmp_path: Path) -> None:
    assert str(tmp_path) not in str(Settings(home=tmp_path).environment(same_machine=False))


def test_a_folder_needs_no_cloud(tmp_path: Path) -> None:
    environment = Settings(bucket_url=tmp_path.as_uri(), home=tmp_path).environment()
    assert not any(name.startswith("AWS_") for name in environment)


def test_updates_are_checked_and_keep_the_rest(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, http_port=1234)
    assert settings.with_updates(http_host="0.0.0.0").http_port == 1234
    with pytest.raises(ValidationError, match="http_port"):
        settings.with_updates(http_port=-1)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ATELIER_"):
            monkeypatch.delenv(name)


def test_keys_are_off_for_this_machine_alone() -> None:
    assert Settings().api_keys == "required"
    assert Settings(api_keys="off", http_host="localhost").api_keys == "off"
    with pytest.raises(ValidationError, match=r"not where it is 0\.0\.0\.0"):
        Settings(api_keys="off", http_host="0.0.0.0")


@pytest.mark.parametrize(
    "given",
    [
        {"tls_key": "key.pem"},
        {"tls_certificate": "chain.pem"},
        {"grpc_tls_port": 9443},
        {"grpc_tls_port": 9443, "grpc_port": 9000},
        {"tls_certificate": "chain.pem", "tls_key": "key.pem", "grpc_port": 9000},
    ],
)
def test_tls_is_set_whole(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="tls"):
        Settings(**given)


def test_proxies_are_told_how_large_a_message_of_grpc_may_be() -> None:
    environment = Settings(grpc_port=9000, grpc_max_message_bytes=2**21).environment()
    assert environment["RAY_SERVE_GRPC_MAX_MESSAGE_SIZE"] == str(2**21)
    assert "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE" not in Settings().environment()


def test_a_collector_of_traces_is_told_to_opentelemetry(tmp_path: Path) -> None:
    assert not any(name.startswith("OTEL_") for name in Settings(home=tmp_path).environment())
    environment = Settings(home=tmp_path, otlp_endpoint="http://collector:4318", traces_ratio=0.1).environment()
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert (environment["OTEL_TRACES_SAMPLER"], environment["OTEL_TRACES_SAMPLER_ARG"]) == (
        "parentbased_traceidratio",
        "0.1",
    )
