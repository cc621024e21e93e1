"""Three finished runs become one release: `python -m training.publish --dvbpr RUN --cgan RUN --cagan RUN`.

dvbpr.safetensors   Φ alone; the tastes are in users.parquet
cgan.safetensors    generator.* (its average), discriminator.*
cagan.safetensors   the generator (its average)
items.parquet       item_id, category, picture (its key in the bucket), look float32[K]
users.parquet       user_id, taste float32[K], bought (item ids)
"""

import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from cluster.local_s3 import bucket_at_hand
from cluster.mirror import mirror
from cluster.object_store import ObjectStore, open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from fashion_nn import configs
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator as Fitter
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.datasets.catalogue import Catalogue
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Look, Recommender
from fashion_nn.pictures import normalise
from fashion_nn.state_files import StateError, save_weights
from training import checkpoints, runs
from training.arguments import Parser
from training.catalogue_data import Rows, open_catalogue
from training.command import told_in_one_line
from training.errors import TrainingError, in_one_line
from training.recipe import NETWORKS, Source
from training.runs import RunRecord

BATCH = 128  # pictures that Φ looks at at once
CONFIGS = {"dvbpr": DVBPRConfig, "cgan": CGANConfig, "cagan": CAGANConfig}
MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp"}


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


def publish(
    settings: Settings, dvbpr_run: str, cgan_run: str, cagan_run: str, *, by: str | None = None, why: str = ""
) -> str:
    """Build a release of three finished runs, make it the one that serves, and return its id.

    The catalogue is read again where the recommender's run read it, so that its items are those of today; the
    shoppers are those of the run. Raises TrainingError naming the run at fault, DataError, StoreError.
    """
    store = open_store(settings.bucket_url, settings)
    names = dict(zip(NETWORKS, (dvbpr_run, cgan_run, cagan_run), strict=True))
    records = {network: runs.finished(store, run, network) for network, run in names.items()}
    categories = agreed_categories(records)
    trained = {network: load(store, record) for network, record in records.items()}
    with tempfile.TemporaryDirectory(prefix="atelier-release-") as folder:
        files = write_weights(Path(folder), trained, len(categories))
        files |= write_tables(Path(folder), trained["dvbpr"], categories, store, settings)
        return ReleaseStore(store).publish(
            files,
            configs={network: record.config for network, record in records.items()},
            metrics={network: record.metrics for network, record in records.items()},
            data={network: {"url": record.data, **record.counts} for network, record in records.items()},
            runs={network: {"run": record.run, "step": record.step} for network, record in records.items()},
            categories=categories,
            by=by,
            why=why,
        )


def agreed_categories(records: Mapping[str, RunRecord]) -> list[str]:
    """The categories of the recommender's and the generator's run, which must be the same."""
    dvbpr, cgan = records["dvbpr"], records["cgan"]
    ours, theirs = dvbpr.identity["categories"], cgan.identity["categories"]
    if ours != theirs:
        raise TrainingError(
            f"run {dvbpr.run!r} knows the categories {', '.join(ours)}, but run {cgan.run!r} {', '.join(theirs)}"
        )
    return ours


def load(store: ObjectStore, record: RunRecord) -> Trained:
    """The last checkpoint of a finished run."""
    try:
        config = configs.from_json(CONFIGS[record.network], record.config)
        state = checkpoints.download(store, record.run, runs.checkpoint_name(record.step))
    except (ValueError, StateError) as error:
        raise TrainingError(f"run {record.run!r} does not fit this code: {in_one_line(error)}") from error
    return Trained(record, config, state["step"])


def write_weights(folder: Path, trained: Mapping[str, Trained], n_categories: int) -> dict[str, Path]:
    """The three weight files."""
    files = {f"{network}.safetensors": folder / f"{network}.safetensors" for network in NETWORKS}
    gan, fitter = trained["cgan"], trained["cagan"]
    pair = nn.ModuleDict(
        {
            "generator": gan.fill(Generator(gan.config, n_categories), "average"),
            "discriminator": gan.fill(Discriminator(gan.config, n_categories), "discriminator"),
        }
    )
    save_weights(files["dvbpr.safetensors"], recommender(trained["dvbpr"]).look)
    save_weights(files["cgan.safetensors"], pair)
    save_weights(files["cagan.safetensors"], fitter.fill(Fitter(fitter.config), "average"))
    return files


def recommender(trained: Trained) -> Recommender:
    """Φ and the tastes of the run's shoppers."""
    shoppers = trained.record.identity["shoppers"]
    return trained.fill(Recommender(trained.config, len(shoppers)), "recommender")


def write_tables(
    folder: Path, trained: Trained, categories: list[str], store: ObjectStore, settings: Settings
) -> dict[str, Path]:
    """items.parquet and users.parquet; uploads the items' pictures by content."""
    url, network = trained.record.data, recommender(trained)
    source = Source(path=mirror(url, settings, settings.cache / "data"), cache=settings.cache / "pictures")
    data = open_catalogue(source, size=trained.config.picture_size)
    if unknown := set(data.catalogue.categories) - set(categories):
        new = ", ".join(sorted(unknown))
        raise TrainingError(f"{url} has categories that run {trained.record.run!r} does not know: {new}")
    keys = upload_pictures(data.catalogue.pictures, store, settings.s3_connections)
    tables = {
        "items.parquet": items_table(data.catalogue, keys, looks(network.look, data.pictures)),
        "users.parquet": users_table(data.catalogue, trained.record.identity["shoppers"], network.taste.weight),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / name)
    return {name: folder / name for name in tables}


def items_table(catalogue: Catalogue, keys: list[str], vectors: Tensor) -> pa.Table:
    """One row an item."""
    names = [catalogue.categories[place] for place in catalogue.item_category]
    columns = {"item_id": catalogue.item_ids, "category": names, "picture": keys, "look": as_lists(vectors)}
    return pa.table(columns)


def users_table(catalogue: Catalogue, shoppers: list[str], tastes: Tensor) -> pa.Table:
    """One row a shopper of the run, with everything bought until today."""
    bought: dict[str, set[int]] = {user: set() for user in shoppers}
    for user, item in catalogue.interactions:
        bought.setdefault(catalogue.user_ids[user], set()).add(int(item))
    ids = [[catalogue.item_ids[item] for item in sorted(bought[user])] for user in shoppers]
    columns = {"user_id": shoppers, "taste": as_lists(tastes), "bought": pa.array(ids, pa.list_(pa.string()))}
    return pa.table(columns)


def as_lists(vectors: Tensor) -> pa.Array:
    """Vectors [n, K] as n lists of float32."""
    values = vectors.detach().float().cpu().numpy()
    n, k = values.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), pa.float32()))


@torch.inference_mode()
def looks(look: Look, pictures: Rows) -> Tensor:
    """Looks [n, K] of all pictures, fp32."""
    cuts = range(0, len(pictures), BATCH)
    return torch.cat([look(normalise(pictures[slice(cut, cut + BATCH)])) for cut in cuts])


def upload_pictures(sources: Iterable[PictureSource], store: ObjectStore, threads: int) -> list[str]:
    """Each picture's key in the bucket, in order; what is there already stays."""

    def send(source: PictureSource) -> str:
        data = source.read()
        return store.put_picture(data, suffix=suffix_of(data))

    with ThreadPoolExecutor(threads, thread_name_prefix="upload") as pool:
        return list(pool.map(send, sources))


def suffix_of(data: bytes) -> str:
    """The ending for an encoded picture, by its first bytes."""
    return next(suffix for magic, suffix in MAGIC.items() if data.startswith(magic))


@told_in_one_line
def main(argv: list[str] | None = None) -> int:
    """`python -m training.publish`: prints the release's id."""
    words = Parser(prog="python -m training.publish", description="Three runs become one release.")
    for network in NETWORKS:
        words.add_argument(f"--{network}", required=True, metavar="RUN")
    words.add_argument("--by", help="who publishes (the user)")
    words.add_argument("--why", default="", help="kept in the history")
    asked = words.parse_args(argv)
    with bucket_at_hand(Settings()) as settings:
        print(publish(settings, asked.dvbpr, asked.cgan, asked.cagan, by=asked.by, why=asked.why))
    return 0


if __name__ == "__main__":
    sys.exit(main())
