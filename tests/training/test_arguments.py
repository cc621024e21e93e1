"""Orders from command lines, and what is said of wrong ones."""

from pathlib import Path

import pytest

from training import arguments, recipe
from training.command import main
from training.errors import TrainingError

GIVEN = ["--config", "debug", "--data", "s3://shop/data", "--run", "first"]


def order_of(*words: str, network: str = "dvbpr") -> arguments.Order:
    return arguments.read(recipe.find(network), [*GIVEN, *words])[0]


def test_an_order_has_the_config_and_its_changes_wherever_they_stand() -> None:
    order, dry = arguments.read(
        recipe.find("dvbpr"), ["steps=7", *GIVEN, "picture_size=48", "--workers", "2", "batch_size=12", "--dry-run"]
    )
    assert (order.config.steps, order.config.picture_size, order.config.batch_size) == (7, 48, 12)
    assert (order.network, order.config_name, order.run, order.workers, dry) == ("dvbpr", "debug", "first", 2, True)


@pytest.mark.parametrize("network", recipe.NETWORKS)
def test_every_network_has_the_three_named_configs(network: str) -> None:
    for name in ("debug", "demo", "paper"):
        words = ["--config", name, *GIVEN[2:]]
        assert arguments.read(recipe.find(network), words)[0].config_name == name


def test_a_local_path_becomes_an_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert arguments.as_url("some data") == f"{tmp_path.as_uri()}/some%20data"
    assert arguments.as_url("s3://shop/data/") == "s3://shop/data"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stepz=3"], "DVBPRConfig has no field stepz; its fields are: backbone"),
        (["steps=many"], "steps=many: must be a whole number"),
        (["steps=0"], "steps is 0, but must be at least 1"),
        (["--config", "huge"], "no configuration 'huge' in fashion_nn.dvbpr.config; there are: authors, best, debug"),
        (["--workers", "3"], "batch_size is 8, but must be a multiple of the 3 workers"),
        (["--workers", "0"], "workers is 0, but must be at least 1"),
        (["--run", "a/b"], "run is 'a/b', but must be letters"),
        (["--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["--data", "ftp://shop"], "data is 'ftp://shop', but must be file:///"),
        (["--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_a_wrong_order_is_refused_in_one_line(words: list[str], message: str, capsys) -> None:
    with pytest.raises(TrainingError, match=message.replace("(", r"\(")):
        order_of(*words)
    assert main("dvbpr", [*GIVEN, *words]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1


def test_a_missing_argument_is_named(capsys) -> None:
    assert main("cagan", ["--config", "debug"]) == 1
    assert "required: --data, --run" in capsys.readouterr().err


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(ValueError, match="network is 'vgg', but must be one of dvbpr, cgan, cagan"):
        recipe.find("vgg")
