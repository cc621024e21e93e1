"""5. Reconstruction error of real pictures against steps, from blind starts and from the encoder's."""

import torch
from torch import Tensor

from benchmarks import report
from benchmarks.latent.quality import mean_best
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Ascent, Engine, Weights

STEPS = (0, 5, 10, 20, 50, 100, 200)
BLIND = (1, 8)  # starts; the encoder has one
RATES = (0.02, 0.05, 0.1, 0.2)
TRIED, TRIED_STEPS = 8, 20  # pictures and steps by which a way finds its rate
WEIGHTS = Weights(preference=0.0, realism=0.0, reconstruction=1.0)


def measure(subjects: Subjects, engine: Engine, pictures: Tensor, category: Tensor) -> list[report.Row]:
    """Mean absolute error, as a share of the range, of pictures [n, 3, S, S], each way at its own best rate."""
    assert subjects.encoder is not None
    pairs = zip(pictures.split(64), category.split(64), strict=True)
    codes = torch.cat([subjects.encoder(*each) for each in pairs])
    ways = {f"blind_{n}": [subjects.blind(at, n).starts for at in range(len(pictures))] for n in BLIND}
    ways["encoder_1"] = list(codes[:, None])
    found: dict[str, dict[int, float]] = {}
    rows = []
    for way, starts in ways.items():

        def error(steps: int, rate: float, count: int, starts: list[Tensor] = starts) -> float:
            shown = zip(starts[:count], pictures, category, strict=False)
            return mean_error(engine, [inversion(subjects, *each, steps=steps, rate=rate) for each in shown])

        rate = min(RATES, key=lambda rate: error(TRIED_STEPS, rate, TRIED))
        found[way] = {steps: error(steps, rate, len(pictures)) for steps in STEPS}
        report.progress(f"{way} at rate {rate:g}: {found[way]}")
        for steps, value in found[way].items():
            rows.append(report.row(f"reconstruction_error/{way}/steps_{steps}", [value], unit="share of range"))
    ours = found.pop("encoder_1")
    for way, blind in found.items():
        enough = [steps for steps, value in ours.items() if value <= blind[STEPS[-1]]]
        if enough:
            name = f"steps_to_reach_{way}_starts_of_{STEPS[-1]}_steps/encoder_1"
            rows.append(
                report.row(name, [enough[0]], unit="steps", baseline=way, baseline_values=[STEPS[-1]]),
            )
    return rows


def inversion(subjects: Subjects, starts: Tensor, picture: Tensor, category: Tensor, **fields: float) -> Ascent:
    """The ascent of starts z [n, Z] to a picture; `fields`: steps and rate."""
    taste = subjects.tastes[0]  # it has no weight
    return Ascent(taste=taste, category=int(category), starts=starts, weights=WEIGHTS, target=picture, **fields)


def mean_error(engine: Engine, asked: list[Ascent]) -> float:
    """The mean over pictures of the best reconstruction of each. Pictures lie in [-1, 1], a range of 2."""
    return -mean_best(engine, asked) / 2
