"""Pictures on their way out: expiring signed URLs of what the bucket holds, or the bytes inline."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from cluster.object_store import ObjectStore, content_type_of
from services.messages import Picture
from services.picture_cache import PictureCache
from services.replies import AnyPicture, LoosePicture, StoredPicture

LINKS = 20_000  # that are remembered
GIVEN = 0.25  # share of its life for which a link is given out, so that whoever has followed it need not fetch again
GIVEN_S = 300.0  # ... and at most: credentials of a role may end sooner than what they have signed


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """Makes the pictures of answers. Where the bucket is a folder they are always inline: its URLs are local."""

    store: ObjectStore
    cache: PictureCache
    expires_s: int
    signs: bool = True
    _links: dict[str, "Link"] = field(default_factory=dict, init=False, repr=False)  # by their keys

    async def pictures(self, pictures: Iterable[AnyPicture], *, inline: bool) -> list[Picture]:
        """One answer's pictures, in their order. Raises StoreError."""
        wanted = list(pictures)
        if inline or not self.signs:
            return list(await asyncio.gather(*(asyncio.to_thread(self._inline, each) for each in wanted)))
        return [self._linked(each) for each in wanted]

    def _inline(self, picture: AnyPicture) -> Picture:
        if isinstance(picture, LoosePicture):
            return Picture(media_type=picture.media_type, data=picture.data)
        return Picture(media_type=content_type_of(picture.key), data=self.cache.get(picture.key))

    def remembered(self, pictures: Iterable[AnyPicture]) -> list[Picture] | None:
        """Links that are still given out, without a look at the store; None unless there is one to every picture."""
        now, found = time.time(), []
        for each in pictures:
            link = self._links.get(each.key) if isinstance(each, StoredPicture) else None
            if link is None or now >= link.given_until:
                return None
            found.append(link.picture)
        return found

    def _linked(self, picture: AnyPicture) -> Picture:
        if not isinstance(picture, StoredPicture):
            return self._inline(picture)
        now, link = time.time(), self._links.get(picture.key)
        if link is None or now >= link.given_until:
            if len(self._links) >= LINKS:
                self._links.clear()
            link = self._links[picture.key] = self._signed(picture.key, now)
        return link.picture

    def _signed(self, key: str, now: float) -> "Link":
        url = self.store.signed_url(key, expires_s=self.expires_s)
        expires_at = datetime.fromtimestamp(now + self.expires_s, UTC)
        picture = Picture(media_type=content_type_of(key), url=url, expires_at=expires_at)
        return Link(picture, now + min(GIVEN * self.expires_s, GIVEN_S))


class Link(NamedTuple):
    """A picture's signed URL, and until when it is given out, in seconds since the epoch."""

    picture: Picture
    given_until: float
