import pytest
import torch
import torch.nn.functional as F

from fashion_nn.cagan.warp import (
    Bend,
    Placement,
    bent,
    corrected,
    doubled,
    finely_bent,
    folding,
    placed,
    places,
    roughness,
    taken,
)

PICTURE = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))


def still(height: int = 8, width: int = 6) -> torch.Tensor:
    return torch.zeros(2, 2, height, width)


def test_no_flow_moves_nothing() -> None:
    torch.testing.assert_close(bent(PICTURE, still()), PICTURE)


def test_a_flow_of_pixels_moves_by_pixels_and_the_border_goes_on() -> None:
    pixels = torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1).expand(2, 2, 8, 6)
    moved = bent(PICTURE, corrected(still(), pixels))
    torch.testing.assert_close(moved[..., 2:, :-1], PICTURE[..., :-2, 1:])  # from one to the right and two above
    torch.testing.assert_close(moved[..., 2:, -1], PICTURE[..., :-2, -1])
    torch.testing.assert_close(moved[..., 0, :-1], PICTURE[..., 0, 1:])


def test_a_doubled_flow_moves_a_larger_picture_equally_far() -> None:
    flow = corrected(still(4, 3), torch.ones(2, 2, 4, 3))
    twice = corrected(still(), torch.full((2, 2, 8, 6), 2.0))
    torch.testing.assert_close(doubled(flow), twice)


def test_affine_flows_are_smooth_and_a_kink_is_not() -> None:
    down, across = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    affine = torch.stack([0.3 * across - 0.1 * down, 0.2 * down + 1])[None]
    assert roughness(corrected(still()[:1], affine)).item() == pytest.approx(0, abs=1e-5)
    kink = torch.stack([(across - 2.0).relu(), torch.zeros_like(down)])[None]
    assert roughness(corrected(still()[:1], kink)).item() == pytest.approx(1 / 8)  # one bend in four, in one of two


def test_a_level_corrects_its_flow_and_joins_the_garment_bent_so_far() -> None:
    level, features, flow = Bend(5, 3), torch.rand(2, 5, 8, 6), corrected(still(), torch.ones(2, 2, 8, 6))
    with torch.no_grad():
        level.correction.weight.zero_()
        level.correction.bias.copy_(torch.tensor([1.0, 0.0]))
    placement = torch.tensor([[0.1, 0.0, 0.2], [0.0, -0.1, 0.0]]).expand(2, 2, 3)
    joined, corrected_flow = level(features, PICTURE, placement, flow)
    assert torch.equal(joined[:, :5], features)
    torch.testing.assert_close(joined[:, 5:], bent(PICTURE, placed(placement, flow)))
    torch.testing.assert_close(corrected_flow, corrected(flow, torch.tensor([1.0, 0.0])[:, None, None] + still()))


def test_a_garment_is_placed_by_one_map_of_the_whole_picture() -> None:
    matrix = torch.tensor([[[0.8, 0.1, 0.3], [-0.2, 1.2, 0.0]]]).expand(2, 2, 3)
    expected = F.grid_sample(
        PICTURE, F.affine_grid(matrix, [2, 3, 8, 6], align_corners=False), padding_mode="border", align_corners=False
    )
    placement = matrix - torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(bent(PICTURE, placed(placement, still())), expected)
    one_right = torch.tensor([[[0.0, 0.0, 2 / 6], [0.0, 0.0, 0.0]]]).expand(2, 2, 3)
    once_more = corrected(still(), torch.tensor([1.0, 0.0])[:, None, None] + still())
    torch.testing.assert_close(placed(one_right, once_more)[:, 0], torch.full((2, 8, 6), 4 / 6))


def test_a_placement_is_learnt_of_each_garment_by_itself() -> None:
    """Two ramps that are to be moved and enlarged differently, told apart by their features."""
    torch.manual_seed(0)
    placement, features = Placement(4, 2, 2), torch.rand(2, 4, 2, 2)
    ramps = torch.stack([torch.linspace(-1, 1, 16).expand(16, 16), torch.linspace(-1, 1, 16)[:, None].expand(16, 16)])
    ramps = ramps.expand(2, 2, 16, 16)
    wanted = torch.tensor([[[-0.2, 0.0, 0.1], [0.0, -0.2, 0.0]], [[-0.4, 0.0, 0.0], [0.0, -0.3, -0.2]]])
    target = bent(ramps, placed(wanted, torch.zeros(2, 2, 16, 16)))
    optimiser, errors = torch.optim.Adam(placement.parameters(), lr=0.1), []
    for _ in range(100):
        optimiser.zero_grad()
        errors.append((bent(ramps, placed(placement(features), torch.zeros(2, 2, 16, 16))) - target).abs().mean())
        errors[-1].backward()
        optimiser.step()
    assert errors[-1] < 0.25 * errors[0]


def test_a_flow_is_learnt_from_what_the_garment_should_look_like() -> None:
    """Gradients lead along a picture to where it agrees."""
    ramp = torch.linspace(-1, 1, 24).expand(1, 3, 16, 24)
    pixels = torch.zeros(1, 2, 16, 24, requires_grad=True)
    optimiser = torch.optim.Adam([pixels], lr=0.2)
    target = bent(ramp, corrected(torch.zeros(1, 2, 16, 24), torch.full((1, 2, 16, 24), 3.0)))
    for _ in range(60):
        optimiser.zero_grad()
        (bent(ramp, corrected(torch.zeros(1, 2, 16, 24), pixels)) - target).abs().mean().backward()
        optimiser.step()
    assert pixels[0, 0, :, 4:18].mean().item() == pytest.approx(3.0, abs=0.3)


def test_what_a_flow_takes_it_takes_at_any_size() -> None:
    """A large picture taken at the enlarged places of a small one is the large picture moved by the same share."""
    large = torch.linspace(-1, 1, 48).expand(1, 3, 64, 48)
    flow = torch.full((1, 2, 8, 6), 0.25)
    flow[:, 1] = 0.0
    where = torch.nn.functional.interpolate(places(flow), size=(64, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(taken(large, where)[..., 4:36], large[..., 10:42])  # an eighth of the width is six


def test_of_a_finer_garment_each_pixel_is_the_mean_of_what_it_covers() -> None:
    """Moved by half a pixel a fine line is as sharp as before, where of a picture no finer it becomes two."""
    fine = torch.zeros(2, 1, 16, 12)
    fine[..., 5:7] = 1  # half of one pixel and half of the next
    half = corrected(still(), torch.tensor([0.5, 0.0])[:, None, None] + still())
    coarse = F.avg_pool2d(fine, 2)
    torch.testing.assert_close(finely_bent(fine, still()), coarse)
    torch.testing.assert_close(finely_bent(coarse, half), bent(coarse, half))
    moved = finely_bent(fine, half)[0, 0, 0]
    assert moved.tolist() == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-5)
    assert bent(coarse, half)[0, 0, 0].tolist() == pytest.approx([0, 0.25, 0.5, 0.25, 0, 0], abs=1e-5)


def test_what_is_mirrored_is_folded_and_what_is_enlarged_is_not() -> None:
    _, across = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    flat = torch.zeros_like(across)
    enlarged, mirrored = (corrected(still()[:1], torch.stack([by * across, flat])[None]) for by in (-0.5, -2.0))
    assert folding(enlarged).item() == folding(still()).item() == 0
    assert folding(mirrored).item() == pytest.approx(1.2, abs=1e-5)  # a step back where a fifth ahead is the least
