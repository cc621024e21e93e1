"""All pictures of a data set, decoded and letterboxed once, in one memory-mapped file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fashion_nn.datasets.problems import Problem
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.pictures import PictureError, decode, letterbox, to_pixels

_FORMAT = "pictures-1"  # raise it when what is stored changes, so that older tables are built anew
_CHUNK = 32  # pictures a task

Progress = Callable[[int, int], None]  # done, total


class PictureTable:
    """Pixels uint8 [n, C, H, W] on disk; `table[indices]` reads rows as a torch.uint8 tensor."""

    def __init__(self, folder: Path):
        """Opens a table that `build` made."""
        self.folder = folder
        self._pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        failures = json.loads((folder / "failed.json").read_text())
        self.failed = np.array([place for place, _, _ in failures], dtype=np.int64)
        self.problems = tuple(Problem(name, None, reason) for _, name, reason in failures)

    @classmethod
    def build(
        cls,
        sources: Sequence[PictureSource | None],
        *,
        height: int,
        width: int,
        cache: Path | str,
        channels: Literal[1, 3] = 3,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> PictureTable:
        """Opens the table of these sources in the folder `cache`, decoding them into it when it is not there.

        `channels=3` are pictures letterboxed on white, `channels=1` masks letterboxed on black. What will not
        read or decode becomes a row of the background, and is listed in `failed` (indices) and `problems`;
        so does None, without being listed. `workers` are threads (as many as processors unless told);
        `progress(done, total)` is called in this thread. Several processes may build at once: one does the
        work, the others wait for it, and a table is seen whole or not at all.
        """
        if channels not in (1, 3):
            raise ValueError(f"channels {channels} is neither 1 (masks) nor 3 (pictures)")
        cache = Path(cache)
        shape = (len(sources), channels, height, width)
        folder = cache / f"{height}x{width}x{channels}-{_key(sources, shape)}"
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock")):
                if not folder.exists():
                    _write(folder, sources, shape, workers or len(os.sched_getaffinity(0)), progress)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, indices: np.ndarray | torch.Tensor | Sequence[int] | slice) -> torch.Tensor:
        """Rows [n, C, H, W] of pixels, torch.uint8, a copy; the tensor may be written to."""
        places = indices if isinstance(indices, slice) else np.asarray(indices)
        return torch.from_numpy(np.array(self._pixels[places]))

    def __reduce__(self) -> tuple:
        return (PictureTable, (self.folder,))  # another process maps the same file

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self._pixels.shape[2], self._pixels.shape[3]


def _key(sources: Sequence[PictureSource | None], shape: tuple[int, ...]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {shape}".encode())
    for source in sources:
        fingerprint = b"" if source is None else source.fingerprint()
        digest.update(len(fingerprint).to_bytes(4, "little") + fingerprint)
    return digest.hexdigest()[:20]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for every other process that builds the same table; the lock ends with its holder."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(
    folder: Path,
    sources: Sequence[PictureSource | None],
    shape: tuple[int, ...],
    workers: int,
    progress: Progress | None,
) -> None:
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)  # left by a process that was killed: we hold the lock
    building.mkdir()
    try:
        pixels = _reserve(building / "pixels.npy", shape)
        failures = _decode_all(sources, pixels, workers, progress)
        pixels.flush()
        (building / "failed.json").write_text(json.dumps(failures))
        os.rename(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _reserve(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A writable memory-mapped uint8 array whose disk space is set aside, so that a full disk is an OSError
    here and not a crash later."""
    if shape[0] == 0:
        np.save(path, np.empty(shape, np.uint8))
        return np.lib.format.open_memmap(path, mode="r+")
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return pixels


def _decode_all(
    sources: Sequence[PictureSource | None], pixels: np.ndarray, workers: int, progress: Progress | None
) -> list[tuple[int, str, str]]:
    """Fills `pixels`; gives (index, name, reason) of each source that failed, in order."""
    failures: list[tuple[int, str, str]] = []
    done = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        chunks = [range(start, min(start + _CHUNK, len(sources))) for start in range(0, len(sources), _CHUNK)]
        tasks = {pool.submit(_decode_chunk, sources, pixels, chunk): len(chunk) for chunk in chunks}
        for task in as_completed(tasks):
            failures += task.result()
            done += tasks[task]
            if progress:
                progress(done, len(sources))
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(failures)


def _decode_chunk(
    sources: Sequence[PictureSource | None], pixels: np.ndarray, places: range
) -> list[tuple[int, str, str]]:
    failures = []
    background = 255 if pixels.shape[1] == 3 else 0
    for place in places:
        source = sources[place]
        if source is None:
            pixels[place] = background
            continue
        try:
            pixels[place] = _decoded(source, pixels.shape[1:])
        except (OSError, PictureError) as error:
            pixels[place] = background
            failures.append((place, source.name, str(error)))
    return failures


def _decoded(source: PictureSource, shape: tuple[int, ...]) -> np.ndarray:
    channels, height, width = shape
    image = decode(source.read())
    if channels == 1:
        return to_pixels(letterbox(image.convert("L"), height=height, width=width, background=0))
    return to_pixels(letterbox(image, height=height, width=width))
