"""One training step of DVBPR: triplets in, named loss terms out. Plain PyTorch on one device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.dvbpr import loss
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Recommender
from fashion_nn.pictures import normalise


@dataclass(frozen=True, slots=True)
class DVBPRData:
    """pictures: of all items; train: the item indices that each shopper bought and training may see."""

    pictures: steps.Pictures
    train: list[np.ndarray]


@dataclass(frozen=True, slots=True)
class Triplets:
    """users [B]; pictures uint8 [M, 3, S, S], each once; positive, negative [B]: rows of these; is_negative [B, M]."""

    users: Tensor
    pictures: Tensor
    positive: Tensor
    negative: Tensor
    is_negative: Tensor


class RankingObjective(nn.Module):
    """Loss of a worker's share, scaled so that the mean over workers is the loss of the whole batch."""

    def __init__(self, recommender: Recommender, config: DVBPRConfig) -> None:
        super().__init__()
        self.recommender, self.config, self.replicas = recommender, config, 1

    def forward(self, batch: Triplets, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        config, dtype = self.config, steps.autocast_dtype(self.config.precision, device)
        pictures = normalise(batch.pictures.to(device))
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            looks = self.recommender.look(pictures)
        looks, taste = looks.float(), self.recommender.taste(batch.users.to(device))
        positive, negative = looks[batch.positive.to(device)], looks[batch.negative.to(device)]
        if config.negatives == "batch":
            ranking = loss.batch_ranking(taste, positive, looks, batch.is_negative.to(device))
        else:
            ranking = loss.triplet_ranking(taste, positive, negative)
        terms = {
            "loss/ranking": ranking * self.replicas,
            "loss/taste_penalty": config.taste_decay * loss.taste_penalty(taste) * self.replicas,
            "loss/weight_penalty": config.weight_decay * loss.weight_penalty(self.recommender.look),
        }
        accuracy = ((taste * (positive - negative)).sum(1) > 0).float().mean()
        return sum(terms.values()), terms | {"accuracy/triplets": accuracy}


class DVBPRStep:
    """Networks, optimiser and sampler of one run."""

    def __init__(self, config: DVBPRConfig, data: DVBPRData, device: torch.device | str = "cpu") -> None:
        self.config, self.data, self.device = config, data, torch.device(device)
        torch.manual_seed(config.seed)
        self.buyers = np.flatnonzero([len(items) > 0 for items in data.train])
        if not len(self.buyers):
            raise ValueError("no shopper has an item to train on")
        self.recommender = Recommender(config, len(data.train)).to(self.device, memory_format=torch.channels_last)
        self.objective: nn.Module = RankingObjective(self.recommender, config)
        self.optimiser = torch.optim.Adam(self.recommender.parameters(), lr=config.learning_rate)

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"recommender": self.recommender}

    def distribute(self, wrap: steps.Wrap, replicas: int) -> None:
        """Train as one of `replicas` workers; `wrap` is DistributedDataParallel or the like."""
        self.objective.replicas = replicas
        self.objective = wrap(self.objective)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Triplets:
        """This worker's triplets of `step`: u uniform, i from u's items, j not among them (authors' code)."""
        random = steps.generator_of(self.config.seed, step)
        users = random.choice(self.buyers, self.config.batch_size)
        positive = np.array([random.choice(self.data.train[u]) for u in users])
        negative = np.array([self._not_bought(u, random) for u in users])
        users, positive, negative = (steps.share(part, rank, replicas) for part in (users, positive, negative))
        items, rows = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        is_negative = np.stack([~np.isin(items, self.data.train[u]) for u in users])
        return Triplets(
            users=torch.from_numpy(users),
            pictures=self.data.pictures[items],
            positive=torch.from_numpy(rows[: len(users)]),
            negative=torch.from_numpy(rows[len(users) :]),
            is_negative=torch.from_numpy(is_negative),
        )

    def _not_bought(self, user: int, random: np.random.Generator) -> int:
        bought, n_items = self.data.train[user], len(self.data.pictures)
        if len(np.unique(bought)) >= n_items:
            raise ValueError(f"shopper {user} has bought all {n_items} items: there is no negative to draw")
        while (item := int(random.integers(n_items))) in bought:
            pass
        return item

    def __call__(self, batch: Triplets) -> dict[str, Tensor]:
        """One optimiser step; returns its named terms, detached."""
        self.recommender.train()
        total, terms = self.objective(batch, self.device)
        steps.optimiser_step(self.optimiser, total)
        return {name: value.detach() for name, value in terms.items()}

    @torch.inference_mode()
    def looks(self, batch_size: int = 256) -> Tensor:
        """The looks [n_items, K] of the whole catalogue, fp32, on the CPU."""
        self.recommender.eval()
        every = np.arange(len(self.data.pictures))
        cuts = range(0, len(every), batch_size)
        parts = [normalise(self.data.pictures[every[cut : cut + batch_size]].to(self.device)) for cut in cuts]
        return torch.cat([self.recommender.look(part).float().cpu() for part in parts])

    @torch.inference_mode()
    def sample(self, shoppers: int = 6, bought: int = 3, recommended: int = 5) -> Tensor:
        """A sheet [shoppers, bought + recommended, 3, S, S]: what some shoppers bought, then what they are shown."""
        looks, tastes, rows = self.looks(), self.recommender.taste.weight.cpu(), []
        for user in self.buyers[:: max(1, len(self.buyers) // shoppers)][:shoppers]:
            items = self.data.train[user]
            scores = looks @ tastes[user]
            scores[torch.from_numpy(items)] = -torch.inf
            best = scores.topk(min(recommended, len(scores))).indices.numpy()
            row = np.concatenate([np.resize(items, bought), np.resize(best, recommended)])
            rows.append(normalise(self.data.pictures[row]))
        return torch.stack(rows)

    def state(self) -> dict[str, Any]:
        """All that a later `load` needs to go on: weights and the optimiser's moments."""
        return {"recommender": self.recommender.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self.recommender.load_state_dict(state["recommender"])
        self.optimiser.load_state_dict(state["optimiser"])
