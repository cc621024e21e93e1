"""What shoppers truly like, where the data is a drawn world, which states it."""

import json
from pathlib import Path

import numpy as np
import torch

from fashion_nn.datasets.problems import fatal
from fashion_nn.metrics.ranking import Scores
from fashion_nn.pictures import normalise
from fashion_nn.world.shoppers import Shopper, preference
from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.tastes import looks
from training.catalogue_data import CatalogueData

FILE = "shoppers.json"
ROWS = 256  # pictures looked at at once
NEVER = -1e9  # the preference for what a shopper never buys


def is_stated(folder: Path) -> bool:
    """Whether the data in this folder says what its shoppers like."""
    return (folder / FILE).exists()


def stated(folder: Path) -> dict[str, Shopper]:
    """The shoppers of a drawn world by their ids. Raises DataError for data that nobody has drawn."""
    try:
        shoppers = json.loads((folder / FILE).read_text())["shoppers"]
    except FileNotFoundError:
        raise fatal(folder / FILE, None, "true tastes are known in drawn worlds alone") from None
    return {each["user_id"]: Shopper(**each) for each in shoppers}


def true_looks(data: CatalogueData) -> torch.Tensor:
    """What a taste sees of every item: [n, F]."""
    cuts = range(0, len(data.pictures), ROWS)
    return torch.cat([looks(normalise(data.pictures[slice(cut, cut + ROWS)])) for cut in cuts])


def true_scores(folder: Path, data: CatalogueData) -> Scores:
    """By true utility and mix of categories; popularity and chance, which purchases also follow, are left out."""
    known, seen = stated(folder), true_looks(data).numpy()
    names, ids = data.catalogue.categories, data.catalogue.user_ids
    category = np.array([CATEGORIES.index(name) for name in names])[data.catalogue.item_category]

    def scores(users: np.ndarray) -> torch.Tensor:
        table = np.stack([preference(known[ids[user]], seen, category) for user in users])
        return torch.from_numpy(np.maximum(table, NEVER))

    return scores
