"""A small data set of drawn pictures, and one Ray for the session."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.settings import Settings


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 items of three categories, eight shoppers who buy by colour, and six pairs to train and four to test on."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    draw_catalogue(folder, rng)
    draw_pairs(folder / "pairs", "train", 6, rng)
    draw_pairs(folder / "pairs", "test", 4, rng)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A bucket in a folder, and a home, of this test's own."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    return Settings(bucket_url=bucket.as_uri(), home=tmp_path / "home")


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A private Ray of four logical processors, as the session's tests share it."""
    os.environ.update(
        RAY_AUTH_MODE="disabled",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_TRAIN_HEALTH_CHECK_INTERVAL_S="0.2",
        RAY_TRAIN_ENABLE_PREEMPTION_WATCHER="0",  # a process less to start a run
        RAY_worker_niceness="0",  # beside anything else that runs, the workers are what is waited for
    )
    import ray

    folder = tempfile.mkdtemp(prefix="atelier-", dir="/tmp")  # sockets need a short path
    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def picture(rng: np.random.Generator, height: int, width: int, colour: np.ndarray) -> Image.Image:
    """A block of a colour with some noise on white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    block = np.clip(colour + rng.normal(0, 12, (height // 2, width // 2, 3)), 0, 255)
    pixels[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2] = block
    return Image.fromarray(pixels)


def draw_catalogue(folder: Path, rng: np.random.Generator) -> None:
    (folder / "images").mkdir(parents=True)
    items, bought = ["item_id,category,image"], ["user_id,item_id,timestamp"]
    for i in range(24):
        colour = np.array([255, 0, 0] if i % 2 else [0, 0, 255]) * rng.uniform(0.5, 1)
        picture(rng, 40, 40, colour).save(folder / "images" / f"{i}.png")
        items.append(f"i{i},{('tops', 'bottoms', 'shoes')[i % 3]},images/{i}.png")
    for user in range(8):
        liked = rng.permutation(12)[:6] * 2 + user % 2
        bought += [f"u{user},i{item},{order}" for order, item in enumerate(liked)]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "interactions.csv").write_text("\n".join(bought) + "\n")


def draw_pairs(folder: Path, part: str, count: int, rng: np.random.Generator) -> None:
    for kind in ("image", "cloth", "image-mask"):
        (folder / part / kind).mkdir(parents=True)
    mask = np.zeros((64, 48), np.uint8)
    mask[16:48, 12:36] = 255
    for i in range(count):
        colour = rng.uniform(0, 255, 3)
        picture(rng, 64, 48, colour).save(folder / part / "image" / f"p{i}.jpg")
        picture(rng, 64, 48, colour).save(folder / part / "cloth" / f"g{i}.jpg")
        Image.fromarray(mask).save(folder / part / "image-mask" / f"p{i}.png")
    (folder / f"{part}_pairs.txt").write_text("".join(f"p{i}.jpg g{i}.jpg\n" for i in range(count)))
