"""What a run of the encoder is made of."""

from dataclasses import dataclass, replace
from typing import Literal

from fashion_nn import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Network, loss and training of the encoder of one generator. Sizes, categories and codes are the generator's."""

    generator: str = ""  # the finished cgan run that it is trained against; there is no default

    width: int = 64  # channels of the first layer; doubles twice
    hidden: int = 512  # units before the code

    code_weight: float = 0.1  # (E(x) − z)² for x = G(z, c): codes of generated pictures are known
    generated_weight: float = 1.0  # |G(E(x), c) − x| of these pictures
    real_weight: float = 2.0  # |G(E(x), c) − x| of the catalogue's

    batch_size: int = 32  # of the catalogue's pictures, over all workers; and as many generated ones
    steps: int = 100_000
    learning_rate: float = 5e-4  # Adam
    decay_steps: int = 0  # by which it has fallen to a hundredth along half a cosine; 0: it stays as it begins
    average_decay: float = 0.999  # of the encoder's moving average
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0

    report_every: int = 50  # steps
    checkpoint_every: int = 2_000  # steps
    sheet_every: int = 1_000  # steps

    def __post_init__(self) -> None:
        checks.one_of("precision", self.precision, ("auto", "bf16", "fp32"))
        checks.multiple_of("width", self.width, 8)
        checks.within("average_decay", self.average_decay, 0.0, 1.0)
        for field in ("code_weight", "generated_weight", "real_weight", "learning_rate", "decay_steps"):
            checks.at_least(field, getattr(self, field), 0.0)
        for field in ("hidden", "batch_size", "steps", "report_every", "checkpoint_every", "sheet_every"):
            checks.at_least(field, getattr(self, field), 1)


def paper() -> EncoderConfig:
    """For the article's generator of 128×128."""
    return EncoderConfig()


def demo() -> EncoderConfig:
    """For the demonstration's generator of drawn garments, trained in well under a minute on one core."""
    return EncoderConfig(
        width=24,
        hidden=256,
        batch_size=16,
        steps=400,
        learning_rate=1e-3,
        decay_steps=400,
        average_decay=0.98,
        report_every=50,
        checkpoint_every=200,
        sheet_every=200,
    )


def shipped() -> EncoderConfig:
    """What the demonstration brings along: larger, and trained longer, mostly on the catalogue's pictures."""
    return replace(
        demo(),
        width=32,
        real_weight=4.0,
        batch_size=32,
        steps=3_000,
        decay_steps=3_000,
        average_decay=0.99,
        report_every=250,
        checkpoint_every=1_000,
        sheet_every=1_000,
    )


def debug() -> EncoderConfig:
    """Ten steps of a tiny network: to try the whole path in seconds."""
    return EncoderConfig(width=8, hidden=16, batch_size=4, steps=10, report_every=2, checkpoint_every=5, sheet_every=5)
