"""A catalogue with its pictures decoded: the data of the recommender and of the generator."""

from dataclasses import dataclass

import numpy as np
import torch

from fashion_nn.datasets.catalogue import Catalogue, read_catalogue
from fashion_nn.datasets.dvbpr_npy import read_dvbpr
from fashion_nn.datasets.picture_table import PictureTable
from fashion_nn.datasets.problems import DataError, Problem
from fashion_nn.datasets.split import Split, drop_items
from training.recipe import Source


class Rows:
    """Some rows of a picture table, as a table of their own: uint8 [n, C, H, W] by index."""

    def __init__(self, table: PictureTable, kept: np.ndarray) -> None:
        self.table, self.kept = table, kept

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, indices: np.ndarray | slice) -> torch.Tensor:
        return self.table[self.kept[indices]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueData:
    """Items whose pictures decode, with their pixels; `split` where the data brings its own."""

    catalogue: Catalogue
    pictures: Rows
    split: Split | None
    problems: tuple[Problem, ...]


def open_catalogue(source: Source, *, size: int) -> CatalogueData:
    """Read the catalogue at `source` and letterbox its pictures to `size` pixels. Raises DataError."""
    catalogue, split = _read(source)
    table = source.table(catalogue.pictures, height=size, width=size)
    problems = (*catalogue.problems, *table.problems)
    if len(table.failed) and (source.on_problem == "refuse" or len(table.failed) == len(catalogue)):
        raise DataError(table.problems)
    kept = np.setdiff1d(np.arange(len(catalogue)), table.failed)
    if split is not None:
        catalogue, split = drop_items(catalogue, split, table.failed)
    elif len(table.failed):
        catalogue = catalogue.without(table.failed)
    return CatalogueData(catalogue=catalogue, pictures=Rows(table, kept), split=split, problems=problems)


def _read(source: Source) -> tuple[Catalogue, Split | None]:
    """The folder layout, or a folder with the DVBPR authors' file, which brings its split."""
    files = sorted(source.path.glob("*.npy"))
    if files and not (source.path / "items.csv").exists():
        return read_dvbpr(files[0], on_problem=source.on_problem)
    return read_catalogue(source.path, on_problem=source.on_problem), None
