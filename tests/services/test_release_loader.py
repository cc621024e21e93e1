"""Releases on and off the shelf."""

import logging

import pytest

from services.errors import NoRelease, TurningRelease, UnknownRelease
from services.release_loader import Shelf, fetch
from tests.services import tiny_release

LOGGER = logging.getLogger("test")


def shelf(*available: str) -> Shelf[str]:
    """A shelf that loads the name of a release; without a name the last one, and nothing where there is none."""

    def load(release_id: str | None) -> tuple[str, str]:
        if release_id is None and not available:
            raise NoRelease("nothing has been published yet")
        found = release_id or available[-1]
        if found not in available:
            raise UnknownRelease(found)
        return found, f"loaded {found}"

    return Shelf(load, LOGGER)


def test_a_release_comes_with_files_and_manifest(settings, release) -> None:
    found = fetch(settings, None)
    assert found.id == release
    assert found.categories == tiny_release.CATEGORIES
    assert (found.folder / "items.parquet").is_file()
    assert found.class_id("women-tops", "category") == 1


def test_no_release_and_an_unknown_one_are_told_apart(settings, release) -> None:
    with pytest.raises(UnknownRelease, match="20200101-000000-abcdef012345"):
        fetch(settings, "20200101-000000-abcdef012345")
    empty = settings.with_updates(bucket_url=f"{settings.bucket_url}/empty")
    with pytest.raises(NoRelease):
        fetch(empty, None)


def test_an_empty_shelf_says_so() -> None:
    empty = shelf()
    empty.turn_to(None)
    assert empty.release_id is None
    with pytest.raises(NoRelease):
        empty.current()


def test_the_release_before_the_last_is_kept_for_requests_under_way() -> None:
    held = shelf("a", "b", "c")
    for release in ("a", "b", "c"):
        held.turn_to(release)
    assert held.current() == ("c", "loaded c")
    assert held.of("b") == "loaded b"
    with pytest.raises(TurningRelease):
        held.of("a")


def test_turning_to_the_same_release_keeps_the_one_before() -> None:
    held = shelf("a", "b")
    for release in ("a", "b", "b"):
        held.turn_to(release)
    assert held.of("a") == "loaded a" and held.release_id == "b"


def test_going_back_is_turning_to_the_one_before() -> None:
    held = shelf("a", "b")
    for release in ("a", "b", "a"):
        held.turn_to(release)
    assert held.release_id == "a" and held.of("b") == "loaded b"


def test_what_cannot_be_loaded_does_not_end_what_serves(caplog: pytest.LogCaptureFixture) -> None:
    held = shelf("a")
    held.turn_to("a")
    held.turn_to("gone")
    assert held.current() == ("a", "loaded a")
    assert "gone could not be loaded" in caplog.text


def test_what_cannot_be_loaded_at_first_is_a_fault() -> None:
    with pytest.raises(UnknownRelease):
        shelf("a").turn_to("gone")


def test_one_on_trial_is_held_beside_the_one_that_serves() -> None:
    held = shelf("a", "b", "c")
    for release in ("a", "b"):
        held.turn_to(release)
    held.try_out("c")
    assert held.current() == ("b", "loaded b") and held.chosen("c") == ("c", "loaded c")
    with pytest.raises(TurningRelease) as refused:
        held.chosen("a")
    assert refused.value.facts["serves"] == "b"


def test_a_trial_ends_either_way_without_loading_anything() -> None:
    loads: list[str | None] = []

    def load(release: str | None) -> tuple[str, str]:
        loads.append(release)
        return str(release), f"loaded {release}"

    held: Shelf[str] = Shelf(load, LOGGER)
    held.turn_to("a")
    held.try_out("b")
    held.turn_to("b")
    assert held.release_id == "b" and held.of("a") == "loaded a"
    held.turn_to("a")
    assert held.release_id == "a" and loads == ["a", "b"]


def test_what_cannot_be_loaded_is_not_tried_out(caplog: pytest.LogCaptureFixture) -> None:
    held = shelf("a", "b")
    for release in ("a", "b"):
        held.turn_to(release)
    held.try_out("gone")
    assert held.current() == ("b", "loaded b") and held.of("a") == "loaded a"
    assert "gone: it could not be loaded" in caplog.text


def test_who_leaves_the_shelf_is_retired() -> None:
    left: list[str] = []
    held: Shelf[str] = Shelf(lambda release: (str(release), f"loaded {release}"), LOGGER, left.append)
    for release in ("a", "b"):
        held.turn_to(release)
    held.try_out("c")
    held.turn_to("c")
    assert left == ["loaded a"]
