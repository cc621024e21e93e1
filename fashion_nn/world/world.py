"""A whole demo world on disk: a catalogue with shoppers, and pairs of persons and garments.

items.csv interactions.csv images/   the catalogue: item_id,category,image; user_id,item_id,timestamp
shoppers.json                        every shopper's stated taste and mix of categories
pairs/{train,test}/{image,cloth,image-mask}/NAME
pairs/{train,test}_pairs.txt         person file, garment file, one pair a line
pairs/{train,test}_labels.csv        name,group,label
pairs/test/truth/NAME                the person of NAME in another garment, as it truly looks
pairs/test_truth.csv                 person,worn,wanted,truth: files in image/, cloth/, cloth/, truth/
world.json                           the configuration; written last
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fashion_nn.world.garments import draw_garment
from fashion_nn.world.persons import ASPECT, Person, draw_person, sample_person
from fashion_nn.world.shoppers import Shopper, preference, sample_popularity, sample_purchases, sample_shopper
from fashion_nn.world.specs import CATEGORIES, GarmentSpec, sample_garment
from fashion_nn.world.tastes import FEATURES, looks

VERSION = 1  # of the drawing; a new one makes finished worlds stale
ITEM, SHOPPER, MARKET, TRAIN, TEST = range(5)  # the streams of randomness
CHUNK = 32  # items drawn and looked at together


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """What a world holds. Equal configurations (but for `workers`) make byte-identical worlds."""

    seed: int = 0
    items_per_category: int = 200
    item_size: int = 128  # pixels, square
    shoppers: int = 800
    interactions_per_shopper: int = 12
    pairs_train: int = 800
    pairs_test: int = 100
    person_height: int = 128  # pixels; persons are 3/4 as wide
    full_length: float = 0.12  # share of persons shown down to their shoes
    quality: int = 94  # of the JPEG pictures
    workers: int = 1  # processes that draw

    def __post_init__(self) -> None:
        for name, low, high in (
            ("items_per_category", 1, 1_000_000),
            ("item_size", 16, 1024),
            ("shoppers", 0, 10_000_000),
            ("interactions_per_shopper", 1, 1000),
            ("pairs_train", 0, 1_000_000),
            ("pairs_test", 0, 1_000_000),
            ("person_height", 32, 1024),
            ("full_length", 0, 1),
            ("quality", 1, 100),
            ("workers", 1, 256),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: must lie between {low} and {high}, not {value}")


def debug() -> WorldConfig:
    """Drawn in a second or two."""
    return WorldConfig(
        items_per_category=8,
        item_size=64,
        shoppers=24,
        interactions_per_shopper=6,
        pairs_train=12,
        pairs_test=4,
        person_height=64,
    )


def demo() -> WorldConfig:
    """Drawn in well under a minute."""
    return WorldConfig()


def showcase() -> WorldConfig:
    """Large pictures, for those who look closely."""
    return WorldConfig(
        items_per_category=400,
        item_size=256,
        shoppers=2000,
        pairs_train=2000,
        pairs_test=200,
        person_height=256,
    )


def is_world(folder: Path, config: WorldConfig) -> bool:
    """Whether `folder` holds the finished world of `config`."""
    try:
        return json.loads((folder / "world.json").read_text()) == _stamp(config)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return False


def write_world(
    folder: Path, config: WorldConfig, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Draw the world of `config` into `folder`, unless it is there already; returns `folder`.

    The world grows under another name beside `folder` and is renamed once it is whole. A folder with another
    world in it, or anything else, is refused with FileExistsError. `progress` is told (drawn, in all).
    """
    folder = Path(folder).absolute()
    if is_world(folder, config):
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not the finished world of this configuration, and not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    growing = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    try:
        _draw(growing, config, progress or (lambda done, total: None))
        _adopt(growing, folder, config)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return folder


def _stamp(config: WorldConfig) -> dict:
    return {"version": VERSION, **{k: v for k, v in asdict(config).items() if k != "workers"}}


def _adopt(growing: Path, folder: Path, config: WorldConfig) -> None:
    """Give the finished world its name; another process that was first with the same world is fine."""
    try:
        os.replace(growing, folder)
    except OSError:
        if not is_world(folder, config):
            raise


def _draw(folder: Path, config: WorldConfig, progress: Callable[[int, int], None]) -> None:
    for name in (
        "images",
        *(f"pairs/{part}/{kind}" for part in ("train", "test") for kind in ("image", "cloth", "image-mask")),
        "pairs/test/truth",
    ):
        (folder / name).mkdir(parents=True)
    n_items = config.items_per_category * len(CATEGORIES)
    total = n_items + config.pairs_train + config.pairs_test
    seen, done = np.zeros((n_items, len(FEATURES)), np.float32), 0
    with _pool(config.workers) as each:
        chunks = [range(k, min(k + CHUNK, n_items)) for k in range(0, n_items, CHUNK)]
        for chunk, chunk_looks in zip(
            chunks, each(partial(_draw_items, folder, config), chunks), strict=True
        ):
            seen[chunk.start : chunk.stop] = chunk_looks
            progress(done := done + len(chunk), total)
        for part, stream in (("train", TRAIN), ("test", TEST)):
            for _ in each(
                partial(_draw_pair, folder, config, part, stream), range(getattr(config, f"pairs_{part}"))
            ):
                progress(done := done + 1, total)
    _write_catalogue(folder, config, seen)
    for part, stream in (("train", TRAIN), ("test", TEST)):
        _write_pairs(folder / "pairs", config, part, stream)
    _write_text(folder / "world.json", json.dumps(_stamp(config), indent=1))


class _pool:
    """A `map` over one process or several; results come in order."""

    def __init__(self, workers: int):
        self._executor = (
            ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
            )
            if workers > 1
            else None
        )

    def __enter__(self) -> Callable[[Callable, Iterable], Iterator]:
        return map if self._executor is None else self._executor.map

    def __exit__(self, *error: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


# one item


def item_spec(config: WorldConfig, index: int) -> GarmentSpec:
    """The garment of item `index`; items run through the categories in turn."""
    return sample_garment(
        np.random.default_rng([config.seed, ITEM, index]), CATEGORIES[index % len(CATEGORIES)]
    )


def _item_id(index: int) -> str:
    return f"i{index:06d}"


def _draw_items(folder: Path, config: WorldConfig, chunk: range) -> np.ndarray:
    """Write the pictures of some items; their looks come back: [len(chunk), len(FEATURES)]."""
    stored = np.empty((len(chunk), 3, config.item_size, config.item_size), np.float32)
    for row, index in zip(stored, chunk, strict=True):
        picture, _ = draw_garment(item_spec(config, index), height=config.item_size, width=config.item_size)
        data = _jpeg(picture, config.quality)
        (folder / "images" / f"{_item_id(index)}.jpg").write_bytes(data)
        row[:] = np.asarray(Image.open(io.BytesIO(data)), np.float32).transpose(2, 0, 1)
    return looks(torch.from_numpy(stored / 127.5 - 1)).numpy()


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


# one pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A person, the top they wear, and the top they are to be painted with."""

    name: str
    person: Person
    worn: GarmentSpec
    wanted: str  # name of the pair whose garment is wanted


def pair(config: WorldConfig, stream: int, index: int) -> Pair:
    """Pair `index` of a stream, TRAIN or TEST. Wanted is the garment of the next pair of the same figure."""
    figure = ("women", "men")[index % 2]
    count = config.pairs_train if stream == TRAIN else config.pairs_test
    following = index + 2 if index + 2 < count else index % 2
    rng = np.random.default_rng([config.seed, stream, index])
    return Pair(
        name=_pair_name(stream, index),
        person=sample_person(rng, figure, full_length=config.full_length),
        worn=_worn(config, stream, index),
        wanted=_pair_name(stream, following),
    )


def _pair_name(stream: int, index: int) -> str:
    return f"{'p' if stream == TRAIN else 't'}{index:05d}"


def _worn(config: WorldConfig, stream: int, index: int) -> GarmentSpec:
    return sample_garment(
        np.random.default_rng([config.seed, stream, index, 1]), f"{('women', 'men')[index % 2]}-tops"
    )


def _draw_pair(folder: Path, config: WorldConfig, part: str, stream: int, index: int) -> None:
    this = pair(config, stream, index)
    height, width = config.person_height, round(config.person_height * ASPECT)
    into = folder / "pairs" / part
    picture, mask = draw_person(this.person, this.worn, height=height)
    (into / "image" / f"{this.name}.jpg").write_bytes(_jpeg(picture, config.quality))
    mask.save(into / "image-mask" / f"{this.name}.png")
    cloth, _ = draw_garment(this.worn, height=height, width=width)
    (into / "cloth" / f"{this.name}.jpg").write_bytes(_jpeg(cloth, config.quality))
    if stream == TEST:
        truth, _ = draw_person(this.person, _worn(config, stream, int(this.wanted[1:])), height=height)
        (into / "truth" / f"{this.name}.jpg").write_bytes(_jpeg(truth, config.quality))


# the tables


def _write_catalogue(folder: Path, config: WorldConfig, seen: np.ndarray) -> None:
    n_items = len(seen)
    rows = [
        (_item_id(k), CATEGORIES[k % len(CATEGORIES)], f"images/{_item_id(k)}.jpg") for k in range(n_items)
    ]
    _write_csv(folder / "items.csv", [("item_id", "category", "image"), *rows])
    shoppers, purchases = people(config, seen)
    _write_csv(folder / "interactions.csv", [("user_id", "item_id", "timestamp"), *purchases])
    features = {"features": FEATURES, "shoppers": [asdict(shopper) for shopper in shoppers]}
    _write_text(folder / "shoppers.json", json.dumps(features, indent=1))


def people(config: WorldConfig, seen: np.ndarray) -> tuple[list[Shopper], list[tuple[str, str, int]]]:
    """The shoppers of a world and their purchases, given the looks of its items [n, len(FEATURES)]."""
    categories = np.arange(len(seen)) % len(CATEGORIES)
    popularity = sample_popularity(np.random.default_rng([config.seed, MARKET]), len(seen))
    shoppers, purchases = [], []
    for k in range(config.shoppers):
        rng = np.random.default_rng([config.seed, SHOPPER, k])
        shopper = sample_shopper(rng, f"u{k:06d}", seen)
        count = max(5, int(rng.poisson(config.interactions_per_shopper)))
        bought = sample_purchases(rng, preference(shopper, seen, categories) + popularity, count)
        times = 1_600_000_000 + np.sort(rng.integers(0, 31_536_000, len(bought)))
        shoppers.append(shopper)
        purchases += [(shopper.user_id, _item_id(int(i)), int(t)) for i, t in zip(bought, times, strict=True)]
    return shoppers, purchases


def _write_pairs(folder: Path, config: WorldConfig, part: str, stream: int) -> None:
    pairs = [pair(config, stream, k) for k in range(getattr(config, f"pairs_{part}"))]
    _write_text(folder / f"{part}_pairs.txt", "".join(f"{p.name}.jpg {p.name}.jpg\n" for p in pairs))
    _write_csv(folder / f"{part}_labels.csv", [(p.name, "upper", p.worn.cut) for p in pairs])
    if stream == TEST:
        rows = [(f"{p.name}.jpg", f"{p.name}.jpg", f"{p.wanted}.jpg", f"{p.name}.jpg") for p in pairs]
        _write_csv(folder / "test_truth.csv", [("person", "worn", "wanted", "truth"), *rows])


def _write_csv(path: Path, rows: Iterable[tuple]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    _write_text(path, buffer.getvalue())


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
