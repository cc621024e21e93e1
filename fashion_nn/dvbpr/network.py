"""DVBPR's networks: Φ, which gives a picture its look, and θ, which gives a shopper a taste.

The preference score is x(u, i) = θ_u · Φ(X_i): no biases, no non-visual factors (Kang et al., ICDM 2017, eq. 2).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.dvbpr.config import DVBPRConfig


class Look(nn.Module):
    """Φ: pictures [N, 3, S, S] in [-1, 1] → looks [N, K]."""

    def __init__(self, config: DVBPRConfig) -> None:
        super().__init__()
        self.picture_size, self.dimensions = config.picture_size, config.dimensions
        self.features = cnn_f(config) if config.backbone == "cnn-f" else compact(config)
        self.head = head(self._feature_count(), config)

    def _feature_count(self) -> int:
        with torch.no_grad():
            return self.features(torch.zeros(1, 3, self.picture_size, self.picture_size)).numel()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures).flatten(1))


class Recommender(nn.Module):
    """Φ and the tastes θ [n_users, K] that are learnt with it; θ starts as U(0, 1)/100 (authors' code)."""

    def __init__(self, config: DVBPRConfig, n_users: int) -> None:
        super().__init__()
        self.look = Look(config)
        self.taste = nn.Embedding(n_users, config.dimensions)
        nn.init.uniform_(self.taste.weight, 0.0, 0.01)


def cnn_f(config: DVBPRConfig) -> nn.Sequential:
    """The five convolutions of CNN-F, without its local response normalisation.

    At 224×224 with `valid` padding the features are 256×6×6; with `same`, as the authors' code has it, 256×7×7.
    """
    w = config.width
    first = [nn.ZeroPad2d((3, 4, 3, 4))] if config.first_padding == "same" else []
    return nn.Sequential(
        *first,
        nn.Conv2d(3, w, 11, stride=4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(w, 4 * w, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4 * w, 4 * w, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4 * w, 4 * w, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4 * w, 4 * w, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def compact(config: DVBPRConfig) -> nn.Sequential:
    """Four stride-2 convolutions and a 2×2 grid of averages: for small pictures on small machines."""
    w = config.width
    return nn.Sequential(
        nn.Conv2d(3, w, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(w, 2 * w, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4 * w, 4 * w, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
    )


def head(features: int, config: DVBPRConfig) -> nn.Sequential:
    """The fully connected layers: two hidden ones for CNN-F, one for `compact`, then K linear outputs."""
    layers: list[nn.Module] = []
    for _ in range(2 if config.backbone == "cnn-f" else 1):
        layers += [nn.Linear(features, config.hidden), nn.ReLU(), nn.Dropout(config.dropout)]
        features = config.hidden
    return nn.Sequential(*layers, nn.Linear(features, config.dimensions))


def upsample(pictures: Tensor, size: int) -> Tensor:
    """Nearest-neighbour resizing of [N, 3, s, s] to Φ's [N, 3, size, size], as the paper feeds G's pictures to Φ."""
    return pictures if pictures.shape[-1] == size else F.interpolate(pictures, size=(size, size), mode="nearest")
