"""All pictures of a data set, decoded and letterboxed once, in one memory-mapped file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from fashion_nn.datasets.problems import Problem
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.pictures import PictureError, decode, letterbox, to_pixels

_FORMAT = "pictures-1"  # raise it when what is stored changes, so that older tables are built anew
_CHUNK = 32  # pictures a task

FILES = _PIXELS, _FAILED = "pixels.npy", "failed.json"  # of a table, in the order in which they are written

Progress = Callable[[int, int], None]  # done, total


class Shared(Protocol):
    """Where machines leave tables for each other, by names that say what is in them."""

    def fetch(self, name: str, folder: Path) -> bool:
        """Fill an empty folder with the table of that name; False where nobody has left it."""

    def keep(self, name: str, folder: Path) -> None:
        """Leave the table in a folder under that name."""


class PictureTable:
    """Pixels uint8 [n, C, H, W] on disk; `table[indices]` reads rows as a torch.uint8 tensor."""

    def __init__(self, folder: Path, rows: np.ndarray):
        """Opens a table that `build` made. rows: int64 [n], where in the file each picture is."""
        self.folder, self._rows = folder, rows
        self._pixels = np.load(folder / _PIXELS, mmap_mode="r", allow_pickle=False)
        failures = json.loads((folder / _FAILED).read_text())
        self.failed = np.flatnonzero(np.isin(rows, [place for place, _, _ in failures]))
        self.problems = tuple(Problem(name, None, reason) for _, name, reason in failures)

    @classmethod
    def build(
        cls,
        sources: Sequence[PictureSource | None],
        *,
        height: int,
        width: int,
        cache: Path | str,
        shared: Shared | None = None,
        channels: Literal[1, 3] = 3,
        whole: bool = False,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> PictureTable:
        """Opens the table of these sources in the folder `cache`, decoding them into it when it is not there.

        A source that comes several times is decoded and kept once. Where another machine has decoded the same
        pictures, the table comes from `shared` instead.

        `channels=3` are pictures letterboxed on white, `channels=1` masks letterboxed on black. `whole`: pictures
        are to fill the table's own, without a border; those of other proportions fail. What will not read or decode
        becomes a row of the background, and is listed in `failed` (indices) and `problems`; so does None, without
        being listed. `workers` are threads (as many as processors unless told);
        `progress(done, total)` is called in this thread. Several processes may build at once: one does the
        work, the others wait for it, and a table is seen whole or not at all.
        """
        if channels not in (1, 3):
            raise ValueError(f"channels {channels} is neither 1 (masks) nor 3 (pictures)")
        cache, given = Path(cache), sources
        sources = list(dict.fromkeys(given))
        shape = (len(sources), channels, height, width)
        form = (*shape, "whole") if whole else shape
        folder = cache / _name(form, (_fingerprint(source) for source in sources))
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock")):
                if not folder.exists():
                    fill = partial(
                        _decode_into, sources, shape, whole, workers or len(os.sched_getaffinity(0)), progress
                    )
                    _write(folder, fill if shared is None else partial(_share, shared, sources, form, fill))
        places = {source: place for place, source in enumerate(sources)}
        return cls(folder, np.array([places[source] for source in given], dtype=np.int64))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: np.ndarray | torch.Tensor | Sequence[int] | slice) -> torch.Tensor:
        """Rows [n, C, H, W] of pixels, torch.uint8, a copy; the tensor may be written to."""
        places = indices if isinstance(indices, slice) else np.asarray(indices)
        return torch.from_numpy(np.array(self._pixels[self._rows[places]]))

    def __reduce__(self) -> tuple:
        return (PictureTable, (self.folder, self._rows))  # another process maps the same file

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self._pixels.shape[2], self._pixels.shape[3]


def _name(form: tuple[int | str, ...], fingerprints: Iterable[bytes]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {form}".encode())
    for fingerprint in fingerprints:
        digest.update(len(fingerprint).to_bytes(4, "little") + fingerprint)
    _, channels, height, width, *_ = form
    return f"{height}x{width}x{channels}-{digest.hexdigest()[:20]}"


def _fingerprint(source: PictureSource | None) -> bytes:
    return b"" if source is None else source.fingerprint()


def _content(source: PictureSource | None) -> bytes:
    """The same on every machine: the bytes' hash, and the name, which is told of a picture that fails."""
    if source is None:
        return b""
    return hashlib.sha256(source.read()).digest() + source.name.encode(errors="surrogateescape")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for every other process that builds the same table; the lock ends with its holder."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: Path, fill: Callable[[Path], None]) -> None:
    """The folder as `fill` fills it, seen whole or not at all."""
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)  # left by a process that was killed: we hold the lock
    building.mkdir()
    try:
        fill(building)
        os.rename(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _share(
    shared: Shared,
    sources: Sequence[PictureSource | None],
    form: tuple[int | str, ...],
    fill: Callable[[Path], None],
    folder: Path,
) -> None:
    """Fetch what another machine has decoded, or decode it and leave it to the others.

    Where a file cannot be read, which may be otherwise on another machine, the table stays here.
    """
    try:
        with ThreadPoolExecutor(thread_name_prefix="hash") as pool:
            name = _name(form, pool.map(_content, sources))
    except OSError:
        return fill(folder)
    if not shared.fetch(name, folder):
        fill(folder)
        shared.keep(name, folder)


def _decode_into(
    sources: Sequence[PictureSource | None],
    shape: tuple[int, ...],
    whole: bool,
    workers: int,
    progress: Progress | None,
    folder: Path,
) -> None:
    pixels = _reserve(folder / _PIXELS, shape)
    failures = _decode_all(sources, pixels, whole, workers, progress)
    pixels.flush()
    (folder / _FAILED).write_text(json.dumps(failures))


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
    sources: Sequence[PictureSource | None], pixels: np.ndarray, whole: bool, workers: int, progress: Progress | None
) -> list[tuple[int, str, str]]:
    """Fills `pixels`; gives (index, name, reason) of each source that failed, in order."""
    failures: list[tuple[int, str, str]] = []
    done = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        chunks = [range(start, min(start + _CHUNK, len(sources))) for start in range(0, len(sources), _CHUNK)]
        tasks = {pool.submit(_decode_chunk, sources, pixels, whole, chunk): len(chunk) for chunk in chunks}
        for task in as_completed(tasks):
            failures += task.result()
            done += tasks[task]
            if progress:
                progress(done, len(sources))
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(failures)


def _decode_chunk(
    sources: Sequence[PictureSource | None], pixels: np.ndarray, whole: bool, places: range
) -> list[tuple[int, str, str]]:
    failures = []
    background = 255 if pixels.shape[1] == 3 else 0
    for place in places:
        source = sources[place]
        if source is None:
            pixels[place] = background
            continue
        try:
            pixels[place] = _decoded(source, pixels.shape[1:], whole)
        except (OSError, PictureError) as error:
            pixels[place] = background
            failures.append((place, source.name, str(error)))
    return failures


def _decoded(source: PictureSource, shape: tuple[int, ...], whole: bool) -> np.ndarray:
    channels, height, width = shape
    image = decode(source.read())
    if whole and image.width * height != image.height * width:
        raise PictureError(f"{image.width}×{image.height}, which are not the proportions of {width}×{height}")
    if channels == 1:
        return to_pixels(letterbox(image.convert("L"), height=height, width=width, background=0))
    return to_pixels(letterbox(image, height=height, width=width))
