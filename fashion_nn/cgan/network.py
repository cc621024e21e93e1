"""The conditional GAN: G paints a picture of a category from a latent code, D judges it (Kang et al., ICDM 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fashion_nn.cgan.config import CGANConfig
from fashion_nn.upsampling import resize_convolution

LEAK = 0.2  # slope of LeakyReLU


class Generator(nn.Module):
    """Codes [N, Z] and categories int64 [N] → pictures [N, 3, S, S] in [-1, 1]. The category enters at the input only.

    Layers (authors' code, 64×64): fc 4×4×w; 3×3 transposed convolutions w s2, w s1, w s2, w s1, w/2 s2, w/4 s2, 3 s1.
    128×128 has one more doubling, w/8 s2.
    """

    def __init__(self, config: CGANConfig, n_categories: int) -> None:
        super().__init__()
        w = config.generator_width
        self.n_categories, self.latent_dimensions, self.picture_size = (
            n_categories,
            config.latent_dimensions,
            config.picture_size,
        )
        self.code = nn.Sequential(
            nn.Linear(config.latent_dimensions + n_categories, 16 * w), nn.Unflatten(1, (w, 4, 4))
        )
        self.code_norm = nn.Sequential(nn.BatchNorm2d(w), nn.LeakyReLU(LEAK))
        plan = [(w, 2), (w, 1), (w, 2), (w, 1), (w // 2, 2), (w // 4, 2)]
        if config.picture_size == 128:
            plan.append((w // 8, 2))
        grow = upconvolution if config.upsampling == "transposed" else resize_convolution
        layers: list[nn.Module] = []
        for channels, stride in plan:
            layers += [grow(w, channels, stride), nn.BatchNorm2d(channels), nn.LeakyReLU(LEAK)]
            w = channels
        self.layers = nn.Sequential(*layers, grow(w, 3, 1), nn.Tanh())

    def forward(self, codes: Tensor, category: Tensor) -> Tensor:
        one_hot = F.one_hot(category, self.n_categories).to(codes.dtype)
        return self.layers(self.code_norm(self.code(torch.cat([codes, one_hot], 1))))


class Discriminator(nn.Module):
    """Pictures [N, 3, S, S] and categories int64 [N] → realism [N], 1 for real and 0 for generated (least squares).

    5×5 stride-2 convolutions of w (no BN), 2w, 4w, 8w channels with BN; one-hot category maps are joined to the
    picture and to the first three feature maps; then linear → 1, in the article's figure after fc 1024.
    `discriminator_norm` may replace BN: BN takes from every batch its mean, and with it what tells D of colour.
    """

    def __init__(self, config: CGANConfig, n_categories: int) -> None:
        super().__init__()
        w, c = config.discriminator_width, n_categories
        self.n_categories, self.picture_size = n_categories, config.picture_size
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs + c, outputs, 5, stride=2, padding=2)
            for inputs, outputs in ((3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        )
        norm = nn.BatchNorm2d if config.discriminator_norm == "batch" else nn.Identity
        self.norms = nn.ModuleList([nn.Identity(), *(norm(k * w) for k in (2, 4, 8))])
        self.head = verdict(8 * w * (config.picture_size // 16) ** 2, config.discriminator_hidden)
        if config.discriminator_norm == "spectral":
            constrain(self)

    def forward(self, pictures: Tensor, category: Tensor) -> Tensor:
        one_hot = F.one_hot(category, self.n_categories).to(pictures.dtype)[:, :, None, None]
        features = pictures
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = one_hot.expand(-1, -1, *features.shape[2:]).to(features.dtype)
            features = F.leaky_relu(norm(convolution(torch.cat([features, maps], 1))), LEAK)
        return self.head(features.flatten(1)).squeeze(1)


def constrain(network: nn.Module) -> None:
    """Spectral normalisation of every convolution and linear layer (Miyato et al., ICLR 2018)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)


def upconvolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A 3×3 transposed convolution that multiplies height and width by exactly `stride`."""
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=stride, padding=1, output_padding=stride - 1)


def verdict(features: int, hidden: int) -> nn.Module:
    """Linear → 1 without a sigmoid, after a hidden layer where `hidden` > 0."""
    if not hidden:
        return nn.Linear(features, 1)
    return nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, 1))
