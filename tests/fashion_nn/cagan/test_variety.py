import numpy as np
import pytest
import torch

from fashion_nn.cagan.variety import LIGHT, moved, relit, varied


def dice() -> np.random.Generator:
    return np.random.default_rng(3)


def pictures(n: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, 8, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1


NOWHERE = torch.zeros(32, 1, 1, 1)


def test_a_share_of_nothing_changes_nothing() -> None:
    person, worn, wanted, wearer, place = given = [*(pictures(seed=seed) for seed in range(4)), pictures()[:, :1]]
    unchanged = varied((person, wearer), (worn, wanted), place, 0.0, np.random.default_rng(0))
    for before, after in zip(given, unchanged, strict=True):
        torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_each_of_the_two_pairs_is_mirrored_and_lit_alike() -> None:
    flat = torch.linspace(-0.9, 0.9, 32)[:, None, None, None].expand(-1, 3, 8, 6)
    person, worn, wanted, wearer, _ = varied((flat, flat), (flat, flat), NOWHERE, 0.7, np.random.default_rng(1))
    torch.testing.assert_close(person, worn, atol=1e-5, rtol=0)  # where a picture is flat, moving it shows nothing
    torch.testing.assert_close(wearer, wanted, atol=1e-5, rtol=0)
    assert (person - wanted).abs().amax((1, 2, 3)).gt(0.01).sum() > 10
    assert (person - flat).abs().amax((1, 2, 3)).gt(0.01).sum().item() == pytest.approx(0.7 * 32, abs=7)


def test_black_and_white_stay_black_and_white() -> None:
    ends = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 3, 4, 4)
    torch.testing.assert_close(relit(ends, np.full((2, 3), LIGHT)), ends)


def test_mirroring_twice_is_nothing() -> None:
    before, n = pictures(4), 4
    turned = moved(before, np.ones(n), np.zeros((n, 2)), -np.ones(n))
    torch.testing.assert_close(turned, before.flip(3), atol=1e-5, rtol=0)


def test_an_enlarged_picture_is_moved_within_itself() -> None:
    """A white frame that is zoomed away does not come back by the shift."""
    framed = torch.full((16, 3, 40, 30), -1.0)
    framed[..., [0, -1], :] = framed[..., [0, -1]] = 1.0
    white = torch.ones_like(framed)
    person, _, _, wearer, _ = varied((framed, framed), (white, white), NOWHERE[:16], 1.0, np.random.default_rng(2))
    for picture in (person, wearer):
        assert picture.max() <= 1.0 and picture.amin((1, 2, 3)).eq(-1.0).all()


def test_the_place_of_a_garment_moves_with_its_person() -> None:
    white, place = torch.ones(32, 3, 40, 30), torch.zeros(32, 1, 40, 30)
    place[:, :, 10:20, 5:12] = 1
    dressed = white - 2 * place  # black where the garment is, which no light changes
    person, *_, moved_place = varied((dressed, dressed), (white, white), place, 0.7, dice())
    torch.testing.assert_close(1 - person[:, :1], 2 * moved_place, atol=1e-4, rtol=0)
    assert (moved_place - place).abs().amax((1, 2, 3)).gt(0.1).sum() > 10


def test_the_same_random_state_gives_the_same() -> None:
    one, other = (
        varied((pictures(), pictures(seed=3)), (pictures(seed=1), pictures(seed=2)), NOWHERE, 0.5, dice())
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
