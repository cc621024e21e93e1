"""Whether a release may serve: its files are those that were released, and each part loads and works.

The deployments look once more, each at its own part, and go on with what they serve where it fails.
"""

from collections.abc import Callable, Mapping

import torch

from cluster.settings import Settings
from fashion_nn.latent import EngineConfig
from services import release_loader
from services.deployment import Probed
from services.designing import Studio, load_studio
from services.fitting import load_fitter
from services.ranking import load_ranker
from services.release_loader import Release

CPU = torch.device("cpu")
TRIED = EngineConfig(slots=1, max_waiting=1, precision="fp32")  # enough for the one row of a probe


class Unsound(ValueError):
    """A release that must not serve; says which part of it fails, and how."""


def check(settings: Settings, release_id: str) -> None:
    """Load every part of a release as the deployments do, and pass something through its networks.

    Raises UnknownRelease, StoreError, HashMismatch, Unsound.
    """
    release = release_loader.fetch(settings, release_id)
    for name, load in PARTS.items():
        try:
            load(release).probe()
        except Exception as error:
            raise Unsound(f"release {release.id} is not promoted, for its {name} fails: {error}") from error


class _Tried:
    """An engine that ends with its probe."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def probe(self) -> None:
        try:
            self._studio.probe()
        finally:
            self._studio.loop.stop()


PARTS: Mapping[str, Callable[[Release], Probed]] = {
    "recommender": load_ranker,
    "designer": lambda release: _Tried(load_studio(release, CPU, TRIED)),
    "fitting room": lambda release: load_fitter(release, CPU),
}
