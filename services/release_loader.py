"""From a release in the bucket to what one deployment needs of it: tables, or networks in eval mode."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from cluster.object_store import NotFound, open_store
from cluster.releases import ReleaseStore, succession
from cluster.settings import Settings
from services.errors import NoRelease, TurningRelease, UnknownRelease, bad_input

Loaded = TypeVar("Loaded")
LOOKED_BACK = 3  # releases that a replica tries where the current one cannot be loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A release whose files lie in `folder`, every hash checked."""

    id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories; the position is the class id that the generator knows."""
        return tuple(self.manifest["categories"])

    @property
    def fits(self) -> dict[str, str | None]:
        """The categories that its fitting room puts on, each with its group where the network tells groups apart."""
        told: dict[str, str | None] | None = self.manifest.get("fits")
        return dict.fromkeys(self.categories) if told is None else told

    def check_fits(self, category: str, field: str) -> None:
        """Refuse what nobody has taught the fitting room to put on. Raises BadInput, which names what it can."""
        if category not in self.fits:
            raise bad_input(field, category, f"of what is put on: {', '.join(self.fits)}")

    def class_id(self, category: str, field: str) -> int:
        """The class id of a category. Raises BadInput, which names those there are."""
        if category not in self.categories:
            raise bad_input(field, category, f"one of {', '.join(self.categories)}")
        return self.categories.index(category)


def fetch(settings: Settings, release_id: str | None) -> Release:
    """The release of that id, or the current one. Raises NoRelease, UnknownRelease, HashMismatch, StoreError."""
    releases = ReleaseStore(open_store(settings.bucket_url, settings))
    wanted = release_id or releases.current()
    if wanted is None:
        raise NoRelease("nothing has been published yet")
    try:
        folder = releases.fetch(wanted, settings.cache / "releases")
    except NotFound as error:
        raise UnknownRelease(f"there is no release {wanted}", release=wanted) from error
    return Release(id=wanted, folder=folder, manifest=json.loads((folder / "manifest.json").read_text()))


def earlier(releases: ReleaseStore) -> list[str]:
    """The releases that served before the current one, the latest first. Raises StoreError."""
    served = succession(releases.history())
    return served[-2 : -2 - LOOKED_BACK : -1]


class Shelf(Generic[Loaded]):
    """The release that serves, and beside it the one before, or one on trial, for requests that are told to use that.

    Never more than two, since each costs its memory. `retire` is told of every one that leaves.
    """

    def __init__(
        self,
        load: Callable[[str | None], tuple[str, Loaded]],
        logger: logging.Logger,
        retire: Callable[[Loaded], None] = lambda loaded: None,
    ) -> None:
        self._load, self._logger, self._retire = load, logger, retire
        self._held: dict[str, Loaded] = {}  # the one that serves last
        self.missed: str | None = None  # the one that was last asked for and is not held

    @property
    def release_id(self) -> str | None:
        """The release that serves."""
        return next(reversed(self._held), None)

    def turn_to(self, release_id: str | None) -> None:
        """Load a release (the current one for None) unless it is held, and serve it. Requests under way keep theirs.

        Where nothing has been published there is nothing to serve yet, which is no fault. A release that
        cannot be loaded is one, and raises; but not while another serves, which then goes on serving.
        """
        held = None if release_id is None else self._held.get(release_id)
        try:
            found, loaded = self._load(release_id) if held is None else (release_id, held)
        except NoRelease as error:
            self._logger.warning("serving no release: %s", error.detail)
        except Exception:
            if not self._held:
                raise
            self._logger.exception("still serving %s: %s could not be loaded", self.release_id, release_id)
        else:
            previous = [(key, value) for key, value in self._held.items() if key != found]
            self._hold(dict([*previous[-1:], (found, loaded)]))
            self._logger.info("serving release %s", found)

    def try_out(self, release_id: str) -> None:
        """Load a release unless it is held, beside the one that serves and in the place of the one before.

        One that cannot be loaded changes nothing; that is logged.
        """
        if release_id in self._held or not self._held:
            return
        serving = self.current()
        try:
            found, loaded = self._load(release_id)
        except Exception:
            self._logger.exception("not trying out %s: it could not be loaded", release_id)
        else:
            self._hold(dict([(found, loaded), serving]))
            self._logger.info("trying out release %s", found)

    def held(self) -> list[Loaded]:
        """All that is loaded."""
        return list(self._held.values())

    def current(self) -> tuple[str, Loaded]:
        """The release that serves. Raises NoRelease."""
        if not self._held:
            raise NoRelease("no release is loaded yet")
        return next(reversed(self._held.items()))

    def holds(self, release_id: str) -> bool:
        """Whether a release is loaded, to be served or tried out."""
        return release_id in self._held

    def of(self, release_id: str) -> Loaded:
        """The release that a request was begun with. Raises TurningRelease where it is not held (yet)."""
        held = self._held
        if release_id not in held:
            self.missed = release_id
            told = f"one part serves release {release_id}, another {self.release_id}"
            raise TurningRelease(told, retry_after_s=1, serves=self.release_id)
        return held[release_id]

    def chosen(self, release_id: str | None) -> tuple[str, Loaded]:
        """The release that a request asks for; for None the one that serves. Raises NoRelease, TurningRelease."""
        return self.current() if release_id is None else (release_id, self.of(release_id))

    def _hold(self, held: dict[str, Loaded]) -> None:
        before, self._held = self._held, held
        for release, left in before.items():
            if held.get(release) is not left:
                self._retire(left)
