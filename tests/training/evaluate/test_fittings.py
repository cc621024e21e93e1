"""What is told of a try-on: beside the drawn truth, and on pairs of which no truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.cagan.config import debug
from fashion_nn.cagan.network import Fitting
from fashion_nn.pictures import decode, normalise
from fashion_nn.world.world import WorldConfig, write_world
from tests.training.finished import RUNS, finish, source_of
from training.evaluate.command import main
from training.evaluate.fittings import Cases, FittingInquiry, chosen, judge, open_cases, ranked

RUN = RUNS["cagan"]
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs to train and five to test on."""
    config = WorldConfig(items_per_category=1, item_size=16, shoppers=0, pairs_train=6, pairs_test=5, person_height=32)
    return write_world(tmp_path_factory.mktemp("drawn") / "world", config)


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    return settings


def cases_of(folder: Path, settings: Settings, **asked: object) -> Cases:
    return open_cases(folder / "pairs", source_of(folder, settings), debug(), FittingInquiry(run=RUN, **asked))


class Painter(torch.nn.Module):
    """Paints `picture` where `mask` is, whoever comes."""

    def __init__(self, picture: torch.Tensor, mask: torch.Tensor) -> None:
        super().__init__()
        self.picture, self.mask = picture, mask

    def forward(
        self, person: torch.Tensor, worn: torch.Tensor, wanted: torch.Tensor, *, group: torch.Tensor
    ) -> Fitting:
        picture = self.mask * self.picture + (1 - self.mask) * person
        return Fitting(picture, self.mask, self.picture)


def test_who_paints_the_truth_has_every_measure_of_it_perfect(world: Path, bucket: Settings) -> None:
    cases = cases_of(world, bucket)
    assert cases.truth.shape == (5, 3, 32, 32) and cases.true_place.shape == (5, 1, 32, 32)
    drawn = open(world / "pairs/test/truth/test00000.jpg", "rb").read()
    kept = normalise(np.asarray(decode(drawn)).transpose(2, 0, 1).copy())  # 32×24, in the middle of 32×32
    assert (normalise(cases.truth[0])[:, :, 4:28] - kept).abs().mean() < 0.05  # but for JPEG's losses
    values = judge(Painter(normalise(cases.truth), cases.true_place), cases, CPU).values
    assert values["mask IoU"] == pytest.approx(np.ones(5))
    assert values["SSIM inside"].min() > 0.9 and values["LAB error inside"].max() < 3  # masks are soft at their edges
    assert values["error outside"].max() < 0.03
    idle = judge(Painter(normalise(cases.truth), torch.zeros_like(cases.true_place)), cases, CPU).values
    assert (idle["LAB error inside"] > values["LAB error inside"] + 5).all() and (idle["mask IoU"] == 0).all()
    assert idle["worn again error"].max() == idle["cycle error"].max() == idle["change outside, worn"].max() == 0


def test_what_is_painted_like_the_wanted_garment_is_told_by_its_statistics(world: Path, bucket: Settings) -> None:
    cases = cases_of(world, bucket)
    true, inverse = (
        judge(Painter(sign * normalise(cases.truth), cases.true_place), cases, CPU).values["colour distance"]
        for sign in (1, -1)
    )
    assert true.mean() < inverse.mean()


def test_a_run_is_judged_from_the_command_line(
    world: Path, bucket: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = finish("cagan", world, bucket)
    file = tmp_path / "figures.json"
    assert main(["cagan", "--run", RUN, "--json", str(file)]) == 0
    store = open_store(bucket.bucket_url, bucket)
    found = json.loads(store.get(f"runs/{RUN}/fittings.json"))
    assert store.get(f"runs/{RUN}/fittings.json") == file.read_bytes()
    assert found["truth"] and found["pairs"] == 5 and found["ranked_by"] == "SSIM inside"
    ours = judge(step.average.network, cases_of(world, bucket), CPU).values
    for name, values in ours.items():
        assert found["measures"][name]["value"] == pytest.approx(values.mean(), abs=1e-6)
    sheet = decode(store.get(f"runs/{RUN}/fittings.jpg"))
    assert sheet.width > 6 * 2 * 32 and sheet.height > 3 * 2 * 32
    assert "SSIM inside" in capsys.readouterr().out


def test_pairs_without_truth_are_judged_by_their_masks(data: Path, bucket: Settings) -> None:
    finish("cagan", data, bucket)
    assert main(["cagan", "--run", RUN]) == 0
    found = json.loads(open_store(bucket.bucket_url, bucket).get(f"runs/{RUN}/fittings.json"))
    assert not found["truth"] and found["ranked_by"] == "mask IoU, worn"
    assert set(found["measures"]) == {
        "cycle error",
        "worn again error",
        "colour distance",
        "texture distance",
        "mask IoU, worn",
        "change outside, worn",
    }


def test_the_best_the_median_and_the_worst_are_shown() -> None:
    name, order = ranked({"cycle error": np.array([0.3, 0.1, 0.2, 0.6, 0.5, 0.4]), "colour distance": np.zeros(6)})
    assert name == "cycle error"
    assert list(chosen(order)) == [("best", 1), ("best", 2), ("median", 0), ("median", 5), ("worst", 4), ("worst", 3)]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--group", "hats"], "no pair of the groups hats"), (["--seed=-1"], "seed is -1, but must be at least 0")],
)
def test_what_cannot_be_is_refused(
    world: Path, bucket: Settings, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    finish("cagan", world, bucket)
    assert main(["cagan", "--run", RUN, *words]) == 1
    assert complaint in capsys.readouterr().err
