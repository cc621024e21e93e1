"""Configurations by name, from text and from JSON."""

import dataclasses
import json
import types
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_nn.configs import differences, from_json, named, override, to_json


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Small:
    steps: int
    rate: float = 1e-4
    layers: tuple[int, ...] = (64, 128)
    size: tuple[int, int] = (128, 96)
    kind: Literal["lsgan", "hinge"] = "lsgan"
    limit: int | None = None
    bf16: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps}: must be at least 1")


def config_module() -> types.ModuleType:
    module = types.ModuleType("small_configs")
    exec(
        "def debug(): return 'debug config'\ndef paper(): return 'paper config'\ndef _hidden(): return 0\n"
        "def needs(argument): return argument",
        module.__dict__,
    )
    module.json = json
    return module


def test_named_calls_the_function_of_that_name() -> None:
    assert named(config_module(), "paper") == "paper config"


@pytest.mark.parametrize("name", ["demo", "_hidden", "json", "needs", ""])
def test_named_lists_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"no configuration .*small_configs; there are: debug, paper$"):
        named(config_module(), name)


def test_override_reads_text_as_the_annotation_says() -> None:
    texts = [
        "steps=20",
        "rate=2e-3",
        "layers=8,16,32",
        "size=64, 48",
        "kind=hinge",
        "limit=5",
        "bf16=True",
        "note=a=b",
    ]
    expected = Small(
        steps=20, rate=2e-3, layers=(8, 16, 32), size=(64, 48), kind="hinge", limit=5, bf16=True, note="a=b"
    )
    assert override(Small(steps=1), texts) == expected


def test_override_takes_none_where_it_is_allowed() -> None:
    assert override(Small(steps=1, limit=3), ["limit=none"]).limit is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps=many", "steps=many: must be a whole number"),
        ("steps=1.5", "steps=1.5: must be a whole number"),
        ("rate=nan", "rate=nan: must be a finite number"),
        ("bf16=perhaps", "bf16=perhaps: must be true or false"),
        ("kind=wgan", "kind=wgan: must be one of lsgan, hinge"),
        ("limit=x", "limit=x: must be a whole number, or none"),
        ("size=64", "size=64: must be 2 of values divided by commas, each a whole number"),
        ("layers=8,b", "layers=8,b: must be any number of values"),
        ("stepz=3", "Small has no field stepz; its fields are: steps, rate"),
        ("steps", "'steps' is not of the form field=value"),
        ("steps=0", "steps=0: must be at least 1"),
    ],
)
def test_a_wrong_override_says_field_value_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message):
        override(Small(steps=1), [text])


@given(
    steps=st.integers(1, 10**9),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    layers=st.lists(st.integers()).map(tuple),
    limit=st.none() | st.integers(),
    note=st.text(),
)
def test_json_keeps_a_configuration_exactly(steps, rate, layers, limit, note) -> None:
    config = Small(steps=steps, rate=rate, layers=layers, limit=limit, note=note)
    assert from_json(Small, json.loads(json.dumps(to_json(config)))) == config


def test_from_json_fills_defaults_and_refuses_unknown_and_missing_fields() -> None:
    assert from_json(Small, {"steps": 3, "rate": 1}) == Small(steps=3, rate=1.0)
    with pytest.raises(ValueError, match="lacks the fields steps"):
        from_json(Small, {"rate": 0.1})
    with pytest.raises(ValueError, match="has no field colour, shape"):
        from_json(Small, {"steps": 3, "colour": 1, "shape": 2})


@pytest.mark.parametrize("wrong", [{"steps": "3"}, {"steps": True}, {"steps": 3.0}, {"steps": 3, "layers": 4}])
def test_from_json_refuses_another_type(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        from_json(Small, wrong)


def test_differences_name_the_fields_with_both_values() -> None:
    kept = to_json(Small(steps=5)) | {"kind": "hinge", "gone": 1}
    assert differences(Small(steps=6), kept) == {
        "steps": (6, 5),
        "kind": ("lsgan", "hinge"),
        "gone": (None, 1),
    }


def test_a_field_that_came_later_had_its_default() -> None:
    kept = {name: value for name, value in to_json(Small(steps=5)).items() if name not in ("layers", "bf16")}
    assert differences(Small(steps=5), kept) == {}
    assert differences(Small(steps=5, bf16=True), kept) == {"bf16": (True, False)}
