"""One training step of DVBPR: triplets in, named loss terms out. Plain PyTorch on one device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.dvbpr import loss, population
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Recommender
from fashion_nn.pictures import normalise
from fashion_nn.schedule import cosine


@dataclass(frozen=True, slots=True)
class DVBPRData:
    """pictures: of all items; train: the item indices that each shopper bought and training may see.

    category: int64 [n_items], of n_categories; None where the config does not weigh it.
    """

    pictures: steps.Pictures
    train: list[np.ndarray]
    category: np.ndarray | None = None
    n_categories: int = 0


@dataclass(frozen=True, slots=True)
class Triplets:
    """users [B]; pictures uint8 [M, 3, S, S], each once; positive, negative [B]: rows of these; is_negative [B, M].

    categories: int64 [M], where they count.
    """

    users: Tensor
    pictures: Tensor
    categories: Tensor | None
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
        look, pictures = self.recommender.look, normalise(batch.pictures.to(device))
        categories = None if batch.categories is None else batch.categories.to(device)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            looks = look.seen(moved(pictures, config.shift) if config.shift else pictures)
        looks, taste = look.placed(looks.float(), categories), self.recommender.taste(batch.users.to(device))
        positive, negative = looks[batch.positive.to(device)], looks[batch.negative.to(device)]
        if config.negatives == "batch":
            ranking = loss.batch_ranking(taste, positive, looks, batch.is_negative.to(device))
        else:
            ranking = loss.triplet_ranking(taste, positive, negative)
        terms = {
            "loss/ranking": ranking * self.replicas,
            "loss/taste_penalty": config.taste_decay * loss.taste_penalty(taste) * self.replicas,
            "loss/weight_penalty": config.weight_decay * loss.weight_penalty(look),
        }
        right = (taste * (positive - negative)).sum(1) > 0
        accuracy = right.float().sum() / max(1, len(right))
        return sum(terms.values()), terms | {"accuracy/triplets": accuracy}


class DVBPRStep:
    """Networks, optimiser and sampler of one run."""

    def __init__(self, config: DVBPRConfig, data: DVBPRData, device: torch.device | str = "cpu") -> None:
        self.config, self.data, self.device = config, data, torch.device(device)
        torch.manual_seed(config.seed)
        self.buyers = np.flatnonzero([len(items) > 0 for items in data.train])
        if not len(self.buyers):
            raise ValueError("no shopper has an item to train on")
        if config.population and len(self.buyers) < 2:
            raise ValueError("population is on, and 1 shopper has an item to train on, but at least 2 must have one")
        recommender = Recommender(config, len(data.train), data.n_categories)
        self.recommender = recommender.to(self.device, memory_format=torch.channels_last)
        self.objective: nn.Module = RankingObjective(self.recommender, config)
        self.optimiser = torch.optim.Adam(self.recommender.parameters(), lr=config.learning_rate)
        self.updates = 0
        self.shoppers_of = buyers_of(data.train, len(data.pictures)) if config.batches == "items" else []

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"recommender": self.recommender}

    def distribute(self, wrap: steps.Wrap, replicas: int) -> None:
        """Train as one of `replicas` workers; `wrap` is DistributedDataParallel or the like."""
        self.objective.replicas = replicas
        self.objective = wrap(self.objective)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Triplets:
        """This worker's triplets of `step`: of purchases drawn one by one, or all those of some items."""
        draw = self._some_items if self.config.batches == "items" else self._some_purchases
        return draw(steps.generator_of(self.config.seed, step), step, rank, replicas)

    def _some_purchases(self, random: np.random.Generator, step: int, rank: int, replicas: int) -> Triplets:
        """u uniform, i from u's items, j not among them (authors' code)."""
        users = random.choice(self.buyers, self.config.batch_size)
        positive = np.array([random.choice(self.data.train[u]) for u in users])
        negative = np.array([self._not_bought(u, random) for u in users])
        users, positive, negative = (steps.share(part, rank, replicas) for part in (users, positive, negative))
        items, rows = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        is_negative = np.stack([~np.isin(items, self.data.train[u]) for u in users])
        return self._triplets(users, items, rows[: len(users)], rows[len(users) :], is_negative)

    def _some_items(self, random: np.random.Generator, step: int, rank: int, replicas: int) -> Triplets:
        """Items in turn, each with everybody who bought it: a picture that is looked at once teaches many tastes."""
        config = self.config
        drawn = steps.epoch_indices(len(self.data.pictures), config.batch_size, config.seed, step)
        items = np.unique(steps.share(drawn, rank, replicas))
        owners = [self.shoppers_of[item] for item in items]
        users, positive = np.concatenate(owners), np.repeat(np.arange(len(items)), [len(each) for each in owners])
        everybody, who = np.unique(users, return_inverse=True)
        left = np.ones((len(everybody), len(items)), dtype=bool)
        left[who, positive] = False
        is_negative = left[who]
        negative = (random.random(is_negative.shape, dtype=np.float32) * is_negative).argmax(1)
        return self._triplets(users, items, positive, negative, is_negative)

    def _triplets(
        self, users: np.ndarray, items: np.ndarray, positive: np.ndarray, negative: np.ndarray, is_negative: np.ndarray
    ) -> Triplets:
        return Triplets(
            users=torch.from_numpy(users),
            pictures=self.data.pictures[items],
            categories=self._categories(items),
            positive=torch.from_numpy(positive),
            negative=torch.from_numpy(negative),
            is_negative=torch.from_numpy(is_negative),
        )

    def _categories(self, items: np.ndarray) -> Tensor | None:
        return None if self.data.category is None else torch.from_numpy(self.data.category[items])

    def _not_bought(self, user: int, random: np.random.Generator) -> int:
        bought, n_items = self.data.train[user], len(self.data.pictures)
        if len(np.unique(bought)) >= n_items:
            raise ValueError(f"shopper {user} has bought all {n_items} items: there is no negative to draw")
        while (item := int(random.integers(n_items))) in bought:
            pass
        return item

    def __call__(self, batch: Triplets) -> dict[str, Tensor]:
        """One optimiser step; returns its named terms, detached. The last one settles the tastes, where that is on."""
        self.recommender.train()
        share = cosine(1.0, self.config.last_rate_share, self.updates, self.config.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * share
        total, terms = self.objective(batch, self.device)
        steps.optimiser_step(self.optimiser, total)
        self.updates += 1
        if self.config.population and self.updates == self.config.steps and total.isfinite():
            self._settle()
        return {name: value.detach() for name, value in terms.items()}

    def _settle(self) -> None:
        """Fit how tastes are spread, and then every taste, to the finished Φ and all that was bought."""
        vectors, recommender = self.looks().numpy(), self.recommender
        usual = population.spread(vectors, self.data.train, seed=self.config.seed)
        tastes = population.settled(vectors, self.data.train, usual, seed=self.config.seed)
        with torch.no_grad():
            for kept, found in (
                (recommender.mean, usual.mean),
                (recommender.precision, usual.precision),
                (recommender.taste.weight, tastes),
            ):
                kept.copy_(torch.from_numpy(found))

    @torch.inference_mode()
    def looks(self, batch_size: int = 256) -> Tensor:
        """The vectors [n_items, L] of the whole catalogue, fp32, on the CPU."""
        self.recommender.eval()
        look, parts = self.recommender.look, []
        for rows in np.split(
            np.arange(len(self.data.pictures)), range(batch_size, len(self.data.pictures), batch_size)
        ):
            categories = self._categories(rows)
            categories = None if categories is None else categories.to(self.device)
            parts.append(look(normalise(self.data.pictures[rows].to(self.device)), categories).float().cpu())
        return torch.cat(parts)

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
        return {
            "recommender": self.recommender.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "updates": self.updates,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.recommender.load_state_dict(state["recommender"])
        self.optimiser.load_state_dict(state["optimiser"])
        steps.lay_out(self.optimiser)
        self.updates = state.get("updates", 0)


def buyers_of(train: list[np.ndarray], n_items: int) -> list[np.ndarray]:
    """Who bought each item: int64 of shoppers, ascending."""
    items = np.concatenate(train).astype(np.int64)
    users = np.repeat(np.arange(len(train)), [len(each) for each in train])
    order = np.argsort(items, kind="stable")
    return np.split(users[order], np.cumsum(np.bincount(items, minlength=n_items))[:-1])


def moved(pictures: Tensor, most: int) -> Tensor:
    """Pictures [N, 3, S, S] in [-1, 1], each mirrored or not, all moved by up to `most` pixels over white."""
    size, (down, right) = pictures.shape[-1], torch.randint(2 * most + 1, (2,)).tolist()
    mirrored = torch.rand(len(pictures), device=pictures.device) < 0.5
    turned = torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)
    return F.pad(turned, (most,) * 4, value=1.0)[:, :, down : down + size, right : right + size]
