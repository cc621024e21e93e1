"""Train the encoder: `python -m training.encoder --config demo --data URL --run NAME generator=CGAN_RUN`."""

import sys
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fashion_nn.cgan.network import Generator
from fashion_nn.latent.encoder import config as configs
from fashion_nn.latent.encoder.config import EncoderConfig
from fashion_nn.latent.encoder.network import Encoder
from fashion_nn.latent.encoder.step import EncoderData, EncoderStep
from training import runs
from training.catalogue_data import CatalogueData, open_catalogue
from training.command import main
from training.errors import TrainingError
from training.recipe import Recipe, Source, Summary
from training.trained import Trained, averaged_generator, generator_identity, load

GENERATED, REAL, RANDOM = 16, 32, 64  # pictures a category that it is measured on, and random codes beside it


@dataclass(frozen=True, slots=True)
class Painted:
    """A catalogue, and the generator that is to paint its pictures again."""

    items: CatalogueData
    generator: Generator
    trained: Trained


class EncoderRecipe(Recipe):
    """Pictures of items, and a trained generator of such → the codes of pictures."""

    name = "encoder"
    configs = configs
    columns = ("item", "painted again") * 3 + ("generated", "painted again")

    def open(self, source: Source, config: EncoderConfig) -> Painted:
        if not config.generator:
            raise TrainingError("generator is missing: name the finished cgan run to train against, generator=RUN")
        trained = load(source.store, runs.finished(source.store, config.generator, "cgan"))
        items = open_catalogue(source, size=trained.config.picture_size)
        ours, theirs = items.catalogue.categories, trained.record.identity["categories"]
        if ours != theirs:
            raise TrainingError(
                f"the data has the categories {', '.join(ours)}, but run {config.generator!r} {', '.join(theirs)}"
            )
        return Painted(items, averaged_generator(trained), trained)

    def summary(self, data: Painted) -> Summary:
        catalogue = data.items.catalogue
        counts = {"items": len(catalogue), "categories": len(catalogue.categories)}
        identity = {"categories": catalogue.categories, "generator": generator_identity(data.trained)}
        return Summary(counts=counts, identity=identity, problems=data.items.problems)

    def build(self, config: EncoderConfig, data: Painted, device: torch.device) -> EncoderStep:
        catalogue, pictures = data.items.catalogue, data.items.pictures
        known = EncoderData(
            pictures, catalogue.item_category, catalogue.categories, data.generator, data.trained.config
        )
        return EncoderStep(config, known, device)

    def networks(self, config: EncoderConfig, data: Painted) -> dict[str, nn.Module]:
        return {"encoder": Encoder(config, data.trained.config, len(data.items.catalogue.categories))}

    def rows(self, data: Painted) -> list[str]:
        return data.items.catalogue.categories

    def evaluate(self, step: EncoderStep, data: Painted) -> dict[str, float]:
        """Mean absolute error of pictures in [-1, 1] painted again, beside that of the best of some random codes.

        Of pictures that the generator paints of codes which no step has drawn, and of items.
        """
        parts = [measured(step, category) for category in range(len(data.items.catalogue.categories))]
        return {name: float(torch.cat([part[name] for part in parts]).mean()) for name in parts[0]}


def measured(step: EncoderStep, category: int) -> dict[str, Tensor]:
    """Each measure [n] of the pictures of one category."""
    random = torch.Generator().manual_seed(category)

    def paint(count: int) -> Tensor:
        codes = 2 * torch.rand(count, step.generator.latent_dimensions, generator=random) - 1
        return step.paint(codes, torch.full((count,), category))

    generated, at_random = paint(GENERATED), paint(RANDOM)
    found = {}
    for kind, pictures in {"generated": generated, "real": step.items(category, REAL)}.items():
        again = step.reconstruct(pictures, torch.full((len(pictures),), category))
        found[f"error/{kind}"] = (again - pictures).abs().mean((1, 2, 3))
        to_random = torch.cdist(pictures.flatten(1), at_random.flatten(1), p=1) / pictures[0].numel()
        found[f"error/{kind}/random"] = to_random.amin(1)
    return found


RECIPE = EncoderRecipe()

if __name__ == "__main__":
    sys.exit(main("encoder"))
