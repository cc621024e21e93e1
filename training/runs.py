"""Runs in the bucket: what each is made of, how far it came, and whether it may be continued.

    runs/<run>/run.json                 the record below, written when the run begins and when it ends
    runs/<run>/checkpoint-<step>/       state.safetensors, state.json (the newest two are kept)
    runs/<run>/metrics.jsonl            every reported row, up to the newest checkpoint
    runs/<run>/samples/<step>.jpg       sample sheets

Ray Train's own files (its list of checkpoints) lie beside them.
"""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from cluster.object_store import NotFound, ObjectStore
from fashion_nn import configs
from training.arguments import Order
from training.errors import TrainingError
from training.recipe import Summary

State = Literal["running", "finished", "diverged", "failed"]

SHOWN = 3  # names: more are only counted


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One run as `run.json` tells it."""

    run: str
    network: str
    config_name: str
    config: dict[str, Any]
    data: str
    counts: dict[str, int]  # what was found in the data
    identity: dict[str, list[str]]  # what else the weights depend on: categories, shoppers, a generator
    state: State = "running"
    step: int = 0
    checkpoint: str | None = None  # prefix of the newest checkpoint's keys in the bucket
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str | None = None  # why it did not finish
    workers: int = 1
    resumable: bool = True  # false: its checkpoint keeps what is served, and not what training goes on from
    began: str = ""
    ended: str | None = None


def key(run: str, *parts: str) -> str:
    """A key of a run in the bucket."""
    return "/".join(("runs", run, *parts))


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint taken after `step` steps."""
    return f"checkpoint-{step:08d}"


def checkpoint_step(name: str) -> int:
    """The inverse of `checkpoint_name`."""
    return int(name.rpartition("-")[2])


def read(store: ObjectStore, run: str) -> RunRecord | None:
    """The record of a run; None where there is none. Raises TrainingError where it cannot be understood."""
    try:
        content = json.loads(store.get(key(run, "run.json")))
        known = {each.name for each in fields(RunRecord)}
        return RunRecord(**{name: value for name, value in content.items() if name in known})
    except NotFound:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"{store.url}/{key(run, 'run.json')} is not a run's record: {error}") from error


def write(store: ObjectStore, record: RunRecord) -> None:
    """Keep the record as `run.json`."""
    text = json.dumps(asdict(record), indent=1, allow_nan=False)
    store.put(key(record.run, "run.json"), text.encode(), content_type="application/json")


def finished(store: ObjectStore, run: str, network: str) -> RunRecord:
    """The record of a finished run of `network`; TrainingError names the run where it is anything else."""
    record = read(store, run)
    if record is None:
        raise TrainingError(f"there is no run {run!r} in {store.url}")
    if record.network != network:
        raise TrainingError(f"run {run!r} trained {record.network}, not {network}")
    if record.state != "finished" or record.checkpoint is None:
        raise TrainingError(f"run {run!r} is {record.state} at step {record.step}, not finished")
    return record


def check(order: Order, known: RunRecord) -> None:
    """Refuse an order that is not the known run again: a run is its network, config and data; only `steps` may grow.

    Raises TrainingError naming the fields that differ.
    """
    wanted = {"network": order.network, "data": order.data}
    found = [f"{k} was {getattr(known, k)}, now {v}" for k, v in wanted.items() if getattr(known, k) != v]
    if order.network == known.network:
        found += _config_differences(order, known)
    if not known.resumable and not is_complete(known, order.config.steps):
        found.append(f"it keeps no more than step {known.step}, and nothing to go on from")
    _refuse(order, found)


def begin(order: Order, summary: Summary, known: RunRecord | None) -> RunRecord:
    """The record of a run that begins, or goes on if it is known. Raises TrainingError where its data has changed."""
    if known is not None:
        _refuse(order, _identity_differences(summary.identity, known.identity))
    record = RunRecord(
        run=order.run,
        network=order.network,
        config_name=order.config_name,
        config=configs.to_json(order.config),
        data=order.data,
        counts=summary.counts,
        identity=summary.identity,
        workers=order.workers,
        began=known.began if known else now(),
    )
    return record if known is None else replace(record, step=known.step, checkpoint=known.checkpoint)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_complete(record: RunRecord, steps: int) -> bool:
    """Whether nothing of `steps` is left to do."""
    return record.state == "finished" and record.step >= steps


def _refuse(order: Order, complaints: list[str]) -> None:
    if complaints:
        raise TrainingError(f"run {order.run!r} exists and differs: {'; '.join(complaints)}. Choose another --run")


def _config_differences(order: Order, known: RunRecord) -> list[str]:
    changed = configs.differences(order.config, known.config)
    now, then = changed.pop("steps", (0, 0))
    found = [f"{name} was {theirs}, now {ours}" for name, (ours, theirs) in changed.items()]
    return found + ([f"steps was {then}, now {now}: it may only grow"] if now < then else [])


def _identity_differences(ours: dict[str, list[str]], theirs: dict[str, list[str]]) -> list[str]:
    names = sorted(ours.keys() | theirs.keys())
    pairs = ((name, ours.get(name, []), theirs.get(name, [])) for name in names)
    return [_changed(name, now, then) for name, now, then in pairs if now != then]


def _changed(name: str, now: list[str], then: list[str]) -> str:
    if len(now) == len(then) <= SHOWN:
        return f"{name} was {', '.join(then)}, now {', '.join(now)}"
    return f"the data's {name} have changed ({len(then)} then, {len(now)} now)"
