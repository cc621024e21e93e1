"""The networks that come with the demonstration, and how they get there and into a bucket."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cluster.object_store import NotFound, ObjectStore, open_store
from cluster.settings import Settings
from demo import sizes, weights
from fashion_nn import configs
from fashion_nn.latent.bank import Bank, BankConfig, judge
from fashion_nn.latent.folding import folded
from fashion_nn.world.world import write_world
from tests.training.finished import RUNS, finish
from training import kept_banks, recipe, runs
from training.publish import check_encoder, learnt_tastes, networks_of, write_weights
from training.trained import load

MOST_BYTES, MOST_BANK_BYTES = 8_000_000, 1_000_000
BESIDE = {"encoder": [f"generator={weights.names()['cgan']}"]}  # what their orders said beyond the named configs


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    (tmp_path / "bucket").mkdir()
    return open_store((tmp_path / "bucket").as_uri(), Settings())


def test_they_are_small_enough_to_come_along() -> None:
    networks = (weights.FOLDER / network for network in weights.PARTS)
    assert sum(size_of(folder) for folder in networks) < MOST_BYTES
    assert size_of(weights.FOLDER / weights.BANK) < MOST_BANK_BYTES


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@pytest.mark.parametrize("network", weights.PARTS)
def test_they_are_what_the_committed_configs_make(network: str) -> None:
    record = json.loads((weights.FOLDER / network / weights.RECORD).read_text())
    wanted = configs.override(configs.named(recipe.find(network).configs, weights.SIZE), BESIDE.get(network, []))
    assert configs.differences(wanted, record["config"]) == {}
    assert (record["state"], record["step"]) == ("finished", wanted.steps)


def test_a_release_can_be_made_of_them(store: ObjectStore, tmp_path: Path) -> None:
    names = weights.bring(store, "file:///world", sizes.demo().world)
    trained = {network: load(store, runs.finished(store, run, network)) for network, run in names.items()}
    check_encoder(trained)
    files = write_weights(tmp_path, networks_of(trained), trained)
    assert set(files) == {f"{network}.safetensors" for network in names}


def test_their_seed_bank_is_theirs(store: ObjectStore, tmp_path: Path) -> None:
    names = weights.bring(store, "file:///world", sizes.demo().world)
    trained = {network: load(store, runs.finished(store, run, network)) for network, run in names.items()}
    networks, path = networks_of(trained), tmp_path / "bank.safetensors"
    assert kept_banks.fetch(store, kept_banks.key_of(networks, learnt_tastes(trained), sizes.demo().bank), path)
    bank = Bank.load(path)
    for category in range(len(bank.codes)):
        few = bank.codes[category, ::100]
        looks, realism = judge(folded(networks), few, category)
        # as far as half a precision of G's pictures lets them be the same, where it was computed in that
        assert (bank.looks[category, ::100] - looks).norm() < 0.05 * looks.norm()
        assert (bank.realism[category, ::100] - realism).abs().mean() < 0.05


def test_the_bank_of_a_release_is_packed_beside_its_networks(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "networks"
    shutil.copytree(weights.FOLDER, folder)
    (known,) = (folder / weights.BANK).glob("*")
    weights.bring(store, "file:///world", sizes.demo().world, folder)
    monkeypatch.setattr(weights, "demo", lambda: replace(sizes.demo(), bank=BankConfig(codes=64)))
    with pytest.raises(NotFound):
        weights.pack_bank(store, folder)
    assert known.exists()
    monkeypatch.undo()
    (folder / weights.BANK / "another.safetensors").touch()
    before = known.read_bytes()
    weights.pack_bank(store, folder)
    assert {file.name: file.read_bytes() for file in (folder / weights.BANK).iterdir()} == {known.name: before}


def test_what_is_there_already_is_not_sent_again(store: ObjectStore) -> None:
    weights.bring(store, "file:///world", sizes.demo().world)
    before = {info.key: info for info in store.list()}
    weights.bring(store, "file:///world", sizes.demo().world)
    assert {info.key: info for info in store.list()} == before


def test_networks_of_another_world_are_refused(store: ObjectStore) -> None:
    with pytest.raises(weights.OtherWorld, match="TRAIN=1"):
        weights.bring(store, "file:///world", replace(sizes.demo().world, seed=1))
    assert list(store.list()) == []


def test_what_was_packed_is_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bucket_url=(tmp_path / "bucket").as_uri(), home=tmp_path / "home")
    (tmp_path / "bucket").mkdir()
    store, world = open_store(settings.bucket_url, settings), sizes.debug().world
    data = write_world(tmp_path / "bucket" / "world", world)
    monkeypatch.setattr(weights, "names", lambda: {network: RUNS[network] for network in weights.PARTS})
    for network in ("dvbpr", "cgan", "cagan", "encoder"):
        finish(network, data, settings)
        store.put(runs.key(RUNS[network], "samples", "00000010.jpg"), b"a sheet")
    trained = {network: load(store, runs.finished(store, run, network)) for network, run in weights.names().items()}
    elsewhere = {network: replace(runs.read(store, run), data="file:///elsewhere") for network, run in RUNS.items()}
    with monkeypatch.context() as patched, pytest.raises(ValueError, match="data is file:///elsewhere, but must be in"):
        patched.setattr(runs, "finished", lambda store, run, network: elsewhere[network])
        weights.pack(store, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
    weights.pack(store, tmp_path / "packed")
    other = open_store((tmp_path / "other").as_uri(), Settings())
    (tmp_path / "other").mkdir()
    weights.bring(other, "file:///there", world, tmp_path / "packed")
    for network, run in weights.names().items():
        again = load(other, runs.finished(other, run, network))
        assert again.config == trained[network].config and again.record.data == "file:///there"
        for part in weights.PARTS[network]:
            for name, value in trained[network].state[part].items():
                torch.testing.assert_close(again.state[part][name].to(value.dtype), value, rtol=1e-3, atol=1e-6)
        assert other.get(runs.key(run, "samples", "00000010.jpg")) == b"a sheet"
    check_encoder(
        {network: load(other, runs.finished(other, run, network)) for network, run in weights.names().items()}
    )


def test_weights_beyond_half_precision_are_refused() -> None:
    with pytest.raises(ValueError, match="dvbpr has large beyond"):
        weights.rounded("dvbpr", "recommender", {"large": torch.tensor([1e6]), "small": torch.tensor([1.0])})
