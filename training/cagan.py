"""Train the try-on network: `python -m training.cagan --config demo --data URL --run NAME`."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cluster.object_store import ObjectStore
from fashion_nn.cagan import config as configs
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Discriminator, Generator
from fashion_nn.cagan.step import CAGANData, CAGANStep, Shown, others_of
from fashion_nn.datasets.picture_table import PictureTable
from fashion_nn.datasets.problems import DataError, Problem, ProblemList, fatal
from fashion_nn.datasets.viton import Pairs, read_pairs
from fashion_nn.metrics.fittings import mask_iou, mean_error
from fashion_nn.pictures import normalise
from fashion_nn.steps import generator_of
from training import runs
from training.command import main
from training.errors import TrainingError
from training.recipe import Recipe, Source, Summary
from training.trained import Trained, generator_identity, load

BATCH = 32  # pairs measured at once


@dataclass(frozen=True, kw_only=True, slots=True)
class PairData:
    """Pairs whose pictures decode, with their pixels.

    masks: of what is worn; to learn from an empty one where it is not known, to measure by where every pair has one.
    shown: what `truths` learn from. groups: int64 [n], the place of each pair's group among the config's.
    """

    pairs: Pairs
    persons: PictureTable
    garments: PictureTable
    masks: PictureTable | None
    shown: Shown | None
    groups: np.ndarray
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Pairs to learn from, pairs to measure on where there are any, and the run to begin with if one is named."""

    train: PairData
    test: PairData | None
    start: Trained | None = None


class CAGANRecipe(Recipe):
    """Persons and the garments they wear → a painter of persons with other garments."""

    name = "cagan"
    configs = configs
    columns = ("person", "worn", "wanted", "mask", "result")

    def open(self, source: Source, config: CAGANConfig) -> Parts:
        start = begun(source.store, config) if config.start else None
        folder = pairs_folder(source.path)
        asked = {"shown": config.truths, "placed": config.origins_weight > 0, "segmented": config.segmented_weight > 0}
        train = open_pairs(folder, "train", source, config, **asked)
        if len(train.pairs) < 2:
            raise fatal(folder, None, "one pair is not enough: another garment is needed to be put on")
        has_test = (folder / "test_pairs.txt").exists()
        return Parts(train, open_pairs(folder, "test", source, config) if has_test else None, start)

    def summary(self, data: Parts) -> Summary:
        parts = [part for part in (data.train, data.test) if part]
        counts = {"pairs": len(data.train.pairs), "test pairs": len(data.test.pairs) if data.test else 0}
        problems = tuple(problem for part in parts for problem in part.problems)
        identity = {"start": generator_identity(data.start)} if data.start else {}
        return Summary(counts=counts, identity=identity, problems=problems)

    def build(self, config: CAGANConfig, data: Parts, device: torch.device) -> CAGANStep:
        train = data.train
        pairs = CAGANData(train.persons, train.garments, train.groups, train.shown, train.masks)
        step = CAGANStep(config, pairs, device)
        if data.start:
            weights = continued(step.generator, data.start.state["average"])
            step.generator.load_state_dict(weights)
            step.average.network.load_state_dict(weights)
        return step

    def networks(self, config: CAGANConfig, data: Parts) -> dict[str, nn.Module]:
        return {"generator": Generator(config), "discriminator": Discriminator(config)}

    def evaluate(self, step: CAGANStep, data: Parts) -> dict[str, float]:
        """On the test pairs, each fitted with another one's garment of its group: means over all pairs.

        test/cycle: error after changing there and back; with true masks also test/mask_iou, of the learnt mask
        with the worn garment's, and test/outside, what was changed outside of that.
        """
        if data.test is None:
            return {}
        cuts = range(0, len(data.test.pairs), BATCH)
        parts = [measured(step, data.test, np.arange(cut, min(cut + BATCH, len(data.test.pairs)))) for cut in cuts]
        names = parts[0].keys()
        return {f"test/{name}": float(torch.cat([part[name] for part in parts]).nanmean()) for name in names}


def begun(store: ObjectStore, config: CAGANConfig) -> Trained:
    """The finished run that the config begins with. Raises TrainingError where its weights do not fit, StoreError."""
    start = load(store, runs.finished(store, config.start, "cagan"))
    try:
        continued(Generator(config), start.state["average"])
    except ValueError as error:
        raise TrainingError(f"start is {config.start!r}, whose generator has another shape: {error}") from error
    return start


def continued(generator: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that a generator goes on with: another's, beside its own where that one had no such part.

    A layer with more or fewer inputs has those that come first. Raises ValueError where a part of both is not alike.
    """
    parts, found = {name.partition(".")[0] for name in weights}, {}
    for name, fresh in generator.state_dict().items():
        old = weights.get(name)
        if old is None:
            if name.partition(".")[0] in parts:
                raise ValueError(f"there is no {name}")
            found[name] = fresh
        elif old.shape == fresh.shape:
            found[name] = old
        elif old.ndim == fresh.ndim > 1 and old[:, :0].shape == fresh[:, :0].shape:
            found[name] = torch.cat([old, fresh[:, old.shape[1] :]], 1)[:, : fresh.shape[1]]
        else:
            raise ValueError(f"{name} is {tuple(old.shape)}, but must be {tuple(fresh.shape)}")
    return found


def pairs_folder(path: Path) -> Path:
    """Where the pairs are in a data set: in the folder of that name, or right there."""
    return path / "pairs" if (path / "pairs").is_dir() else path


def open_pairs(
    folder: Path,
    part: str,
    source: Source,
    config: CAGANConfig,
    *,
    only: str | None = None,
    shown: bool = False,
    placed: bool = False,
    segmented: bool = False,
) -> PairData:
    """Read one part of the pairs and letterbox its pictures to the config's size; `only` one group's. Raises DataError.

    A config that names groups leaves out the pairs of others, and those without a label. `shown`: those without a
    truth, too; `placed`: those whose truth has no origins. Masks are opened where they are learnt from (`segmented`),
    and of the test part, which is measured by them.
    """
    pairs = read_pairs(folder, part=part, on_problem=source.on_problem)
    if wanted := (only,) if only else config.groups:
        pairs = of_groups(folder, part, pairs, wanted)
    if shown:
        reason = "no pair has a truth, of which a config with truths learns"
        pairs = with_all(pairs.truths, pairs, fatal(folder / f"{part}_truth.csv", None, reason))
    if placed:
        reason = "no truth has origins, of which a config with origins_weight learns"
        origins = [truth.origins for truth in pairs.truths]
        pairs = with_all(origins, pairs, fatal(folder / part / "origins", None, reason))
    lacking = ProblemList(source.on_problem)
    if segmented and not any(pairs.masks):
        reason = "no pair has a mask, so that segmented_weight counts for nothing"
        lacking.add(folder / part / "image-mask", None, reason)
    found = (*pairs.problems, *lacking.settle())
    masked = any(pairs.masks) if segmented else part == "test" and all(pairs.masks)
    tables, masks = opened(source, pairs, config, shown, placed, masked)
    needed = [*tables, masks] if masks and not segmented else tables  # who learns of masks learns without one, too
    broken = np.unique(np.concatenate([each.failed for each in needed]))
    problems = tuple(problem for each in needed for problem in each.problems)
    unread = masks.problems if masks and segmented else ()
    if len(broken) == len(pairs) or ((problems or unread) and source.on_problem == "refuse"):
        raise DataError((*problems, *unread))
    if part == "test":
        kinds = pairs.groups if config.groups else [""] * len(pairs)
        alone, lone = without_company(kinds, set(broken.tolist()), folder), ProblemList(source.on_problem)
        for place in alone:
            lone.add(folder / "test_pairs.txt", None, f"no other pair is of the group of {pairs.names[place]}")
        broken, found = np.union1d(broken, alone).astype(np.int64), (*found, *lone.settle())
    if len(broken):
        pairs = pairs.without(broken)
        tables, masks = opened(source, pairs, config, shown, placed, masked)
    found = (*found, *problems, *unread)
    groups = [config.groups.index(group) for group in pairs.groups] if config.groups else [0] * len(pairs)
    return PairData(
        pairs=pairs,
        persons=tables[0],
        garments=tables[1],
        masks=masks,
        shown=Shown(*tables[2:]) if shown else None,
        groups=np.array(groups, np.int64),
        problems=found,
    )


def of_groups(folder: Path, part: str, pairs: Pairs, wanted: tuple[str, ...]) -> Pairs:
    """The pairs labelled with one of these groups. Raises DataError where there is none."""
    labelled = pairs.groups or [""] * len(pairs)
    others = [place for place, group in enumerate(labelled) if group not in wanted]
    if len(others) == len(pairs):
        raise fatal(folder / f"{part}_labels.csv", None, f"no pair of the groups {', '.join(wanted)}")
    return pairs.without(others)


def without_company(groups: Sequence[str], gone: set[int], folder: Path) -> list[int]:
    """Pairs with no other one of their group, whose garment could be put on. Raises DataError where that is all."""
    places = [place for place in range(len(groups)) if place not in gone]
    counts = Counter(groups[place] for place in places)
    alone = [place for place in places if counts[groups[place]] < 2]
    if len(alone) == len(places):
        raise fatal(folder / "test_pairs.txt", None, "no two pairs of a group, of which one is tried on the other")
    return alone


def with_all(known: Sequence[object | None], pairs: Pairs, otherwise: DataError) -> Pairs:
    """The pairs of which this is known. Raises DataError where it is of none."""
    unknown = [place for place, each in enumerate(known) if each is None]
    if len(unknown) == len(pairs):
        raise otherwise
    return pairs.without(unknown)


def opened(
    source: Source, pairs: Pairs, config: CAGANConfig, shown: bool, placed: bool, masked: bool
) -> tuple[list[PictureTable], PictureTable | None]:
    """Persons, garments and, where asked, wanted garments, truths and their origins; and masks, empty for who has none.

    Garments are `detail` times as large. Origins name places in a picture, which a border would move.
    """
    table = partial(source.table, height=config.height, width=config.width)
    finer = partial(source.table, height=config.detail * config.height, width=config.detail * config.width)
    masks = table(pairs.masks, channels=1) if masked else None
    tables = [table(pairs.persons), finer(pairs.garments)]
    if shown:
        wanted, truths = [truth.wanted for truth in pairs.truths], [truth.picture for truth in pairs.truths]
        tables += [finer(wanted, whole=placed), table(truths, whole=placed)]
    if placed:
        tables.append(table([truth.origins for truth in pairs.truths], whole=True))
    return tables, masks


@torch.inference_mode()
def measured(step: CAGANStep, test: PairData, places: np.ndarray) -> dict[str, Tensor]:
    """Each measure [B] of the pairs at `places`."""
    others = others_of(np.arange(len(test.pairs)), test.groups, generator_of(0))[places]
    tables = (test.persons[places], test.garments[places], test.garments[others])
    person, worn, wanted = (normalise(pixels.to(step.device)) for pixels in tables)
    put_on = partial(step.average.network, group=torch.from_numpy(test.groups[places]).to(step.device))
    fitting = put_on(person, worn, wanted)
    returned = put_on(fitting.picture, wanted, worn)
    found = {"cycle": mean_error(returned.picture, person)}
    if test.masks is not None:
        true = test.masks[places].to(step.device).float() / 255
        found["mask_iou"] = mask_iou(fitting.mask, true)
        found["outside"] = mean_error(fitting.picture, person, inside=1 - true)
    return {name: value.cpu() for name, value in found.items()}


RECIPE = CAGANRecipe()

if __name__ == "__main__":
    sys.exit(main("cagan"))
