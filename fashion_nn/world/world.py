"""A whole demo world on disk: a catalogue with shoppers, and pairs of persons and garments.

items.csv interactions.csv images/   the catalogue: item_id,category,image; user_id,item_id,timestamp
shoppers.json                        every shopper's stated taste and mix of categories
pairs/{train,test}/{image,cloth,image-mask}/NAME
pairs/{train,test}_pairs.txt         person file, garment file, one pair a line
pairs/{train,test}_labels.csv        name,group,label
pairs/{train,test}/truth/NAME        the person of NAME in another garment, as it truly looks
pairs/{train,test}_truth.csv         person,worn,wanted,truth: files in image/, cloth/, cloth/, truth/
pairs/{train,test}/origins/NAME      if asked for: where each pixel of the truth is in the wanted garment's picture
world.json                           the configuration
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fashion_nn.world.config import WorldConfig, debug, demo, showcase
from fashion_nn.world.garments import draw_garment
from fashion_nn.world.origins import draw_origins
from fashion_nn.world.persons import ASPECT, draw_person
from fashion_nn.world.population import item_category, item_id, item_spec, pair, people
from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.tastes import FEATURES, looks

__all__ = ["WorldConfig", "debug", "demo", "is_world", "showcase", "write_world"]

CHUNK = 32  # items drawn and looked at together
PARTS = ("train", "test")
KINDS = ("image", "cloth", "image-mask", "truth")


def is_world(folder: Path, config: WorldConfig) -> bool:
    """Whether `folder` holds the finished world of `config`."""
    try:
        return json.loads((folder / "world.json").read_text(encoding="utf-8")) == config.stamp()
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return False


def write_world(folder: Path, config: WorldConfig, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Draw the world of `config` into `folder`, unless it is there already; returns `folder`.

    The world grows under another name beside `folder`, file by whole file, and takes its name when it is
    complete. What an interrupted call has drawn, the next one keeps; two calls at once do no harm. A folder
    with anything else in it is refused with FileExistsError. `progress` is told (drawn, in all).
    """
    folder = Path(folder).absolute()
    if is_world(folder, config):
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty, and not the finished world of this configuration")
    site = Site(folder.parent / f".{folder.name}.{config.fingerprint()}")
    try:
        _draw(site, config, progress or (lambda drawn, total: None))
        os.replace(site.growing, folder)
    except OSError:
        if not is_world(folder, config):  # else another call was first with the same world
            raise
    shutil.rmtree(site.growing, ignore_errors=True)
    shutil.rmtree(site.unfinished, ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class Site:
    """Where a world grows: a file is there whole or not at all."""

    growing: Path

    @property
    def unfinished(self) -> Path:
        return self.growing.with_name(self.growing.name + ".unfinished")

    def lay_out(self, config: WorldConfig) -> None:
        asked = (*KINDS, "origins") if config.origins else KINDS
        kinds = [f"pairs/{part}/{kind}" for part in PARTS for kind in asked]
        for name in ("images", *kinds):
            (self.growing / name).mkdir(parents=True, exist_ok=True)
        self.unfinished.mkdir(exist_ok=True)

    def has(self, name: str) -> bool:
        return (self.growing / name).exists()

    def put(self, name: str, data: bytes) -> None:
        part = self.unfinished / f"{os.getpid()}.{name.replace('/', '.')}"
        part.write_bytes(data)
        os.replace(part, self.growing / name)

    def get(self, name: str) -> bytes:
        return (self.growing / name).read_bytes()


def _draw(site: Site, config: WorldConfig, progress: Callable[[int, int], None]) -> None:
    site.lay_out(config)
    total = config.items + config.pairs_train + config.pairs_test
    seen = np.zeros((config.items, len(FEATURES)), np.float32)
    chunks = [range(k, min(k + CHUNK, config.items)) for k in range(0, config.items, CHUNK)]
    drawn = 0
    with _mapping(config.workers) as each:
        for chunk, chunk_looks in zip(chunks, each(partial(_draw_items, site, config), chunks), strict=True):
            seen[chunk.start : chunk.stop] = chunk_looks
            progress(drawn := drawn + len(chunk), total)
        for part in PARTS:
            for _ in each(partial(_draw_pair, site, config, part), range(config.pairs(part))):
                progress(drawn := drawn + 1, total)
    _write_catalogue(site, config, seen)
    for part in PARTS:
        _write_pairs(site, config, part)
    _put_json(site, "world.json", config.stamp())


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[[Callable, Iterable], Iterator]]:
    """A `map` over this process or over several; results come in order."""
    if workers == 1:
        yield map
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, (1,)) as pool:
        try:
            yield partial(pool.map, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


# pictures


def _draw_items(site: Site, config: WorldConfig, chunk: range) -> np.ndarray:
    """Write the pictures of some items; their looks come back: [len(chunk), len(FEATURES)]."""
    size = config.item_size
    stored = np.empty((len(chunk), 3, size, size), np.float32)
    for row, index in zip(stored, chunk, strict=True):
        name = f"images/{item_id(index)}.jpg"
        if not site.has(name):
            site.put(name, _jpeg(draw_garment(item_spec(config, index), height=size, width=size)[0], config))
        row[:] = np.asarray(Image.open(io.BytesIO(site.get(name))), np.float32).transpose(2, 0, 1)
    return looks(torch.from_numpy(stored / 127.5 - 1)).numpy()


def _draw_pair(site: Site, config: WorldConfig, part: str, index: int) -> None:
    """Write a person in what they wear, and in what they want, unless another pair shows that; then it is its truth."""
    this, folder = pair(config, part, index), f"pairs/{part}"
    height, width = config.person_height, round(config.person_height * ASPECT)
    image = f"{folder}/image/{this.name}.jpg"
    if site.has(image):  # written last
        return
    picture, mask = draw_person(this.person, this.worn, height=height)
    site.put(f"{folder}/image-mask/{this.name}.png", _png(mask))
    name, truth, garment = this.before, picture, this.worn
    if name is None:
        name, garment = this.name, this.wanted
        truth, _ = draw_person(this.person, garment, height=height)
    site.put(f"{folder}/truth/{name}.jpg", _jpeg(truth, config))
    if config.origins:
        site.put(f"{folder}/origins/{name}.png", _png(draw_origins(this.person, garment, height=height)))
    if this.worn_name == this.name:
        cloth, _ = draw_garment(this.worn, height=height, width=width)
        site.put(f"{folder}/cloth/{this.name}.jpg", _jpeg(cloth, config))
    site.put(image, _jpeg(picture, config))


def _jpeg(picture: Image.Image, config: WorldConfig) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=config.quality, subsampling=0)
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


# tables


def _write_catalogue(site: Site, config: WorldConfig, seen: np.ndarray) -> None:
    names = [item_id(k) for k in range(config.items)]
    rows = [(name, CATEGORIES[item_category(k)], f"images/{name}.jpg") for k, name in enumerate(names)]
    _put_csv(site, "items.csv", [("item_id", "category", "image"), *rows])
    shoppers, purchases = people(config, seen)
    _put_csv(site, "interactions.csv", [("user_id", "item_id", "timestamp"), *purchases])
    _put_json(site, "shoppers.json", {"features": FEATURES, "shoppers": [asdict(one) for one in shoppers]})


def _write_pairs(site: Site, config: WorldConfig, part: str) -> None:
    pairs = [pair(config, part, k) for k in range(config.pairs(part))]
    lines = [f"{one.name}.jpg {one.worn_name}.jpg\n" for one in pairs]
    site.put(f"pairs/{part}_pairs.txt", "".join(lines).encode())
    _put_csv(site, f"pairs/{part}_labels.csv", [(one.name, "upper", one.worn.cut) for one in pairs])
    rows = [tuple(f"{n}.jpg" for n in (p.name, p.worn_name, p.wanted_name, p.name)) for p in pairs]
    _put_csv(site, f"pairs/{part}_truth.csv", [("person", "worn", "wanted", "truth"), *rows])


def _put_csv(site: Site, name: str, rows: Iterable[tuple]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    site.put(name, buffer.getvalue().encode())


def _put_json(site: Site, name: str, value: object) -> None:
    site.put(name, json.dumps(value, indent=1).encode())
