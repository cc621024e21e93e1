"""Which training step a config asks for."""

import torch

from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.relativistic import RelativisticStep
from fashion_nn.cgan.step import CGANData, CGANStep


def training_step(config: CGANConfig, data: CGANData, device: torch.device | str = "cpu") -> CGANStep:
    """The step of a config's architecture on `device`, at its seeded start."""
    kind = {"paper": CGANStep, "r3gan": RelativisticStep}[config.architecture]
    return kind(config, data, device)
