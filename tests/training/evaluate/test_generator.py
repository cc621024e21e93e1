"""What is told of a generator: its pictures beside real ones, by a classifier of these."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.pictures import normalise
from tests.fashion_nn.drawn import pixels
from tests.training.finished import RUNS, finish
from training.evaluate import classifier
from training.evaluate.classifier import Classifier
from training.evaluate.command import main
from training.evaluate.generator import compared

RUN = RUNS["cgan"]


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    return settings


def coloured(count: int, category: np.ndarray, seed: int) -> torch.Tensor:
    """Pictures whose category is their colour, uint8 [count, 3, 64, 64]."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 90, (count, 3, 64, 64))
    found[np.arange(count), category] += 120
    return torch.from_numpy(found.astype(np.uint8))


@pytest.fixture(scope="module")
def network() -> Classifier:
    category = np.arange(48) % 3
    return classifier.fitted(coloured(48, category, 0), category, 3, seed=0)


def test_a_run_is_judged_by_category_and_the_classifier_is_kept(
    data: Path, bucket: Settings, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    finish("cgan", data, bucket)
    assert main(["cgan", "--run", RUN, "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["run"], found["step"], found["seen"]) == (RUN, 10, True)
    assert found["painted"].keys() == found["real"].keys() == {"tops", "bottoms", "shoes"}
    for each in (*found["painted"].values(), *found["real"].values()):
        assert each["pictures"] == 4 and each["fid"] >= 0 and 0 <= each["precision"] <= 1 and 0 <= each["accuracy"] <= 1
    store = open_store(bucket.bucket_url, bucket)
    assert json.loads(store.get(f"runs/{RUN}/pictures.json")) == found
    assert store.exists(f"runs/{RUN}/classifier.safetensors")
    told = capsys.readouterr().out
    assert "tops, painted" in told and "tops, real" in told and "which it was trained on" in told


def test_the_same_seed_finds_the_same(data: Path, bucket: Settings, tmp_path: Path) -> None:
    finish("cgan", data, bucket)
    found = []
    for seed in (1, 1, 2):
        assert main(["cgan", "--run", RUN, "--seed", str(seed), "--json", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text())["painted"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pictures", "7"], "pictures is 7, but must be at least 8"),
        (["--seed", "-1"], "seed is -1, but must be at least 0"),
    ],
)
def test_wrong_words_are_told_in_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["cgan", "--run", RUN, *words]) == 1
    assert message in capsys.readouterr().err


def test_a_classifier_tells_new_pictures_apart(network: Classifier) -> None:
    category = np.arange(60) % 3
    _, taken_for = classifier.seen(network, normalise(coloured(60, category, 1)))
    assert (taken_for == category).mean() > 0.95


def test_the_real_ones_are_nearer_than_others(network: Classifier) -> None:
    red = np.zeros(40, np.int64)
    features, _ = classifier.seen(network, normalise(coloured(40, red, 2)))
    same = compared(network, normalise(coloured(40, red, 3)), features, 0, seed=0)
    other = compared(network, normalise(coloured(40, red + 1, 4)), features, 0, seed=0)
    noise = compared(network, normalise(pixels(40, 64, 64)), features, 0, seed=0)
    assert same.accuracy > 0.95 and other.accuracy < 0.05
    for worse in (other, noise):
        assert same.kid < worse.kid and same.fid < worse.fid and same.precision > worse.precision
