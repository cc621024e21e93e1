"""A finished run's networks, from its last checkpoint."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cluster.object_store import ObjectStore
from fashion_nn import configs
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cgan.architecture import networks
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.datasets.catalogue import Catalogue
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Recommender
from fashion_nn.latent.encoder.config import EncoderConfig
from fashion_nn.state_files import StateError
from training import checkpoints, runs
from training.errors import TrainingError, in_one_line
from training.runs import RunRecord

CONFIGS = {"dvbpr": DVBPRConfig, "cgan": CGANConfig, "cagan": CAGANConfig, "encoder": EncoderConfig}
FINGERPRINT = 16  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run with its config and the state of its step."""

    record: RunRecord
    config: Any
    state: Mapping[str, Any]

    def fill(self, module: nn.Module, part: str) -> nn.Module:
        """`module` with the weights called `part`, in eval mode. TrainingError names the run where they do not fit."""
        try:
            module.load_state_dict(self.state[part])
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"run {self.record.run!r} does not fit this code: {in_one_line(error)}") from error
        return module.eval()


def load(store: ObjectStore, record: RunRecord) -> Trained:
    """The last checkpoint of a finished run. Raises TrainingError, StoreError."""
    try:
        config = configs.from_json(CONFIGS[record.network], record.config)
        state = checkpoints.download(store, record.run, runs.checkpoint_name(record.step))
    except (ValueError, StateError) as error:
        raise TrainingError(f"run {record.run!r} does not fit this code: {in_one_line(error)}") from error
    return Trained(record, config, state["step"])


def recommender(trained: Trained) -> Recommender:
    """Φ and the tastes of the run's shoppers."""
    known = trained.record.identity
    network = Recommender(trained.config, len(known["shoppers"]), len(known["categories"]))
    return trained.fill(network, "recommender")


def class_ids(catalogue: Catalogue, url: str, record: RunRecord) -> Tensor:
    """The categories int64 [n] of the items at `url`, as the run numbers them. TrainingError names unknown ones."""
    known = record.identity["categories"]
    if unknown := set(catalogue.categories) - set(known):
        new = ", ".join(sorted(unknown))
        raise TrainingError(f"{url} has categories that run {record.run!r} does not know: {new}")
    numbers = torch.tensor([known.index(name) for name in catalogue.categories], dtype=torch.int64)
    return numbers[torch.from_numpy(catalogue.item_category)]


def averaged_generator(gan: Trained) -> nn.Module:
    """The generator of a finished cgan run, as it is published: the average of its weights."""
    return gan.fill(networks(gan.config, len(gan.record.identity["categories"])).generator, "average")


def generator_identity(gan: Trained) -> list[str]:
    """What tells one trained generator from another: its run, its step, and how the hash of its weights begins."""
    digest = hashlib.sha256()
    for name, weights in sorted(gan.state["average"].items()):
        digest.update(name.encode())
        digest.update(weights.contiguous().numpy().tobytes())
    return [gan.record.run, f"step {gan.record.step}", f"weights {digest.hexdigest()[:FINGERPRINT]}"]
