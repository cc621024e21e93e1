import torch

from fashion_nn.cagan.layers import InstanceNorm
from fashion_nn.cagan.matching import Cut, Match
from fashion_nn.cagan.warp import bent


def pixels(flow: torch.Tensor) -> torch.Tensor:
    """A flow, of which 1 is half the picture, in pixels."""
    height, width = flow.shape[2:]
    return flow * torch.tensor([width / 2, height / 2])[:, None, None]


def alike(channels: int) -> Match:
    """A match that takes equal features for like ones, wherever they are."""
    torch.manual_seed(0)
    match = Match(channels, channels)
    with torch.no_grad():
        match.person[0].weight[:, -2:] = 0
        match.sharp.fill_(7.0)
    match.garment.load_state_dict(match.person.state_dict())
    return match


@torch.no_grad()
def test_what_is_alike_is_found_wherever_it_is() -> None:
    garment = torch.rand(2, 8, 8, 6)
    person = garment.roll((2, -1), (2, 3))  # two pixels down, one to the left
    flow = alike(8)(person, garment)
    inner = (..., slice(4, -1), slice(1, -2))  # away from borders, which look different
    found = pixels(flow)[inner]
    torch.testing.assert_close(found, torch.tensor([1.0, -2.0])[:, None, None].expand_as(found), atol=1e-2, rtol=0)
    torch.testing.assert_close(bent(garment, flow)[inner], person[inner])


@torch.no_grad()
def test_a_garment_may_be_looked_up_in_a_larger_map() -> None:
    garment = torch.rand(1, 4, 16, 12)
    flow = Match(8, 4)(torch.rand(1, 8, 8, 6), garment)
    assert flow.shape == (1, 2, 8, 6) and flow.dtype == torch.float32
    blank = torch.zeros(1, 4, 16, 12)
    same = alike(4)(torch.zeros(1, 4, 8, 6), blank)
    here = pixels(same)[0, 0, 0]  # all places are alike, but for the borders': every one is taken from the middle
    assert here[0] > 0 > here[-1]


def test_likeness_is_learnt_from_where_the_garment_should_be_taken_from() -> None:
    """Persons are garments in the opposite colours, moved: that these belong together has to be found out."""
    torch.manual_seed(0)
    match = Match(4, 4)
    optimiser, errors = torch.optim.Adam(match.parameters(), lr=1e-2), []
    for _ in range(200):
        garment = torch.randn(8, 4, 8, 6)
        aside = int(torch.randint(-2, 3, ()))
        flow = pixels(match(-garment.roll(aside, 3), garment))[..., 2:-2]
        error = (flow[:, 0] + aside).abs().mean() + flow[:, 1].abs().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert sum(errors[-20:]) / 20 < 0.3, "of a pixel"


@torch.no_grad()
def test_places_are_found_in_bfloat16_too() -> None:
    garment = torch.rand(1, 8, 8, 6)
    match = alike(8)
    whole = match(garment, garment)
    with torch.autocast("cpu", torch.bfloat16):
        half = match(garment, garment)
    assert half.dtype == torch.float32
    assert pixels(half - whole).abs().max() < 0.1
    cast = match.to(torch.bfloat16)(garment.bfloat16(), garment.bfloat16())
    assert cast.dtype == torch.float32 and pixels(cast - whole).abs().max() < 0.1


def test_a_cut_is_known_at_two_sizes() -> None:
    small, large = Cut(4)(torch.rand(2, 3, 32, 24))
    assert small.shape == (2, 8, 8, 6) and large.shape == (2, 4, 16, 12)


def test_instance_norm_is_pytorchs() -> None:
    features = torch.randn(2, 5, 6, 4) * 3 + 1
    torch.testing.assert_close(InstanceNorm()(features), torch.nn.InstanceNorm2d(5)(features))
    with torch.autocast("cpu", torch.bfloat16):
        assert InstanceNorm()(features.bfloat16()).dtype == torch.bfloat16
