"""What a conditional GAN run is made of.

Figures of `paper` and `authors`: Kang et al., ICDM 2017, and its code. `modern`: Huang et al., NeurIPS 2024, at a scale
that one core trains.
"""

from dataclasses import dataclass, replace
from typing import Literal

from fashion_nn import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class CGANConfig:
    """Networks, loss and training of one generator. Sizes in pixels, rates per step."""

    architecture: Literal["paper", "r3gan"] = "paper"  # the networks, and the loss that they are trained by
    picture_size: Literal[64, 128] = 128  # pixels, square
    latent_dimensions: int = 100
    latent_prior: Literal["uniform", "normal"] = "uniform"  # uniform on [-1, 1]

    # Share of the real pictures whose hues are turned before D sees them: G learns every colour in every category, so
    # that a design may have one which the catalogue does not have there. Greys, and so backgrounds, stay.
    recoloured: float = 0.0

    # paper
    generator_width: int = 256  # channels of the first six layers
    upsampling: Literal["transposed", "nearest"] = "transposed"  # how the generator doubles its resolution
    discriminator_width: int = 64  # channels of the first layer; doubles three times
    discriminator_norm: Literal["batch", "spectral", "none"] = "batch"
    discriminator_hidden: int = 1024  # units before the output; 0: linear from the features

    # r3gan
    generator_widths: tuple[int, ...] = (256, 256, 128, 64, 32, 32)  # channels at 4×4, 8×8, … up to the picture
    discriminator_widths: tuple[int, ...] = (32, 32, 64, 128, 256, 256)  # channels at the patches, half of that, … 4×4
    discriminator_patch: Literal[1, 2] = 1  # pixels, square, that its first stage has one feature for
    blocks: int = 1  # residual blocks at every resolution
    group_width: int = 16  # channels of a group in a block's 3×3 convolution
    penalty_weight: float = 2.0  # γ of both gradient penalties
    penalised_every: int = 1  # the penalties are taken at every so many-th pair of a batch
    decay_steps: int = 0  # until which the following three are reached along half a cosine; 0: they stay as they begin
    last_penalty_weight: float = 0.2
    last_rate_share: float = 0.25  # of both rates
    last_beta2: float = 0.99

    batch_size: int = 16  # pictures, over all workers
    steps: int = 440_000  # one discriminator and one generator update each
    generator_rate: float = 1e-4  # Adam
    discriminator_rate: float = 1e-4  # Adam
    beta1: float = 0.5
    beta2: float = 0.99
    weight_decay: float = 1e-5
    average_decay: float = 0.999  # of the generator's moving average
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0

    report_every: int = 50  # steps
    checkpoint_every: int = 2_000  # steps
    sheet_every: int = 1_000  # steps

    def __post_init__(self) -> None:
        checks.one_of("architecture", self.architecture, ("paper", "r3gan"))
        checks.one_of("picture_size", self.picture_size, (64, 128))
        checks.one_of("latent_prior", self.latent_prior, ("uniform", "normal"))
        checks.one_of("precision", self.precision, ("auto", "bf16", "fp32"))
        checks.one_of("upsampling", self.upsampling, ("transposed", "nearest"))
        checks.one_of("discriminator_norm", self.discriminator_norm, ("batch", "spectral", "none"))
        checks.multiple_of("generator_width", self.generator_width, 8)
        checks.at_least("discriminator_hidden", self.discriminator_hidden, 0)
        for field in ("recoloured", "average_decay"):
            checks.within(field, getattr(self, field), 0.0, 1.0)
        checks.within("beta1", self.beta1, 0.0, 0.9999)
        checks.within("beta2", self.beta2, 0.0, 0.9999)
        for field in ("generator_rate", "discriminator_rate", "weight_decay"):
            checks.at_least(field, getattr(self, field), 0.0)
        for field in ("latent_dimensions", "discriminator_width", "steps"):
            checks.at_least(field, getattr(self, field), 1)
        checks.at_least("batch_size", self.batch_size, 2)
        for field in ("report_every", "checkpoint_every", "sheet_every"):
            checks.at_least(field, getattr(self, field), 1)
        self._check_r3gan()

    def _check_r3gan(self) -> None:
        for field in ("blocks", "group_width", "penalised_every"):
            checks.at_least(field, getattr(self, field), 1)
        for field in ("penalty_weight", "last_penalty_weight", "last_rate_share", "decay_steps"):
            checks.at_least(field, getattr(self, field), 0)
        checks.within("last_beta2", self.last_beta2, 0.0, 0.9999)
        if self.architecture == "r3gan":
            checks.one_of("discriminator_patch", self.discriminator_patch, (1, 2))
            for field, finest in (
                ("generator_widths", self.picture_size),
                ("discriminator_widths", self.picture_size // self.discriminator_patch),
            ):
                widths, stages = getattr(self, field), (finest // 4).bit_length()
                if len(widths) != stages:
                    raise ValueError(f"{field} is {widths}, but must be {stages} widths, for 4 to {finest} pixels")
                for width in widths:
                    checks.multiple_of(field, 2 * width, self.group_width)


def paper() -> CGANConfig:
    """The article: 128×128, z 100-d uniform, batches of 16. Steps: 30 epochs over the items of Amazon Fashion."""
    return CGANConfig()


def authors() -> CGANConfig:
    """The authors' code where it differs from the article: 64×64, z 256-d normal, no hidden layer in D."""
    return CGANConfig(picture_size=64, latent_dimensions=256, latent_prior="normal", discriminator_hidden=0)


def demo() -> CGANConfig:
    """A generator of drawn garments at 64×64, trained in minutes on one core.

    So few steps need a discriminator that sees colour (spectral instead of batch normalisation) and a generator
    that is smooth from the start (resize convolutions).
    """
    return CGANConfig(
        picture_size=64,
        latent_dimensions=32,
        generator_width=64,
        upsampling="nearest",
        discriminator_width=32,
        discriminator_norm="spectral",
        discriminator_hidden=0,
        batch_size=16,
        steps=1_800,
        generator_rate=3e-4,
        discriminator_rate=5e-4,
        beta1=0.0,
        average_decay=0.998,
        report_every=50,
        checkpoint_every=500,
        sheet_every=500,
    )


def modern() -> CGANConfig:
    """R3GAN of drawn garments at 64×64, trained in minutes on one core."""
    return CGANConfig(
        architecture="r3gan",
        picture_size=64,
        latent_dimensions=32,
        generator_widths=(256, 128, 64, 32, 16),
        discriminator_widths=(16, 32, 64, 128, 256),
        penalty_weight=2.0,
        penalised_every=4,
        batch_size=16,
        steps=1_000,
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        beta1=0.0,
        beta2=0.9,
        weight_decay=0.0,
        decay_steps=1_000,
        average_decay=0.998,
        report_every=50,
        checkpoint_every=500,
        sheet_every=500,
    )


def shipped() -> CGANConfig:
    """What the demonstration brings along: `modern` in all colours, trained eight times as long."""
    return replace(
        modern(),
        recoloured=0.5,
        steps=8_000,
        decay_steps=8_000,
        report_every=250,
        checkpoint_every=2_000,
        sheet_every=2_000,
    )


def debug() -> CGANConfig:
    """Ten steps of tiny networks: to try the whole path in seconds."""
    return CGANConfig(
        picture_size=64,
        latent_dimensions=8,
        generator_width=16,
        discriminator_width=4,
        discriminator_hidden=0,
        batch_size=4,
        steps=10,
        report_every=2,
        checkpoint_every=5,
        sheet_every=5,
    )


def modern_debug() -> CGANConfig:
    """Ten steps of a tiny R3GAN."""
    return CGANConfig(
        architecture="r3gan",
        picture_size=64,
        latent_dimensions=8,
        generator_widths=(16, 16, 16, 8, 8),
        discriminator_widths=(8, 8, 16, 16, 16),
        group_width=8,
        decay_steps=10,
        beta1=0.0,
        beta2=0.9,
        weight_decay=0.0,
        batch_size=4,
        steps=10,
        report_every=2,
        checkpoint_every=5,
        sheet_every=5,
    )
