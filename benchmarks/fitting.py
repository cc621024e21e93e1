"""`python -m benchmarks.fitting [--size …] [--config NAME]`: pictures a second of the try-on network.

network/N           N pictures in one pass, as they are served, against the same pass of the plain network: eager,
                    float32
fitting/N           all that a fitting is but the decoding of what was sent: pictures made ready, the pass, the garment
                    laid on in detail, both pictures encoded. N requests share a pass, while the pictures of as many
                    others are made ready or encoded, as in a FittingRoom; against the plain network, one by one
fitting/N/together  the same, against the plain network in the same company

Random weights: what a network paints does not change what it costs, and where it paints is said by the mask of the top
that is worn. The person and the garment are drawn, as large as `--pixels` says; as in a replica, networks compute with
as many threads as OMP_NUM_THREADS says, or one.
"""

import copy
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from benchmarks import report
from fashion_nn import configs, pictures
from fashion_nn.cagan import config as named
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.cagan.serving import Fit, for_serving
from fashion_nn.world.config import demo
from fashion_nn.world.garments import draw_garment
from fashion_nn.world.persons import draw_person
from fashion_nn.world.population import pair
from services.fitting import Fitter, Job, Painted, paste
from services.threads import picture_threads

PLAIN = "plain: eager, float32"
SECONDS = 2.0  # of one measurement, at least


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--config", help="a named config of CAGAN (as --size)")
    words.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16], help="pictures in one pass (1 4 16)")
    words.add_argument("--company", type=int, default=16, help="requests that share a pass (16)")
    words.add_argument("--pixels", type=int, default=512, help="height of the pictures that are sent (512)")
    options = words.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    config = configs.named(named, options.config or options.size)
    device = torch.device(options.device)
    plain, served = networks(config, device)
    report.progress(f"{config.height}×{config.width}, {config.precision} on {device}")
    rows = []
    for size in options.batches:
        rows.append(of_network(plain, served, config, size, device, options.runs))
    rows += of_fitting(plain, served, config, device, options)
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


def of_fitting(plain: Fit, served: Fit, config: CAGANConfig, device: torch.device, options) -> list[report.Row]:
    """Fittings a second in company, against those one by one and those of the plain network in company."""
    sent, company = drawn(config, options.pixels), options.company
    ours, theirs = (Fitter(release=None, generator=each, config=config, device=device) for each in (served, plain))
    subjects = {
        "served": lambda: together(ours, sent, company),
        "plain, one by one": lambda: rate(lambda: encoded(sent, *theirs.paint([ready(theirs, sent)])), device),
        "plain, together": lambda: together(theirs, sent, company),
    }
    values = report.in_turns(subjects, runs=options.runs)
    return [
        compared(f"fitting/{company}{name}", {"served": values["served"], "plain": values[against]})
        for name, against in (("", "plain, one by one"), ("/together", "plain, together"))
    ]


class Sent(NamedTuple):
    """What is sent, and where on the person to paint, as the network would say it."""

    person: Image.Image
    worn: Image.Image
    wanted: Image.Image
    mask: Tensor


def drawn(config: CAGANConfig, pixels: int) -> Sent:
    """Somebody of the demo world in a top, and what is to be put on."""
    this = pair(demo(), "test", 0)
    person, mask = draw_person(this.person, this.worn, height=pixels)
    garments = (draw_garment(each, height=pixels, width=person.width)[0] for each in (this.worn, this.wanted))
    small = pictures.letterbox(mask, height=config.height, width=config.width, background=0)
    return Sent(person, *garments, torch.from_numpy(pictures.to_pixels(small)).float() / 255)


def ready(fitter: Fitter, sent: Sent) -> Job:
    """Pictures as the network sees them."""
    return Job(person=fitter.seen(sent.person), worn=fitter.worn(sent.worn), wanted=fitter.wanted(sent.wanted))


def encoded(sent: Sent, painted: Painted) -> None:
    """What was painted, laid over the person where the mask is, as files."""
    picture, mask = paste(sent.person, replace(painted, mask=sent.mask), sent.wanted)
    pictures.encode(picture)
    pictures.encode(mask, format="PNG")


def together(fitter: Fitter, sent: Sent, company: int) -> float:
    """Fittings a second, `company` at a time: two companies take turns, so that one's pictures hide behind a pass."""
    finished: list[float] = []
    networks = threading.Lock()

    def keep_on(until: float) -> None:
        while time.perf_counter() < until:
            jobs = list(threads.map(lambda _: ready(fitter, sent), range(company)))
            with networks:
                painted = fitter.paint(jobs)
            list(threads.map(lambda each: encoded(sent, each), painted))
            finished.append(time.perf_counter())

    with picture_threads() as threads, ThreadPoolExecutor(2) as turns:
        fitter.paint([ready(fitter, sent)] * company)
        list(turns.map(keep_on, 2 * [time.perf_counter() + 2 * SECONDS]))
    return company * (len(finished) - 1) / (finished[-1] - finished[0])


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
