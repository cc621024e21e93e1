"""The encoder E: the code of a picture in one pass, near enough for an inversion to begin there."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.network import LEAK
from fashion_nn.latent.encoder.config import EncoderConfig

LAST = 4  # pixels: height and width of the last feature maps
GROUP = 8  # channels that are normalised together


class Encoder(nn.Module):
    """Pictures [N, 3, S, S] in [-1, 1] and categories int64 [N] → codes z [N, Z] in (-1, 1).

    3×3 stride-2 convolutions down to 4×4: w, 2w, then 4w channels; these features and the one-hot category pass one
    hidden layer. Norms are over groups of channels, so that pictures of a batch do not touch each other.
    """

    def __init__(self, config: EncoderConfig, generator: CGANConfig, n_categories: int) -> None:
        super().__init__()
        self.n_categories = n_categories
        self.latent_dimensions, self.picture_size = generator.latent_dimensions, generator.picture_size
        layers: list[nn.Module] = []
        inputs, outputs, size = 3, config.width, generator.picture_size
        while size > LAST:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
                nn.GroupNorm(outputs // GROUP, outputs),
                nn.LeakyReLU(LEAK),
            ]
            inputs, outputs, size = outputs, min(2 * outputs, 4 * config.width), size // 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(inputs * LAST**2 + n_categories, config.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(config.hidden, generator.latent_dimensions),
            nn.Tanh(),
        )

    def forward(self, pictures: Tensor, category: Tensor) -> Tensor:
        features = self.features(pictures).flatten(1)
        one_hot = F.one_hot(category, self.n_categories).to(features.dtype)
        return self.head(torch.cat([features, one_hot], 1))
