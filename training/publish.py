"""Finished runs become one release: `python -m training.publish --dvbpr RUN --cgan RUN --cagan RUN`.

dvbpr.safetensors    Φ alone; the tastes are in users.parquet
cgan.safetensors     generator.* (its average), discriminator.*
cagan.safetensors    the generator (its average)
encoder.safetensors  the encoder (its average), where there is one
bank.safetensors     the seed bank: codes, looks, realism, where there is one
items.parquet        item_id, category, picture (its key in the bucket), look float32[L]
users.parquet        user_id, taste float32[L], bought (item ids)
population.safetensors  mean [L] and precision [L, L] of tastes, where the run has fitted how they are spread

L is K, or where the run weighs categories K and their number: an item's vector has its category behind its look.
A taste has the length that it was trained to, and the direction that today's purchases give it under the finished Φ;
where the run has fitted how tastes are spread, it is what today's purchases say under that.
"""

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cluster.local_s3 import bucket_at_hand
from cluster.mirror import mirror
from cluster.object_store import ObjectStore, open_store, picture_suffix
from cluster.ray_runtime import connected
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from fashion_nn.cagan.network import Generator as Fitter
from fashion_nn.cgan.architecture import networks as pair_of
from fashion_nn.configs import to_json
from fashion_nn.datasets.catalogue import Catalogue
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.dvbpr.fold_in import OTHERS, Usual, fold_in_among
from fashion_nn.dvbpr.network import Look, Recommender
from fashion_nn.dvbpr.population import settled
from fashion_nn.latent.bank import BankConfig
from fashion_nn.latent.encoder.network import Encoder
from fashion_nn.latent.objective import Networks
from fashion_nn.pictures import normalise
from fashion_nn.state_files import save_weights
from training import kept_banks, runs
from training.arguments import Parser
from training.catalogue_data import Rows, open_catalogue
from training.command import told_in_one_line
from training.errors import TrainingError
from training.looks import kept
from training.progress import Listener, by_quarters
from training.recipe import Source
from training.runs import RunRecord
from training.trained import Trained, averaged_generator, class_ids, generator_identity, load, recommender

Floats, Whole = NDArray[np.float32], NDArray[np.int64]
BATCH = 128  # pictures that Φ looks at at once
NEEDED = ("dvbpr", "cgan", "cagan")
BANK = BankConfig()
BANKED = "codes of the seed bank"


def publish(
    settings: Settings,
    dvbpr_run: str,
    cgan_run: str,
    cagan_run: str,
    *,
    encoder_run: str | None = None,
    bank: BankConfig | None = BANK,
    fits: Mapping[str, str | None] | None = None,
    by: str | None = None,
    why: str = "",
    listen: Listener = lambda done, total: None,
) -> str:
    """Build a release of finished runs, make it the one that serves, and return its id.

    The catalogue is read again where the recommender's run read it, so that its items are those of today; the
    shoppers are those of the run. bank: how large a seed bank, if any; unless the same was computed before, that is
    done on Ray, and `listen` is told how many of its codes are done. fits: the categories that are put on, each with
    its group where the try-on's run tells groups apart; None for all. Raises TrainingError naming the run or the
    category at fault, DataError, StoreError, RayUnavailable.
    """
    store = open_store(settings.bucket_url, settings)
    names = dict(zip(NEEDED, (dvbpr_run, cgan_run, cagan_run), strict=True))
    names |= {"encoder": encoder_run} if encoder_run else {}
    records = {network: runs.finished(store, run, network) for network, run in names.items()}
    categories = agreed_categories(records)
    check_fits(fits or {}, categories, records["cagan"])
    trained = {network: load(store, record) for network, record in records.items()}
    check_encoder(trained)
    networks = networks_of(trained)
    with tempfile.TemporaryDirectory(prefix="atelier-release-") as folder:
        files = write_weights(Path(folder), networks, trained)
        files |= write_tables(Path(folder), trained["dvbpr"], store, settings)
        if bank is not None:
            files |= write_bank(Path(folder), networks, learnt_tastes(trained), bank, store, settings, listen)
        return ReleaseStore(store).publish(
            files,
            configs={network: record.config for network, record in records.items()}
            | ({} if bank is None else {"bank": to_json(bank)}),
            metrics={network: record.metrics for network, record in records.items()},
            data={network: {"url": record.data, **record.counts} for network, record in records.items()},
            runs={network: {"run": record.run, "step": record.step} for network, record in records.items()},
            categories=categories,
            fits=fits,
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


def check_fits(fits: Mapping[str, str | None], categories: Sequence[str], cagan: RunRecord) -> None:
    """Refuse to put on what there is none of, or as a group of which the try-on's run knows nothing."""
    groups: Sequence[str] = cagan.config.get("groups", ())  # runs of before there were any say nothing
    for category, group in fits.items():
        if category not in categories:
            raise TrainingError(f"fits: {category} is put on, but must be one of {', '.join(categories)}")
        if group not in (groups if len(groups) > 1 else (None, *groups)):
            known = f"one of {', '.join(groups)}" if groups else "left out"
            raise TrainingError(f"fits: the group of {category} is {group}, but by run {cagan.run!r} must be {known}")


def check_encoder(trained: Mapping[str, Trained]) -> None:
    """Refuse an encoder that was trained against another generator than the one beside it."""
    if "encoder" not in trained:
        return
    record = trained["encoder"].record
    ours, theirs = generator_identity(trained["cgan"]), record.identity["generator"]
    if ours != theirs:
        raise TrainingError(
            f"run {record.run!r} was trained against {', '.join(theirs)}, but the release's generator is "
            f"{', '.join(ours)}"
        )


def networks_of(trained: Mapping[str, Trained]) -> Networks:
    """The three networks of the latent engine."""
    gan = trained["cgan"]
    generator = averaged_generator(gan)
    discriminator = gan.fill(pair_of(gan.config, generator.n_categories).discriminator, "discriminator")
    return Networks(generator, discriminator, recommender(trained["dvbpr"]).look)


def write_weights(folder: Path, networks: Networks, trained: Mapping[str, Trained]) -> dict[str, Path]:
    """The weight files: three, or four with an encoder."""
    fitter, pair = trained["cagan"], {"generator": networks.generator, "discriminator": networks.discriminator}
    weights = {
        "dvbpr.safetensors": networks.look,
        "cgan.safetensors": nn.ModuleDict(pair),
        "cagan.safetensors": fitter.fill(Fitter(fitter.config), "average"),
    }
    if encoder := trained.get("encoder"):
        network = Encoder(encoder.config, trained["cgan"].config, networks.generator.n_categories)
        weights["encoder.safetensors"] = encoder.fill(network, "average")
    for name, network in weights.items():
        save_weights(folder / name, network)
    return {name: folder / name for name in weights}


def learnt_tastes(trained: Mapping[str, Trained]) -> Tensor:
    """The tastes [n, L] that the recommender's run has learnt, of which a seed bank takes typical ones."""
    return recommender(trained["dvbpr"]).taste.weight.detach()


def write_bank(
    folder: Path,
    networks: Networks,
    tastes: Tensor,
    config: BankConfig,
    store: ObjectStore,
    settings: Settings,
    listen: Listener,
) -> dict[str, Path]:
    """bank.safetensors: one that is kept, or else a new one, which then is. Ray is imported only now."""
    path, key = folder / "bank.safetensors", kept_banks.key_of(networks, tastes, config)
    if not kept_banks.fetch(store, key, path):
        with connected(settings, log_to_driver=False):
            from training.seed_bank import compute

            bank = compute(networks, tastes, config, n_categories=networks.generator.n_categories, listen=listen)
        bank.save(path)
        kept_banks.keep(store, key, path)
    return {path.name: path}


def fits_of(words: Sequence[str]) -> dict[str, str | None] | None:
    """What `--fits` says: categories, each with =GROUP where groups are told apart; None where it says nothing."""
    told = (word.partition("=") for word in words)
    return {category: group or None for category, _, group in told} or None


def bank_of(codes: int, tastes: int) -> BankConfig | None:
    """The bank that a command line asks for, by its codes a category (0: none) and typical tastes."""
    try:
        return BankConfig(codes=codes, tastes=tastes) if codes else None
    except ValueError as error:
        raise TrainingError(f"of the seed bank, {error}") from error


def write_tables(folder: Path, trained: Trained, store: ObjectStore, settings: Settings) -> dict[str, Path]:
    """items.parquet, users.parquet and, where the run knows it, the spread of tastes; uploads pictures by content."""
    url, network = trained.record.data, recommender(trained)
    source = Source(path=mirror(url, settings, settings.cache / "data"), cache=settings.cache / "pictures", store=store)
    data = open_catalogue(source, size=trained.config.picture_size)
    classes = class_ids(data.catalogue, url, trained.record)
    keys = upload_pictures(data.catalogue.pictures, store, settings.s3_connections)
    looks = looks_of(network.look, data.pictures, keys, kept(store, trained.record.run, trained.record.step))
    vectors = network.look.placed(looks, classes).numpy()
    shoppers = trained.record.identity["shoppers"]
    bought = bought_by(data.catalogue, shoppers)
    tastes = tastes_of(network, vectors, bought)
    tables = {
        "items.parquet": items_table(data.catalogue, keys, vectors),
        "users.parquet": users_table(data.catalogue, shoppers, tastes, bought),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / name)
    files = {name: folder / name for name in tables}
    if network.population:
        files["population.safetensors"] = folder / "population.safetensors"
        network.usual().save(files["population.safetensors"])
    return files


def tastes_of(network: Recommender, vectors: Floats, bought: Sequence[Whole]) -> Floats:
    """The tastes [U, L] of the run's shoppers, by what they have bought until today of items of vectors [n, L]."""
    if network.population:
        return settled(vectors, bought, network.usual())
    return turned(network.taste.weight.detach().float().numpy(), vectors, bought)


def items_table(catalogue: Catalogue, keys: list[str], looks: Floats) -> pa.Table:
    """One row an item."""
    names = [catalogue.categories[place] for place in catalogue.item_category]
    columns = {"item_id": catalogue.item_ids, "category": names, "picture": keys, "look": as_lists(looks)}
    return pa.table(columns)


def bought_by(catalogue: Catalogue, shoppers: list[str]) -> list[Whole]:
    """The items that each shopper has bought until today, as positions in the catalogue."""
    bought: dict[str, set[int]] = {user: set() for user in shoppers}
    for user, item in catalogue.interactions:
        bought.setdefault(catalogue.user_ids[user], set()).add(int(item))
    return [np.array(sorted(bought[user]), dtype=np.int64) for user in shoppers]


def turned(tastes: Floats, looks: Floats, bought: Sequence[Whole]) -> Floats:
    """Tastes [U, K] as long as they were trained to be, in the directions that all that was bought gives them.

    Stochastic steps leave each a little beside its optimum under the finished Φ. A taste stays as it is where nothing
    was bought, or everything, and all do where they are too few, or too alike, to say how tastes are.
    """
    if len(tastes) < 2 or not np.ptp(tastes, axis=0).any():
        return tastes
    usual, found = Usual.of(tastes), tastes.copy()
    others = np.random.default_rng(0).permutation(len(looks))[:OTHERS]
    for row, items in enumerate(bought):
        rest = np.setdiff1d(others, items)
        if len(items) and len(rest):
            taste = fold_in_among(looks[items], looks[rest], usual, start=tastes[row])
            found[row] = taste * np.linalg.norm(tastes[row]) / max(1e-12, float(np.linalg.norm(taste)))
    return found


def users_table(catalogue: Catalogue, shoppers: list[str], tastes: Floats, bought: Sequence[Whole]) -> pa.Table:
    """One row a shopper of the run."""
    ids = [[catalogue.item_ids[item] for item in items] for items in bought]
    columns = {"user_id": shoppers, "taste": as_lists(tastes), "bought": pa.array(ids, pa.list_(pa.string()))}
    return pa.table(columns)


def as_lists(vectors: Floats) -> pa.Array:
    """Vectors [n, K] as n lists of float32."""
    n, k = vectors.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    return pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel(), pa.float32()))


@torch.inference_mode()
def looks_of(look: Look, pictures: Rows, keys: list[str], known: Mapping[str, np.ndarray]) -> Tensor:
    """Looks [n, K] of all pictures, fp32: those that are `known` by the pictures' keys, and of the others by Φ."""
    found = torch.empty(len(pictures), look.picture_dimensions)
    missing = np.array([at for at, key in enumerate(keys) if key not in known], dtype=np.int64)
    for rows in np.split(missing, range(BATCH, len(missing), BATCH)):
        found[rows] = look.seen(normalise(pictures[rows])).float()
    for at, key in enumerate(keys):
        if key in known:
            found[at] = torch.tensor(known[key])
    return found


def upload_pictures(sources: Iterable[PictureSource], store: ObjectStore, threads: int) -> list[str]:
    """Each picture's key in the bucket, in order; what is there already stays."""

    def send(source: PictureSource) -> str:
        data = source.read()
        return store.put_picture(data, suffix=picture_suffix(data))

    with ThreadPoolExecutor(threads, thread_name_prefix="upload") as pool:
        return list(pool.map(send, sources))


@told_in_one_line
def main(argv: list[str] | None = None) -> int:
    """`python -m training.publish`: prints the release's id."""
    words = Parser(prog="python -m training.publish", description="Finished runs become one release.")
    for network in NEEDED:
        words.add_argument(f"--{network}", required=True, metavar="RUN")
    words.add_argument("--encoder", metavar="RUN", help="trained against the same cgan run")
    words.add_argument(
        "--bank", type=int, default=BANK.codes, metavar="N", help=f"codes a category ({BANK.codes}); 0: no seed bank"
    )
    words.add_argument(
        "--bank-tastes",
        type=int,
        default=BANK.tastes,
        metavar="N",
        help=f"typical tastes for which the bank is climbed ({BANK.tastes})",
    )
    words.add_argument(
        "--fits",
        action="append",
        default=[],
        metavar="CATEGORY[=GROUP]",
        help="that the try-on has learnt to put on, as which of its groups; once for each (all categories)",
    )
    words.add_argument("--by", help="who publishes (the user)")
    words.add_argument("--why", default="", help="kept in the history")
    asked = words.parse_args(argv)
    with bucket_at_hand(Settings()) as settings:
        release = publish(
            settings,
            asked.dvbpr,
            asked.cgan,
            asked.cagan,
            encoder_run=asked.encoder,
            bank=bank_of(asked.bank, asked.bank_tastes),
            fits=fits_of(asked.fits),
            by=asked.by,
            why=asked.why,
            listen=by_quarters(partial(print, file=sys.stderr, flush=True), BANKED),
        )
        print(release)
    return 0


if __name__ == "__main__":
    sys.exit(main())
