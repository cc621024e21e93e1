"""How good is a try-on? Where the truth is drawn, beside it; on photographs, by what must hold whatever the truth is.

A drawn world knows every person in the wanted garment, and where either garment is: the place that should change.
Photographs may have masks of the garment worn. Errors are shares of the range from black to white, colours CIELAB.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cluster.mirror import mirror
from cluster.object_store import ObjectStore
from cluster.settings import Settings
from fashion_nn import pictures
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Fitting, Generator, shrunk
from fashion_nn.cagan.step import others_of
from fashion_nn.cagan.warp import places as places_of
from fashion_nn.metrics import fittings as measures
from fashion_nn.metrics.distributions import Distance, kid
from fashion_nn.pictures import normalise
from fashion_nn.steps import generator_of
from fashion_nn.world.config import WorldConfig
from fashion_nn.world.origins import draw_origins
from fashion_nn.world.persons import ASPECT, draw_person
from fashion_nn.world.population import pair
from training import runs
from training.cagan import PairData, open_pairs, pairs_folder
from training.errors import TrainingError
from training.evaluate.descriptor import describe
from training.evaluate.figures import Mean
from training.recipe import Source
from training.trained import load

BATCH = 32  # pairs fitted at once
FEWEST = 4  # pairs: two halves are compared, each by how its pictures differ among themselves
SHOWN = 4  # cases of each kind on a sheet
RANGE = 2.0  # of pictures on [-1, 1]
FEATURES = "an 8×8 thumbnail, the shares of 64 colours, and edges by place and direction"


@dataclass(frozen=True, kw_only=True, slots=True)
class FittingInquiry:
    """What is asked about a finished cagan run."""

    run: str
    data: str | None = None  # None: the run's own
    group: str | None = None  # of the pairs' labels; None: all those that the run has learnt
    seed: int = 0  # of what photographed persons are to put on, and of KID's subsets

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise TrainingError(f"seed is {self.seed}, but must be at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class FittingFindings:
    """What was found: means over the test pairs by the name of the measure, and KID with its standard error."""

    run: str
    data: str
    config: str
    step: int
    seed: int
    pairs: int
    truth: bool
    measures: dict[str, Mean]
    kid: float
    kid_error: float
    kid_features: str
    ranked_by: str  # the measure by which the sheet's cases were chosen


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """Test pairs with what is to be put on: uint8 [n, C, H, W], garments `detail` times as large; masks in [0, 1]."""

    persons: Tensor
    worn: Tensor
    wanted: Tensor
    group: Tensor  # int64 [n]
    worn_place: Tensor | None
    truth: Tensor | None = None
    true_place: Tensor | None = None  # where either garment is
    origins: Tensor | None = None  # [n, 3, H, W] in [0, 1], of the truth (see `viton.Truth`)

    def __len__(self) -> int:
        return len(self.persons)


@dataclass(frozen=True, slots=True)
class Judged:
    """A case's pictures are [n, 3, H, W] in [-1, 1]; values: each measure [n]."""

    pictures: Tensor
    masks: Tensor
    values: dict[str, np.ndarray]


def evaluate(
    inquiry: FittingInquiry, store: ObjectStore, settings: Settings, *, device: torch.device
) -> tuple[FittingFindings, bytes]:
    """Fit every test pair; the findings, and a sheet of cases as JPEG. Raises TrainingError, DataError, StoreError."""
    record = runs.finished(store, inquiry.run, "cagan")
    trained = load(store, record)
    generator = trained.fill(Generator(trained.config), "average").to(device)
    url = inquiry.data or record.data
    path = mirror(url, settings, settings.cache / "data")
    source = Source(path=path, cache=settings.cache / "pictures", store=store)
    cases = open_cases(pairs_folder(path), source, trained.config, inquiry)
    judged = judge(generator, cases, device)
    ranked_by, order = ranked(judged.values)
    distance = distance_to_real(cases, judged.pictures, inquiry.seed)
    findings = FittingFindings(
        run=inquiry.run,
        data=url,
        config=record.config_name,
        step=record.step,
        seed=inquiry.seed,
        pairs=len(cases),
        truth=cases.truth is not None,
        measures={name: Mean.of(values[np.isfinite(values)]) for name, values in judged.values.items()},
        kid=distance.mean,
        kid_error=distance.error,
        kid_features=FEATURES,
        ranked_by=ranked_by,
    )
    return findings, sheet(cases, judged, order, judged.values[ranked_by])


def open_cases(folder: Path, source: Source, config: CAGANConfig, inquiry: FittingInquiry) -> Cases:
    """The test pairs, each with a wanted garment: the one that its truth wears, or of another pair of its group."""
    if not (folder / "test_pairs.txt").exists():
        raise TrainingError(f"{folder} has no test_pairs.txt: nothing that the run never saw")
    if inquiry.group and config.groups and inquiry.group not in config.groups:
        raise TrainingError(f"group is {inquiry.group}, but the run has learnt {', '.join(config.groups)}")
    test = open_pairs(folder, "test", source, config, only=inquiry.group)
    n = len(test.pairs)
    if n < FEWEST:
        raise TrainingError(f"{folder} has {n} pairs to test on, but must have at least {FEWEST}")
    everything = np.arange(n)
    table = folder.parent / "world.json"
    drawn = table.exists() and (folder / "test_truth.csv").exists()
    world = world_of(table) if drawn else None
    others = others_of(everything, test.groups, generator_of(inquiry.seed)) if world is None else wanted_in(world, test)
    return Cases(
        persons=test.persons[everything],
        worn=test.garments[everything],
        wanted=test.garments[others],
        group=torch.from_numpy(test.groups),
        worn_place=None if test.masks is None else test.masks[everything].float() / 255,
        **({} if world is None else truth_of(world, test, config)),
    )


def world_of(file: Path) -> WorldConfig:
    """The config that a drawn world keeps of itself."""
    stamp = json.loads(file.read_text(encoding="utf-8"))
    return WorldConfig(**{name: value for name, value in stamp.items() if name != "version"})


def places(test: PairData) -> list[int]:
    """The place that each pair has in its world: the number in its name."""
    return [int(name.removeprefix("test")) for name in test.pairs.names]


def wanted_in(world: WorldConfig, test: PairData) -> np.ndarray:
    """Which of the pairs wears what each person is to put on: int64 [n]."""
    at = {name: place for place, name in enumerate(test.pairs.names)}
    return np.array([at[pair(world, "test", place).wanted_name] for place in places(test)])


def truth_of(world: WorldConfig, test: PairData, config: CAGANConfig) -> dict[str, Tensor]:
    """Every person drawn again in the wanted garment, where either garment is, and what the wanted one comes from."""
    box = partial(pictures.letterbox, height=config.height, width=config.width)
    truth, masks, origins = [], [], []
    for place in places(test):
        this = pair(world, "test", place)
        picture, mask = draw_person(this.person, this.wanted, height=world.person_height)
        truth.append(torch.from_numpy(pictures.to_pixels(box(picture))))
        masks.append(torch.from_numpy(pictures.to_pixels(box(mask, background=0))))
        drawn = draw_origins(this.person, this.wanted, height=world.person_height)
        origins.append(torch.from_numpy(pictures.to_pixels(box(drawn, background=0))))
    place = torch.maximum(torch.stack(masks), test.masks[np.arange(len(masks))])
    found = {"truth": torch.stack(truth), "true_place": place.float() / 255}
    if config.width == config.height * ASPECT:  # else there are borders, which move the places that origins name
        found["origins"] = torch.stack(origins).float() / 255
    return found


@torch.inference_mode()
def judge(generator: nn.Module, cases: Cases, device: torch.device) -> Judged:
    """Fit all cases, BATCH at a time."""
    cuts = [*range(0, len(cases), BATCH), len(cases)]
    parts = [_judged(generator, cases, slice(*cut), device) for cut in pairwise(cuts)]
    values = {name: torch.cat([part[1][name] for part in parts]).numpy() for name in parts[0][1]}
    fitted = [part[0] for part in parts]
    return Judged(torch.cat([each.picture for each in fitted]), torch.cat([each.mask for each in fitted]), values)


def _judged(generator: nn.Module, cases: Cases, rows: slice, device: torch.device) -> tuple[Fitting, dict[str, Tensor]]:
    person, worn, wanted = (normalise(each[rows].to(device)) for each in (cases.persons, cases.worn, cases.wanted))
    put_on = partial(generator, group=cases.group[rows].to(device))
    fitting = put_on(person, worn, wanted)
    back, again = put_on(fitting.picture, wanted, worn), put_on(person, worn, worn)
    garment = shrunk(wanted, person)
    likened = garment, measures.garment_place(garment), fitting.picture, fitting.mask
    found = {
        "cycle error": measures.mean_error(back.picture, person) / RANGE,
        "worn again error": measures.mean_error(again.picture, person) / RANGE,
        "colour distance": measures.colour_distance(*likened),
        "texture distance": measures.texture_distance(*likened),
    }
    if cases.worn_place is not None:
        place = cases.worn_place[rows].to(device)
        found["mask IoU, worn"] = measures.mask_iou(fitting.mask, place)
        found["change outside, worn"] = measures.mean_error(fitting.picture, person, inside=1 - place) / RANGE
    if cases.truth is not None:
        truth, place = normalise(cases.truth[rows].to(device)), cases.true_place[rows].to(device)
        found |= {
            "mask IoU": measures.mask_iou(fitting.mask, place),
            "SSIM inside": measures.ssim(fitting.picture, truth, inside=place),
            "PSNR inside": measures.psnr(fitting.picture, truth, inside=place),
            "LAB error inside": measures.lab_error(fitting.picture, truth, inside=place),
            "error outside": measures.mean_error(fitting.picture, truth, inside=1 - place) / RANGE,
        }
        if fitting.flow is not None and cases.origins is not None:
            origins = cases.origins[rows].to(device)
            found["carried from, pixels off"] = measures.misplaced(places_of(fitting.flow), origins)
    kept = Fitting(fitting.picture.cpu(), fitting.mask.cpu(), fitting.painted.cpu())
    return kept, {name: value.double().cpu() for name, value in found.items()}


def ranked(values: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """The measure by which cases are told good from bad, and their order by it, best first.

    Likeness to the truth; where that is not known the mask, and without masks the way back.
    """
    for name, sign in (("SSIM inside", -1), ("mask IoU, worn", -1), ("cycle error", 1)):
        if name in values:
            return name, np.argsort(sign * values[name], kind="stable")
    raise ValueError(f"no case can be ranked by {', '.join(values)}")


def distance_to_real(cases: Cases, fitted: Tensor, seed: int) -> Distance:
    """KID of fitted persons to photographed ones, which are others: halves of the cases."""
    half = len(cases) // 2
    real, generated = describe(normalise(cases.persons[:half])), describe(fitted[half:])
    return kid(real.numpy(), generated.numpy(), seed=seed)


def chosen(order: np.ndarray) -> Iterator[tuple[str, int]]:
    """The best, the median and the worst cases, SHOWN of each, as (kind, place)."""
    size = min(SHOWN, len(order) // 3) or 1
    middle = max(0, (len(order) - size) // 2)
    for kind, start in (("best", 0), ("median", middle), ("worst", len(order) - size)):
        for place in order[start : start + size]:
            yield kind, int(place)


def sheet(cases: Cases, judged: Judged, order: np.ndarray, scores: np.ndarray) -> bytes:
    """Person, worn, wanted, mask, result and, where it is known, the truth."""
    rows, labels = [], []
    for kind, at in chosen(order):
        person, worn, wanted = (normalise(table[at, None]) for table in (cases.persons, cases.worn, cases.wanted))
        row = [pictures.to_image(each[0]) for each in (person, shrunk(worn, person), shrunk(wanted, person))]
        row += [pictures.mask_to_image(judged.masks[at]), pictures.to_image(judged.pictures[at])]
        if cases.truth is not None:
            row.append(pictures.to_image(normalise(cases.truth[at])))
        rows.append(row)
        labels.append(f"{kind} {scores[at]:.3f}")
    columns = ["person", "worn", "wanted", "mask", "result", "truth"][: len(rows[0])]
    scale = 2 if rows[0][0].height < 128 else 1
    return pictures.encode(pictures.sheet(rows, row_labels=labels, column_labels=columns, scale=scale))
