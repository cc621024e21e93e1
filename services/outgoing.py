"""Pictures on their way out: expiring signed URLs of what the bucket holds, or the bytes inline."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cluster.object_store import ObjectStore, content_type_of
from services.messages import Picture
from services.picture_cache import PictureCache
from services.replies import AnyPicture, LoosePicture, StoredPicture


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """Makes the pictures of answers. Where the bucket is a folder they are always inline: its URLs are local."""

    store: ObjectStore
    cache: PictureCache
    expires_s: int
    signs: bool = True

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

    def _linked(self, picture: AnyPicture) -> Picture:
        if not isinstance(picture, StoredPicture):
            return self._inline(picture)
        expires_at = datetime.now(UTC) + timedelta(seconds=self.expires_s)
        url = self.store.signed_url(picture.key, expires_s=self.expires_s)
        return Picture(media_type=content_type_of(picture.key), url=url, expires_at=expires_at)
