"""Commands on a bucket that is a folder; what goes wrong is one line and exit code 1."""

import socket
from pathlib import Path

import pytest

import atelier
from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from tests.services import tiny_release


@pytest.fixture(autouse=True)
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bucket, and a home of its own."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    monkeypatch.setenv("ATELIER_BUCKET_URL", folder.as_uri())
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ATELIER_TRACEBACK", raising=False)
    return folder


def refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command line ends with."""
    assert atelier.run(arguments.split()) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("atelier: ")
    return lines[0].removeprefix("atelier: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("dance", "No such command 'dance'."),
        ("releases --loud", "No such option: --loud"),
        ("publish --dvbpr a", "Missing option '--cgan'."),
        ("demo --size huge", "no configuration 'huge'"),
        ("world w --config debug shoppers=many", "shoppers=many: must be a whole number"),
        ("push nowhere data", "'nowhere' does not exist"),
        ("train gru", "network is 'gru'"),
        ("train cagan", "the following arguments are required: --config, --data, --run"),
        ("train cagan --config debug --data d --run r steps=no", "steps=no: must be a whole number"),
        ("train cagan --config debug --data d --run r", "`atelier up` starts one"),
        ("promote 2026-x", "2026-x"),
        ("keys add shop --scope everything", "scopes are everything, but must be some of read, design"),
        ("keys add shop --scope read --rate -1", "rate is -1, but must be 0"),
        ("keys revoke nothing", "'nothing' is not the id of a key"),
        ("keys revoke 0123456789abcdef", "not found"),
        ("publish --dvbpr a --cgan b --cagan c", "there is no run 'a'"),
    ],
)
def test_errors_are_one_line(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refused(arguments, capsys)


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ATELIER_HTTP_PORT", "99999")
    assert refused("releases", capsys).startswith("ATELIER_HTTP_PORT: Input should be less than")


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_taken_port_is_told_before_anything_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        monkeypatch.setenv("ATELIER_HTTP_PORT", str(holder.getsockname()[1]))
        assert "is taken" in refused(command, capsys)
    assert not (tmp_path / "home").exists()


def test_a_world_is_drawn_and_pushed(tmp_path: Path, bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["items_per_category=1", "shoppers=2", "pairs_train=1", "pairs_test=1"]
    assert atelier.run(["world", str(tmp_path / "w"), "--config", "debug", *small]) == 0
    assert atelier.run(["push", str(tmp_path / "w"), "tiny"]) == 0
    assert (bucket / "datasets" / "tiny" / "items.csv").is_file()
    first = capsys.readouterr().out.splitlines()[-1]
    assert atelier.run(["push", str(tmp_path / "w"), "tiny"]) == 0
    again = capsys.readouterr().out.splitlines()[-1]
    assert first.endswith("datasets/tiny") and not first.startswith("0 files") and again.startswith("0 files")


def test_releases_are_listed_and_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert atelier.run(["releases"]) == 0
    assert capsys.readouterr().out == "nothing has been released yet\n"
    settings = Settings()
    store = ReleaseStore(open_store(settings.bucket_url, settings))
    old, new = (tiny_release.publish(settings, tmp_path, seed=seed) for seed in range(2))
    assert atelier.run(["promote", old, "--why", "the new one is worse"]) == 0
    assert atelier.run(["releases"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{old} serves since")
    assert lines[1].startswith(f"serves  {old}  since ") and lines[1].endswith("  the new one is worse")
    assert lines[2].startswith(f"        {new}  since ")
    assert len(lines) == 4  # old was the first to serve, too
    broken = tiny_release.publish(settings, tmp_path, seed=2, broken=True, promote=False)
    assert atelier.run(["promote", broken]) == 1
    assert f"{broken} is not promoted, for its designer fails" in capsys.readouterr().err
    assert atelier.run(["promote", new, "--share", "0.1"]) == 0
    assert capsys.readouterr().out.startswith(f"{new} is on trial for 0.1 of the shoppers since ")
    assert atelier.run(["releases"]) == 0
    assert f"serves  {old}  {new} on trial for 0.1" in capsys.readouterr().out
    assert atelier.run(["rollback"]) == 0 and store.last().candidate is None
    assert atelier.run(["rollback"]) == 1
    assert "no release served before" in capsys.readouterr().err


def test_keys_are_issued_listed_and_revoked(bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert atelier.run(["keys", "add", "web shop", "--scope", "design", "--scope", "read", "--rate", "5"]) == 0
    told = capsys.readouterr()
    key, id = told.out.strip(), told.err.split()[0]
    assert key.startswith(f"atelier_{id}_")
    secret = key.removeprefix(f"atelier_{id}_")  # underscores included
    assert not any(secret in path.read_text() for path in bucket.rglob("*") if path.is_file())
    assert atelier.run(["keys", "list"]) == 0
    assert capsys.readouterr().out.startswith(f"opens    {id}  web shop  read,design  5/s, 10 at once  since ")
    assert atelier.run(["keys", "revoke", id, "--why", "it leaked"]) == 0
    assert capsys.readouterr().out.startswith(f"{id} opens nothing since ")
    assert atelier.run(["keys", "list"]) == 0
    assert capsys.readouterr().out.startswith(f"revoked  {id}")


def test_an_interrupt_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atelier, "say", interrupted)
    assert atelier.run(["releases"]) == 130
    assert capsys.readouterr().err == "atelier: interrupted\n"


def test_help_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert atelier.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in ("demo", "up", "train", "publish", "promote", "push", "world"))
