"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from cluster.local_s3 import bucket_at_hand
from cluster.settings import Settings


@pytest.fixture(scope="session")
def local_s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with a home of their own and the embedded S3 server running behind their bucket.

    One server for the session: take a prefix of your own, `settings.with_updates(bucket_url=…)`.
    """
    with bucket_at_hand(Settings(home=tmp_path_factory.mktemp("home")), outlasts=False) as settings:
        yield settings
