"""`python -m benchmarks.latent [--release FOLDER]`: all six measurements of the latent engine, in one run.

Quality, throughput to equal quality and inversion are measured on the networks of a release (`--release`, the folder
that a deployment caches, or a copy of `releases/ID` of the bucket); random weights, which `--size` gives, say nothing
about them and are measured for cost, latency and overhead alone.
"""

import traceback
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.latent import inversion, latency, overhead, quality, step_cost, throughput
from benchmarks.latent.subjects import Subjects, of_release, of_size
from fashion_nn.datasets.catalogue import read_catalogue
from fashion_nn.latent import Engine, EngineConfig, Networks
from fashion_nn.pictures import decode, letterbox, normalise, to_pixels

PARTS = ("throughput", "quality", "latency", "step_cost", "inversion", "overhead")
PICTURES = 48  # inverted
WAITING = 4096  # rows: all that a part asks for at once


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--release", type=Path, help="a release's folder: its networks instead of random ones")
    words.add_argument("--data", type=Path, help="a catalogue's folder: the pictures to invert")
    words.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    words.add_argument("--slots", type=int, help="of the engine (as many as fit)")
    words.add_argument("--seconds", type=float, default=latency.SECONDS, help="of arrivals")
    options = words.parse_args()
    device = torch.device(options.device)
    subjects = of_release(options.release) if options.release else of_size(options.size)
    networks = Networks(*(network.to(device) for network in subjects.networks))
    subjects = replace(subjects, networks=networks)
    engine = Engine(networks, EngineConfig(slots=options.slots, max_waiting=WAITING), device=device)
    report.progress(f"{engine.scheduler.slots} slots, {engine.dtype}, {engine.memory_bytes / 2**20:.0f} MiB")
    rows, failed = [], []
    for part in options.parts:
        report.progress(f"--- {part}")
        try:
            rows += measured(part, subjects, engine, device, options)
        except Exception:  # the parts stand for themselves: what the others take minutes to measure is kept
            report.progress(traceback.format_exc())
            failed.append(part)
    report.emit(report.report("latent", rows))
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")


def measured(part: str, subjects: Subjects, engine: Engine, device: torch.device, options) -> list[report.Row]:
    """The rows of one part; none where it cannot be measured on these subjects."""
    if part == "latency":
        return latency.measure(subjects, engine, seconds=options.seconds)
    if part == "step_cost":
        return step_cost.measure(subjects, engine, device, runs=options.runs)
    if part == "overhead":
        return overhead.measure(subjects, engine, runs=options.runs)
    if not subjects.trained:
        report.progress("not measured: the weights are random (--release)")
        return []
    if part == "throughput":
        return throughput.measure(subjects, engine, device, runs=options.runs)
    if part == "quality":
        return quality.measure(subjects, engine)
    if subjects.encoder is None or options.data is None:
        report.progress("not measured: it needs a release with an encoder, and --data")
        return []
    return inversion.measure(subjects, engine, *pictures_of(options.data, subjects))


def pictures_of(folder: Path, subjects: Subjects) -> tuple[torch.Tensor, torch.Tensor]:
    """Every so many-th picture of a catalogue [n, 3, S, S], with its category."""
    catalogue, size = read_catalogue(folder, on_problem="skip"), subjects.networks.generator.picture_size
    chosen = range(0, len(catalogue), max(1, len(catalogue) // PICTURES))
    images = [letterbox(decode(catalogue.pictures[at].read()), height=size, width=size) for at in chosen]
    pixels = torch.stack([normalise(to_pixels(image)) for image in images])
    return pixels, torch.tensor([int(catalogue.item_category[at]) for at in chosen])


if __name__ == "__main__":
    main()
