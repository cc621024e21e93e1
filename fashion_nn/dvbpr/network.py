"""DVBPR's networks: Φ, which gives a picture its look, and θ, which gives a shopper a taste.

The preference score is x(u, i) = θ_u · Φ(X_i): no biases, no non-visual factors (Kang et al., ICDM 2017, eq. 2). Beyond
the article, a config may put an item's category behind its look: the score stays one product, of longer vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.fold_in import Usual

COLOUR_SCALE = 8.0  # of a histogram's roots, which vary less than other features


class Look(nn.Module):
    """Pictures [N, 3, S, S] in [-1, 1], of items of categories int64 [N] → the items' vectors [N, L].

    A vector is Φ(X) [K] and, where the config weighs it, the category behind that: its place in a one-hot vector. What
    is known of a picture alone is `seen`, and `placed` in a category to become a vector.
    """

    def __init__(self, config: DVBPRConfig, n_categories: int = 0) -> None:
        super().__init__()
        if config.category_weight and n_categories < 1:
            weight = f"category_weight is {config.category_weight}"
            raise ValueError(f"{weight}, so that n_categories is {n_categories}, but must be at least 1")
        self.picture_size, self.picture_dimensions = config.picture_size, config.dimensions
        self.dimensions = config.length(n_categories)
        self.features = features(config)
        self.head = head(self._feature_count(), config)
        places = config.category_weight * torch.eye(self.dimensions - self.picture_dimensions)
        self.register_buffer("places", places, persistent=False)

    def _feature_count(self) -> int:
        with torch.no_grad():
            return self.features(torch.zeros(1, 3, self.picture_size, self.picture_size)).numel()

    def forward(self, pictures: Tensor, categories: Tensor | None = None) -> Tensor:
        return self.placed(self.seen(pictures), categories)

    def seen(self, pictures: Tensor) -> Tensor:
        """Φ(X) [N, K] of pictures."""
        return self.head(self.features(pictures).flatten(1))

    def placed(self, looks: Tensor, categories: Tensor | None) -> Tensor:
        """The vectors [N, L] of items with such looks [N, K] and categories, which may be None where none counts."""
        return placed(looks, categories, self.places)


def placed(looks: Tensor, categories: Tensor | None, places: Tensor) -> Tensor:
    """Looks [N, K], each with its category's row of `places` [C, C] behind it; as they are where there are none."""
    return torch.cat([looks, places[categories].to(looks.dtype)], 1) if len(places) else looks


class Recommender(nn.Module):
    """Φ and the tastes θ [n_users, L] that are learnt with it; θ starts as U(0, 1)/100 (authors' code).

    With `population` it knows how tastes are spread, too: at the start as if by the unit normal distribution.
    """

    def __init__(self, config: DVBPRConfig, n_users: int, n_categories: int = 0) -> None:
        super().__init__()
        self.look = Look(config, n_categories)
        self.taste = nn.Embedding(n_users, self.look.dimensions)
        nn.init.uniform_(self.taste.weight, 0.0, 0.01)
        self.population = config.population
        if config.population:
            self.register_buffer("mean", torch.zeros(self.look.dimensions, dtype=torch.float64))
            self.register_buffer("precision", torch.eye(self.look.dimensions, dtype=torch.float64))

    def usual(self) -> Usual:
        """How tastes usually are: as was fitted to what was bought, or else as the trained ones are.

        Raises ValueError as `Usual.of`.
        """
        if self.population:
            return Usual(self.mean.cpu().numpy(), self.precision.cpu().numpy())
        return Usual.of(self.taste.weight.detach().float().cpu().numpy())


def features(config: DVBPRConfig) -> nn.Module:
    """The convolutional part of Φ."""
    if config.backbone == "cnn-f":
        return cnn_f(config)
    return compact(config) if config.pooling == "grid" else Statistics(config)


class Statistics(nn.Module):
    """The convolutions of `compact`; means and deviations of the picture and of the later maps beside its grid.

    Colours, contrasts and textures of a whole picture are such figures of a map (as are those that style transfer
    matches: Li et al., IJCAI 2017), and a grid of averages has lost the deviations. The first maps, the largest by
    far, would cost more time than they gain. Which colours there are, and how much of each, is told by no mean and
    no deviation: with `colours` a histogram of them goes beside.
    """

    def __init__(self, config: DVBPRConfig) -> None:
        super().__init__()
        *layers, self.grid = compact(config)
        self.levels = config.colours
        self.stages = nn.ModuleList(nn.Sequential(*layers[at : at + 2]) for at in range(0, len(layers), 2))

    def forward(self, pictures: Tensor) -> Tensor:
        maps, found = pictures, [statistics(pictures)]
        if self.levels:
            found.append(COLOUR_SCALE * colours(pictures, self.levels))
        for place, stage in enumerate(self.stages):
            maps = stage(maps)
            if place:
                found.append(statistics(maps))
        found.append(self.grid(maps).flatten(1).float())
        return torch.cat(found, 1).to(pictures.dtype)


def statistics(maps: Tensor) -> Tensor:
    """Mean and standard deviation of every channel, float32 [N, 2·C], of maps [N, C, H, W]."""
    variance, mean = torch.var_mean(maps.float(), (2, 3), correction=0)
    return torch.cat([mean, (variance + 1e-4).sqrt()], 1)


def colours(pictures: Tensor, levels: int) -> Tensor:
    """How much there is of each of levels³ colours: float32 [N, levels³], of pictures [N, 3, H, W] in [-1, 1].

    A colour histogram (Swain & Ballard, IJCV 1991) whose pixels are shared out among the nearest levels of each
    channel by linear interpolation, so that it has a gradient. Roots of the shares, of which sums of products say
    more than of the shares themselves (Hellinger's kernel; Arandjelović & Zisserman, CVPR 2012).
    """
    at = torch.linspace(-1.0, 1.0, levels, device=pictures.device)[:, None]
    pixels = F.avg_pool2d(pictures.float(), 2)  # a quarter of the work, and in a trial as good
    near = (1 - (pixels.flatten(2)[:, :, None] - at).abs() * ((levels - 1) / 2)).clamp(min=0)
    red, green, blue = near.unbind(1)
    shares = torch.einsum("nrp,ngp,nbp->nrgb", red, green, blue).flatten(1) / near.shape[-1]
    return (shares + 1e-4).sqrt()


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
