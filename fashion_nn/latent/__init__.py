"""Latent optimisation: many rows, each a latent code under its own weights, in one pass."""

from fashion_nn.latent.ascent import Ascended, Ascent, Plan
from fashion_nn.latent.engine import Engine, EngineConfig
from fashion_nn.latent.objective import Networks, Scores, Weights

__all__ = ["Ascended", "Ascent", "Engine", "EngineConfig", "Networks", "Plan", "Scores", "Weights"]
