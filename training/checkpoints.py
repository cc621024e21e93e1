"""Checkpoints in the bucket: what a run needs to go on as if it had never stopped.

Networks, their average and the optimisers, the step number, and the rows reported so far. No sampler and no
random generator is kept: what a step draws and what dropout drops are pure functions of (seed, step, rank).
"""

import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.object_store import ObjectStore, Unavailable
from fashion_nn.state_files import NEST, TENSORS, load_state
from training import runs

ATTEMPTS = 5  # beyond the store's own quick retries: for a store that restarts
FIRST_PAUSE_S = 2.0  # doubles, with jitter


def upload(store: ObjectStore, run: str, name: str, folder: Path) -> None:
    """Bring the files that `save_state` wrote into the bucket. Raises StoreError after some patient attempts."""
    for file in (TENSORS, NEST):
        patiently(lambda file=file: store.upload(folder / file, runs.key(run, name, file)))


def download(store: ObjectStore, run: str, name: str) -> dict[str, Any]:
    """The state of a checkpoint. Raises StoreError, StateError."""
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        for file in (TENSORS, NEST):
            store.download(runs.key(run, name, file), Path(folder) / file)
        return load_state(Path(folder))


def put_history(store: ObjectStore, run: str, history: list[dict[str, Any]]) -> None:
    """Keep the reported rows as `metrics.jsonl`."""
    lines = "".join(json.dumps(row) + "\n" for row in history)
    patiently(lambda: store.put(runs.key(run, "metrics.jsonl"), lines.encode(), content_type="application/jsonl"))


def patiently(attempt: Callable[[], None], *, attempts: int = ATTEMPTS, pause_s: float = FIRST_PAUSE_S) -> None:
    """`attempt`, again while the store is Unavailable, a bounded number of times; then its error."""
    for round_ in range(attempts):
        try:
            return attempt()
        except Unavailable:
            if round_ == attempts - 1:
                raise
            time.sleep(pause_s * 2**round_ * random.uniform(0.5, 1.0))
