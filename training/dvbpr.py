"""Train the recommender: `python -m training.dvbpr --config demo --data URL --run NAME`."""

import sys
from dataclasses import dataclass, replace

import torch
from torch import nn

from fashion_nn.datasets.problems import fatal
from fashion_nn.datasets.split import Split, leave_one_out
from fashion_nn.dvbpr import config as configs
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Recommender
from fashion_nn.dvbpr.step import DVBPRData, DVBPRStep
from fashion_nn.metrics.ranking import auc, scores_by_popularity, scores_by_taste
from training.catalogue_data import CatalogueData, open_catalogue
from training.command import main
from training.recipe import Recipe, Source, Summary


@dataclass(frozen=True, slots=True)
class Bought:
    """A catalogue, and which of each shopper's items are to learn from."""

    items: CatalogueData
    split: Split


class DVBPRRecipe(Recipe):
    """Pictures of items and who bought them → looks and tastes."""

    name = "dvbpr"
    configs = configs
    columns = ("bought",) * 3 + ("recommended",) * 5

    def open(self, source: Source, config: DVBPRConfig) -> Bought:
        items = open_catalogue(source, size=config.picture_size)
        if not len(items.catalogue.interactions):
            raise fatal(source.path, None, "no interactions: a recommender learns from what shoppers bought")
        return Bought(items, items.split or leave_one_out(items.catalogue, seed=config.seed, order=config.split))

    def summary(self, data: Bought) -> Summary:
        catalogue = data.items.catalogue
        counts = {
            "items": len(catalogue),
            "categories": len(catalogue.categories),
            "shoppers": len(catalogue.user_ids),
            "interactions": len(catalogue.interactions),
            "held-out items": int((data.split.test >= 0).sum()),
        }
        identity = {"categories": catalogue.categories, "shoppers": catalogue.user_ids}
        return Summary(counts=counts, identity=identity, problems=data.items.problems)

    def build(self, config: DVBPRConfig, data: Bought, device: torch.device) -> DVBPRStep:
        catalogue, known = data.items.catalogue, DVBPRData(data.items.pictures, data.split.train)
        if config.category_weight:
            known = replace(known, category=catalogue.item_category, n_categories=len(catalogue.categories))
        return DVBPRStep(config, known, device)

    def networks(self, config: DVBPRConfig, data: Bought) -> dict[str, nn.Module]:
        catalogue = data.items.catalogue
        return {"recommender": Recommender(config, len(catalogue.user_ids), len(catalogue.categories))}

    def evaluate(self, step: DVBPRStep, data: Bought) -> dict[str, float]:
        """AUC over all unobserved items, as in Kang et al., ICDM 2017, section V; beside it, popularity's."""
        ours = scores_by_taste(step.recommender.taste.weight.detach().float().cpu(), step.looks())
        baseline = scores_by_popularity(data.split, len(data.items.catalogue))
        found = {
            "auc/validation": auc(ours, data.split, which="validation"),
            "auc/test": auc(ours, data.split),
            "auc/test/cold": auc(ours, data.split, cold=True),
            "auc/test/popularity": auc(baseline, data.split),
        }
        return {name: each.value for name, each in found.items()}


RECIPE = DVBPRRecipe()

if __name__ == "__main__":
    sys.exit(main("dvbpr"))
