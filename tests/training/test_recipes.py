"""The recipes on small data, without Ray: what they open, build, show and measure."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cluster.settings import Settings
from fashion_nn import configs
from fashion_nn.datasets.problems import DataError
from tests.training.finished import RUNS, fields_of, finish, source_of
from training import recipe, runs
from training.catalogue_data import open_catalogue
from training.errors import TrainingError
from training.recipe import NETWORKS

COUNTS = {
    "dvbpr": {"items": 24, "categories": 3, "shoppers": 8, "interactions": 48, "held-out items": 8},
    "cgan": {"items": 24, "categories": 3},
    "cagan": {"pairs": 6, "test pairs": 4},
    "encoder": {"items": 24, "categories": 3},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_recipe_opens_builds_shows_and_measures(network: str, data: Path, settings: Settings) -> None:
    if network == "encoder":
        finish("cgan", data, settings)
    which, source = recipe.find(network), source_of(data, settings)
    config = configs.override(configs.named(which.configs, "debug"), fields_of(network))
    found = which.open(source, config)
    assert which.summary(found).counts == COUNTS[network]
    step = which.build(config, found, torch.device("cpu"))
    assert {n: m.state_dict().keys() for n, m in which.networks(config, found).items()} == {
        n: m.state_dict().keys() for n, m in step.networks.items()
    }
    terms = step(step.draw(0))
    assert terms and all(torch.isfinite(value) for value in terms.values())
    sheet = step.sample()
    assert sheet.ndim == 5 and sheet.abs().max() <= 1 + 1e-5
    assert which.columns is None or len(which.columns) == sheet.shape[1]
    assert which.rows(found) is None or len(which.rows(found)) == sheet.shape[0]
    metrics = which.evaluate(step, found)
    assert metrics and all(np.isfinite(value) for value in metrics.values())


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Path:
    """The same data with a picture of an item and one of a person that do not decode."""
    folder = shutil.copytree(data, tmp_path / "broken")
    (folder / "images" / "5.png").write_bytes(b"not a picture")
    (folder / "pairs" / "train" / "image" / "p2.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder


@pytest.mark.parametrize(("network", "counted"), [("dvbpr", "items"), ("cgan", "items"), ("cagan", "pairs")])
def test_broken_pictures_are_left_out_or_refused(network: str, counted: str, broken: Path, settings: Settings) -> None:
    which = recipe.find(network)
    config = configs.named(which.configs, "debug")
    found = which.open(source_of(broken, settings), config)
    summary = which.summary(found)
    assert summary.counts[counted] == COUNTS[network][counted] - 1
    assert len(summary.problems) == 1 and ("5.png" in str(summary.problems[0]) or "p2.jpg" in str(summary.problems[0]))
    which.build(config, found, torch.device("cpu")).draw(0)
    with pytest.raises(DataError, match=r"5\.png|p2\.jpg"):
        which.open(replace(source_of(broken, settings), on_problem="refuse"), config)


def test_truths_are_learnt_from_where_they_are_known(data: Path, tmp_path: Path, settings: Settings) -> None:
    which = recipe.find("cagan")
    config = configs.override(configs.named(which.configs, "debug"), ["truths=true"])
    with pytest.raises(DataError, match=r"train_truth\.csv: no pair has a truth"):
        which.open(source_of(data, settings), config)
    folder = shutil.copytree(data, tmp_path / "known")
    (folder / "pairs" / "train" / "truth").mkdir()
    names = [path.name for path in sorted((folder / "pairs" / "train" / "image").iterdir())]
    garments = [path.name for path in sorted((folder / "pairs" / "train" / "cloth").iterdir())]
    for name in names[:5]:
        shutil.copy(folder / "pairs" / "train" / "image" / name, folder / "pairs" / "train" / "truth" / name)
    (folder / "pairs" / "train" / "truth" / names[4]).write_bytes(b"not a picture")
    rows = [f"{name},{garments[0]},{name}" for name in names[:5]]
    (folder / "pairs" / "train_truth.csv").write_text("\n".join(["person,wanted,truth", *rows]))
    found = which.open(source_of(folder, settings), config)
    assert which.summary(found).counts["pairs"] == 4 and len(which.summary(found).problems) == 1
    assert len(found.train.shown.truths) == len(found.train.shown.wanted) == 4
    step = which.build(config, found, torch.device("cpu"))
    assert all(torch.isfinite(value) for value in step(step.draw(0)).values())
    config = configs.override(config, ["warp=true", "origins_weight=0.5"])
    with pytest.raises(DataError, match=r"origins: no truth has origins, of which a config with origins_weight learns"):
        which.open(source_of(folder, settings), config)
    origins = folder / "pairs" / "train" / "origins"
    origins.mkdir()
    for name in names[:3]:
        shutil.copy(folder / "pairs" / "train" / "image" / name, origins / name)
    with pytest.raises(DataError, match=r"48×64, which are not the proportions of 32×32"):
        which.open(source_of(folder, settings), config)
    config = configs.override(config, ["height=64", "width=48", "detail=2"])
    found = which.open(source_of(folder, settings), config)
    assert len(found.train.shown.origins) == len(found.train.pairs) == 3
    step = which.build(config, found, torch.device("cpu"))
    assert all(torch.isfinite(value) for value in step(step.draw(0)).values())


def test_masks_are_learnt_from_where_they_are_known(data: Path, tmp_path: Path, settings: Settings) -> None:
    which = recipe.find("cagan")
    config = configs.override(configs.named(which.configs, "debug"), ["segmented_weight=0.5"])
    folder = shutil.copytree(data, tmp_path / "segmented")
    masks = folder / "pairs" / "train" / "image-mask"
    shutil.rmtree(masks, ignore_errors=True)
    found = which.open(source_of(folder, settings), config)
    assert found.train.masks is None
    assert any("image-mask: no pair has a mask" in str(each) for each in which.summary(found).problems)
    with pytest.raises(DataError, match="image-mask: no pair has a mask, so that segmented_weight counts for nothing"):
        which.open(replace(source_of(folder, settings), on_problem="refuse"), config)
    masks.mkdir()
    first, second, *others = sorted((folder / "pairs" / "train" / "image").iterdir())
    Image.new("L", (48, 64), 255).save(masks / f"{first.stem}.png")
    (masks / f"{second.stem}.png").write_bytes(b"not a picture")
    found = which.open(source_of(folder, settings), config)
    assert len(found.train.masks) == len(found.train.pairs) == 2 + len(others)
    covered = found.train.masks[:].amax((1, 2, 3)).tolist()
    assert sorted(covered)[-2:] == [0, 255] and covered[found.train.pairs.names.index(first.stem)] == 255
    told = [str(problem) for problem in which.summary(found).problems]
    for reason in (f"{second.stem}.png", f"no mask for {others[0].name}"):
        assert any(reason in each for each in told)
    assert which.open(source_of(folder, settings), configs.named(which.configs, "debug")).train.masks is None
    for each in others:
        Image.new("L", (48, 64), 255).save(masks / f"{each.stem}.png")
    with pytest.raises(DataError, match=rf"{second.stem}\.png"):
        which.open(replace(source_of(folder, settings), on_problem="refuse"), config)
    step = which.build(config, found, torch.device("cpu"))
    assert all(torch.isfinite(value) for value in step(step.draw(0)).values())


def test_test_pairs_without_company_or_mask_are_left_out(data: Path, tmp_path: Path, settings: Settings) -> None:
    which, folder = recipe.find("cagan"), shutil.copytree(data, tmp_path / "lone")
    config = configs.named(which.configs, "debug")
    names = which.open(source_of(folder, settings), config).test.pairs.names
    (folder / "pairs" / "test" / "image-mask" / f"{names[0]}.png").write_bytes(b"not a picture")
    found = which.open(source_of(folder, settings), config)
    assert found.test.pairs.names == names[1:] and len(found.test.masks) == len(names) - 1
    with pytest.raises(DataError, match=rf"{names[0]}\.png"):
        which.open(replace(source_of(folder, settings), on_problem="refuse"), config)
    labels = {"train": ["upper", "lower"] * 3, "test": ["upper", "lower", "upper", "upper"]}
    for part, known in (("train", found.train.pairs.names), ("test", names)):
        rows = [f"{name},{group},any\n" for name, group in zip(known, labels[part], strict=True)]
        (folder / "pairs" / f"{part}_labels.csv").write_text("name,group,label\n" + "".join(rows))
    assert which.open(source_of(folder, settings), config).test.pairs.names == names[1:]  # to whom all are of one kind
    grouped = configs.override(config, ["groups=upper,lower", "embedding=4"])
    found = which.open(source_of(folder, settings), grouped)
    assert found.test.pairs.names == names[2:]
    assert any(f"no other pair is of the group of {names[1]}" in str(each) for each in found.test.problems)
    step = which.build(grouped, found, torch.device("cpu"))
    assert np.isfinite(list(which.evaluate(step, found).values())).all()
    pairs = folder / "pairs" / "test_pairs.txt"
    pairs.write_text(pairs.read_text().splitlines()[2] + "\n")
    with pytest.raises(DataError, match="no two pairs of a group"):
        which.open(source_of(folder, settings), config)


def test_a_fitting_network_begins_with_another_runs_weights(data: Path, settings: Settings) -> None:
    which, source = recipe.find("cagan"), source_of(data, settings)
    config = configs.override(configs.named(which.configs, "debug"), [f"start={RUNS['cagan']}", "seed=1"])
    with pytest.raises(TrainingError, match="there is no run 'cagan-1'"):
        which.open(source, config)
    earlier = finish("cagan", data, settings).average.network.state_dict()
    found = which.open(source, config)
    step = which.build(config, found, torch.device("cpu"))
    for network in (step.generator, step.average.network):
        assert all(torch.equal(weights, earlier[name]) for name, weights in network.state_dict().items())
    assert which.summary(found).identity["start"][:2] == ["cagan-1", "step 10"]
    with pytest.raises(
        TrainingError, match=r"start is 'cagan-1', whose generator has another shape: down.0.*but must be"
    ):
        which.open(source, replace(config, generator_width=16))
    with pytest.raises(TrainingError, match=r"another shape: there is no up\.0\.convolution\.0\.weight"):
        which.open(source, replace(config, upsampling="smooth"))


def test_a_fitting_network_goes_on_with_parts_that_it_did_not_have(data: Path, settings: Settings) -> None:
    which, source, had = recipe.find("cagan"), source_of(data, settings), ["warp=true", "upsampling=nearest"]
    earlier = finish("cagan", data, settings, *had).average.network.state_dict()
    more = [f"start={RUNS['cagan']}", "matched=true"]
    config = configs.override(configs.named(which.configs, "debug"), [*had, *more])
    step = which.build(config, which.open(source, config), torch.device("cpu"))
    weights = step.generator.state_dict()
    assert {name.partition(".")[0] for name in weights.keys() - earlier.keys()} == {"cut", "match"}
    assert {name[:7] for name in earlier.keys() - weights.keys()} == {"bend.0.", "bend.1."}
    for name, old in earlier.items():
        if name in weights and old.ndim > 1:
            both = min(old.shape[1], weights[name].shape[1])
            assert torch.equal(weights[name][:, :both], old[:, :both])
    assert weights["last.1.weight"].shape[1] > earlier["last.1.weight"].shape[1]
    assert weights["up.0.convolution.1.weight"].shape[1] < earlier["up.0.convolution.1.weight"].shape[1]
    assert all(torch.equal(weights[name], value) for name, value in step.average.network.state_dict().items())
    assert all(torch.isfinite(value) for value in step(step.draw(0)).values())


def test_a_fitting_network_takes_garments_as_fine_as_it_is_told(data: Path, settings: Settings) -> None:
    which, options = recipe.find("cagan"), ["warp=true", "detail=2", "taught=true", "transplants=true", "variety=0.5"]
    config = configs.override(configs.named(which.configs, "debug"), options)
    found = which.open(source_of(data, settings), config)
    step = which.build(config, found, torch.device("cpu"))
    batch = step.draw(0)
    assert batch.person.shape == batch.wearer.shape == (4, 3, 32, 32) and batch.truth.shape == (4, 1, 1, 1)
    assert batch.worn.shape == batch.wanted.shape == (4, 3, 64, 64)
    assert all(torch.isfinite(value) for value in step(batch).values())
    assert step.sample(2).shape == (2, 5, 3, 32, 32)
    assert set(which.evaluate(step, found)) == {"test/cycle", "test/mask_iou", "test/outside"}


def test_the_rows_left_are_the_right_pictures(broken: Path, data: Path, settings: Settings) -> None:
    whole = open_catalogue(source_of(data, settings), size=16)
    rest = open_catalogue(source_of(broken, settings), size=16)
    for place, item in enumerate(rest.catalogue.item_ids):
        before = whole.catalogue.item_ids.index(item)
        assert torch.equal(rest.pictures[np.array([place])], whole.pictures[np.array([before])])


def test_a_split_that_the_data_brings_follows_its_catalogue_when_a_picture_is_broken(
    data: Path, tmp_path: Path, settings: Settings
) -> None:
    pictures = [(data / "images" / f"{i}.png").read_bytes() for i in range(6)]
    items = {i: {"imgs": picture if i else b"not a picture"} for i, picture in enumerate(pictures)}
    train, validation, test = ({0: [{"productid": i} for i in part]} for part in ((0, 1, 2), (3,), (4,)))
    contents = np.empty(6, object)
    contents[:] = [train, validation, test, items, 1, 6]
    np.save(tmp_path / "set.npy", contents, allow_pickle=True)
    found = open_catalogue(source_of(tmp_path, settings), size=16)
    ids = found.catalogue.item_ids
    assert ids == ["1", "2", "3", "4", "5"] and len(found.problems) == 1
    assert [ids[i] for i in found.split.train[0]] == ["1", "2"]
    assert (ids[found.split.validation[0]], ids[found.split.test[0]]) == ("3", "4")


def test_data_without_interactions_cannot_train_a_recommender(data: Path, tmp_path: Path, settings: Settings) -> None:
    folder = shutil.copytree(data, tmp_path / "silent")
    (folder / "interactions.csv").unlink()
    which = recipe.find("dvbpr")
    with pytest.raises(DataError, match="no interactions"):
        which.open(source_of(folder, settings), configs.named(which.configs, "debug"))


def test_an_encoder_needs_a_finished_generator_of_the_same_categories(data: Path, settings: Settings) -> None:
    which, source = recipe.find("encoder"), source_of(data, settings)
    config = configs.named(which.configs, "debug")
    with pytest.raises(TrainingError, match="generator is missing: name the finished cgan run"):
        which.open(source, config)
    config = replace(config, generator=RUNS["cgan"])
    with pytest.raises(TrainingError, match="there is no run 'cgan-1'"):
        which.open(source, config)
    finish("cgan", data, settings)
    assert which.summary(which.open(source, config)).identity["generator"][:2] == ["cgan-1", "step 10"]
    record = runs.read(source.store, "cgan-1")
    runs.write(source.store, replace(record, identity={"categories": ["bottoms", "hats", "tops"]}))
    with pytest.raises(TrainingError, match="categories bottoms, shoes, tops, but run 'cgan-1' bottoms, hats, tops"):
        which.open(source, config)
