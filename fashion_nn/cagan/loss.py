"""CAGAN's loss, L_cGAN + γ_i·L_id + γ_c·L_cyc (Jetchev & Bergmann, 2017, section 2).

The article prints 1 − log D; log(1 − D) is meant. G minimises −log D instead of log(1 − D): the same fixed point
with gradients that do not vanish while D wins (Goodfellow et al., 2014, section 3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def classified(logits: Tensor, target: float, adversarial: str) -> Tensor:
    """How far the field `logits` [N, 1, h, w] is from `target` (1: real and worn, 0: not), averaged over places."""
    if adversarial == "least-squares":
        return (logits - target).square().mean()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def identity(mask: Tensor) -> Tensor:
    """L_id = ‖α‖₁ as a mean over pixels: change as little as possible; mask [N, 1, H, W] in [0, 1]."""
    return mask.abs().mean()


def cycle(person: Tensor, returned: Tensor) -> Tensor:
    """L_cyc = ‖x_i − G(G(x_i, y_i, y_j), y_j, y_i)‖₁ as a mean over pixels and channels."""
    return (person - returned).abs().mean()
