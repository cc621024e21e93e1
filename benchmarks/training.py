"""`python -m benchmarks.training`: triplets a second of the recommender's training, and what Ray takes of it.

Three ways to train the same network, in one thread each: a run on Ray Train as `python -m training.dvbpr` starts it,
from its first report to its last, with two checkpoints and a sheet between; the same steps in a plain loop; and the way
of the article's authors, who draw triplets, decode and resize both pictures of each anew, and compute in float32
(https://github.com/kang205/DVBPR). A triplet is a shopper, an item that they bought and at least one that they did not;
where a batch is some items with everybody who bought them, a picture serves many. Nothing is drawn beforehand.
"""

import io
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from benchmarks import report
from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn import steps
from fashion_nn.configs import named
from fashion_nn.dvbpr import config as configs
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.step import DVBPRStep, Triplets
from fashion_nn.pictures import decode, letterbox, to_pixels
from fashion_nn.world.config import WorldConfig
from fashion_nn.world.world import write_world
from training import recipe
from training.arguments import Order
from training.job import train
from training.recipe import Source
from training.runs import key

STEPS = {"ray": 550, "bare": 400, "authors": 10}  # of one measurement; the first are not counted
NOT_COUNTED = 10
AUTHORS_BATCH = 128  # triplets, as in the article


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--data", type=Path, help="a catalogue's folder (a drawn world of 1,200 items)")
    options = words.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        data = options.data or write_world(Path(folder) / "world", WorldConfig(pairs_train=0, pairs_test=0))
        bench = Bench(Path(folder), data.resolve(), named(configs, options.size), torch.device(options.device))
        ways = {"ray": bench.on_ray, "bare": bench.bare, "authors": bench.as_the_authors}
        found = report.in_turns(ways, runs=options.runs)
    rows = [
        report.row(
            f"triplets_per_second/{way}/{options.size}",
            found[way],
            unit="1/s",
            baseline=against,
            baseline_values=found[against],
        )
        for way, against in (("ray", "authors"), ("bare", "authors"), ("ray", "bare"))
    ]
    report.emit(report.report("training", rows))


class Bench:
    """The data set, opened once, and the three ways to train on it."""

    def __init__(self, folder: Path, data: Path, config: DVBPRConfig, device: torch.device) -> None:
        bucket = folder / "bucket"
        bucket.mkdir()
        self.settings = Settings(bucket_url=bucket.as_uri(), home=folder / "home")
        self.store = open_store(self.settings.bucket_url, self.settings)
        self.data_folder, self.device, self.runs = data, device, 0
        self.config = replace(config, population=False)  # which is no step, but follows the last one
        source = Source(path=data, cache=self.settings.cache / "pictures", store=self.store)
        self.data = recipe.find("dvbpr").open(source, config)

    def on_ray(self) -> float:
        """Triplets a second of a run."""
        self.runs += 1
        config = replace(self.config, steps=STEPS["ray"], report_every=NOT_COUNTED)
        order = Order(
            network="dvbpr",
            config_name="demo",
            config=config,
            data=self.data_folder.as_uri(),
            run=f"bench-{self.runs}",
            device=self.device.type,
            threads=1,
        )
        train(order, self.settings, console=Console(file=io.StringIO()))
        rows = [json.loads(line) for line in self.store.get(key(order.run, "metrics.jsonl")).splitlines()]
        seconds = rows[-1]["seconds"] - rows[0]["seconds"]
        first, last = (row["step"] for row in (rows[0], rows[-1]))
        return self._triplets(range(first, last)) / seconds

    def bare(self) -> float:
        """Triplets a second of the same steps without Ray."""
        from training.worker import ahead

        step = self._step(self.config, self.data.items.pictures)
        return self._rate(step, (batch for _, batch in ahead(step.draw, range(NOT_COUNTED + STEPS["bare"]))))

    def as_the_authors(self) -> float:
        """Triplets a second where every triplet brings two pictures to decode."""
        config = replace(
            self.config, batches="triplets", batch_size=AUTHORS_BATCH, negatives="one", shift=0, precision="fp32"
        )
        step = self._step(config, Numbers(len(self.data.items.pictures)))
        batches = (self._decoded(step.draw(number)) for number in range(NOT_COUNTED + STEPS["authors"]))
        return self._rate(step, batches)

    def _step(self, config: DVBPRConfig, pictures: steps.Pictures) -> DVBPRStep:
        data = replace(self.data, items=replace(self.data.items, pictures=pictures))
        return recipe.find("dvbpr").build(config, data, self.device)

    def _triplets(self, numbers: range) -> int:
        """In the batches of these steps."""
        step = self._step(self.config, Numbers(len(self.data.items.pictures)))
        return sum(len(step.draw(number).users) for number in numbers)

    def _rate(self, step: DVBPRStep, batches: Iterator[Triplets]) -> float:
        for _ in range(NOT_COUNTED):
            step(next(batches))
        report.settle(self.device)
        began, taken = time.perf_counter(), 0
        for batch in batches:
            step(batch)
            taken += len(batch.users)
        report.settle(self.device)
        return taken / (time.perf_counter() - began)

    def _decoded(self, drawn: Triplets) -> Triplets:
        """The pictures of all positives, then of all negatives, however often each is among them."""
        sources, size, n = self.data.items.catalogue.pictures, self.config.picture_size, len(drawn.users)
        rows = torch.cat([drawn.positive, drawn.negative])
        items = drawn.pictures[rows]
        images = [letterbox(decode(sources[item].read()), height=size, width=size) for item in items.tolist()]
        return replace(
            drawn,
            pictures=torch.from_numpy(np.stack([to_pixels(image) for image in images])),
            categories=None if drawn.categories is None else drawn.categories[rows],
            positive=torch.arange(n),
            negative=torch.arange(n, 2 * n),
        )


class Numbers:
    """Stands for pictures that are still to be decoded: each is its own number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(indices)


if __name__ == "__main__":
    main()
