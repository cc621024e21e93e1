"""API keys in a bucket: issued once, never kept, revoked by one record more."""

import json
from pathlib import Path

import pytest

from cluster.folder_store import FolderStore
from cluster.keys import KeyStore, taken_apart
from cluster.object_store import NotFound


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(FolderStore(tmp_path))


def test_a_key_is_found_by_its_id_and_opens_by_its_secret(keys: KeyStore) -> None:
    record, text = keys.issue("shop", ["design", "read"], rate=3, by="me")
    key_id, secret = taken_apart(text)
    found = keys.key(key_id)
    assert found == record and (found.scopes, found.rate, found.burst) == (("read", "design"), 3, 6)
    assert found.opens(secret) and not found.opens(secret[:-1]) and not found.opens("")
    assert keys.ids() == ({key_id}, set())


def test_no_two_keys_are_alike_and_secrets_are_kept_nowhere(keys: KeyStore, tmp_path: Path) -> None:
    texts = [keys.issue("shop", ["read"])[1] for _ in range(20)]
    assert len(set(texts)) == 20
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert not any(taken_apart(text)[1] in kept for text in texts)


def test_a_revocation_is_one_more_record_and_the_first_one_holds(keys: KeyStore) -> None:
    record, _ = keys.issue("shop", ["read"])
    first = keys.revoke(record.id, why="leaked", by="me")
    assert keys.revoke(record.id, why="again", by="you") == first
    assert keys.ids() == ({record.id}, {record.id}) and keys.key(record.id) == record


@pytest.mark.parametrize("key_id", ["", "../../releases", "0123456789abcdef", "X" * 16])
def test_what_is_not_there_is_not_revoked(keys: KeyStore, key_id: str) -> None:
    with pytest.raises(NotFound):
        keys.revoke(key_id)
    assert keys.ids() == (set(), set())


@pytest.mark.parametrize("text", ["", "atelier__", "Bearer x", "atelier_0123456789abcdef_short", "x" * 5000])
def test_other_texts_are_no_keys(text: str) -> None:
    assert taken_apart(text) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "admin"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": -1}, "rate"),
        ({"burst": 0}, "burst"),
    ],
)
def test_a_wrong_key_is_not_issued(keys: KeyStore, change: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        keys.issue(**{"name": "shop", "scopes": ["read"], **change})
    assert keys.ids() == (set(), set())


def test_a_field_that_a_later_version_writes_is_passed_over(keys: KeyStore, tmp_path: Path) -> None:
    record, _ = keys.issue("shop", ["read"])
    (path,) = tmp_path.rglob(f"{record.id}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    assert keys.key(record.id) == record
