"""Three finished runs become a release that says the same as they do."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from cluster.object_store import ObjectStore, open_store, picture_key
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from fashion_nn.configs import to_json
from fashion_nn.dvbpr.config import debug
from fashion_nn.dvbpr.fold_in import Usual
from fashion_nn.dvbpr.network import Look
from fashion_nn.dvbpr.population import settled
from fashion_nn.latent.bank import Bank, BankConfig, draw, judge
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks
from fashion_nn.state_files import load_weights
from tests.training.finished import RUNS, finish
from training import runs
from training.errors import TrainingError
from training.looks import as_parquet, folder_of
from training.publish import NEEDED, bank_of, fits_of, main, publish, turned
from training.recipe import Step
from training.seed_bank import judges

THREE = [RUNS[network] for network in NEEDED]


@pytest.fixture
def steps(data: Path, settings: Settings) -> dict[str, Step]:
    return {network: finish(network, data, settings) for network in NEEDED}


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return open_store(settings.bucket_url, settings)


def test_a_release_holds_what_the_runs_learnt(
    steps: dict[str, Step], data: Path, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    release = publish(settings, *THREE, bank=None, by="tester", why="first")
    assert ReleaseStore(store).current() == release
    folder = ReleaseStore(store).fetch(release, tmp_path / "cache")
    items, users = (pq.read_table(folder / name).to_pylist() for name in ("items.parquet", "users.parquet"))
    look = Look(debug())
    load_weights(folder / "dvbpr.safetensors", look)
    assert np.allclose([row["look"] for row in items], steps["dvbpr"].looks().numpy(), atol=1e-6)
    assert [row["item_id"] for row in items] == [f"i{i}" for i in range(24)]
    assert [row["category"] for row in items][:3] == ["tops", "bottoms", "shoes"]
    first = (data / "images" / "0.png").read_bytes()
    assert items[0]["picture"] == picture_key(first, suffix="png") and store.get(items[0]["picture"]) == first
    trained = steps["dvbpr"].recommender.taste.weight.detach().numpy()
    tastes = np.array([row["taste"] for row in users], np.float32)
    assert np.allclose(np.linalg.norm(tastes, axis=1), np.linalg.norm(trained, axis=1), rtol=1e-4)
    assert users[1]["user_id"] == "u1" and len(users[1]["bought"]) == 6
    assert all(int(item[1:]) % 2 == 1 for item in users[1]["bought"])
    assert_same_weights(
        folder / "cgan.safetensors",
        {"generator": steps["cgan"].average.network} | {"discriminator": steps["cgan"].discriminator},
    )
    assert_same_weights(folder / "cagan.safetensors", {"": steps["cagan"].average.network})


def test_a_release_says_what_is_put_on(steps: dict[str, Step], settings: Settings, store: ObjectStore) -> None:
    releases = ReleaseStore(store)
    assert releases.manifest(publish(settings, *THREE, bank=None))["fits"] is None
    assert releases.manifest(publish(settings, *THREE, bank=None, fits={"tops": None}))["fits"] == {"tops": None}
    with pytest.raises(TrainingError, match="fits: hats is put on, but must be one of bottoms, shoes, tops"):
        publish(settings, *THREE, bank=None, fits={"tops": None, "hats": None})
    with pytest.raises(TrainingError, match="fits: the group of tops is upper, but by run 'cagan-1' must be left out"):
        publish(settings, *THREE, bank=None, fits={"tops": "upper"})
    config = runs.read(store, "cagan-1").config
    changed(store, "cagan-1", config={**config, "groups": ["upper", "lower"]})
    with pytest.raises(TrainingError, match="the group of tops is None, but by run 'cagan-1' must be one of upper, l"):
        publish(settings, *THREE, bank=None, fits={"tops": None})


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], None), (["tops"], {"tops": None}), (["tops=upper", "skirts=lower"], {"tops": "upper", "skirts": "lower"})],
)
def test_what_is_put_on_in_words(words: list[str], expected: dict[str, str | None] | None) -> None:
    assert fits_of(words) == expected


def test_a_release_has_categories_in_its_vectors_and_how_tastes_are_spread(
    data: Path, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    step = finish("dvbpr", data, settings, "category_weight=2", "population=true", "pooling=statistics")
    for network in ("cgan", "cagan"):
        finish(network, data, settings)
    key = picture_key((data / "images" / "5.png").read_bytes(), suffix="png")
    constant = as_parquet([key], np.full((1, 8), 7.0, np.float32))
    store.put(f"{folder_of(RUNS['dvbpr'], 10)}part.parquet", constant)
    release = publish(settings, *THREE, bank=None)
    folder = ReleaseStore(store).fetch(release, tmp_path / "cache")
    items, users = (pq.read_table(folder / name).to_pylist() for name in ("items.parquet", "users.parquet"))
    vectors = np.array([row["look"] for row in items], np.float32)
    expected = step.looks().numpy()
    expected[5, :8] = 7  # as was kept; its category is known
    assert vectors.shape == (24, 8 + 3) and np.allclose(vectors, expected, atol=1e-5)
    assert items[0]["category"] == "tops" and vectors[0, 8:].tolist() == [0, 0, 2]
    usual = Usual.load(folder / "population.safetensors")
    assert np.array_equal(usual.precision, np.eye(11))
    bought = [np.array([int(item[1:]) for item in row["bought"]]) for row in users]
    assert np.allclose([row["taste"] for row in users], settled(vectors, bought, usual), rtol=1e-3, atol=1e-5)


def test_tastes_are_turned_to_what_was_bought_and_keep_their_length() -> None:
    random = np.random.default_rng(0)
    true, looks = random.standard_normal((40, 6)), random.standard_normal((300, 6)).astype(np.float32)
    trained = (true + random.standard_normal(true.shape)).astype(np.float32)  # a little beside
    bought = [np.sort(np.argsort(-looks @ taste)[:10]) for taste in true]
    bought[3] = np.empty(0, dtype=np.int64)
    found = turned(trained, looks, bought)
    assert np.array_equal(found[3], trained[3])
    assert np.allclose(np.linalg.norm(found, axis=1), np.linalg.norm(trained, axis=1), rtol=1e-4)

    def nearness(tastes: np.ndarray) -> np.ndarray:
        return (tastes * true).sum(1) / np.linalg.norm(tastes, axis=1) / np.linalg.norm(true, axis=1)

    assert nearness(found).mean() > nearness(trained).mean() + 0.05


def test_tastes_that_are_all_alike_stay() -> None:
    alike = np.ones((3, 4), np.float32)
    assert np.array_equal(turned(alike, np.eye(4, dtype=np.float32), [np.array([0])] * 3), alike)


def assert_same_weights(path: Path, networks: dict[str, torch.nn.Module]) -> None:
    found = load_file(path)
    wanted = {f"{n}.{k}".lstrip("."): v for n, net in networks.items() for k, v in net.state_dict().items()}
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_manifest_tells_configs_metrics_data_and_runs(
    steps: dict[str, Step], data: Path, settings: Settings, store: ObjectStore
) -> None:
    manifest = ReleaseStore(store).manifest(publish(settings, *THREE, bank=None))
    assert manifest["categories"] == ["bottoms", "shoes", "tops"]
    assert manifest["configs"]["dvbpr"]["dimensions"] == 8
    assert manifest["metrics"] == {network: {"m": 0.5} for network in NEEDED}
    assert manifest["data"]["cagan"] == {"url": data.as_uri(), "pairs": 6, "test pairs": 4}
    assert manifest["runs"]["cgan"] == {"run": "cgan-1", "step": 10}


@pytest.mark.usefixtures("local_ray")
def test_a_release_has_a_seed_bank_of_its_networks(
    steps: dict[str, Step], settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    config = BankConfig(codes=70, tastes=2, rows=3, steps=2)
    release = publish(settings, *THREE, bank=config)
    folder = ReleaseStore(store).fetch(release, tmp_path / "cache")
    assert ReleaseStore(store).manifest(release)["configs"]["bank"] == to_json(config)
    bank = Bank.load(folder / "bank.safetensors")
    assert bank.codes.shape == (3, 70 + 2 * 3, 8)
    assert torch.equal(bank.codes[:, :70], torch.stack([draw(0, category, 70, 8) for category in range(3)]))
    networks = Networks(
        steps["cgan"].average.network, steps["cgan"].discriminator.eval(), steps["dvbpr"].recommender.look.eval()
    )
    for category in range(3):
        looks, realism = judge(judges(folded(networks), torch.device("cpu")), bank.codes[category], category)
        torch.testing.assert_close(bank.looks[category], looks, rtol=2e-3, atol=1e-4)
        torch.testing.assert_close(bank.realism[category], realism, rtol=2e-3, atol=1e-4)


@pytest.mark.usefixtures("local_ray")
def test_the_same_seed_bank_is_not_computed_again(
    steps: dict[str, Step], settings: Settings, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BankConfig(codes=64, tastes=2, rows=1, steps=2)
    first = publish(settings, *THREE, bank=config)

    def unwanted(*args: object, **options: object) -> None:
        raise InterruptedError("it was to be computed")

    monkeypatch.setattr("training.publish.connected", unwanted)
    again = publish(settings, *THREE, bank=config)
    banks = [store.get(f"releases/{release}/bank.safetensors") for release in (first, again)]
    assert banks[0] == banks[1]
    with pytest.raises(InterruptedError):
        publish(settings, *THREE, bank=replace(config, seed=1))


def test_a_seed_bank_has_limits() -> None:
    assert bank_of(0, 64) is None
    for codes in (-1, 63, 65_537):
        with pytest.raises(
            TrainingError, match=f"of the seed bank, codes is {codes}, but must lie between 64 and 65536"
        ):
            bank_of(codes, 64)
    with pytest.raises(TrainingError, match="tastes is -1"):
        bank_of(64, -1)


def test_a_release_has_the_encoder_of_its_generator(
    steps: dict[str, Step], data: Path, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    encoder = finish("encoder", data, settings)
    release = publish(settings, *THREE, encoder_run="encoder-1", bank=None)
    manifest, folder = ReleaseStore(store).manifest(release), ReleaseStore(store).fetch(release, tmp_path / "cache")
    assert manifest["configs"]["encoder"]["generator"] == "cgan-1"
    assert manifest["metrics"]["encoder"] == {"m": 0.5}
    assert manifest["runs"]["encoder"] == {"run": "encoder-1", "step": 10}
    assert_same_weights(folder / "encoder.safetensors", {"": encoder.average.network})
    without = ReleaseStore(store).manifest(publish(settings, *THREE, bank=None))
    assert "encoder.safetensors" not in without["files"] and "encoder" not in without["configs"]


@pytest.mark.parametrize("change", [["steps=12"], ["seed=1"]], ids=["step", "weights"])
def test_an_encoder_of_another_generator_is_refused(
    steps: dict[str, Step], data: Path, settings: Settings, store: ObjectStore, change: list[str]
) -> None:
    finish("encoder", data, settings)
    finish("cgan", data, settings, *change)
    message = r"run 'encoder-1' was trained against cgan-1, step 10, weights \w+, but the release's generator is cgan-1"
    with pytest.raises(TrainingError, match=message):
        publish(settings, *THREE, encoder_run="encoder-1", bank=None)
    with pytest.raises(TrainingError, match="run 'dvbpr-1' trained dvbpr, not encoder"):
        publish(settings, *THREE, encoder_run="dvbpr-1", bank=None)
    assert ReleaseStore(store).releases() == []


def changed(store: ObjectStore, run: str, **changes: object) -> None:
    runs.write(store, replace(runs.read(store, run), **changes))


def test_what_does_not_fit_together_is_refused_by_the_run_s_name(
    steps: dict[str, Step], settings: Settings, store: ObjectStore
) -> None:
    with pytest.raises(TrainingError, match="run 'cagan-1' trained cagan, not cgan"):
        publish(settings, "dvbpr-1", "cagan-1", "cagan-1", bank=None)
    with pytest.raises(TrainingError, match="there is no run 'other'"):
        publish(settings, "dvbpr-1", "cgan-1", "other", bank=None)
    identity = runs.read(store, "cgan-1").identity
    changed(store, "cgan-1", identity={"categories": ["hats"]})
    with pytest.raises(
        TrainingError, match="run 'dvbpr-1' knows the categories bottoms, shoes, tops, but run 'cgan-1'"
    ):
        publish(settings, *THREE, bank=None)
    changed(store, "cgan-1", identity=identity)
    config = runs.read(store, "cagan-1").config
    changed(store, "cagan-1", config={**config, "generator_width": 16})
    with pytest.raises(TrainingError, match="run 'cagan-1' does not fit this code"):
        publish(settings, *THREE, bank=None)
    assert ReleaseStore(store).releases() == []


def test_new_items_are_in_the_release_and_a_new_category_is_refused(
    steps: dict[str, Step], data: Path, settings: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    grown = shutil.copytree(data, tmp_path / "grown")
    changed(store, "dvbpr-1", data=grown.as_uri())
    with (grown / "items.csv").open("a") as rows:
        rows.write("new,shoes,images/0.png\n")
    with (grown / "interactions.csv").open("a") as rows:
        rows.write("u0,new,99\nstranger,new,99\n")
    folder = ReleaseStore(store).fetch(publish(settings, *THREE, bank=None), tmp_path / "cache")
    assert pq.read_table(folder / "items.parquet")["item_id"].to_pylist()[-1] == "new"
    users = pq.read_table(folder / "users.parquet").to_pylist()
    assert "new" in users[0]["bought"] and "stranger" not in [row["user_id"] for row in users]
    with (grown / "items.csv").open("a") as rows:
        rows.write("hat,hats,images/0.png\n")
    with pytest.raises(TrainingError, match="categories that run 'dvbpr-1' does not know: hats"):
        publish(settings, *THREE, bank=None)


def test_the_command_prints_the_id_or_one_line(
    steps: dict[str, Step], settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    words = ["--bank", "0", "--fits", "tops"]
    words += [word for network in NEEDED for word in (f"--{network}", RUNS[network])]
    assert main(words) == 0
    assert capsys.readouterr().out.strip() in ReleaseStore(open_store(settings.bucket_url, settings)).releases()
    assert main([*words[:-1], "none"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no run 'none'")
