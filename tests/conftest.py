"""Fixtures for every test, and which of them may run side by side."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.local_s3 import bucket_at_hand
from cluster.settings import Settings

HERE = Path(__file__).parent
LONGEST = ["services", "training", "demo"]  # first, so that the processes end at about the same time


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A folder's tests share a Ray or a server, so with `-n` a process takes all of a folder's tests."""
    folders = {item: item.path.relative_to(HERE).parts[0] for item in items}
    for item, folder in folders.items():
        item.add_marker(pytest.mark.xdist_group(folder))
    items.sort(key=lambda item: LONGEST.index(folders[item]) if folders[item] in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def local_s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with a home of their own and the embedded S3 server running behind their bucket.

    One server for the session: take a prefix of your own, `settings.with_updates(bucket_url=…)`.
    """
    with bucket_at_hand(Settings(home=tmp_path_factory.mktemp("home"))) as settings:
        yield settings
