"""The demonstration from front to end: an empty folder becomes a served release, asked and shown."""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cluster.mirror import push_folder
from cluster.object_store import ObjectStore, open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from demo import weights
from demo.backend import Backend
from demo.by_hand import lines
from demo.children import Children
from demo.gallery import write_gallery
from demo.progress import Progress, duration
from demo.sizes import Size
from demo.standing import check_port, serving, standing, wait_to_be_interrupted
from demo.tour import CALLERS, guide, last_sheets
from demo.trainings import Trainings, made_of
from demo.visit import DRESSED_IN, Visit
from demo.visitors import World
from fashion_nn.world.config import WorldConfig
from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.world import is_world, write_world
from training.progress import by_quarters

READY_S = 120.0
FITS = {category: None for category in CATEGORIES if category.endswith(DRESSED_IN)}  # what is put on


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How the demonstration is asked for."""

    size: Size
    output: Path
    once: bool = False  # end by itself instead of staying up
    train: bool = False  # train the networks here even if trained ones come with the code
    fresh: bool = False  # draw, train and publish anew whatever is there

    @property
    def world(self) -> WorldConfig:
        """What is drawn: pairs to train by only where that is done."""
        return self.size.world if self.trains else replace(self.size.world, pairs_train=0)

    @property
    def trains(self) -> bool:
        return self.train or not self.size.trained


def demonstrate(options: Options, settings: Settings, progress: Progress) -> None:
    """Carry it all out; stays up until interrupted unless `once`. Raises StepFailed, KeyboardInterrupt.

    Whatever was started has ended when this returns or raises.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        with progress.step("Start the object store and Ray", log=settings.home):
            check_port(settings)
            settings = stack.enter_context(standing(settings))
        demo = Demonstration(options, settings, progress, stack)
        world = demo.draw()
        names = demo.networks(demo.push(world))
        demo.publish(names)
        url = demo.serve()
        page = demo.show(url, World(world), names, began)
        progress.say(f"\nDone in {duration(time.monotonic() - began)}. To look at: {page}")
        if not options.once:
            demo.stay(url, World(world))


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The steps after the bucket and Ray stand. What a step starts is ended by `stack`."""

    options: Options
    settings: Settings
    progress: Progress
    stack: ExitStack

    @property
    def folder(self) -> Path:
        """Where the world and the logs are kept."""
        return self.settings.home / "demo" / self.options.size.name

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        return open_store(self.settings.bucket_url, self.settings)

    def draw(self) -> Path:
        """The world's folder."""
        folder, config = self.folder / "world", self.options.world
        with self.progress.step("Draw the world") as note:
            there = is_world(folder, config) and not self.options.fresh
            if not there:
                shutil.rmtree(folder, ignore_errors=True)
            workers = min(8, os.cpu_count() or 1)
            write_world(
                folder,
                replace(config, workers=workers),
                progress=by_quarters(partial(self.progress.line, prefix="draw"), "pictures"),
            )
            what = f"{config.shoppers:,} shoppers, {config.pairs_train + config.pairs_test:,} pairs"
            note.text = f"{6 * config.items_per_category:,} items, {what}{', drawn before' * there}"
        return folder

    def push(self, world: Path) -> str:
        """The world's URL in the bucket; another world gets another one."""
        digest = hashlib.sha256((world / "world.json").read_bytes()).hexdigest()[:8]
        url = f"{self.settings.bucket_url}/datasets/world-{self.options.size.name}-{digest}"
        with self.progress.step("Put it into the bucket") as note:
            sent = push_folder(world, url, self.settings)
            note.text = f"{sent:,} files sent" if sent else "it is there"
        return url

    def networks(self, data: str) -> dict[str, str]:
        """Network: its finished run."""
        if self.options.trains:
            return self.train(data)
        with self.progress.step("Bring the trained networks") as note:
            brought = weights.bring(self.store, data, self.options.size.world)
            note.text = ", ".join(brought)
        return brought

    def train(self, data: str) -> dict[str, str]:
        """Network: its run, now finished."""
        children = Children()
        self.stack.callback(children.stop)
        trainings = Trainings(
            size=self.options.size,
            data=data,
            store=self.store,
            settings=self.settings,
            logs=self.folder / "logs",
            children=children,
            progress=self.progress,
        )
        with self.progress.step("Train the networks", log=self.folder / "logs") as note:
            if self.options.fresh:
                trainings.remove()
            trainings.carry_out(note)
        return trainings.names()

    def publish(self, names: Mapping[str, str]) -> None:
        """Make the runs the release that serves, unless it is that already."""
        releases, size = ReleaseStore(self.store), self.options.size
        with self.progress.step("Publish a release") as note:
            current = releases.current()
            if current is not None and made_of(releases.manifest(current), names, size.bank, FITS, self.store):
                note.text = f"{current} is made of these runs"
                return
            from training.publish import BANKED, publish

            note.text = publish(
                self.settings,
                **{f"{network}_run": run for network, run in names.items()},
                bank=size.bank,
                fits=FITS,
                by="demo",
                why=f"the {size.name} demonstration",
                listen=by_quarters(partial(self.progress.line, prefix="bank"), BANKED),
            )

    def serve(self) -> str:
        """The URL of the running application."""
        with self.progress.step("Serve it", log=self.settings.home / "ray") as note:
            url = self.stack.enter_context(serving(self.settings))
            with Backend(url) as backend:
                backend.wait_for("/readyz", seconds=READY_S)
            note.text = url
        return url

    def show(self, url: str, world: World, names: Mapping[str, str], began: float) -> Path:
        """Ask every endpoint, write the page."""
        with Backend(url, timeout_s=self.settings.request_timeout_s + 5) as backend:
            with self.progress.step("Ask every endpoint", log=self.settings.home / "ray") as note:
                visit = Visit(backend, world, self.options.size, partial(self.progress.line, prefix="asked"))
                exhibition = guide(visit)
                note.text = f"{len(backend.answers)} calls, {CALLERS} at once"
            with self.progress.step(f"Write {self.options.output.name}"):
                exhibition = replace(
                    exhibition,
                    sheets=last_sheets(self.store, names),
                    steps=tuple(self.progress.finished),
                    seconds=time.monotonic() - began,
                )
                return write_gallery(exhibition, self.options.output)

    def stay(self, url: str, world: World) -> None:
        """Say what to try, and wait to be interrupted."""
        self.progress.say(f"\nServed at {url}, described at {url}/docs. To try:")
        for line in lines(url, world.visitors(1)[0], world.sitters(1)[0], Path(sys.executable)):
            self.progress.say(f"\n# {line.title}\n{line.command}")
        self.progress.say("\nCtrl-C ends it, and everything it started.")
        wait_to_be_interrupted()
        self.progress.say("stopping")
