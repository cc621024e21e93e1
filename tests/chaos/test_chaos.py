"""What the chaos is made of: nodes that end with all of their processes, a way to a store, what callers notice."""

import os
from pathlib import Path

import httpx
import pytest

from tests.chaos.bad_store import Mood, Way
from tests.chaos.callers import Noticed
from tests.chaos.nodes import Cluster, Node, wait_until
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


def test_a_way_is_well_or_not_as_it_is_told() -> None:
    with echoing() as url:
        way = Way(url)
        assert asked(way) == 200
        for mood, found in ((Mood.GONE, "lost"), (Mood.FAILING, 500)):
            with way.being(mood):
                assert asked(way) == found
            assert asked(way) == 200


def test_the_longest_gap_is_between_any_two_answers_of_the_kinds_asked_for() -> None:
    noticed = Noticed(answered={"score": [1.0, 2.0, 7.0], "recommend": [4.0], "design": [9.0]})
    assert noticed.gap(0.0, 10.0, ["score", "recommend"]) == 3.0
    assert noticed.gap(0.0, 10.0, ["score"]) == 5.0
    assert noticed.gap(0.0, 10.0, ["put"]) == 10.0
