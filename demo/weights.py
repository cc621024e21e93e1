"""The trained networks that come with the demonstration: packed from finished runs, and laid into a bucket as runs.

    networks/world.json                  the world that they were trained on
    networks/NETWORK/run.json            the run's record
    networks/NETWORK/state.safetensors   of its last checkpoint what is served and judged, in half precision
    networks/NETWORK/state.json
    networks/NETWORK/sheet.jpg           its last sample sheet
    networks/bank/HASH.safetensors       the seed bank of a release of them, as `training.kept_banks` names it

`python -m demo.weights` packs the runs of `atelier demo --size shipped`; `python -m demo.weights bank`, once a
demonstration has published these, their seed bank.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cluster.local_s3 import bucket_at_hand
from cluster.object_store import ObjectStore, open_store
from cluster.settings import Settings
from demo.sizes import demo
from fashion_nn.state_files import NEST, TENSORS, save_state
from fashion_nn.world.config import WorldConfig
from training import checkpoints, kept_banks, runs
from training.publish import learnt_tastes, networks_of
from training.trained import load

FOLDER = Path(__file__).parent / "networks"
SIZE = "shipped"  # whose runs are packed, and the name of their configs
PARTS = {
    "cagan": ("average",),
    "dvbpr": ("recommender",),
    "cgan": ("average", "discriminator"),
    "encoder": ("average",),
}
EXACT = ("cgan", "average")  # an encoder belongs to these very weights
RECORD, SHEET, BANK = "run.json", "sheet.jpg", "bank"


class OtherWorld(ValueError):
    """The networks were trained on another world than the one they are brought to."""


def names() -> dict[str, str]:
    """Network: its run."""
    return {network: f"{SIZE}-{network}" for network in PARTS}


def pack(store: ObjectStore, folder: Path) -> None:
    """Keep the finished runs of this size below `folder`. Raises TrainingError, StoreError, ValueError."""
    records = [runs.finished(store, run, network) for network, run in names().items()]
    (data,) = {record.data for record in records}
    bucket = f"{store.url.rstrip('/')}/"
    if not data.startswith(bucket):
        raise ValueError(f"the runs' data is {data}, but must be in their bucket, {store.url}")
    world = store.get(f"{data.removeprefix(bucket)}/world.json")
    for record in records:
        target = folder / record.network
        state = checkpoints.download(store, record.run, runs.checkpoint_name(record.step))["step"]
        parts = {part: rounded(record.network, part, state[part]) for part in PARTS[record.network]}
        save_state(target, {"step": parts, "done": record.step, "history": []})
        *_, sheet = sorted(info.key for info in store.list(runs.key(record.run, "samples") + "/"))
        (target / SHEET).write_bytes(store.get(sheet))
        kept = asdict(replace(record, data="", checkpoint=None, resumable=False))
        (target / RECORD).write_text(json.dumps(kept, indent=1) + "\n")
    (folder / "world.json").write_bytes(world)


def pack_bank(store: ObjectStore, folder: Path) -> None:
    """Keep the seed bank of the networks that were brought from `folder`, in the place of others. Raises NotFound."""
    trained = {network: load(store, runs.finished(store, run, network)) for network, run in names().items()}
    key = kept_banks.key_of(networks_of(trained), learnt_tastes(trained), demo().bank)
    bank = store.get(key)
    shutil.rmtree(folder / BANK, ignore_errors=True)
    (folder / BANK).mkdir()
    (folder / BANK / Path(key).name).write_bytes(bank)


def rounded(network: str, part: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in half precision, or as they are where they must be the very same, or are kept in double."""
    if (network, part) == EXACT:
        return dict(weights)
    found = {name: each.half() if each.dtype == torch.float32 else each for name, each in weights.items()}
    if beyond := [name for name, each in found.items() if not torch.isfinite(each).all()]:
        raise ValueError(f"{network} has {', '.join(beyond)} beyond what half precision holds")
    return found


def bring(store: ObjectStore, data: str, world: WorldConfig, folder: Path = FOLDER) -> dict[str, str]:
    """Lay the networks into a bucket as finished runs on `data`; {network: run}. Raises OtherWorld, StoreError."""
    known = json.loads((folder / "world.json").read_text())
    pairs = ("pairs_train", "pairs_per_person", "origins")  # make the same world, and more of it
    more = {name: known[name] for name in pairs}
    if known != world.stamp() | more:
        raise OtherWorld("the networks that come along know another world: train them on this one (TRAIN=1)")
    for network, run in names().items():
        kept: dict[str, Any] = json.loads((folder / network / RECORD).read_text())
        checkpoint = runs.checkpoint_name(kept["step"])
        record = runs.RunRecord(**{**kept, "data": data, "checkpoint": runs.key(run, checkpoint)})
        if runs.read(store, run) == record:
            continue
        for file in (TENSORS, NEST):
            store.upload(folder / network / file, runs.key(run, checkpoint, file))
        sheet = (folder / network / SHEET).read_bytes()
        store.put(runs.key(run, "samples", f"{record.step:08d}.jpg"), sheet, content_type="image/jpeg")
        runs.write(store, record)
    for bank in (folder / BANK).glob("*.safetensors"):
        kept_banks.keep(store, f"{kept_banks.FOLDER}/{bank.name}", bank)
    return names()


if __name__ == "__main__":
    with bucket_at_hand(Settings()) as settings:
        packed = pack_bank if sys.argv[1:] == [BANK] else pack
        packed(open_store(settings.bucket_url, settings), FOLDER)
