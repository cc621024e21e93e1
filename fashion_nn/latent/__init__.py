"""Latent optimisation: many rows, each a latent code under its own weights, in one pass."""

from fashion_nn.latent.ascent import Ascended, Ascent, LatentOptimiser
from fashion_nn.latent.objective import Networks, Scores, Weights

__all__ = ["Ascended", "Ascent", "LatentOptimiser", "Networks", "Scores", "Weights"]
