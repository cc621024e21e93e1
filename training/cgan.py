"""Train the conditional GAN: `python -m training.cgan --config demo --data URL --run NAME`."""

import sys

import numpy as np
import torch
from torch import nn

from fashion_nn.cgan import config as configs
from fashion_nn.cgan.architecture import networks
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.step import CGANData, CGANStep
from fashion_nn.cgan.training_step import training_step
from fashion_nn.metrics.generation import opposite_mean_ssim
from training.catalogue_data import CatalogueData, open_catalogue
from training.command import main
from training.recipe import Recipe, Source, Summary

MEASURED, PAIRS = 16, 64  # pictures a category that its diversity is measured on, pairs of them


class CGANRecipe(Recipe):
    """Pictures of items of some categories → a painter of such items, and its judge."""

    name = "cgan"
    configs = configs

    def open(self, source: Source, config: CGANConfig) -> CatalogueData:
        return open_catalogue(source, size=config.picture_size)

    def summary(self, data: CatalogueData) -> Summary:
        counts = {"items": len(data.catalogue), "categories": len(data.catalogue.categories)}
        return Summary(counts=counts, identity={"categories": data.catalogue.categories}, problems=data.problems)

    def build(self, config: CGANConfig, data: CatalogueData, device: torch.device) -> CGANStep:
        catalogue = data.catalogue
        items = CGANData(data.pictures, catalogue.item_category, catalogue.categories)
        return training_step(config, items, device)

    def networks(self, config: CGANConfig, data: CatalogueData) -> dict[str, nn.Module]:
        return networks(config, len(data.catalogue.categories))._asdict()

    def rows(self, data: CatalogueData) -> list[str]:
        return data.catalogue.categories

    def evaluate(self, step: CGANStep, data: CatalogueData) -> dict[str, float]:
        """Diversity by category (1 − mean SSIM, Kang et al., ICDM 2017)."""
        names = data.catalogue.categories
        painted = step.sample(columns=MEASURED)
        category = np.repeat(np.arange(len(names)), painted.shape[1])
        generated = opposite_mean_ssim(painted.flatten(0, 1), category, seed=step.config.seed, pairs=PAIRS)
        found = {f"diversity/{names[place]}": value for place, value in generated.items()}
        return found | {"diversity/mean": float(np.mean(list(generated.values())))}


RECIPE = CGANRecipe()

if __name__ == "__main__":
    sys.exit(main("cgan"))
