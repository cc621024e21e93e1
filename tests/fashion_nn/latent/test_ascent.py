import pytest
import torch

from fashion_nn.cgan import config as cgan_config
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr.network import Look, upsample
from fashion_nn.latent import Ascent, LatentOptimiser, Networks, Weights
from fashion_nn.latent.ascent import LEARNING_RATE, differing


@pytest.fixture(scope="module")
def networks() -> Networks:
    torch.manual_seed(0)
    generator, discriminator = Generator(cgan_config.debug(), 3), Discriminator(cgan_config.debug(), 3)
    for _ in range(3):  # statistics for the batch norms
        category = torch.arange(12) % 3
        discriminator(generator(torch.rand(12, 8) * 2 - 1, category), category)
    return Networks(generator, discriminator, Look(dvbpr_config.debug()))


def request(seed: int, **changes) -> Ascent:
    random = torch.Generator().manual_seed(seed)
    values = {
        "taste": torch.randn(8, generator=random) * 10,
        "category": seed % 3,
        "starts": torch.rand(4, 8, generator=random) * 2 - 1,
        "steps": 8,
        "keep": 2,
    }
    return Ascent(**(values | changes))


def reference(networks: Networks, ascent: Ascent) -> tuple[torch.Tensor, torch.Tensor]:
    """One row after another, autograd and torch.optim.Adam, straight from the formula: codes and objectives."""
    w, category = ascent.weights, torch.tensor([ascent.category])
    codes, objectives = [], []
    for start in ascent.starts:
        hidden = torch.atanh(start.clamp(-0.9999, 0.9999)).requires_grad_()
        optimiser = torch.optim.Adam([hidden], lr=LEARNING_RATE)
        best, highest = None, -torch.inf
        for _ in range(ascent.steps + 1):
            z = hidden.tanh()
            picture = networks.generator(z[None], category)
            look = networks.look(upsample(picture, networks.look.picture_size))[0]
            objective = w.preference * (ascent.taste @ look)
            objective = objective - w.realism * (networks.discriminator(picture, category)[0] - 1) ** 2
            objective = objective - w.closeness * ((z - start) ** 2).sum()
            if ascent.target is not None:
                objective = objective - w.reconstruction * (picture[0] - ascent.target).abs().mean()
            if objective > highest:
                best, highest = z.detach(), objective.item()
            optimiser.zero_grad()
            (-objective).backward()
            optimiser.step()
        codes.append(best)
        objectives.append(highest)
    order = torch.tensor(objectives).argsort(descending=True)
    return torch.stack(codes)[order], torch.tensor(objectives)[order]


@pytest.mark.parametrize(
    "weights",
    [Weights(), Weights(preference=0, realism=0, reconstruction=1), Weights(preference=1, closeness=0.5)],
    ids=["design", "inversion", "alteration"],
)
def test_many_requests_in_one_pass_give_what_the_reference_gives(networks: Networks, weights: Weights):
    target = torch.rand(3, 64, 64) * 2 - 1 if weights.reconstruction else None
    asked = [request(seed, weights=weights, target=target, keep=4, steps=5 + seed) for seed in range(3)]
    answers = LatentOptimiser(networks, rows_per_pass=5).run(asked)
    for ascent, answer in zip(asked, answers, strict=True):
        codes, objectives = reference(networks, ascent)
        torch.testing.assert_close(answer.scores.objective.sort(descending=True).values, objectives, atol=1e-3, rtol=0)
        for code in answer.codes:  # look-alikes may stand in another order
            assert (codes - code).abs().amax(1).min() < 1e-4


def test_the_objective_never_falls_below_the_start(networks: Networks):
    answer = LatentOptimiser(networks).run([request(1, keep=4)])[0]
    assert (answer.climb >= -1e-5).all()
    assert answer.climb.max() > 0


def test_no_steps_return_the_starts(networks: Networks):
    asked = request(2, steps=0, keep=4)
    answer = LatentOptimiser(networks).run([asked])[0]
    nearest = torch.cdist(answer.codes, asked.starts).min(1).values
    assert nearest.max() < 1e-3


def test_a_non_finite_request_fails_alone(networks: Networks):
    asked, company = request(3), request(4, taste=torch.full((8,), torch.nan))
    answer, failure = LatentOptimiser(networks).run([asked, company])
    assert isinstance(failure, FloatingPointError)
    torch.testing.assert_close(answer.codes, LatentOptimiser(networks).run([asked])[0].codes, atol=1e-4, rtol=0)


def test_designs_that_look_alike_are_one_design():
    pictures = torch.stack([torch.full((3, 4, 4), value) for value in (0.0, 0.001, 0.5)])
    objective = torch.tensor([3.0, 2.0, 1.0])
    assert differing(pictures, objective, 2) == [0, 2]
    assert differing(pictures, objective, 3) == [0, 2, 1]


def test_reconstruction_without_a_target_is_refused():
    with pytest.raises(ValueError, match="target is missing"):
        request(0, weights=Weights(reconstruction=1.0))


def test_more_than_there_are_starts_cannot_be_kept():
    with pytest.raises(ValueError, match="keep is 9"):
        request(0, keep=9)
