"""A finished run is judged from the command line, and the figures are kept."""

import json
import shutil
from pathlib import Path

import pytest

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.metrics.ranking import auc, scores_by_popularity, scores_by_taste
from tests.training.finished import RUNS, finish, source_of
from training.dvbpr import RECIPE
from training.evaluate.command import main
from training.recipe import Step

RUN = RUNS["dvbpr"]


@pytest.fixture
def step(data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    return finish("dvbpr", data, settings)


def test_the_figures_are_those_of_the_metrics_and_are_kept(
    step: Step, data: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main(["dvbpr", "--run", RUN, "--newcomers", "3", "--json", str(file)]) == 0
    kept = open_store(settings.bucket_url, settings).get(f"runs/{RUN}/evaluation.json")
    assert kept == file.read_bytes()
    found = json.loads(kept)
    split = RECIPE.open(source_of(data, settings), step.config).split
    ours = scores_by_taste(step.recommender.taste.weight, step.looks())
    rows = {row["name"]: row for row in found["judged"]}
    assert list(rows) == ["dvbpr", "dvbpr, folded in", "popularity", "random"]
    assert rows["dvbpr"]["auc"]["value"] == pytest.approx(auc(ours, split).value, abs=1e-6)
    assert rows["dvbpr"]["cold_auc"]["value"] == pytest.approx(auc(ours, split, cold=True).value, abs=1e-6)
    assert rows["popularity"]["auc"]["value"] == pytest.approx(auc(scores_by_popularity(split, 24), split).value)
    behind = rows["dvbpr"]["auc"]["value"] - rows["random"]["auc"]["value"]
    assert rows["random"]["behind"]["value"] == pytest.approx(behind)
    assert found["counts"]["held-out items"] == 8 and found["newcomers"]["shoppers"] == 3
    assert [each["likes"] for each in found["newcomers"]["told"]] == [1, 2, 3, 5, 10, None]
    printed = capsys.readouterr().out
    assert "popularity" in printed and f"{rows['dvbpr']['auc']['value']:.4f}" in printed


def test_on_other_data_every_taste_is_folded_in(
    step: Step, data: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    lines = (other / "interactions.csv").read_text().splitlines(keepends=True)
    (other / "interactions.csv").write_text("".join(lines[:-6]).replace("u3,", "somebody,"))
    assert main(["dvbpr", "--run", RUN, "--data", str(other)]) == 0
    found = json.loads(open_store(settings.bucket_url, settings).get(f"runs/{RUN}/evaluation.json"))
    assert found["judged"][0]["name"] == "dvbpr, folded in" and found["newcomers"]["trained"] is None
    assert found["data"] == other.as_uri() and "not what run" in capsys.readouterr().err


def test_categories_count_where_the_run_weighs_them_and_must_be_known_to_it(
    step: Step, data: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weighing = finish("dvbpr", data, settings, "category_weight=2", "population=true")
    assert main(["dvbpr", "--run", RUN, "--newcomers", "3"]) == 0
    found = json.loads(open_store(settings.bucket_url, settings).get(f"runs/{RUN}/evaluation.json"))
    split = RECIPE.open(source_of(data, settings), weighing.config).split
    ours = scores_by_taste(weighing.recommender.taste.weight, weighing.looks())
    assert found["judged"][0]["auc"]["value"] == pytest.approx(auc(ours, split).value, abs=1e-6)
    other = tmp_path / "other"
    shutil.copytree(data, other)
    (other / "items.csv").write_text((other / "items.csv").read_text().replace(",shoes,", ",hats,"))
    assert main(["dvbpr", "--run", RUN, "--data", str(other)]) == 1
    assert f"has categories that run '{RUN}' does not know: hats" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["dvbpr", "--run", "nobody"], "there is no run 'nobody'"),
        (["dvbpr", "--run", RUN, "--newcomers", "0"], "newcomers is 0, but must be at least 1"),
        (["dvbpr", "--run", RUN, "--json", "/nowhere/at/all.json"], "/nowhere/at/all.json, which cannot be written"),
        (["cagan", "--run", RUN], "trained dvbpr, not cagan"),
        (["cgan", "--run", RUN], "trained dvbpr, not cgan"),
        (["gan", "--run", RUN], "invalid choice"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    step: Step, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(words) == 1
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_data_without_anything_to_test_on_is_refused(
    step: Step, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    (other / "interactions.csv").write_text("user_id,item_id,timestamp\nu0,i0,1\nu0,i2,2\n")
    assert main(["dvbpr", "--run", RUN, "--data", str(other)]) == 1
    assert "0 shoppers have three different items" in capsys.readouterr().err


def test_a_run_of_too_few_shoppers_cannot_tell_what_is_usual(
    data: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATELIER_BUCKET_URL", settings.bucket_url)
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    few = tmp_path / "few"
    shutil.copytree(data, few)
    lines = (few / "interactions.csv").read_text().splitlines(keepends=True)
    (few / "interactions.csv").write_text("".join(lines[: 1 + 3 * 6]))
    finish("dvbpr", few, settings)
    assert main(["dvbpr", "--run", RUN]) == 1
    assert f"run '{RUN}' knows 3 shoppers, but must know at least 4" in capsys.readouterr().err
