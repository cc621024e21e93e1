"""A trained generator as it serves: frozen, in the dtype that its processor computes in, channels last.

Instance normalisation depends on the picture at hand, so there is nothing to fold into the convolutions.
"""

import torch

from fashion_nn import steps
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator


def for_serving(generator: Generator, config: CAGANConfig, device: torch.device) -> Generator:
    """`generator` itself, made ready on `device`. It takes and gives float32, and computes as `precision` says."""
    dtype = steps.autocast_dtype(config.precision, device) or torch.float32
    return generator.eval().requires_grad_(False).to(device, dtype, memory_format=torch.channels_last)
