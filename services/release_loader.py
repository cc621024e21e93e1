"""From a release in the bucket to what one deployment needs of it: tables, or networks in eval mode."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from cluster.object_store import NotFound, open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from services.errors import NoRelease, TurningRelease, UnknownRelease, bad_input

Loaded = TypeVar("Loaded")


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


def current(settings: Settings) -> str | None:
    """The id of the release that the history names last. Raises StoreError."""
    return ReleaseStore(open_store(settings.bucket_url, settings)).current()


class Shelf(Generic[Loaded]):
    """The release that serves, and the one before it, for requests that another deployment began with that one.

    `retire` is told of every one that leaves.
    """

    def __init__(
        self,
        load: Callable[[str | None], tuple[str, Loaded]],
        logger: logging.Logger,
        retire: Callable[[Loaded], None] = lambda loaded: None,
    ) -> None:
        self._load, self._logger, self._retire = load, logger, retire
        self._held: dict[str, Loaded] = {}  # the newest last
        self.wanted: str | None = None

    @property
    def release_id(self) -> str | None:
        """The release that serves."""
        return next(reversed(self._held), None)

    def turn_to(self, release_id: str | None) -> None:
        """Load a release (the current one for None) and serve it. Requests under way keep theirs.

        Where nothing has been published there is nothing to serve yet, which is no fault. A release that
        cannot be loaded is one, and raises; but not while another serves, which then goes on serving.
        """
        try:
            found, loaded = self._load(release_id)
        except NoRelease as error:
            self._logger.warning("serving no release: %s", error.detail)
        except Exception:
            if not self._held:
                raise
            self._logger.exception("still serving %s: %s could not be loaded", self.release_id, release_id)
        else:
            before = self._held
            previous = {key: value for key, value in before.items() if key != found}
            self._held = dict([*list(previous.items())[-1:], (found, loaded)])
            self._logger.info("serving release %s", found)
            for release, left in before.items():
                if self._held.get(release) is not left:
                    self._retire(left)

    def held(self) -> list[Loaded]:
        """All that is loaded."""
        return list(self._held.values())

    def current(self) -> tuple[str, Loaded]:
        """The release that serves. Raises NoRelease."""
        if not self._held:
            raise NoRelease("no release is loaded yet")
        return next(reversed(self._held.items()))

    def of(self, release_id: str) -> Loaded:
        """The release that a request was begun with. Raises TurningRelease where it is not held (yet)."""
        held = self._held
        if release_id not in held:
            raise TurningRelease(f"one part serves release {release_id}, another {self.release_id}", retry_after_s=1)
        return held[release_id]
