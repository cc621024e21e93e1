"""Stores of every kind under one name, so that one suite holds for all."""

import os
import uuid
from pathlib import Path

import pytest

from cluster.object_store import ObjectStore, open_store
from cluster.s3_store import S3Store
from cluster.settings import Settings

_REAL = "ATELIER_TEST_S3_ENDPOINT"


@pytest.fixture(scope="session")
def real_s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for the S3 server of the environment; the test is skipped where none is named."""
    if _REAL not in os.environ:
        pytest.skip(f"{_REAL} is not set")
    settings = Settings(
        bucket_url=f"s3://atelier-test-{uuid.uuid4().hex[:8]}",
        s3_endpoint=os.environ[_REAL],
        s3_access_key=os.environ["ATELIER_TEST_S3_ACCESS_KEY"],
        s3_secret_key=os.environ["ATELIER_TEST_S3_SECRET_KEY"],
        home=tmp_path_factory.mktemp("home"),
    )
    S3Store(settings.bucket_url, settings).ensure_bucket()
    return settings


@pytest.fixture(params=["embedded", "real"])
def s3_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings with an S3 server behind them, and a prefix of the test's own."""
    name = {"embedded": "local_s3_settings", "real": "real_s3_settings"}[request.param]
    settings: Settings = request.getfixturevalue(name)
    return settings.with_updates(bucket_url=f"{settings.bucket_url}/{uuid.uuid4().hex}")


@pytest.fixture
def s3_store(s3_settings: Settings) -> S3Store:
    return S3Store(s3_settings.bucket_url, s3_settings)


@pytest.fixture(params=["folder", "embedded", "real"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with any kind of store behind them, empty."""
    if request.param == "folder":
        return Settings(bucket_url=(tmp_path / "a store").as_uri(), home=tmp_path / "home")
    name = {"embedded": "local_s3_settings", "real": "real_s3_settings"}[request.param]
    settings: Settings = request.getfixturevalue(name)
    return settings.with_updates(bucket_url=f"{settings.bucket_url}/{uuid.uuid4().hex}")


@pytest.fixture
def store(store_settings: Settings) -> ObjectStore:
    return open_store(store_settings.bucket_url, store_settings)
