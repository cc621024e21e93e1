"""What the measurements stand on: networks, shoppers, a bank, pictures; of a release, or of random weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fashion_nn.cgan import config as cgan_configs
from fashion_nn.cgan.architecture import networks as pair_of
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.configs import from_json
from fashion_nn.dvbpr import config as dvbpr_configs
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent import Ascent, Networks, Weights
from fashion_nn.latent.bank import Bank, draw, judge
from fashion_nn.latent.encoder import Encoder, EncoderConfig

CATEGORIES = 6  # of random networks
BANK = 4096  # codes a category, where the release has no bank


@dataclass(frozen=True, kw_only=True, slots=True)
class Subjects:
    """Everything on the host. `trained` is False for random weights: nothing can be said of quality then."""

    networks: Networks
    tastes: Tensor  # [n, K]
    bank: Bank | None
    encoder: nn.Module | None
    trained: bool

    @property
    def categories(self) -> int:
        return self.networks.generator.n_categories

    def blind(self, shopper: int, rows: int, **fields: Any) -> Ascent:
        """The ascent of a shopper from random starts, in a category that follows from their number."""
        random = torch.Generator().manual_seed(shopper)
        starts = 2 * torch.rand(rows, self.networks.generator.latent_dimensions, generator=random) - 1
        return self._ascent(shopper, starts, **fields)

    def from_bank(self, shopper: int, rows: int, **fields: Any) -> Ascent:
        """The same from the bank's best starts."""
        assert self.bank is not None
        taste, category = self.tastes[shopper % len(self.tastes)], shopper % self.categories
        return self._ascent(shopper, self.bank.starts(taste, category, rows, Weights(), seed=shopper), **fields)

    def _ascent(self, shopper: int, starts: Tensor, **fields: Any) -> Ascent:
        taste, category = self.tastes[shopper % len(self.tastes)], shopper % self.categories
        return Ascent(taste=taste, category=category, starts=starts, **fields)


def of_release(folder: Path) -> Subjects:
    """The networks, shoppers, bank and encoder of a release's folder; the bank is made here if it has none."""
    manifest = json.loads((folder / "manifest.json").read_text())
    count, configs = len(manifest["categories"]), manifest["configs"]
    cgan, dvbpr = from_json(CGANConfig, configs["cgan"]), from_json(DVBPRConfig, configs["dvbpr"])
    pair = nn.ModuleDict(pair_of(cgan, count)._asdict())
    pair.load_state_dict(load_file(folder / "cgan.safetensors"))
    look = Look(dvbpr, count)
    look.load_state_dict(load_file(folder / "dvbpr.safetensors"))
    networks = frozen(Networks(pair["generator"], pair["discriminator"], look))
    tastes = torch.tensor(parquet.read_table(folder / "users.parquet")["taste"].to_pylist())
    stored = folder / "bank.safetensors"
    encoder = None
    if "encoder" in configs:
        encoder = Encoder(from_json(EncoderConfig, configs["encoder"]), cgan, count)
        encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
        encoder.eval().requires_grad_(False)
    return Subjects(
        networks=networks,
        tastes=tastes,
        bank=Bank.load(stored) if stored.exists() else made_bank(networks),
        encoder=encoder,
        trained=True,
    )


def of_size(size: str) -> Subjects:
    """Random weights of a size: what a step costs does not depend on them."""
    torch.manual_seed(0)
    cgan, dvbpr = getattr(cgan_configs, size)(), getattr(dvbpr_configs, size)()
    networks = Networks(*pair_of(cgan, CATEGORIES), Look(dvbpr, CATEGORIES))
    tastes = torch.randn(100, networks.look.dimensions)
    return Subjects(networks=frozen(networks), tastes=tastes, bank=None, encoder=None, trained=False)


def made_bank(networks: Networks) -> Bank:
    """A bank of BANK codes a category."""
    codes = [
        draw(0, category, BANK, networks.generator.latent_dimensions)
        for category in range(networks.generator.n_categories)
    ]
    judged = [judge(networks, each, category) for category, each in enumerate(codes)]
    looks, realism = (torch.stack(column) for column in zip(*judged, strict=True))
    return Bank(torch.stack(codes), looks, realism)


def frozen(networks: Networks) -> Networks:
    return Networks(*(network.eval().requires_grad_(False) for network in networks))
