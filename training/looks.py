"""The looks of a whole catalogue, computed ahead by Ray Data: `python -m training.looks --run RUN [--data URL]`.

    runs/<run>/looks/<step>/<part>.parquet    picture (its key in the bucket), look float32[K]

Actors read pictures where the data lie, keep them by their content as a release does, and look at them. A part is some
of the pictures as they are now, named by the hash of their names and versions. So a job that was stopped, or that comes
again when some pictures have changed, computes what is missing and nothing else; `atelier publish` takes what is there.
"""

import hashlib
import io
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cluster.local_s3 import bucket_at_hand
from cluster.object_store import ObjectInfo, ObjectStore, open_store, picture_suffix
from cluster.ray_runtime import connected
from cluster.settings import Settings
from fashion_nn.datasets.problems import ProblemList
from fashion_nn.datasets.rows import csv_rows
from fashion_nn.dvbpr.network import Look
from fashion_nn.pictures import PictureError, decode, letterbox, normalise, to_pixels
from training import runs
from training.arguments import Parser, as_url
from training.command import told_in_one_line
from training.errors import TrainingError, last_line
from training.progress import Listener, by_quarters
from training.trained import load, recommender

PART = 512  # pictures, about
BATCH = 64  # pictures that Φ looks at at once


@dataclass(frozen=True, slots=True)
class Part:
    """Some pictures of a data set, by their keys there. name: the hash of what they are now."""

    name: str
    keys: tuple[str, ...]


def compute(
    settings: Settings,
    run: str,
    *,
    data: str | None = None,
    actors: int | None = None,
    part: int = PART,
    listen: Listener = lambda done, total: None,
) -> tuple[int, list[str]]:
    """Look at what has not been looked at; how many pictures that were, and those that cannot be decoded.

    data: URL of another catalogue than the run's own. actors: at most so many (as many as the cluster has room for).
    `listen` is told how many pictures are done. Raises TrainingError, DataError, StoreError, RayUnavailable.
    """
    store = open_store(settings.bucket_url, settings)
    record = runs.finished(store, run, "dvbpr")
    network, url = recommender(load(store, record)).look, data or record.data
    folder = folder_of(run, record.step)
    done = {Path(info.key).stem for info in store.list(folder)}
    missing = [each for each in parts_of(pictures_of(open_store(url, settings)), part) if each.name not in done]
    if not missing:
        return 0, []
    total, looked_at, failed = sum(len(each.keys) for each in missing), 0, []
    with connected(settings, log_to_driver=False):
        for row in on_ray(missing, settings, network, url, folder, actors=actors):
            looked_at, failed = looked_at + row["pictures"], [*failed, *row["failed"]]
            listen(looked_at, total)
    return looked_at - len(failed), sorted(failed)


def on_ray(
    parts: Sequence[Part], settings: Settings, network: Look, url: str, folder: str, *, actors: int | None
) -> Iterable[dict[str, Any]]:
    """A row for each part that has been kept. Raises TrainingError."""
    import ray

    gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
    most = actors or max(1, int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1)))
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([{"name": each.name, "keys": list(each.keys)} for each in parts])
    looked = rows.repartition(len(parts)).map_batches(
        Looker,
        fn_constructor_args=(settings, network, url, folder, "cuda" if gpus else "cpu"),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(parts))),
        num_cpus=1,
        num_gpus=gpus,
    )
    try:
        yield from looked.iter_rows()
    except ray.exceptions.RayError as error:
        raise TrainingError(f"the looks could not be computed: {last_line(error)}") from error


class Looker:
    """An actor of Ray Data: Φ, and the stores that pictures come from and go to."""

    def __init__(self, settings: Settings, network: Look, url: str, folder: str, device: str) -> None:
        self.device = torch.device(device)
        self.network, self.folder = network.to(self.device).eval(), folder
        self.source, self.store = open_store(url, settings), open_store(settings.bucket_url, settings)
        self.pool = ThreadPoolExecutor(settings.s3_connections, thread_name_prefix="pictures")

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Looks at parts, and keeps each as a whole."""
        counted = [self.look_at(str(name), list(keys)) for name, keys in zip(batch["name"], batch["keys"], strict=True)]
        pictures, failed = zip(*counted, strict=True)
        return {"pictures": list(pictures), "failed": list(failed)}

    def look_at(self, name: str, keys: list[str]) -> tuple[int, list[str]]:
        """How many pictures a part has, and those that cannot be decoded."""
        read = list(self.pool.map(self.read, keys))
        failed = [key for key, each in zip(keys, read, strict=True) if each is None]
        kept = {each[0]: each[1] for each in read if each is not None}  # pictures alike are one
        self.store.put(f"{self.folder}{name}.parquet", as_parquet(list(kept), self.looks(list(kept.values()))))
        return len(keys), failed

    def read(self, key: str) -> tuple[str, np.ndarray] | None:
        """A picture's key in the bucket, and its pixels uint8 [3, S, S]; None where it cannot be decoded."""
        data, size = self.source.get(key), self.network.picture_size
        try:
            pixels = to_pixels(letterbox(decode(data), height=size, width=size))
        except PictureError:
            return None
        return self.store.put_picture(data, suffix=picture_suffix(data)), pixels

    @torch.inference_mode()
    def looks(self, pixels: list[np.ndarray]) -> np.ndarray:
        """[n, K], fp32."""
        cuts = range(0, len(pixels), BATCH)
        batches = (normalise(torch.from_numpy(np.stack(pixels[cut : cut + BATCH]))) for cut in cuts)
        found = [self.network.seen(batch.to(self.device)).float().cpu().numpy() for batch in batches]
        return np.concatenate(found) if found else np.empty((0, self.network.picture_dimensions), np.float32)


def kept(store: ObjectStore, run: str, step: int) -> dict[str, np.ndarray]:
    """The looks [K] that are there, by the pictures' keys in the bucket. Raises StoreError."""
    found: dict[str, np.ndarray] = {}
    for info in store.list(folder_of(run, step)):
        table = pq.read_table(io.BytesIO(store.get(info.key)))
        looks = table["look"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        found |= zip(table["picture"].to_pylist(), looks.reshape(len(table), -1), strict=True) if len(table) else ()
    return found


def folder_of(run: str, step: int) -> str:
    """Where a run's looks lie in the bucket."""
    return runs.key(run, "looks", f"{step:08}") + "/"


def pictures_of(source: ObjectStore) -> list[ObjectInfo]:
    """The pictures that items.csv names and that are there. Raises DataError, StoreError."""
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / "items.csv"
        source.download(path.name, path)
        named = {image for _, (image,) in csv_rows(path, ("image",), ProblemList("skip"))}
    return [info for info in source.list() if info.key in named]


def parts_of(pictures: Sequence[ObjectInfo], size: int) -> list[Part]:
    """Pictures in parts of about `size`, by the hash of their keys: one that comes or goes changes its own part alone,
    until their number has doubled or halved."""
    bits = max(0, math.ceil(math.log2(max(1, len(pictures)) / size)))
    groups: dict[int, list[ObjectInfo]] = defaultdict(list)
    for info in sorted(pictures, key=lambda info: info.key):
        groups[int(hashlib.sha256(info.key.encode()).hexdigest()[:8], 16) >> (32 - bits)].append(info)
    return [
        Part(
            hashlib.sha256("\n".join(f"{info.key} {info.etag}" for info in each).encode()).hexdigest()[:32],
            tuple(info.key for info in each),
        )
        for _, each in sorted(groups.items())
    ]


def as_parquet(pictures: list[str], looks: np.ndarray) -> bytes:
    """One part."""
    values = pa.FixedSizeListArray.from_arrays(pa.array(looks.ravel(), pa.float32()), looks.shape[1])
    file = io.BytesIO()
    pq.write_table(pa.table({"picture": pa.array(pictures, pa.string()), "look": values}), file)
    return file.getvalue()


@told_in_one_line
def main(argv: list[str] | None = None) -> int:
    """`python -m training.looks`: prints how many pictures were looked at."""
    words = Parser(prog="python -m training.looks", description="Look at a whole catalogue ahead of `atelier publish`.")
    words.add_argument("--run", required=True, metavar="NAME", help="a finished dvbpr run")
    words.add_argument("--data", type=as_url, metavar="URL", help="another catalogue than the run's own")
    words.add_argument("--actors", type=int, metavar="N", help="at most (as many as there is room for)")
    asked = words.parse_args(argv)
    if asked.actors is not None and asked.actors < 1:
        raise TrainingError(f"actors is {asked.actors}, but must be at least 1")
    with bucket_at_hand(Settings()) as settings:
        say = partial(print, file=sys.stderr, flush=True)
        count, failed = compute(
            settings, asked.run, data=asked.data, actors=asked.actors, listen=by_quarters(say, "pictures")
        )
        for key in failed:
            say(f"{key}: cannot be decoded")
        print(f"{count} looks kept for run {asked.run}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
