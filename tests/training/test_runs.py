"""Run records: kept, read, compared with an order."""

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.object_store import ObjectStore, open_store
from cluster.settings import Settings
from fashion_nn import configs
from training import runs
from training.arguments import Order
from training.errors import TrainingError
from training.recipe import Summary, find

FOUND = Summary(counts={"items": 3}, identity={"categories": ["shoes", "tops"], "shoppers": ["u1"]})


def order_of(network: str = "dvbpr", *fields: str, data: str = "file:///d") -> Order:
    config = configs.override(configs.named(find(network).configs, "debug"), fields)
    return Order(network=network, config_name="debug", config=config, data=data, run="first")


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return open_store(settings.bucket_url, settings)


def finished(order: Order) -> runs.RunRecord:
    record = runs.begin(order, FOUND, None)
    steps = order.config.steps
    return replace(record, state="finished", step=steps, checkpoint=runs.key("first", runs.checkpoint_name(steps)))


def test_a_record_comes_back_the_same(store: ObjectStore) -> None:
    assert runs.read(store, "first") is None
    record = replace(finished(order_of()), metrics={"auc/test": 0.75}, reason=None)
    runs.write(store, record)
    assert runs.read(store, "first") == record


def test_a_record_of_a_later_version_is_read_and_a_broken_one_named(store: ObjectStore) -> None:
    runs.write(store, finished(order_of()))
    body = store.get("runs/first/run.json")
    store.put("runs/first/run.json", body.replace(b'"run"', b'"added": 1, "run"', 1))
    assert runs.read(store, "first") == finished(order_of())
    store.put("runs/first/run.json", b"[]")
    with pytest.raises(TrainingError, match=r"runs/first/run\.json is not a run's record"):
        runs.read(store, "first")


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (order_of("dvbpr", "learning_rate=0.5"), r"differs: learning_rate was 0.001, now 0.5\. Choose another"),
        (order_of("dvbpr", "steps=9"), "steps was 10, now 9: it may only grow"),
        (order_of("dvbpr", "seed=1", "steps=20"), r"seed was 0, now 1\."),
        (order_of(data="file:///e"), "data was file:///d, now file:///e"),
        (order_of("cgan"), "network was dvbpr, now cgan"),
    ],
)
def test_another_config_under_the_same_name_is_refused(order: Order, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        runs.check(order, finished(order_of()))


def test_only_more_steps_extend_a_finished_run() -> None:
    known = finished(order_of())
    runs.check(order_of(), known)
    assert runs.is_complete(known, 10)
    longer = order_of("dvbpr", "steps=20")
    runs.check(longer, known)
    assert not runs.is_complete(known, 20)
    extended = runs.begin(longer, FOUND, known)
    assert (extended.state, extended.step, extended.config["steps"]) == ("running", 10, 20)
    assert (extended.began, extended.checkpoint) == (known.began, known.checkpoint)


def test_what_is_only_served_is_not_gone_on_with() -> None:
    known = replace(finished(order_of()), resumable=False)
    runs.check(order_of(), known)
    with pytest.raises(TrainingError, match="no more than step 10, and nothing to go on from"):
        runs.check(order_of("dvbpr", "steps=20"), known)


def test_changed_shoppers_are_refused() -> None:
    grown = replace(FOUND, identity={"categories": ["shoes", "tops"], "shoppers": ["u1", "u2"]})
    with pytest.raises(TrainingError, match=r"the data's shoppers have changed \(1 then, 2 now\)"):
        runs.begin(order_of("dvbpr", "steps=20"), grown, finished(order_of()))


def test_only_a_finished_run_of_the_right_network_can_be_used(store: ObjectStore) -> None:
    with pytest.raises(TrainingError, match="there is no run 'first'"):
        runs.finished(store, "first", "dvbpr")
    runs.write(store, replace(finished(order_of()), state="failed", step=5))
    with pytest.raises(TrainingError, match="run 'first' is failed at step 5, not finished"):
        runs.finished(store, "first", "dvbpr")
    runs.write(store, finished(order_of()))
    with pytest.raises(TrainingError, match="run 'first' trained dvbpr, not cgan"):
        runs.finished(store, "first", "cgan")
    assert runs.finished(store, "first", "dvbpr").step == 10


def test_checkpoint_names_tell_their_step() -> None:
    names = [runs.checkpoint_name(step) for step in (0, 5, 99_999_999)]
    assert names == sorted(names)
    assert [runs.checkpoint_step(name) for name in names] == [0, 5, 99_999_999]
    assert Path(names[0]).name == names[0]
