"""What a DVBPR run is made of. Figures of `paper` and `authors`: Kang et al., ICDM 2017 (arXiv 1711.02231) and code."""

from dataclasses import dataclass
from typing import Literal

from fashion_nn import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class DVBPRConfig:
    """Network, loss and training of one recommender. Sizes in pixels, rates per step."""

    backbone: Literal["cnn-f", "compact"] = "cnn-f"
    first_padding: Literal["valid", "same"] = "valid"  # of CNN-F's first convolution
    width: int = 64  # channels of the first convolution
    hidden: int = 4096  # units of the fully connected layers
    dropout: float = 0.5  # after each fully connected layer but the last
    pooling: Literal["grid", "statistics"] = "grid"  # of `compact`: what its head is given of a picture
    colours: int = 0  # levels of each channel of a colour histogram among these `statistics`; 0: none
    dimensions: int = 50  # K: length of a look
    picture_size: int = 224  # pixels, square
    category_weight: float = 0.0  # of an item's category beside its look, in its vector; 0: the look is all

    batches: Literal["triplets", "items"] = "triplets"  # of single purchases, or all purchases of some items
    negatives: Literal["one", "batch"] = "one"  # one a triplet, or every picture of the batch that is not bought
    shift: int = 0  # pixels by which pictures are moved at most, once mirrored half of the time; 0: as they are
    weight_decay: float = 1e-3  # on ½‖W‖² of the look's weight tensors
    taste_decay: float = 1.0  # λ_θ, on ½‖θ_u‖² of the batch's shoppers
    batch_size: int = 128  # triplets, or items, over all workers
    steps: int = 56_000  # optimiser steps
    learning_rate: float = 1e-4
    last_rate_share: float = 1.0  # of the learning rate, to which it falls along half a cosine
    population: bool = False  # at the end, fit how tastes are spread, and every taste anew under that
    split: Literal["random", "last"] = "random"  # which item of a shopper is held out for the test
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0

    report_every: int = 50  # steps
    checkpoint_every: int = 1_000  # steps
    sheet_every: int = 1_000  # steps

    def __post_init__(self) -> None:
        checks.one_of("backbone", self.backbone, ("cnn-f", "compact"))
        checks.one_of("first_padding", self.first_padding, ("valid", "same"))
        checks.one_of("pooling", self.pooling, ("grid", "statistics") if self.backbone == "compact" else ("grid",))
        checks.one_of("batches", self.batches, ("triplets", "items"))
        checks.one_of("negatives", self.negatives, ("one", "batch"))
        checks.one_of("split", self.split, ("random", "last"))
        checks.one_of("precision", self.precision, ("auto", "bf16", "fp32"))
        checks.at_least("picture_size", self.picture_size, 64 if self.backbone == "cnn-f" else 16)
        checks.within("dropout", self.dropout, 0.0, 0.95)
        checks.one_of("colours", self.colours, (0, *range(2, 9)) if self.pooling == "statistics" else (0,))
        checks.at_least("weight_decay", self.weight_decay, 0.0)
        checks.at_least("taste_decay", self.taste_decay, 0.0)
        checks.at_least("learning_rate", self.learning_rate, 0.0)
        checks.within("last_rate_share", self.last_rate_share, 0.0, 1.0)
        checks.within("category_weight", self.category_weight, 0.0, 100.0)
        checks.within("shift", self.shift, 0, self.picture_size // 4)
        for field in ("width", "hidden", "dimensions", "batch_size", "steps"):
            checks.at_least(field, getattr(self, field), 1)
        for field in ("report_every", "checkpoint_every", "sheet_every"):
            checks.at_least(field, getattr(self, field), 1)

    def length(self, n_categories: int) -> int:
        """Of an item's vector, and of a taste."""
        return self.dimensions + (n_categories if self.category_weight else 0)


def paper() -> DVBPRConfig:
    """The article: CNN-F on 224×224, K = 50, batches of 128. Steps: 20 epochs of the code over Amazon Fashion."""
    return DVBPRConfig()


def authors() -> DVBPRConfig:
    """The authors' code where it differs from the article: first convolution padded SAME, K = 100."""
    return DVBPRConfig(first_padding="same", dimensions=100)


def best() -> DVBPRConfig:
    """For many kinds of clothing, photographed or drawn: all that is known to help, a few minutes on one core."""
    return DVBPRConfig(
        backbone="compact",
        width=8,
        hidden=128,
        dropout=0.0,
        pooling="statistics",
        colours=5,
        dimensions=32,
        picture_size=64,
        category_weight=2.0,
        batches="items",
        negatives="batch",
        shift=4,
        weight_decay=1e-3,
        taste_decay=0.003,
        batch_size=192,
        steps=1_000,
        learning_rate=2e-3,
        last_rate_share=0.01,
        population=True,
        split="last",
        report_every=50,
        checkpoint_every=250,
        sheet_every=500,
    )


def demo() -> DVBPRConfig:
    """What `make demo TRAIN=1` trains: `best`, some minutes of one core for a drawn world."""
    return best()


def shipped() -> DVBPRConfig:
    """What the demonstration brings along: `best`."""
    return best()


def debug() -> DVBPRConfig:
    """Ten steps of a tiny network: to try the whole path in seconds."""
    return DVBPRConfig(
        backbone="compact",
        width=4,
        hidden=16,
        dropout=0.0,
        dimensions=8,
        picture_size=32,
        taste_decay=0.01,
        batch_size=8,
        steps=10,
        learning_rate=1e-3,
        report_every=2,
        checkpoint_every=5,
        sheet_every=5,
    )
