"""What all of CAGAN's networks are built of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InstanceNorm(nn.Module):
    """Each channel of each picture to mean 0 and variance 1, as `nn.InstanceNorm2d`, which takes channels to the front.

    With them last, where the convolutions want them, a CPU paints in two thirds of the time.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # which would make them float32
            return F.group_norm(features, features.shape[1])
