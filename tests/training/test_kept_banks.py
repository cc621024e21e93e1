"""Where a seed bank is kept: elsewhere as soon as anything that it is made of differs."""

from dataclasses import replace

import pytest
import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.latent import Networks
from fashion_nn.latent.bank import BankConfig
from tests.fashion_nn.latent.conftest import made
from training import kept_banks

CONFIG = BankConfig(codes=64, tastes=2)


@pytest.fixture
def networks() -> Networks:
    return made()


def test_every_number_counts(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    tastes = torch.ones(3, 8)
    keys = {kept_banks.key_of(networks, tastes, CONFIG)}
    assert keys == {kept_banks.key_of(made(), tastes.clone(), BankConfig(codes=64, tastes=2))}
    keys.add(kept_banks.key_of(networks, tastes, replace(CONFIG, steps=3)))
    keys.add(kept_banks.key_of(networks, torch.nextafter(tastes, 2 * tastes), CONFIG))
    keys.add(kept_banks.key_of(networks, tastes.reshape(4, 6), CONFIG))
    for network in networks:
        last = list(network.state_dict().values())[-1]
        last += 1
        keys.add(kept_banks.key_of(networks, tastes, CONFIG))
    monkeypatch.setattr(kept_banks, "MADE", kept_banks.MADE + 1)
    keys.add(kept_banks.key_of(networks, tastes, CONFIG))
    assert len(keys) == 8


def test_what_is_kept_is_fetched_and_what_is_there_stays(tmp_path) -> None:
    (tmp_path / "bucket").mkdir()
    store, path, other = open_store((tmp_path / "bucket").as_uri(), Settings()), tmp_path / "a", tmp_path / "b"
    assert not kept_banks.fetch(store, "caches/banks/x", path)
    for content in (b"first", b"second"):
        path.write_bytes(content)
        kept_banks.keep(store, "caches/banks/x", path)
    assert kept_banks.fetch(store, "caches/banks/x", other) and other.read_bytes() == b"first"
