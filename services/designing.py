"""Design and alteration with one release: what is asked of the latent optimiser, and what becomes of its answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fashion_nn import pictures
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.configs import from_json
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent import Ascended, Ascent, LatentOptimiser, Networks, Weights
from fashion_nn.state_files import load_weights
from services.messages import AlterRequest, DesignRequest
from services.release_loader import Release

Climb = Callable[[Ascent], Awaitable[Ascended]]
FINALISTS = 4  # an inversion goes on with one start in so many
INVERSION_REALISM = 0.02  # costs next to no likeness, and keeps the code where pictures are plausible
RELEASE = 3.0  # by which each stage's pull to the origin is weaker than the former's


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """The networks of one release behind the optimiser. Nothing here knows of Ray or of the bucket."""

    release: Release
    optimiser: LatentOptimiser
    latent_dimensions: int
    picture_size: int
    device: torch.device

    def ascent(self, request: DesignRequest, taste: Tensor) -> Ascent:
        """A design as one ascent from `restarts` starts, of which the best k that differ are kept."""
        return Ascent(
            taste=taste.to(self.device),
            category=self.release.class_id(request.category, "category"),
            starts=self.starts(request.restarts, request.seed),
            weights=Weights(realism=request.realism),
            steps=request.steps,
            keep=request.k,
        )

    def starts(self, count: int, seed: int | None) -> Tensor:
        """Codes z [count, Z], uniform on [-1, 1] as in the article; the same for the same seed."""
        random = torch.Generator().manual_seed(seed or 0)
        return (2 * torch.rand(count, self.latent_dimensions, generator=random) - 1).to(self.device)

    def target(self, image: pictures.Image.Image) -> Tensor:
        """A picture as the generator would have to paint it: [3, S, S] in [-1, 1], letterboxed on white."""
        square = pictures.letterbox(image, height=self.picture_size, width=self.picture_size)
        return pictures.normalise(pictures.to_pixels(square)).to(self.device)

    def probe(self) -> None:
        """One forward pass of one code through all three networks. Raises FloatingPointError."""
        taste = torch.zeros(self.optimiser.networks.look.head[-1].out_features, device=self.device)
        (found,) = self.optimiser.run([Ascent(taste=taste, category=0, starts=self.starts(1, 0), steps=0)])
        if isinstance(found, FloatingPointError):
            raise found


@dataclass(frozen=True, kw_only=True, slots=True)
class Alteration:
    """How an item is altered: `climb` runs an ascent, alone or in company."""

    studio: Studio
    request: AlterRequest
    taste: Tensor  # [K]
    category: int

    async def invert(self, climb: Climb, target: Tensor) -> Ascended:
        """The code whose picture comes closest to `target`: several starts, then the best of them for longer."""
        request = self.request
        keep = max(1, request.restarts // FINALISTS)
        starts = self.studio.starts(request.restarts, request.seed)
        first = await climb(self._inversion(target, starts, steps=request.steps, keep=keep))
        return await climb(self._inversion(target, first.codes, steps=2 * request.steps, keep=1))

    async def recall(self, climb: Climb, code: Tensor) -> Ascended:
        """A code as it is, scored for the shopper."""
        return await climb(self._ascent(code[None].to(self.taste), Weights(realism=self.request.realism), 0))

    async def stages(self, climb: Climb, origin: Ascended) -> list[Ascended]:
        """Ever more personal: each stage starts where the former ended and is held less close to the origin.

        Scores never fall from one stage to the next: where looking real would cost preference, the stage
        climbs without it, and where even that gains nothing it stays.
        """
        former, stages = origin, []
        for closeness in self.pulls():
            for realism in (self.request.realism, 0.0):
                weights = Weights(realism=realism, closeness=closeness)
                stage = await climb(self._ascent(former.codes, weights, self.request.steps, anchor=origin.codes[0]))
                if stage.scores.preference[0] > former.scores.preference[0]:
                    former = stage
                    break
            stages.append(former)
        return stages

    def pulls(self) -> list[float]:
        """The closeness of each stage: falls from the request's by the same factor each time, at last to nothing."""
        falling = [self.request.closeness / RELEASE**stage for stage in range(self.request.stages)]
        return falling if len(falling) == 1 else [*falling[:-1], 0.0]

    def _inversion(self, target: Tensor, starts: Tensor, *, steps: int, keep: int) -> Ascent:
        realism = INVERSION_REALISM * self.request.realism
        weights = Weights(preference=0.0, realism=realism, reconstruction=1.0)
        return self._ascent(starts, weights, steps, target=target, keep=keep)

    def _ascent(
        self,
        starts: Tensor,
        weights: Weights,
        steps: int,
        *,
        target: Tensor | None = None,
        anchor: Tensor | None = None,
        keep: int = 1,
    ) -> Ascent:
        return Ascent(
            taste=self.taste,
            category=self.category,
            starts=starts,
            weights=weights,
            steps=steps,
            keep=keep,
            target=target,
            anchor=anchor,
        )


def load_studio(release: Release, device: torch.device) -> Studio:
    """The generator (its average), discriminator and look of a release."""
    configs = release.manifest["configs"]
    cgan = from_json(CGANConfig, configs["cgan"])
    generator = Generator(cgan, len(release.categories))
    discriminator = Discriminator(cgan, len(release.categories))
    look = Look(from_json(DVBPRConfig, configs["dvbpr"]))
    weights = load_file(release.folder / "cgan.safetensors")
    fill(generator, weights, "generator.")
    fill(discriminator, weights, "discriminator.")
    load_weights(release.folder / "dvbpr.safetensors", look)
    networks = Networks(generator.to(device), discriminator.to(device), look.to(device))
    return Studio(
        release=release,
        optimiser=LatentOptimiser(networks),
        latent_dimensions=cgan.latent_dimensions,
        picture_size=cgan.picture_size,
        device=device,
    )


def fill(network: nn.Module, weights: dict[str, Tensor], prefix: str) -> None:
    """The weights under a prefix into a network. Raises RuntimeError where they do not fit."""
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    network.load_state_dict(own, strict=True)
