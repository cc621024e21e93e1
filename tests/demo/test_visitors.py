"""Shoppers and persons of a small drawn world."""

import pytest

from demo.visitors import Visitor, World, in_words, varied
from fashion_nn.pictures import decode
from fashion_nn.world import config as worlds
from fashion_nn.world.world import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(write_world(tmp_path_factory.mktemp("world") / "debug", worlds.debug()))


def visitor(user_id: str, categories: tuple[str, ...], **taste: float) -> Visitor:
    return Visitor(user_id=user_id, taste={"red": 0.0, "lightness": 0.0, **taste}, categories=categories)


def test_visitors_are_of_the_world_and_varied(world: World) -> None:
    chosen = world.visitors(4)
    assert [each.categories[0].split("-")[0] for each in chosen] == ["women", "men", "women", "men"]
    assert len({each.favourite for each in chosen}) == 4
    assert all(len(each.categories) == 3 for each in chosen)


def test_no_more_visitors_than_there_are() -> None:
    everybody = [visitor(f"u{k}", ("hats",), red=1.0) for k in range(2)]
    assert [each.user_id for each in varied(everybody, 5)] == ["u0", "u1"]


def test_likes_are_what_the_stated_taste_puts_first(world: World) -> None:
    someone = world.visitors(1)[0]
    category = someone.categories[0]
    likes = world.likes(someone, category, 3)
    ids = world.items(category)
    assert len(ids) == worlds.debug().items_per_category and set(likes) < set(ids)
    best = decode((world.folder / "images" / f"{likes[0]}.jpg").read_bytes())
    assert world.liked_over(someone, category, best) == (len(ids) - 1) / len(ids)


def test_sitters_come_with_all_their_pictures(world: World) -> None:
    sitters = world.sitters(3)
    assert [each.name for each in sitters] == ["test00000", "test00001", "test00002"]
    for each in sitters:
        assert all(path.is_file() for path in (each.person, each.worn, each.wanted, each.truth))
        assert each.wanted != each.worn


@pytest.mark.parametrize(
    ("taste", "words"),
    [
        ({"red": 2.0, "teal": 1.0, "lightness": -1.0}, "likes red and teal; deep"),
        ({"red": -2.0, "teal": 1.0, "grey": 1.5, "pattern": 0.1}, "likes grey and teal, avoids red"),
        ({"red": 0.2, "chroma": 2.0}, "vivid"),
        ({"red": 0.0}, ""),
    ],
)
def test_tastes_in_words(taste: dict[str, float], words: str) -> None:
    assert in_words(taste) == words
