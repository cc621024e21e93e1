"""A release whose items' vectors have their categories behind their looks, and that tells how tastes are spread."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn import pictures
from fashion_nn.dvbpr.fold_in import Usual, fold_in_among
from fashion_nn.latent import EngineConfig
from services.designing import Studio, load_studio
from services.incoming import incoming
from services.live_catalogue import LiveCatalogue, load_live_catalogue
from services.messages import DesignRequest, PutItemRequest, RecommendRequest, ScoreRequest, Shopper
from services.meters import Meters
from services.release_loader import fetch
from tests.services import tiny_release
from tests.services.tiny_release import CATEGORIES, ITEMS, WEIGHING

WEIGHT, K = WEIGHING["category_weight"], 8
CPU = torch.device("cpu")
KNOWN = Shopper(user_id="shopper-1")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("bucket")
    settings = Settings(bucket_url=(folder / "bucket").as_uri(), home=folder / "home")
    tiny_release.publish(settings, tmp_path_factory.mktemp("made"), look=WEIGHING)
    return settings


@pytest.fixture
def live(published: Settings) -> Iterator[LiveCatalogue]:
    """Without anything recorded before or after the test."""
    yield opened(published)
    store = open_store(published.bucket_url, published)
    for info in list(store.list("catalogue/")):
        store.delete(info.key)


@pytest.fixture(scope="module")
def studio(published: Settings) -> Iterator[Studio]:
    found = load_studio(fetch(published, None), CPU, EngineConfig(slots=8, precision="fp32"))
    yield found
    found.loop.stop()


def opened(settings: Settings) -> LiveCatalogue:
    return load_live_catalogue(fetch(settings, None), CPU, incoming(settings, Meters()), logging.getLogger("test"))


def request(hue: int, category: str) -> PutItemRequest:
    picture = pictures.encode(tiny_release.garment(hue), format="PNG")
    return PutItemRequest(category=category, picture={"data": picture})


def score(live: LiveCatalogue, item_id: str) -> float:
    return live.ranker.score(ScoreRequest(shopper=KNOWN, items=[item_id])).scores[0]


def test_a_score_is_the_looks_and_the_categorys_parts_together(live: LiveCatalogue) -> None:
    taste, look = live.ranker.taste(KNOWN).vector, live.ranker.entry("item-03").look
    assert taste.shape == look.shape == (K + len(CATEGORIES),)
    assert score(live, "item-03") == pytest.approx(look[:K] @ taste[:K] + WEIGHT * taste[K + 1], rel=1e-4)
    best = live.ranker.recommend(RecommendRequest(shopper=KNOWN, k=100, exclude_bought=False)).offers
    assert len(best) == ITEMS and [offer.score for offer in best] == sorted((o.score for o in best), reverse=True)


def test_a_new_item_is_what_a_published_one_with_its_picture_is(live: LiveCatalogue) -> None:
    live.put("twin", request(15 * 4, "men-tops"), "a")
    np.testing.assert_allclose(live.ranker.entry("twin").look, live.ranker.entry("item-04").look, rtol=1e-4, atol=1e-5)


def test_an_item_that_changes_its_category_changes_that_part_alone(live: LiveCatalogue, published: Settings) -> None:
    live.put("coat", request(77, "men-tops"), "a")
    live.put("same", request(77, "women-tops"), "b")
    before = live.ranker.entry("coat").look
    np.testing.assert_array_equal(live.ranker.entry("same").look[:K], before[:K])
    assert before[K:].tolist() == [WEIGHT, 0, 0] and live.ranker.entry("same").look[K:].tolist() == [0, WEIGHT, 0]
    live.put("coat", request(77, "women-tops"), "c")
    live.put("item-00", request(0, "women-tops"), "d")
    for each in (live, opened(published)):
        np.testing.assert_allclose(each.ranker.entry("coat").look[:K], before[:K], rtol=1e-5, atol=1e-6)
        assert each.ranker.entry("coat").look[K:].tolist() == each.ranker.entry("item-00").look[K:].tolist()
        assert each.ranker.entry("coat").look[K:].tolist() == [0, WEIGHT, 0]


def test_looks_that_are_kept_are_those_of_pictures_alone(
    live: LiveCatalogue, published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live_catalogue.KEEP_AFTER", 0)
    live.put("coat", request(77, "women-tops"), "a")
    live.follow()
    kept = live._kept.read()
    assert {look.shape for look in kept.values()} == {(K,)}
    late = opened(published)
    assert late._looked["computed"] == 0
    np.testing.assert_array_equal(late.ranker.entry("coat").look, live.ranker.entry("coat").look)


def test_somebody_new_is_taken_to_be_as_the_release_says_people_are(live: LiveCatalogue) -> None:
    usual = live.ranker.shoppers.usual
    assert usual.mean.tolist() == list(range(K + len(CATEGORIES)))
    likes = ["item-03", "item-07"]
    looks, at = live.ranker.catalogue.looks, [3, 7]
    others = np.setdiff1d(np.arange(ITEMS), at)
    wanted = fold_in_among(looks[at], looks[others], Usual(usual.mean, np.eye(K + len(CATEGORIES))))
    found = live.ranker.taste(Shopper(likes=likes)).vector
    np.testing.assert_allclose(found / np.linalg.norm(found), wanted / np.linalg.norm(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("starts", ["bank", "blind"])
def test_a_designs_score_is_that_of_an_item_with_its_picture(live: LiveCatalogue, studio: Studio, starts: str) -> None:
    taste = live.ranker.taste(KNOWN).vector
    asked = DesignRequest(shopper=KNOWN, category="women-tops", k=1, restarts=4, steps=3, seed=7, starts=starts)
    found = studio.loop.submit(studio.design(asked, torch.from_numpy(taste))).result()
    picture = pictures.encode(pictures.to_image(found.scores.pictures[0]), format="PNG")
    live.put("worn", PutItemRequest(category="women-tops", picture={"data": picture}), "a")
    part = WEIGHT * float(taste[K + 1])
    assert found.scores.preference[0].item() == pytest.approx(score(live, "worn"), abs=0.1 * abs(part))
    assert studio.look_dimensions == K + len(CATEGORIES)
    studio.probe()
