"""How good are a generator's pictures? As sets, one a category, beside real pictures; and are they of their category?

A classifier is trained on one half of the real pictures. By what it sees, generated pictures are compared with the
other half, and so are the real ones that it was trained on: what a perfect generator would come to. Its figures mean
something beside others of the same classifier alone; its weights are kept beside the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from cluster.mirror import mirror
from cluster.object_store import ObjectStore
from cluster.settings import Settings
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.step import draw_codes
from fashion_nn.metrics.distributions import frechet, kid, precision_recall
from fashion_nn.metrics.generation import opposite_mean_ssim
from fashion_nn.pictures import normalise
from fashion_nn.state_files import save_weights
from fashion_nn.steps import generator_of
from training import runs
from training.catalogue_data import CatalogueData, open_catalogue
from training.errors import TrainingError
from training.evaluate import classifier
from training.evaluate.classifier import Classifier
from training.recipe import Source
from training.trained import averaged_generator, load

LEAST = 8  # real pictures of a category
WEIGHTS = "classifier.safetensors"  # beside the run's record
ROWS = 64  # pictures painted at once


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorInquiry:
    """What is asked about a finished cgan run."""

    run: str
    data: str | None = None  # None: the run's own, which it has seen
    pictures: int = 500  # of a category, at most
    seed: int = 0  # of codes, halves, and the classifier

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise TrainingError(f"seed is {self.seed}, but must be at least 0")
        if self.pictures < LEAST:
            raise TrainingError(f"pictures is {self.pictures}, but must be at least {LEAST}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sets:
    """One set of pictures of a category beside another, real one of the same size."""

    pictures: int
    kid: float
    kid_error: float
    fid: float
    precision: float
    recall: float
    diversity: float  # 1 − mean SSIM
    accuracy: float  # share that the classifier takes for the category


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorFindings:
    """By category: what is painted, and the real pictures that the classifier was trained on."""

    run: str
    data: str
    seen: bool  # whether the generator was trained on these data
    config: str
    step: int
    seed: int
    unseen_accuracy: float  # of the classifier, on real pictures that it was not trained on
    painted: Mapping[str, Sets]
    real: Mapping[str, Sets]


def evaluate(inquiry: GeneratorInquiry, store: ObjectStore, settings: Settings) -> GeneratorFindings:
    """Paint as many pictures as there are real ones, and compare. Raises TrainingError, DataError, StoreError."""
    record = runs.finished(store, inquiry.run, "cgan")
    trained = load(store, record)
    url = inquiry.data or record.data
    source = Source(path=mirror(url, settings, settings.cache / "data"), cache=settings.cache / "pictures", store=store)
    data = open_catalogue(source, size=trained.config.picture_size)
    names = record.identity["categories"]
    ours = data.catalogue.categories
    if ours != names:
        raise TrainingError(f"{url} has the categories {', '.join(ours)}, but run {inquiry.run!r} {', '.join(names)}")
    known, unseen = halves(data, names, inquiry)
    network = trained_on(data, known, len(names), seed=inquiry.seed)
    keep(network, store, inquiry.run)
    generator = averaged_generator(trained)
    painted, real, right = {}, {}, []
    for category, name in enumerate(names):
        held_out = normalise(data.pictures[unseen[category]])
        features, taken_for = classifier.seen(network, held_out)
        right.append(taken_for == category)
        own = paint(generator, trained.config, category, len(held_out), seed=inquiry.seed)
        for found, pictures in ((painted, own), (real, normalise(data.pictures[known[category]]))):
            found[name] = compared(network, pictures, features, category, seed=inquiry.seed)
    return GeneratorFindings(
        run=inquiry.run,
        data=url,
        seen=url == record.data,
        config=record.config_name,
        step=record.step,
        seed=inquiry.seed,
        unseen_accuracy=float(np.concatenate(right).mean()),
        painted=painted,
        real=real,
    )


def halves(data: CatalogueData, names: list[str], inquiry: GeneratorInquiry) -> tuple[list[np.ndarray], ...]:
    """Items of every category to train the classifier on, and as many others. Raises TrainingError for too few."""
    random, known, unseen = generator_of(inquiry.seed), [], []
    for category, name in enumerate(names):
        items = random.permutation(np.flatnonzero(data.catalogue.item_category == category))
        if len(items) < LEAST:
            raise TrainingError(f"category {name} has {len(items)} pictures, but at least {LEAST} are needed")
        half = min(len(items), inquiry.pictures) // 2
        known.append(items[:half])
        unseen.append(items[half : 2 * half])
    return known, unseen


def trained_on(data: CatalogueData, known: list[np.ndarray], n_categories: int, *, seed: int) -> Classifier:
    """The classifier of these items, by category."""
    category = np.repeat(np.arange(n_categories), [len(items) for items in known])
    return classifier.fitted(data.pictures[np.concatenate(known)], category, n_categories, seed=seed)


def keep(network: Classifier, store: ObjectStore, run: str) -> None:
    """The classifier's weights, beside the run's record. Raises StoreError."""
    with TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / WEIGHTS
        save_weights(path, network)
        store.upload(path, runs.key(run, WEIGHTS))


@torch.inference_mode()
def paint(generator: torch.nn.Module, config: CGANConfig, category: int, count: int, *, seed: int) -> Tensor:
    """Pictures [count, 3, S, S] of codes drawn as in the training."""
    shape, random = (count, config.latent_dimensions), generator_of(seed, category)
    codes = torch.from_numpy(draw_codes(shape, config.latent_prior, random))
    labels = torch.full((count,), category)
    parts = zip(codes.split(ROWS), labels.split(ROWS), strict=True)
    return torch.cat([generator(*part) for part in parts])


def compared(network: Classifier, pictures: Tensor, real: np.ndarray, category: int, *, seed: int) -> Sets:
    """Pictures [n, 3, S, S] of a category beside the features [n, F] of real ones."""
    features, taken_for = classifier.seen(network, pictures)
    distance, covered = kid(real, features, seed=seed), precision_recall(real, features)
    (diversity,) = opposite_mean_ssim(pictures, np.zeros(len(pictures), np.int64), seed=seed).values()
    return Sets(
        pictures=len(pictures),
        kid=distance.mean,
        kid_error=distance.error,
        fid=frechet(real, features),
        precision=covered.precision,
        recall=covered.recall,
        diversity=diversity,
        accuracy=float((taken_for == category).mean()),
    )
