"""`python -m benchmarks.fitting [--size …] [--config NAME]`: pictures a second of the try-on network.

network/N     N pictures in one pass, as they are served, against the same pass of the plain network: eager, float32
fitting/N     all that a fitting is but the decoding of what was sent: pictures made ready, the pass, the garment laid
              on in detail, both pictures encoded; N requests that share a pass, against the plain network one by one

Random weights: what a network paints does not change what it costs. The person and the garment are as large as
`--pixels` says.
"""

import copy
import time
from collections.abc import Callable

import torch
from PIL import Image

from benchmarks import report
from fashion_nn import configs, pictures
from fashion_nn.cagan import config as named
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.cagan.serving import Fit, for_serving
from services.fitting import Fitter, Job, paste

PLAIN = "plain: eager, float32"
SECONDS = 0.5  # of one measurement, at least


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--config", help="a named config of CAGAN (as --size)")
    words.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16], help="pictures in one pass (1 4 16)")
    words.add_argument("--company", type=int, default=16, help="requests that share a pass (16)")
    words.add_argument("--pixels", type=int, default=512, help="height of the pictures that are sent (512)")
    options = words.parse_args()
    config = configs.named(named, options.config or options.size)
    device = torch.device(options.device)
    plain, served = networks(config, device)
    report.progress(f"{config.height}×{config.width}, {config.precision} on {device}")
    rows = []
    for size in options.batches:
        rows.append(of_network(plain, served, config, size, device, options.runs))
    rows.append(of_fitting(plain, served, config, device, options))
    report.emit(report.report("fitting", rows))


def networks(config: CAGANConfig, device: torch.device) -> tuple[Fit, Fit]:
    """A network as it is written down, and the same one as it serves."""
    torch.manual_seed(config.seed)
    plain = Generator(config).eval().requires_grad_(False).to(device)
    return plain, for_serving(copy.deepcopy(plain), config, device)


def of_network(plain: Fit, served: Fit, config: CAGANConfig, size: int, device: torch.device, runs: int) -> report.Row:
    """Pictures a second of one pass over `size` of them."""
    times = (1, 1, config.detail)
    inputs = [torch.rand(size, 3, k * config.height, k * config.width, device=device) * 2 - 1 for k in times]

    @torch.inference_mode()
    def of(network: Fit) -> float:
        return size * rate(lambda: network(*inputs), device)

    values = report.in_turns({"served": lambda: of(served), "plain": lambda: of(plain)}, runs=runs)
    return compared(f"network/{size}", values)


def of_fitting(plain: Fit, served: Fit, config: CAGANConfig, device: torch.device, options) -> report.Row:
    """Fittings a second: some in company, and one by one."""
    width = options.pixels * 3 // 4
    person, garment = (Image.effect_noise((width, options.pixels), sigma).convert("RGB") for sigma in (40, 80))

    def fitted(fitter: Fitter, company: int) -> None:
        jobs = [
            Job(person=fitter.seen(person), worn=fitter.seen(garment), wanted=fitter.wanted(garment))
            for _ in range(company)
        ]
        for painted in fitter.paint(jobs):
            picture, mask = paste(person, painted, garment)
            pictures.encode(picture)
            pictures.encode(mask, format="PNG")

    def of(network: Fit, company: int) -> float:
        fitter = Fitter(release=None, generator=network, config=config, device=device)
        return company * rate(lambda: fitted(fitter, company), device)

    subjects = {"served": lambda: of(served, options.company), "plain": lambda: of(plain, 1)}
    return compared(f"fitting/{options.company}", report.in_turns(subjects, runs=options.runs))


def compared(name: str, values: dict[str, list[float]]) -> report.Row:
    """One row, of pictures a second."""
    return report.row(name, values["served"], unit="1/s", baseline=PLAIN, baseline_values=values["plain"])


def rate(work: Callable[[], object], device: torch.device) -> float:
    """How often `work` can be done in a second; once before, unmeasured."""
    work()
    report.settle(device)
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < SECONDS:
        work()
        done += 1
        report.settle(device)
    return done / passed


if __name__ == "__main__":
    main()
