"""What the chaos is made of: nodes that end with all of their processes, a way to a store, what callers notice."""

import os
import socket
from pathlib import Path

import httpx
import pytest

from benchmarks.report import report, row
from tests.chaos import bad_store, redis
from tests.chaos.bad_store import Mood, Way
from tests.chaos.callers import Noticed
from tests.chaos.kept import merged
from tests.chaos.nodes import Cluster, Node, wait_until
from tests.chaos.training_run import Said, losses
from tests.echo import echoing


@pytest.fixture
def node(tmp_path: Path):
    script = "bash -c 'exec -a ray::ServeReplica:atelier:Designer sleep 600' & exec -a raylet sleep 600"
    made = Node("worker", ["bash", "-c", f'bash -c "{script}" & sleep 600'], os.environ, tmp_path / "log")
    made.start()
    wait_until(lambda: len(made.processes("sleep")) > 0 and bool(made.processes("Designer")), "it has begun")
    yield made
    made.kill()


def test_one_process_is_killed_by_its_title(node: Node) -> None:
    cluster = Cluster(node, (node,))
    cluster.kill("ServeReplica:atelier:Designer")
    wait_until(lambda: not node.processes("Designer"), "it has ended")
    assert node.processes("raylet")
    with pytest.raises(LookupError, match="Recommender"):
        cluster.kill("ServeReplica:atelier:Recommender")


def test_a_node_ends_with_all_it_has_begun(node: Node) -> None:
    all_of_it = node.processes()
    assert len(all_of_it) > 1
    node.kill()
    wait_until(lambda: not [pid for pid in all_of_it if Path(f"/proc/{pid}/stat").exists() and not zombie(pid)], "all")
    assert node.processes() == set()


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def asked(way: Way) -> int | str:
    try:
        return httpx.post(f"{way.endpoint}/", content=b"x", timeout=30.0).status_code
    except httpx.TransportError:
        return "lost"


def test_a_way_is_well_or_not_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_store, "SLOW_S", 0.1)
    with echoing() as url:
        way = Way(url)
        assert asked(way) == 200
        for mood, found in ((Mood.GONE, "lost"), (Mood.FAILING, 500), (Mood.SLOW, 200)):
            with way.being(mood):
                assert asked(way) == found
            assert asked(way) == 200


def test_the_longest_gap_is_between_any_two_answers_of_the_kinds_asked_for() -> None:
    noticed = Noticed(answered={"score": [1.0, 2.0, 7.0], "recommend": [4.0], "design": [9.0]})
    assert noticed.gap(0.0, 10.0, [("score", "recommend")]) == 3.0
    assert noticed.gap(0.0, 10.0, [("score",)]) == 5.0
    assert noticed.gap(0.0, 10.0, [("score",), ("design",)]) == 9.0
    assert noticed.gap(0.0, 10.0, [("put",)]) == 10.0


def test_steps_that_were_told_and_are_done_again_are_lost() -> None:
    said = [Said(1.0, 38), Said(2.0, 40), Said(3.0, 45), Said(9.0, 20, continues=True), Said(11.0, 22), Said(12.0, 24)]
    assert losses(said, 2.5, 20) == {
        "steps_done": 45,
        "steps_lost": 25,
        "checkpoints_lost": 1,
        "stood_still_s": 8.0,
        "begun_again": 1,
    }
    with pytest.raises(LookupError, match="did not go on"):
        losses(said[:3], 4.0, 20)


def test_a_fault_that_is_tried_again_takes_the_place_of_its_earlier_figures() -> None:
    order = ["first", "second", "third"]

    def of(commit: str, **figures: float) -> dict[str, object]:
        rows = [row(name.replace("__", "/"), [value], unit="calls") for name, value in figures.items()]
        return {**report("chaos", rows), "commit": commit}

    kept = merged(
        None, of("old", third__sent=3, first__sent=1, first__run__steps_lost=1, dropped__sent=4), order, "haproxy"
    )
    kept = merged(kept, of("new", first__sent=7, second__sent=2), order, "haproxy")
    told = [(each["name"], each["value"]) for each in kept["rows"]]
    assert told == [("first/sent", 7), ("second/sent", 2), ("third/sent", 3)]
    assert kept["commits"] == {"first": "new", "second": "new", "third": "old"}
    assert "through HAProxies" in kept["note"]


@pytest.mark.skipif(not redis.at_hand(), reason=f"no {redis.PROGRAM} on the PATH")
def test_a_redis_opens_to_its_password_alone() -> None:
    with redis.serving() as found:
        host, _, port = found.address.rpartition(":")
        assert said_to(host, int(port), "PING").startswith("-NOAUTH")
        assert said_to(host, int(port), f"AUTH {found.password}") == "+OK"
    with pytest.raises(ConnectionError):
        said_to(host, int(port), "PING")


def said_to(host: str, port: int, command: str) -> str:
    with socket.create_connection((host, port)) as there:
        there.sendall(f"{command}\r\n".encode())
        return there.makefile().readline().rstrip()
