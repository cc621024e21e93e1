"""The true taste of a drawn world ranks what was bought; nothing else is said to know it."""

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.configs import override
from fashion_nn.datasets.problems import DataError
from fashion_nn.dvbpr.config import debug
from fashion_nn.metrics.ranking import auc
from fashion_nn.world.world import WorldConfig, write_world
from tests.training.finished import RUNS, finish, source_of
from training.dvbpr import RECIPE
from training.evaluate.command import main
from training.evaluate.truth import NEVER, is_stated, stated, true_scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = WorldConfig(items_per_category=20, item_size=64, shoppers=60, pairs_train=1, pairs_test=1)
    return write_world(tmp_path_factory.mktemp("drawn") / "world", config)


def test_the_true_taste_puts_what_was_bought_first(world: Path, settings: Settings) -> None:
    data = RECIPE.open(source_of(world, settings), override(debug(), ["picture_size=64"]))
    scores = true_scores(world, data.items)
    assert is_stated(world) and auc(scores, data.split).value > 0.85
    table = scores(np.arange(60)).numpy()
    own = [stated(world)[user].mix for user in data.items.catalogue.user_ids]
    for row, mix in zip(table, own, strict=True):
        wanted = [mix[data.items.catalogue.categories[at]] > 0 for at in data.items.catalogue.item_category]
        assert np.array_equal(row > NEVER, wanted)


def test_it_is_the_ceiling_beside_a_recommender(
    world: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    finish("dvbpr", world, settings)
    assert main(["dvbpr", "--run", RUNS["dvbpr"]]) == 0
    kept = open_store(settings.bucket_url, settings).get(f"runs/{RUNS['dvbpr']}/evaluation.json")
    *others, truth = json.loads(kept)["judged"]
    assert truth["name"] == "true taste" and truth["auc"]["value"] > max(each["auc"]["value"] for each in others)


def test_photographs_have_no_stated_tastes(data: Path) -> None:
    assert not is_stated(data)
    with pytest.raises(DataError, match="drawn worlds alone"):
        stated(data)
