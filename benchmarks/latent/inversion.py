"""5. Reconstruction error of real pictures against steps, from blind starts and from the encoder's."""

import torch
from torch import Tensor

from benchmarks import report
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Ascent, Engine, Weights

STEPS = (0, 5, 10, 20, 50, 100, 200)
ROWS, RATE = 8, 0.05
WEIGHTS = Weights(preference=0.0, realism=0.0, reconstruction=1.0)


def measure(subjects: Subjects, engine: Engine, pictures: Tensor, category: Tensor) -> list[report.Row]:
    """Mean absolute error, as a share of the range, of pictures [n, 3, S, S]; blind has 8 starts, the encoder one."""
    assert subjects.encoder is not None
    codes = torch.cat([subjects.encoder(*each) for each in zip(pictures.split(64), category.split(64), strict=True)])
    rows = []
    for steps in STEPS:
        errors = {}
        for name, starts in (("blind", None), ("encoder", codes)):
            asked = []
            for at, picture in enumerate(pictures):
                start = subjects.blind(at, ROWS).starts if starts is None else starts[at, None]
                asked.append(
                    Ascent(
                        taste=subjects.tastes[0],
                        category=int(category[at]),
                        starts=start,
                        weights=WEIGHTS,
                        steps=steps,
                        rate=RATE,
                        target=picture,
                    )
                )
            found = engine.ascend(asked)
            errors[name] = [-torch.stack([each.scores.objective[0] for each in found]).mean().item() / 2]
        report.progress(f"{steps} steps: {errors}")
        rows.append(
            report.row(
                f"reconstruction_error/encoder/steps_{steps}",
                errors["encoder"],
                unit="share of range",
                baseline=f"blind_{ROWS}_starts",
                baseline_values=errors["blind"],
            )
        )
    return rows
