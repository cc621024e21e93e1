"""Seed banks that were computed before, kept in the bucket: the same networks, tastes and size have the same bank.

caches/banks/<sha256 of them>.safetensors
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from cluster.object_store import AlreadyExists, NotFound, ObjectStore
from fashion_nn.configs import to_json
from fashion_nn.latent.bank import BankConfig
from fashion_nn.latent.objective import Networks

FOLDER = "caches/banks"
MADE = 1  # to be raised where the same networks, tastes and size have come to have another bank


def key_of(networks: Networks, tastes: Tensor, config: BankConfig) -> str:
    """Where the bank of these is kept, which follows from all their numbers. tastes: [n, K]."""
    digest = hashlib.sha256(json.dumps({"made": MADE, **to_json(config)}, sort_keys=True).encode())
    for name, tensor in (("tastes", tastes), *_weights(networks)):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{FOLDER}/{digest.hexdigest()}.safetensors"


def fetch(store: ObjectStore, key: str, path: Path) -> bool:
    """Whether a bank is kept there, which then is in the file `path`. Raises StoreError."""
    try:
        store.download(key, path)
    except NotFound:
        return False
    return True


def keep(store: ObjectStore, key: str, path: Path) -> None:
    """Keep the bank that is in the file `path`. Raises StoreError."""
    with suppress(AlreadyExists):  # by somebody who computed it meanwhile
        store.create(key, path.read_bytes())


def _weights(networks: Networks) -> Iterator[tuple[str, Tensor]]:
    for part, network in zip(Networks._fields, networks, strict=True):
        for name, tensor in network.state_dict().items():
            yield f"{part}.{name}", tensor
