import numpy as np
import torch

from fashion_nn.cagan.patches import cut_out, ellipses, fabrics, patched, patches


def shirts(n: int = 64) -> torch.Tensor:
    """Green squares in the middle of white pictures."""
    garments = torch.ones(n, 3, 64, 48)
    garments[:, 0, 16:48, 12:36] = garments[:, 2, 16:48, 12:36] = -0.5
    return garments


def test_ellipses_cover_a_part_of_each_picture() -> None:
    places = ellipses(64, 64, 48, np.random.default_rng(0))
    assert places.shape == (64, 1, 64, 48) and places.min() == 0 and places.max() == 1
    assert 0.1 < places.mean() < 0.3 and places.mean((1, 2, 3)).max() < 0.8


def test_fabric_is_what_is_in_the_middle_of_a_garments_picture() -> None:
    fabric = fabrics(shirts(), np.random.default_rng(0))
    torch.testing.assert_close(fabric[:, :3], shirts()[:, :, 32:33, 24:25].expand(-1, -1, 64, 48))


def test_a_garment_is_cut_out_of_its_white_background_wherever_it_is_laid() -> None:
    cut = cut_out(shirts(), np.random.default_rng(0))
    where = cut[:, 3] == 1
    shares = where.float().mean((1, 2))
    assert 0.03 < shares.min() and shares.max() < 0.27 and shares.std() > 0.03  # a quarter at most, of many sizes
    assert (cut[:, 0][where] < 0.8).all() and (cut[:, 3][cut[:, 0] == 1] == 0).all()
    rows = torch.stack([where[at].any(1).nonzero().double().mean() for at in range(64)])
    assert rows.std() > 4  # at many places


def test_both_kinds_are_laid_over_and_change_nothing_beside_them() -> None:
    person = torch.zeros(64, 3, 64, 48)
    patch = patches(shirts(), np.random.default_rng(0))
    over = patched(person, patch)
    assert torch.equal(over[(patch[:, 3:] == 0).expand(-1, 3, -1, -1)], torch.zeros(int((patch[:, 3:] == 0).sum()) * 3))
    assert (over.abs().amax((1, 2, 3)) > 0.4).all()
    again = patches(shirts(), np.random.default_rng(0))
    assert torch.equal(patch, again)
