"""A small network that tells categories apart, trained on real pictures: what it sees is what sets are compared by."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.pictures import normalise

WIDTH, FEATURES = 24, 64
EPOCHS, BATCH, RATE = 12, 64, 2e-3
ROWS = 256  # pictures looked at at once


class Classifier(nn.Module):
    """Pictures [N, 3, S, S] in [-1, 1] → logits [N, n]; `features` [N, FEATURES] are those before the last layer.

    Four 3×3 convolutions of stride 2 with group norms, the mean over what is left of the picture, one hidden layer.
    """

    def __init__(self, n_categories: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH, 4 * WIDTH), (4 * WIDTH, 4 * WIDTH)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GroupNorm(8, outputs), nn.ReLU()]
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.features = nn.Sequential(*layers, *pooled, nn.Linear(4 * WIDTH, FEATURES), nn.ReLU())
        self.last = nn.Linear(FEATURES, n_categories)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.last(self.features(pictures))


def fitted(pictures: Tensor, category: np.ndarray, n_categories: int, *, seed: int) -> Classifier:
    """Trained on pictures uint8 [n, 3, S, S] and their categories [n] for EPOCHS, half of them mirrored."""
    torch.manual_seed(seed)
    network = Classifier(n_categories)
    batch = min(BATCH, len(pictures))
    count = max(1, EPOCHS * len(pictures) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=count)
    for step in range(count):
        rows = steps.epoch_indices(len(pictures), batch, seed, step)
        mirrored = torch.rand(batch) < 0.5
        seen = normalise(pictures[rows])
        seen[mirrored] = seen[mirrored].flip(3)
        steps.optimiser_step(optimiser, F.cross_entropy(network(seen), torch.from_numpy(category[rows])))
        schedule.step()
    return network.eval().requires_grad_(False)


def seen(network: Classifier, pictures: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, FEATURES] and the likeliest categories [n] of pictures [n, 3, S, S] in [-1, 1]."""
    features = torch.cat([network.features(part) for part in pictures.split(ROWS)])
    return features.numpy(), network.last(features).argmax(1).numpy()
