"""What a CAGAN run is made of. Figures of `paper`: Jetchev & Bergmann, 2017 (figure 3 and section 3)."""

from dataclasses import dataclass
from typing import Literal

from fashion_nn import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class CAGANConfig:
    """Networks, loss and training of one try-on network. Sizes in pixels, rates per step."""

    height: int = 128  # pixels; persons are upright
    width: int = 96  # pixels
    generator_width: int = 64  # channels of the first layer; doubles three times
    discriminator_width: int = 64  # likewise
    kernel: int = 5  # of the stride-2 convolutions; the article does not state it
    upsampling: Literal["transposed", "nearest"] = "transposed"  # how the generator doubles its resolution
    adversarial: Literal["log", "least-squares"] = "log"
    identity_weight: float = 0.1  # γ_i
    cycle_weight: float = 1.0  # γ_c
    worn_dropout: float = 0.0  # share of pairs whose worn garment is blanked; above 0 it may be missing at inference

    batch_size: int = 16  # pairs, over all workers
    steps: int = 10_000  # one discriminator and one generator update each
    generator_rate: float = 2e-4  # Adam
    discriminator_rate: float = 2e-4  # Adam
    beta1: float = 0.5
    beta2: float = 0.999
    average_decay: float = 0.999  # of the generator's moving average
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0

    report_every: int = 50  # steps
    checkpoint_every: int = 1_000  # steps
    sheet_every: int = 500  # steps

    def __post_init__(self) -> None:
        checks.multiple_of("height", self.height, 16)
        checks.multiple_of("width", self.width, 16)
        checks.one_of("kernel", self.kernel, (3, 5, 7))
        checks.one_of("upsampling", self.upsampling, ("transposed", "nearest"))
        checks.one_of("adversarial", self.adversarial, ("log", "least-squares"))
        checks.one_of("precision", self.precision, ("auto", "bf16", "fp32"))
        checks.within("worn_dropout", self.worn_dropout, 0.0, 0.9)
        checks.within("average_decay", self.average_decay, 0.0, 1.0)
        checks.within("beta1", self.beta1, 0.0, 0.9999)
        checks.within("beta2", self.beta2, 0.0, 0.9999)
        for field in ("generator_width", "discriminator_width"):
            checks.at_least(field, getattr(self, field), 8)  # six channels of every layer are copies of the inputs
        for field in ("identity_weight", "cycle_weight", "generator_rate", "discriminator_rate"):
            checks.at_least(field, getattr(self, field), 0.0)
        checks.at_least("batch_size", self.batch_size, 1)
        for field in ("steps", "report_every", "checkpoint_every", "sheet_every"):
            checks.at_least(field, getattr(self, field), 1)


def paper() -> CAGANConfig:
    """The article: 128×96, batches of 16, about 10,000 steps."""
    return CAGANConfig()


def demo() -> CAGANConfig:
    """A try-on network for drawn persons at 64×48, trained in minutes on one core."""
    return CAGANConfig(
        height=64,
        width=48,
        generator_width=32,
        upsampling="nearest",
        discriminator_width=24,
        worn_dropout=0.2,
        batch_size=16,
        steps=1_000,
        generator_rate=3e-4,
        discriminator_rate=3e-4,
        average_decay=0.995,
        report_every=50,
        checkpoint_every=500,
        sheet_every=500,
    )


def debug() -> CAGANConfig:
    """Ten steps of tiny networks: to try the whole path in seconds."""
    return CAGANConfig(
        height=32,
        width=32,
        generator_width=8,
        discriminator_width=8,
        worn_dropout=0.2,
        batch_size=4,
        steps=10,
        report_every=2,
        checkpoint_every=5,
        sheet_every=5,
    )
