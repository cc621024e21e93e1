"""What designs are worth to the true taste of a drawn world, with networks that have learnt nothing."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.latent import Engine, EngineConfig
from fashion_nn.world.tastes import FEATURES
from fashion_nn.world.world import WorldConfig, write_world
from tests.fashion_nn.latent.conftest import CATEGORIES, made
from tests.training.finished import RUNS, finish
from training.evaluate.command import main
from training.evaluate.designs import Client, DesignInquiry, Shelf, climbed, nearest, worth

WORDS = ["designs", "--dvbpr", RUNS["dvbpr"], "--cgan", RUNS["cgan"], "--shoppers", "3", "--rows", "4"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 items, 20 shoppers."""
    config = WorldConfig(items_per_category=10, item_size=64, shoppers=20, pairs_train=1, pairs_test=1)
    return write_world(tmp_path_factory.mktemp("drawn") / "world", config)


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    return settings


def test_scores_and_utilities_along_the_ascents(
    world: Path, bucket: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for network in ("dvbpr", "cgan"):
        finish(network, world, bucket)
    assert main([*WORDS, "--codes", "64", "--realism", "0", "5", "--steps", "0", "4"]) == 0
    found = json.loads(open_store(bucket.bucket_url, bucket).get(f"runs/{RUNS['cgan']}/designs.json"))
    everything, by_score, new, by_taste, blind = found["catalogue"]
    assert everything["score"]["value"] == pytest.approx(0, abs=1e-5)
    assert everything["utility"]["value"] == pytest.approx(0, abs=1e-5)
    assert by_score["score"]["value"] > by_taste["score"]["value"]
    assert by_taste["utility"]["value"] > max(0.5, by_score["utility"]["value"])
    assert blind["realism"]["value"] != everything["realism"]["value"]
    assert [(each["realism_weight"], each["steps"]) for each in found["ascents"]] == [(0, 0), (0, 4), (5, 0), (5, 4)]
    assert found["ascents"][0]["score"]["value"] > blind["score"]["value"]  # the best of a bank
    for each in (*found["catalogue"], *found["ascents"]):
        lead = each["utility"]["value"] - by_score["utility"]["value"]
        assert each["ahead"]["value"] == pytest.approx(lead)
        beyond = each["utility"]["value"] - new["utility"]["value"]
        assert each["ahead_of_new"]["value"] == pytest.approx(beyond)
    assert by_score["ahead"] == new["ahead_of_new"] == {"value": 0, "margin": 0}
    assert by_score["score"]["value"] > new["score"]["value"] > 0
    printed = capsys.readouterr().out
    assert "by true taste" in printed and f"{by_taste['utility']['value']:.2f}" in printed
    assert f"{by_taste['ahead']['value']:+.2f} ± {by_taste['ahead']['margin']:.2f}" in printed

    assert main([*WORDS, "--codes", "0", "--tastes", "stated", "--realism", "0", "--steps", "0"]) == 0
    fitted = json.loads(open_store(bucket.bucket_url, bucket).get(f"runs/{RUNS['cgan']}/designs.json"))
    assert fitted["tastes"] == "stated" and found["tastes"] == "learnt"
    assert by_score["utility"]["value"] < fitted["catalogue"][1]["utility"]["value"]
    assert fitted["catalogue"][3]["utility"] == by_taste["utility"]


def test_the_same_starts_climb_to_higher_scores_and_are_held_back_by_realism() -> None:
    networks, random = made(), torch.Generator().manual_seed(3)
    clients = [
        Client(
            learnt=3 * torch.randn(8, generator=random),
            stated=torch.randn(len(FEATURES), generator=random),
            category=at % CATEGORIES,
            scores=torch.tensor([0.0, 1.0]),
            utilities=torch.tensor([0.0, 1.0]),
            realism=torch.ones(2),
            new=torch.tensor([True, True]),
        )
        for at in range(3)
    ]
    inquiry = DesignInquiry(dvbpr="a", cgan="b", rows=2, codes=0, realism=(0.0, 1e4), steps=(0, 8))
    engine = Engine(networks, EngineConfig(slots=6, precision="fp32"))
    start, free, start_again, bound = climbed(engine, networks, clients, inquiry, lambda line: None)
    assert start.score == start_again.score and start.utility == start_again.utility
    assert free.score.value > start.score.value and free.utility != start.utility
    assert abs(bound.realism.value - 1) < abs(free.realism.value - 1)
    assert bound.score.value < free.score.value


def test_nothing_is_known_of_true_tastes_where_nobody_has_drawn_them(
    data: Path, bucket: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for network in ("dvbpr", "cgan"):
        finish(network, data, bucket)
    assert main(WORDS) == 1
    assert "shoppers.json: true tastes are known in drawn worlds alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "value"),
    [("--shoppers", "1"), ("--rows", "0"), ("--codes", "3"), ("--steps", "-1"), ("--seed", "-1")],
)
def test_what_cannot_be_is_refused(bucket: Settings, capsys: pytest.CaptureFixture[str], word: str, value: str) -> None:
    assert main([*WORDS, f"{word}={value}"]) == 1
    assert f"{word.removeprefix('--')} " in capsys.readouterr().err.splitlines()[-1]


def buyer(scores: Tensor, utilities: Tensor, new: Sequence[bool] | None = None) -> Client:
    """Somebody who has not bought what is `new`, all of it by default."""
    nobody, unseen = torch.zeros(1), torch.ones(len(scores), dtype=torch.bool)
    return Client(
        learnt=nobody,
        stated=nobody,
        category=0,
        scores=scores,
        utilities=utilities,
        realism=torch.ones(len(scores)),
        new=unseen if new is None else torch.tensor(new),
    )


def test_what_was_bought_is_not_recommended_unless_all_of_it_was() -> None:
    scores = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])
    some, few, all_of_it = (
        buyer(scores, scores, [at in left for at in range(5)]) for left in ({1, 2, 3, 4}, {1, 3}, set())
    )
    assert some.recommended().tolist() == [2, 4, 3]
    assert few.recommended().tolist() == [3, 1]
    assert all_of_it.recommended().tolist() == [0, 2, 4]


def test_the_nearest_tastes_score_what_looks_can_tell_of_true_utilities() -> None:
    random = torch.Generator().manual_seed(0)
    true_looks, mixed = torch.randn(40, 3, generator=random), torch.randn(3, 5, generator=random)
    shelves = [
        Shelf(at, np.arange(20), true_looks[rows] @ mixed + 7, true_looks[rows], torch.ones(20))
        for at, rows in enumerate((slice(20), slice(20, 40)))
    ]
    stated = torch.tensor([1.0, -2.0, 0.5])
    scores = torch.cat([shelf.looks for shelf in shelves]) @ (nearest(shelves) @ stated)
    utilities = true_looks @ stated
    torch.testing.assert_close(scores - scores.mean(), utilities - utilities.mean(), atol=1e-4, rtol=1e-4)


def test_pictures_are_told_in_deviations_of_the_items() -> None:
    scores, utilities = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 10.0, 20.0])
    client = buyer(scores, utilities)
    assert client.told(torch.tensor([3.0, 5.0]), torch.tensor([0.0])) == pytest.approx((2.0, -1.0))


def test_shoppers_are_compared_with_themselves_and_not_with_each_other() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0, 3.0, 9.0])
    best_three = (4.0, 4.0, 4.0), (5.5, 6.0, 6.5), (9.0, 7.0, 8.0)
    clients = [buyer(scores, torch.tensor([5.0, 5.0, *liked])) for liked in best_three]
    listed = [client.told(scores, client.utilities[2:])[1] for client in clients]
    found = worth("designs", clients, [(0.0, each + 0.25) for each in listed], [0.5] * 3)
    assert found.ahead.value == pytest.approx(0.25)
    assert found.ahead.margin == pytest.approx(0, abs=1e-6)
    assert found.utility.margin > 0.5
