"""What all of CAGAN's networks are built of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InstanceNorm(nn.Module):
    """Each channel of each picture to mean 0 and variance 1, as `nn.InstanceNorm2d`; but channels last stay last.

    Convolutions want them there, and would bring them back, which takes a CPU its time. In bf16, whose group norm takes
    a CPU up to twenty times as long, it is cheaper to bring them back at once.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # which would make them float32
            if features.device.type == "cpu" and features.dtype == torch.bfloat16:
                return F.instance_norm(features).contiguous(memory_format=torch.channels_last)
            return F.group_norm(features, features.shape[1])
