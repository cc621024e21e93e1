"""A release of random weights at debug size, whole enough for every call."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from fashion_nn import pictures
from fashion_nn.cagan import config as cagan_config
from fashion_nn.cagan import network as cagan_network
from fashion_nn.cgan import config as cgan_config
from fashion_nn.cgan import network as cgan_network
from fashion_nn.configs import to_json
from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr import network as dvbpr_network
from fashion_nn.dvbpr.fold_in import Usual
from fashion_nn.latent import Networks, bank
from fashion_nn.state_files import save_weights

CATEGORIES = ("men-tops", "women-tops", "men-shoes")
FITS = MappingProxyType({"men-tops": None, "women-tops": None})  # what is put on
WEIGHING = MappingProxyType({"category_weight": 2.0, "pooling": "statistics", "population": True})  # fields of dvbpr
ITEMS = 24  # item-00 … item-23, in turns of the first two categories
SHOPPERS = 6  # shopper-0 … shopper-5; shopper-n bought item-0n


def garment(hue: int) -> Image.Image:
    """A plain shirt of some colour on white."""
    image = Image.new("RGB", (32, 32), "white")
    colour = f"hsl({hue % 360}, 70%, 45%)"
    ImageDraw.Draw(image).polygon([(4, 6), (28, 6), (28, 14), (23, 12), (23, 28), (9, 28), (9, 12), (4, 14)], colour)
    return image


def publish(
    settings: Settings,
    folder: Path,
    *,
    seed: int = 0,
    fit: Mapping[str, object] = MappingProxyType({}),
    look: Mapping[str, object] = MappingProxyType({}),
    codes: int = 64,
    broken: bool = False,
    fits: Mapping[str, str | None] = FITS,
    promote: bool = True,
) -> str:
    """Publish such a release and return its id. Another seed makes another one.

    fit, look: fields of the try-on's and of the recommender's config. codes: of each category in the seed bank; 0 for a
    release without one. broken: the generator gives nothing finite.
    """
    torch.manual_seed(seed)
    store = open_store(settings.bucket_url, settings)
    files = {name: folder / name for name in ("dvbpr.safetensors", "cgan.safetensors", "cagan.safetensors")}
    look_config, gan_config = replace(dvbpr_config.debug(), **look), cgan_config.debug()
    fit_config = replace(cagan_config.debug(), **fit)
    network = dvbpr_network.Look(look_config, len(CATEGORIES)).eval()
    save_weights(files["dvbpr.safetensors"], network)
    save_weights(files["cagan.safetensors"], cagan_network.Generator(fit_config))
    networks = _networks(gan_config, network)
    if codes:
        files["bank.safetensors"] = folder / "bank.safetensors"
        _bank(networks, codes, seed).save(files["bank.safetensors"])
    if broken:
        next(networks.generator.parameters()).data.fill_(float("nan"))
    _save_gan(files["cgan.safetensors"], networks)
    files |= _tables(store, folder, network, seed)
    if look_config.population:
        files["population.safetensors"] = folder / "population.safetensors"
        mean = np.arange(network.dimensions, dtype=np.float64)
        Usual(mean, np.eye(network.dimensions)).save(files["population.safetensors"])
    return ReleaseStore(store).publish(
        files,
        configs={"dvbpr": to_json(look_config), "cgan": to_json(gan_config), "cagan": to_json(fit_config)},
        metrics={"auc": 0.5},
        data={"made": "for tests"},
        runs={},
        categories=CATEGORIES,
        fits=dict(fits),
        by="tests",
        why="a tiny one",
        promote=promote,
    )


def _networks(config: cgan_config.CGANConfig, look: dvbpr_network.Look) -> Networks:
    """Of random weights, large enough for pictures to differ visibly."""
    generator = cgan_network.Generator(config, len(CATEGORIES)).eval()
    discriminator = cgan_network.Discriminator(config, len(CATEGORIES)).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter *= 2
    return Networks(generator, discriminator, look)


def _bank(networks: Networks, codes: int, seed: int) -> bank.Bank:
    drawn = [bank.draw(seed, at, codes, networks.generator.latent_dimensions) for at in range(len(CATEGORIES))]
    judged = [bank.judge(networks, each, at) for at, each in enumerate(drawn)]
    looks, realism = (torch.stack(column) for column in zip(*judged, strict=True))
    return bank.Bank(torch.stack(drawn), looks, realism)


def _save_gan(path: Path, networks: Networks) -> None:
    parts = {"generator": networks.generator, "discriminator": networks.discriminator}
    save_file(
        {f"{name}.{key}": value.clone() for name, net in parts.items() for key, value in net.state_dict().items()},
        path,
    )


def _tables(store, folder: Path, look: dvbpr_network.Look, seed: int) -> dict[str, Path]:
    images = [garment(15 * at) for at in range(ITEMS)]
    with torch.inference_mode():
        seen = torch.stack([pictures.normalise(pictures.to_pixels(image)) for image in images])
        looks = look(seen, torch.arange(ITEMS) % 2).numpy()
    keys = [store.put_picture(pictures.encode(image, format="PNG"), suffix="png") for image in images]
    tastes = np.random.default_rng(seed).normal(size=(SHOPPERS, looks.shape[1])).astype(np.float32)
    items = {
        "item_id": [f"item-{at:02}" for at in range(ITEMS)],
        "category": [CATEGORIES[at % 2] for at in range(ITEMS)],
        "picture": keys,
        "look": looks.tolist(),
    }
    users = {
        "user_id": [f"shopper-{at}" for at in range(SHOPPERS)],
        "taste": tastes.tolist(),
        "bought": [[f"item-{at:02}"] for at in range(SHOPPERS)],
    }
    vector = pa.list_(pa.float32())
    pq.write_table(
        pa.table(
            items,
            pa.schema(
                [("item_id", pa.string()), ("category", pa.string()), ("picture", pa.string()), ("look", vector)]
            ),
        ),
        folder / "items.parquet",
    )
    pq.write_table(
        pa.table(users, pa.schema([("user_id", pa.string()), ("taste", vector), ("bought", pa.list_(pa.string()))])),
        folder / "users.parquet",
    )
    return {name: folder / name for name in ("items.parquet", "users.parquet")}
