"""Ranking over the tables of a release, against the same by hand."""

import numpy as np
import pyarrow as pa
import pytest

from services.errors import BadInput, UnknownItem, UnknownShopper
from services.item_table import HEADROOM, Entry
from services.messages import RecommendRequest, ScoreRequest, Shopper
from services.ranking import Purchases, Ranker, load_ranker
from services.release_loader import fetch
from tests.services import tiny_release
from tests.services.tiny_release import ITEMS

KNOWN = Shopper(user_id="shopper-1")


@pytest.fixture(scope="module")
def ranker(settings, release) -> Ranker:
    return load_ranker(fetch(settings, release))


def recommended(ranker: Ranker, **fields) -> list[str]:
    request = RecommendRequest(**{"shopper": KNOWN, "k": 100, **fields})
    return [offer.item_id for offer in ranker.recommend(request).offers]


def test_scores_are_products_of_taste_and_look(ranker: Ranker) -> None:
    taste = ranker.taste(KNOWN).vector
    reply = ranker.score(ScoreRequest(shopper=KNOWN, items=["item-05", "item-02", "item-05"]))
    expected = [float(ranker.catalogue.looks[at] @ taste) for at in (5, 2, 5)]
    assert reply.scores == pytest.approx(expected, rel=1e-5)
    assert reply.release == ranker.release.id and reply.work.compute_ms > 0


def test_the_best_come_first_and_are_all_there(ranker: Ranker) -> None:
    reply = ranker.recommend(RecommendRequest(shopper=KNOWN, k=5, exclude_bought=False))
    scores = ranker.catalogue.looks @ ranker.taste(KNOWN).vector
    assert [offer.item_id for offer in reply.offers] == [f"item-{at:02}" for at in np.argsort(-scores)[:5]]
    assert [offer.score for offer in reply.offers] == pytest.approx(sorted(scores, reverse=True)[:5], rel=1e-5)


def test_what_was_bought_is_left_out_unless_asked_for(ranker: Ranker) -> None:
    assert "item-01" not in recommended(ranker)
    assert "item-01" in recommended(ranker, exclude_bought=False)
    assert len(recommended(ranker)) == ITEMS - 1


def test_likes_count_as_bought(ranker: Ranker) -> None:
    found = recommended(ranker, shopper=Shopper(likes=["item-03", "item-07"]))
    assert not {"item-03", "item-07"} & set(found)


def test_categories_and_exclusions_narrow_the_choice(ranker: Ranker) -> None:
    women = recommended(ranker, category="women-tops", exclude_bought=False)
    assert sorted(women) == [f"item-{at:02}" for at in range(1, ITEMS, 2)]
    assert recommended(ranker, category="women-tops", filters={"categories": ["men-tops"]}) == []
    left_out = recommended(ranker, filters={"exclude": ["item-04", "gone"]})
    assert "item-04" not in left_out and len(left_out) == ITEMS - 2


def test_for_a_fitting_only_what_is_put_on_is_recommended(settings, tmp_path) -> None:
    release = tiny_release.publish(settings, tmp_path, fits={"men-tops": None}, promote=False)
    ranker = load_ranker(fetch(settings, release))
    offers = ranker.recommend(RecommendRequest(shopper=KNOWN, k=100), to_fit=True).offers
    assert sorted(offer.item_id for offer in offers) == [f"item-{at:02}" for at in range(0, ITEMS, 2)]
    with pytest.raises(BadInput, match="category is women-tops, but must be of what is put on: men-tops"):
        ranker.recommend(RecommendRequest(shopper=KNOWN, category="women-tops"), to_fit=True)
    assert recommended(ranker, category="women-tops")


def test_somebody_new_gets_more_of_what_they_like(ranker: Ranker) -> None:
    likes = ["item-02", "item-04"]
    reply = ranker.score(ScoreRequest(shopper=Shopper(likes=likes), items=[f"item-{at:02}" for at in range(ITEMS)]))
    liked = [reply.scores[2], reply.scores[4]]
    assert np.mean(liked) > np.mean(reply.scores)


def test_a_new_taste_is_no_longer_than_known_ones_usually_are(ranker: Ranker) -> None:
    taste = ranker.taste(Shopper(likes=["item-02"])).vector
    lengths = np.linalg.norm(ranker.shoppers.tastes, axis=1)
    assert 0 < np.linalg.norm(taste) <= np.median(lengths) * 1.001


def test_liking_twice_is_liking_and_liking_everything_is_no_taste(ranker: Ranker) -> None:
    once, twice = (ranker.taste(Shopper(likes=["item-02"] * n)).vector for n in (1, 2))
    np.testing.assert_array_equal(once, twice)
    everything = [f"item-{at:02}" for at in range(ITEMS)]
    assert np.abs(ranker.taste(Shopper(likes=everything)).vector).max() < 1e-6


def test_unknown_names_are_told(ranker: Ranker) -> None:
    with pytest.raises(UnknownShopper, match="'nobody'"):
        ranker.taste(Shopper(user_id="nobody"))
    with pytest.raises(UnknownItem, match="'nothing'") as caught:
        ranker.taste(Shopper(likes=["item-01", "nothing"]))
    assert caught.value.facts == {"field": "shopper.likes", "value": "nothing"}
    with pytest.raises(UnknownItem):
        ranker.item("nothing")
    with pytest.raises(BadInput, match="one of men-tops, women-tops"):
        recommended(ranker, category="hats")
    with pytest.raises(BadInput) as caught:
        recommended(ranker, filters={"categories": ["hats"]})
    assert caught.value.facts["field"] == "filters.categories"


def test_an_item_is_told_without_a_score(ranker: Ranker) -> None:
    (offer,) = ranker.item("item-04").offers
    assert offer.category == "men-tops" and offer.score is None
    assert offer.picture.key.startswith("images/")


def entry(item_id: str, look: np.ndarray, category: int = 0) -> Entry:
    return Entry(item_id=item_id, category=category, picture=f"images/00/{item_id}.png", look=look)


@pytest.fixture
def changing(settings, release) -> Ranker:
    """One whose items may be changed."""
    return load_ranker(fetch(settings, release))


def test_items_come_change_and_go(changing: Ranker) -> None:
    taste = changing.taste(KNOWN).vector
    changing.change([entry("best", 10 * taste), entry("item-02", 5 * taste, category=1)], ["item-03", "never was"])
    found = recommended(changing, exclude_bought=False)
    assert found[:2] == ["best", "item-02"] and "item-03" not in found and len(found) == ITEMS
    assert "item-02" in recommended(changing, category="women-tops")
    assert changing.contents().items == ITEMS
    (score,) = changing.score(ScoreRequest(shopper=KNOWN, items=["best"])).scores
    assert score == pytest.approx(10 * float(taste @ taste), rel=1e-5)
    with pytest.raises(UnknownItem):
        changing.item("item-03")
    assert changing.entry("item-03") is None and changing.entry("item-02").category == 1


def test_likes_and_exclusions_know_new_items(changing: Ranker) -> None:
    changing.change([entry("new", changing.taste(KNOWN).vector)], [])
    assert "new" not in recommended(changing, filters={"exclude": ["new"]})
    assert "new" not in recommended(changing, shopper=Shopper(likes=["new"]))
    reply = changing.score(
        ScoreRequest(shopper=Shopper(likes=["new"]), items=["new", *map("item-{:02}".format, range(8))])
    )
    assert reply.scores[0] > np.mean(reply.scores[1:])


def test_rows_of_items_that_went_are_used_again(changing: Ranker) -> None:
    taste, rows = changing.taste(KNOWN).vector, len(changing.catalogue.looks)
    for at in range(5):
        changing.change([entry(f"new-{at}", taste)], [f"new-{at - 1}", f"item-{at:02}"])
    assert len(changing.catalogue.looks) == rows
    assert recommended(changing, exclude_bought=False)[0] == "new-4" and len(recommended(changing)) == ITEMS - 4


def test_one_more_item_does_not_copy_the_table(changing: Ranker) -> None:
    taste = changing.taste(KNOWN).vector
    places = set()
    for at in range(3 * HEADROOM):
        changing.change([entry(f"new-{at}", taste)], [])
        places.add(changing.catalogue.looks.__array_interface__["data"][0])
    assert len(places) <= 4 and len(changing.catalogue.position) == ITEMS + 3 * HEADROOM
    np.testing.assert_array_equal(changing.catalogue.looks[-1], taste)


def test_purchases_of_shoppers_who_bought_nothing_are_none() -> None:
    chunks = [[["a", "b"], [], None], [["b"], ["c", "a", "b"]]]
    bought = Purchases(pa.chunked_array([pa.array(chunk, pa.list_(pa.string())) for chunk in chunks]))
    assert [bought.of(shopper) for shopper in range(5)] == [["a", "b"], [], [], ["b"], ["c", "a", "b"]]
