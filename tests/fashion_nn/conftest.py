"""What tests of data sets and metrics share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with clothing/ and ccp-pairs/ (photographs), named by ATELIER_TEST_DATA."""
    folder = os.environ.get("ATELIER_TEST_DATA")
    if not folder:
        pytest.skip("ATELIER_TEST_DATA does not name a folder with the photographs")
    return Path(folder)
