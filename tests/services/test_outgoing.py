"""Links to pictures of the bucket: how long they live, and how long one is given out."""

import asyncio
import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from services import outgoing
from services.messages import Picture
from services.outgoing import Outgoing
from services.replies import LoosePicture, StoredPicture

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


@pytest.mark.parametrize(("life_s", "given_s"), [(LIFE_S, LIFE_S / 4), (24 * 3600, 300)])
def test_a_picture_keeps_its_link_for_a_quarter_of_its_life_and_five_minutes_at_most(
    links: Outgoing, monkeypatch: pytest.MonkeyPatch, life_s: int, given_s: float
) -> None:
    now = time.time()
    monkeypatch.setattr(outgoing, "time", SimpleNamespace(time=lambda: now))
    links = replace(links, expires_s=life_s)
    first, other, again = linked(links, "a.jpg", "b.png", "a.jpg")
    assert first.url == again.url == f"https://shop/a.jpg?0&{life_s}" and other.media_type == "image/png"
    assert first.expires_at == datetime.fromtimestamp(now + life_s, UTC)
    wanted = [StoredPicture(key="a.jpg"), StoredPicture(key="b.png")]
    now += given_s - 1
    assert linked(links, "a.jpg") == [first] and links.remembered(wanted) == [first, other]
    now += 2
    assert links.remembered(wanted) is None
    (anew,) = linked(links, "a.jpg")
    assert anew.url != first.url and anew.expires_at == datetime.fromtimestamp(now + life_s, UTC)
    assert links.remembered(wanted[:1]) == [anew] and links.remembered(wanted) is None


def test_what_is_kept_nowhere_has_no_link(links: Outgoing) -> None:
    assert links.remembered([LoosePicture(data=b"x", media_type="image/png")]) is None


def test_no_more_links_are_remembered_than_there_is_room_for(links: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "LINKS", 3)
    for at in range(10):
        linked(links, f"{at}.jpg")
        assert len(links._links) <= 3
