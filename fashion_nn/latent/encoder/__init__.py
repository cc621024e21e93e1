"""The encoder: from a picture straight to a code that paints it, where an inversion then begins."""

from fashion_nn.latent.encoder.config import EncoderConfig
from fashion_nn.latent.encoder.network import Encoder

__all__ = ["Encoder", "EncoderConfig"]
