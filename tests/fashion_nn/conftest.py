"""What tests of data sets and metrics share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with clothing/ and ccp-pairs/ (photographs), named by ATELIER_TEST_DATA."""
    folder = os.environ.get("ATELIER_TEST_DATA")
    if not folder:
        pytest.skip("ATELIER_TEST_DATA does not name a folder with the photographs")
    return Path(folder)


@pytest.fixture
def unrounded() -> Iterator[None]:
    """Float32 convolutions in float32: by default PyTorch rounds their inputs to ten bits on a GPU."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before
