"""The subjects of the step benchmark and of the latent one can be built in each size that is offered."""

import importlib

import pytest

from benchmarks import step
from benchmarks.latent.subjects import of_size

SIZES = pytest.mark.parametrize("size", ["debug", "demo"])


@SIZES
@pytest.mark.parametrize("name", ["dvbpr", "cgan", "cagan"])
def test_a_network_trains_on_random_data(size: str, name: str):
    config = getattr(importlib.import_module(f"fashion_nn.{name}.config"), size)()
    built = getattr(step, name)(config, "cpu")
    assert all(value.isfinite() for value in built(built.draw(0)).values())


@SIZES
def test_tastes_are_as_long_as_looks(size: str):
    subjects = of_size(size)
    assert subjects.tastes.shape[1] == subjects.networks.look.dimensions
