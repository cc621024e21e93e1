"""Latent optimisation: many rows, each a latent code under its own weights, in one pass."""
