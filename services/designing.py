"""Design with one release: its networks behind the latent engine, and what is asked of them for a shopper."""

import math
from dataclasses import dataclass
from threading import Thread

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fashion_nn import pictures
from fashion_nn.cgan import architecture
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.configs import from_json
from fashion_nn.dvbpr.config import DVBPRConfig
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent import Ascended, Ascent, Engine, EngineConfig, Networks, Plan, Weights
from fashion_nn.latent.ascent import LEARNING_RATE
from fashion_nn.latent.bank import RATE, Bank
from fashion_nn.latent.encoder import Encoder, EncoderConfig
from fashion_nn.latent.loop import Loop
from fashion_nn.latent.scheduler import HIGHEST_PRIORITY, Full
from fashion_nn.state_files import load_weights
from services.errors import bad_input
from services.messages import MOST_RESTARTS, DesignRequest
from services.release_loader import Release
from services.replies import Load

PATIENCE, GAIN = 8, 1e-3  # a design ends where no start has gained so much within so many steps
PROBE_S = 10.0  # for one row to pass the engine before all others
STUCK_S = 60.0  # a step that takes longer will not end
FAILURES = 3  # failed steps in a row are no accident
LONGEST_RETRY_S = 60
BANK_FILE, ENCODER_FILE = "bank.safetensors", "encoder.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """The networks of one release behind the engine. Nothing here knows of Ray or of the bucket.

    What goes into the engine and comes out of it lies on the host, in float32.
    """

    release: Release
    loop: Loop
    latent_dimensions: int
    look_dimensions: int
    picture_size: int
    bank: Bank | None = None
    encoder: Encoder | None = None  # on the host: it sees one picture of a request

    def design(self, request: DesignRequest, taste: Tensor) -> Plan[Ascended]:
        """One ascent from `restarts` starts, of which the best k that differ are kept. Raises BadInput."""
        category = self.release.class_id(request.category, "category")
        self.check_rows("restarts", request.restarts)
        weights, seed = Weights(realism=request.realism), request.seed or 0
        bank = self._bank_for(request)
        starts = (
            self.starts(request.restarts, seed)
            if bank is None
            else bank.starts(taste, category, request.restarts, weights, seed=seed)
        )
        return Plan.of(
            Ascent(
                taste=taste,
                category=category,
                starts=starts,
                weights=weights,
                steps=request.steps,
                rate=LEARNING_RATE if bank is None else RATE,
                patience=PATIENCE,
                gain=GAIN,
                keep=request.k,
            )
        )

    def starts(self, count: int, seed: int | None) -> Tensor:
        """Codes z [count, Z], uniform on [-1, 1] as in the article; the same for the same seed."""
        random = torch.Generator().manual_seed(seed or 0)
        return 2 * torch.rand(count, self.latent_dimensions, generator=random) - 1

    def target(self, image: pictures.Image.Image) -> Tensor:
        """A picture as the generator would have to paint it: [3, S, S] in [-1, 1], letterboxed on white."""
        square = pictures.letterbox(image, height=self.picture_size, width=self.picture_size)
        return pictures.normalise(pictures.to_pixels(square))

    @torch.no_grad()
    def guess(self, target: Tensor, category: int) -> Tensor | None:
        """The encoder's code z [Z] of a picture [3, S, S]; None where the release has no encoder."""
        if self.encoder is None:
            return None
        return self.encoder(target[None], torch.tensor([category]))[0]

    def check_rows(self, field: str, rows: int) -> None:
        """Refuse more rows than could ever run at once."""
        slots = self.loop.engine.scheduler.slots
        if rows > slots:
            raise bad_input(field, rows, f"at most {slots}, for so many rows run at once here")

    def retry_after_s(self) -> int:
        """Whole seconds after which those who wait now should have been served."""
        return min(LONGEST_RETRY_S, max(1, math.ceil(self.loop.backlog_s())))

    def load(self) -> Load:
        """What there is to do, and what has been done."""
        engine, stats = self.loop.engine, self.loop.stats
        return Load(
            slots=engine.scheduler.slots,
            memory_bytes=engine.memory_bytes,
            precision=str(engine.dtype).removeprefix("torch."),
            waiting_rows=self.loop.waiting_rows,
            suspended_rows=self.loop.suspended_rows,
            running_rows=self.loop.running_rows,
            steps=stats.steps,
            row_steps=stats.row_steps,
            most_rows=stats.most_rows,
            networks_s=stats.run_s,
            scheduling_s=stats.other_s,
            endings={ending.name.lower(): count for ending, count in stats.endings.items()},
        )

    def probe(self) -> None:
        """Raises where the engine does not do its work: RuntimeError, or what ended the one row sent through it.

        That row goes before all others. That no slot becomes free for it is no fault while steps go on.
        """
        self._check_beat()
        trial = Ascent(taste=torch.zeros(self.look_dimensions), category=0, starts=self.starts(1, 0), steps=0)
        try:
            asked = self.loop.submit(Plan.of(trial), priority=HIGHEST_PRIORITY)
        except Full:
            return
        try:
            asked.result(PROBE_S)
        except TimeoutError:
            asked.cancel()
            self._check_beat()

    def close(self) -> None:
        """Take nothing more; what has been taken is finished, beside whoever calls."""
        Thread(target=self.loop.stop, name=f"closing {self.release.id}", daemon=True).start()

    def _bank_for(self, request: DesignRequest) -> Bank | None:
        if request.starts == "bank" and self.bank is None:
            raise bad_input("starts", "bank", "blind, since this release has no seed bank")
        return None if request.starts == "blind" else self.bank

    def _check_beat(self) -> None:
        """Raises RuntimeError where steps are not taken any more, or come to nothing."""
        if not self.loop.alive:
            raise RuntimeError("the thread of the latent engine has ended")
        if self.loop.stuck_for() > STUCK_S:
            raise RuntimeError(f"a step of the latent engine has taken {self.loop.stuck_for():.0f} s")
        if self.loop.failures >= FAILURES:
            raise RuntimeError(f"{self.loop.failures} steps of the latent engine have failed in a row")


def load_studio(release: Release, device: torch.device, config: EngineConfig) -> Studio:
    """The generator (its average), discriminator and look of a release, warm. Raises DoesNotFit."""
    configs = release.manifest["configs"]
    cgan = from_json(CGANConfig, configs["cgan"])
    dvbpr = from_json(DVBPRConfig, configs["dvbpr"])
    count = len(release.categories)
    networks = Networks(*architecture.networks(cgan, count), Look(dvbpr, count))
    weights = load_file(release.folder / "cgan.safetensors")
    fill(networks.generator, weights, "generator.")
    fill(networks.discriminator, weights, "discriminator.")
    load_weights(release.folder / "dvbpr.safetensors", networks.look)
    sizes = (cgan.latent_dimensions, networks.look.dimensions)
    files = release.manifest["files"]
    return Studio(
        release=release,
        bank=load_bank(release, *sizes) if BANK_FILE in files else None,
        encoder=load_encoder(release, cgan) if ENCODER_FILE in files else None,
        loop=Loop(Engine(networks, config, device=device), name=f"latent {release.id}"),
        latent_dimensions=sizes[0],
        look_dimensions=sizes[1],
        picture_size=cgan.picture_size,
    )


def load_bank(release: Release, latent_dimensions: int, look_dimensions: int) -> Bank:
    """The release's seed bank. Raises ValueError for one that does not belong to its networks, or is too small."""
    bank = Bank.load(release.folder / BANK_FILE)
    categories, codes, dimensions = bank.codes.shape
    found = (categories, dimensions, bank.looks.shape[-1])
    needed = (len(release.categories), latent_dimensions, look_dimensions)
    if found != needed:
        raise ValueError(f"{BANK_FILE}: (categories, Z, K) are {found}, but must be {needed}")
    if codes < MOST_RESTARTS:
        raise ValueError(f"{BANK_FILE}: {codes} codes of each category, but there must be at least {MOST_RESTARTS}")
    return bank


def load_encoder(release: Release, generator: CGANConfig) -> Encoder:
    """The release's encoder, which belongs to its generator."""
    config = from_json(EncoderConfig, release.manifest["configs"]["encoder"])
    encoder = Encoder(config, generator, len(release.categories)).eval().requires_grad_(False)
    load_weights(release.folder / ENCODER_FILE, encoder)
    return encoder


def fill(network: nn.Module, weights: dict[str, Tensor], prefix: str) -> None:
    """The weights under a prefix into a network. Raises RuntimeError where they do not fit."""
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    network.load_state_dict(own, strict=True)
