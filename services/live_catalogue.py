"""What the log of the live catalogue says, applied to the tables of one release, which stays as it was published.

The log goes before the release: an item that was deleted stays deleted, whatever release is loaded, until it is put
again. An item whose category this release does not have, or whose picture cannot be read, is left out, and that is
logged; so it is with the entry of that id which the release may bring.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch
from PIL import Image

from cluster.catalogue import Change, Ledger, Outcome
from cluster.object_store import AlreadyExists, NotFound, picture_suffix
from fashion_nn import pictures
from fashion_nn.configs import from_json
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Look
from fashion_nn.state_files import load_weights
from services.errors import UnknownItem, bad_input
from services.incoming import Incoming
from services.item_table import Entry, Floats
from services.kept_looks import KeptLooks
from services.messages import PutItemRequest
from services.ranking import Ranker, load_ranker
from services.release_loader import Release
from services.replies import Changes, Work

BATCH = 32  # pictures that Φ looks at at once
READERS = 8  # pictures read side by side
TOLD = 1000  # changes of one reply
KEEP_AFTER = 500  # pictures looked at since looks were kept, at least
KEEP_SHARE = 4  # ... and a quarter as many as there are


class Looks:
    """Φ of one release, and how its items' vectors are made of looks and categories."""

    def __init__(self, release: Release, device: torch.device) -> None:
        network = Look(from_json(DVBPRConfig, release.manifest["configs"]["dvbpr"]), len(release.categories))
        load_weights(release.folder / "dvbpr.safetensors", network)
        self._places = network.places.numpy()
        self._network, self._device = network.to(device).eval().requires_grad_(False), device

    @torch.inference_mode()
    def of(self, images: Sequence[Image.Image]) -> Floats:
        """Looks [n, K] of pictures, letterboxed on white as in the training."""
        size = self._network.picture_size
        boxed = [pictures.letterbox(image, height=size, width=size) for image in images]
        seen = torch.stack([pictures.normalise(pictures.to_pixels(each)) for each in boxed])
        return self._network.seen(seen.to(self._device)).float().cpu().numpy()

    def vector(self, look: Floats, category: int) -> Floats:
        """The vector [L] of an item with a look [K]: the look alone, where the release does not weigh categories."""
        return np.concatenate([look, self._places[category]]) if len(self._places) else look

    def within(self, vector: Floats) -> Floats:
        """The look [K] in an item's vector [L]."""
        return vector[: len(vector) - len(self._places)]


class LiveCatalogue:
    """One release's Ranker, kept up with the log. Blocking: call it from threads, of which one at a time has its turn.

    All methods may raise StoreError, and then what they had to do is done by the next one that is called.
    """

    def __init__(
        self, ranker: Ranker, looks: Looks, incoming: Incoming, logger: logging.Logger, looked: Counter[str]
    ) -> None:
        self.ranker, self._looks, self._incoming, self._logger = ranker, looks, incoming, logger
        self._looked = looked
        self._turn = Lock()
        self._ledger = Ledger.open(incoming.store)
        self._kept = KeptLooks(incoming.store, ranker.release.id)
        self._unkept = 0  # pictures looked at since looks were kept
        self._pending = list(self._ledger.changes.values())  # read, and not applied yet
        self.record = 0  # number of the last one applied
        self._apply(self._kept.read(), kept=True)

    def probe(self) -> None:
        """See `Ranker.probe`."""
        self.ranker.probe()

    def follow(self) -> None:
        """Apply what others have recorded since, and keep what spares later replicas work when it is time."""
        with self._turn:
            self._catch_up({})
            self._keep()

    def changes(self, after: int) -> Changes:
        """What has become of items after a record, in the order of the records, so much as goes into one reply."""
        if after >= self.record:
            return Changes(record=self.record, release=self.ranker.release.id, work=Work())
        with self._turn:
            found = [each for each in self._ledger.changes.values() if after < each.number <= self.record]
            later = sorted(found, key=lambda change: change.number)
            told, more = later[:TOLD], len(later) > TOLD
            entries = {change.item_id: self.ranker.entry(change.item_id) for change in told}
            return Changes(
                put=tuple(entry for entry in entries.values() if entry is not None),
                dropped=tuple(item_id for item_id, entry in entries.items() if entry is None),
                record=told[-1].number if more else self.record,
                more=more,
                release=self.ranker.release.id,
                work=Work(),
            )

    def put(self, item_id: str, request: PutItemRequest, token: str) -> tuple[Change, Outcome]:
        """Record an item, durably, and apply it: the record that says so, and what became of the item.

        Raises BadInput, TooLarge.
        """
        self.ranker.release.class_id(request.category, "category")
        data = request.picture.data
        image = self._incoming.upload(data, "picture")
        (look,) = self._looks.of([image])
        self._looked["computed"] += 1
        if not np.isfinite(look).all():
            raise bad_input("picture", f"{len(data)} bytes", "a picture that the network makes something finite of")
        key = self._incoming.store.put_picture(data, suffix=picture_suffix(data))
        return self._recorded(item_id, request.category, key, token, {key: look})

    def delete(self, item_id: str, token: str) -> tuple[Change, Outcome]:
        """Record that there is no such item any more. Of one that was deleted before, the record that did it.

        Raises UnknownItem where there never was one.
        """
        return self._recorded(item_id, None, None, token, {})

    def _recorded(
        self, item_id: str, category: str | None, picture: str | None, token: str, looks: Mapping[str, Floats]
    ) -> tuple[Change, Outcome]:
        """One more record, judged by all that come before it, unless it would say what the last one says."""
        with self._turn:
            while True:
                self._catch_up(looks)
                if made := self._ledger.made_by(token):
                    return made, made.outcome
                last = self._ledger.changes.get(item_id)
                if last is not None and (last.category, last.picture) == (category, picture):
                    if last.deletes or self.ranker.entry(item_id) is not None:
                        return last, "unchanged"
                outcome = self._outcome(item_id, category, picture, last)
                try:
                    change = self._ledger.append(
                        item_id, category=category, picture=picture, outcome=outcome, token=token
                    )
                except AlreadyExists:
                    continue
                self._pending.append(change)
                self._apply(looks)
                self._unkept += len(looks)
                return change, outcome

    def _outcome(self, item_id: str, category: str | None, picture: str | None, last: Change | None) -> Outcome:
        entry = self.ranker.entry(item_id)
        if category is None:
            if entry is None and last is None:
                raise UnknownItem(f"no item {item_id!r} in the catalogue", field="item_id", value=item_id)
            return "deleted"
        if entry is None:
            return "created"
        same = (self.ranker.release.categories[entry.category], entry.picture) == (category, picture)
        return "unchanged" if same else "replaced"

    def _catch_up(self, looks: Mapping[str, Floats]) -> None:
        self._pending += self._ledger.read_on()
        self._apply(looks)

    def _apply(self, known: Mapping[str, Floats], *, kept: bool = False) -> None:
        """Bring the tables to where the ledger is, in one step.

        known: looks of pictures by their keys, computed just now, or kept from another time.
        """
        latest = {change.item_id: change for change in self._pending}
        puts = [change for change in latest.values() if not change.deletes and self._has_category(change)]
        held = self._held(puts)
        looks = {**known, **held}
        unknown = [change for change in puts if change.picture not in looks]
        self._looked["kept"] += len(puts) - len(unknown) if kept else len(held)
        self._looked["computed"] += len(unknown)
        looks |= self._seen(unknown)
        entries = [self._entry(change, looks[change.picture]) for change in puts if change.picture in looks]
        self.ranker.change(entries, latest.keys() - {entry.item_id for entry in entries})
        self._pending.clear()
        self.record = self._ledger.last

    def _entry(self, change: Change, look: Floats) -> Entry:
        category = self.ranker.release.categories.index(change.category)
        vector = self._looks.vector(look, category)
        return Entry(item_id=change.item_id, category=category, picture=change.picture, look=vector)

    def _keep(self) -> None:
        if self._ledger.snapshot_due:
            self._ledger.write_snapshot()
        if self._unkept > max(KEEP_AFTER, len(self._ledger.changes) // KEEP_SHARE):
            puts = [change for change in self._ledger.changes.values() if not change.deletes]
            self._unkept = 0  # first: where it cannot be written, it is not tried again at once
            self._kept.write(self.record, self._held(puts))

    def _has_category(self, change: Change) -> bool:
        known = change.category in self.ranker.release.categories
        if not known:
            self._leave_out(change, f"release {self.ranker.release.id} has no category {change.category!r}")
        return known

    def _held(self, changes: Iterable[Change]) -> dict[str, Floats]:
        """Looks of pictures that the items have already, as when a release was published with them."""
        entries = (self.ranker.entry(change.item_id) for change in changes)
        return {entry.picture: self._looks.within(entry.look) for entry in entries if entry is not None}

    def _seen(self, changes: Sequence[Change]) -> dict[str, Floats]:
        """Looks of pictures of the bucket, by their keys; without those that cannot be read."""
        looks: dict[str, Floats] = {}
        with ThreadPoolExecutor(READERS, thread_name_prefix="catalogue") as pool:
            for start in range(0, len(changes), BATCH):
                batch = changes[start : start + BATCH]
                opened = [each for each in zip(batch, pool.map(self._opened, batch), strict=True) if each[1]]
                if not opened:
                    continue
                self._unkept += len(opened)
                for (change, _), look in zip(opened, self._looks.of([image for _, image in opened]), strict=True):
                    if np.isfinite(look).all():
                        looks[change.picture] = look
                    else:
                        self._leave_out(change, "its look is not finite")
        return looks

    def _opened(self, change: Change) -> Image.Image | None:
        try:
            return self._incoming.stored(change.picture)
        except (NotFound, pictures.PictureError) as error:
            self._leave_out(change, str(error))
            return None

    def _leave_out(self, change: Change, why: str) -> None:
        self._logger.warning("item %r of record %d is left out: %s", change.item_id, change.number, why)


def load_live_catalogue(
    release: Release,
    device: torch.device,
    incoming: Incoming,
    logger: logging.Logger,
    *,
    cells_above: int | None = None,
    looked: Counter[str] | None = None,
) -> LiveCatalogue:
    """The tables of a release with everything recorded up to now. Raises StoreError.

    looked: where looks that were computed and those that were known already are counted.
    """
    ranker = load_ranker(release, cells_above=cells_above)
    cells = ranker.catalogue.cells
    if cells is not None:
        told = (len(ranker.catalogue.position), cells.probes(1.0), cells.cells, cells.recall)
        logger.info("%d items are searched by %d of %d cells, with a recall of at least %.3f", *told)
    return LiveCatalogue(ranker, Looks(release, device), incoming, logger, Counter() if looked is None else looked)
