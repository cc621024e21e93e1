"""Origins: what is seen of a worn top is found at the places that they name in its product picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_nn.cagan.warp import taken
from fashion_nn.world.bodies import Arm
from fashion_nn.world.garments import draw_garment, sample_garment
from fashion_nn.world.origins import draw_origins
from fashion_nn.world.persons import Person, draw_person, sample_person

HEIGHT, WIDTH = 192, 144
POSES = {
    "down": Arm(upper=9, fore=4),
    "akimbo": Arm(upper=37, fore=-47),
    "in front": Arm(upper=13, fore=-74, front=True),
}


def person(seed: int, figure: str, pose: str) -> Person:
    who = sample_person(np.random.default_rng([seed, 9]), figure)
    return replace(who, body=replace(who.body, arms=(POSES[pose], POSES["down"])))


def striped(seed: int, figure: str):
    """A top with bars along and across its cloth, sleeves included."""
    top = sample_garment(np.random.default_rng([seed, 7]), f"{figure}-tops")
    cloth = replace(top.paint, pattern="checks", colour=(0.1, 0.1, 0.1), accent=(0.9, 0.9, 0.9), period=0.05)
    return replace(top, paint=cloth, motif=None)


def planes(picture) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32).copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("figure", ["men", "women"])
@pytest.mark.parametrize("pose", POSES)
def test_the_cloth_is_where_they_say(figure: str, pose: str):
    apart, moved = [], []
    for seed in range(4):
        who, top = person(seed, figure, pose), striped(seed, figure)
        worn, product = planes(draw_person(who, top, height=HEIGHT)[0]), draw_garment(top, height=HEIGHT, width=WIDTH)
        origins = planes(draw_origins(who, top, height=HEIGHT))
        where, seen = 2 * origins[:, :2] - 1, origins[0, 2] == 1
        for found, off in ((apart, 0.0), (moved, 0.1)):
            carried = taken(planes(product[0]), where + off)
            found.append((carried - worn).abs().mean(1)[0][seen].mean().item())
    assert np.mean(apart) < 0.11 and np.mean(moved) > 2 * np.mean(apart), (apart, moved)


def test_they_count_where_the_top_is_seen():
    who, top = person(1, "women", "in front"), striped(1, "women")
    mask = np.asarray(draw_person(who, top, height=96)[1])
    seen = np.asarray(draw_origins(who, top, height=96))[..., 2]
    assert np.array_equal(seen, mask)


def test_a_top_without_sleeves_has_none_to_find():
    who = person(2, "women", "down")
    top = next(
        found for seed in range(100) if (found := sample_garment(np.random.default_rng(seed), "women-tops")).sleeve == 0
    )
    across, down = np.asarray(draw_origins(who, top, height=96), float)[..., :2].transpose(2, 0, 1)
    assert np.diff(across, axis=1).min() >= 0 and np.diff(down, axis=0).min() >= 0, "one piece of cloth, not folded"
