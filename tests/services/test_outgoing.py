"""Links to pictures of the bucket: how long they live, and how long one is given out."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from services import outgoing
from services.messages import Picture
from services.outgoing import Outgoing
from services.replies import StoredPicture

LIFE_S = 600


class Store:
    """Signs every link anew."""

    def __init__(self) -> None:
        self.signed = itertools.count()

    def signed_url(self, key: str, *, expires_s: int) -> str:
        return f"https://shop/{key}?{next(self.signed)}&{expires_s}"


@pytest.fixture
def links() -> Outgoing:
    return Outgoing(store=Store(), cache=SimpleNamespace(), expires_s=LIFE_S)


def linked(links: Outgoing, *keys: str) -> list[Picture]:
    return asyncio.run(links.pictures([StoredPicture(key=key) for key in keys], inline=False))


def test_a_picture_keeps_its_link_for_a_quarter_of_its_life(links: Outgoing) -> None:
    first, other, again = linked(links, "a.jpg", "b.png", "a.jpg")
    assert first.url == again.url == f"https://shop/a.jpg?0&{LIFE_S}" and other.media_type == "image/png"
    assert LIFE_S - 60 < (first.expires_at - datetime.now(UTC)).total_seconds() <= LIFE_S
    for left_s, kept in ((0.76 * LIFE_S, True), (0.74 * LIFE_S, False)):
        known = datetime.now(UTC) + timedelta(seconds=left_s)
        links._links["b.png"] = other.model_copy(update={"expires_at": known})
        (found,) = linked(links, "b.png")
        assert (found.url == other.url) is kept and found.expires_at >= known


def test_a_long_life_is_not_waited_for(links: Outgoing) -> None:
    day = replace(links, expires_s=24 * 3600)
    (first,) = linked(day, "a.jpg")
    for age_s, kept in ((280, True), (320, False)):
        day._links["a.jpg"] = first.model_copy(update={"expires_at": first.expires_at - timedelta(seconds=age_s)})
        (found,) = linked(day, "a.jpg")
        assert (found.url == first.url) is kept


def test_no_more_links_are_remembered_than_there_is_room_for(links: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "LINKS", 3)
    for at in range(10):
        linked(links, f"{at}.jpg")
        assert len(links._links) <= 3
