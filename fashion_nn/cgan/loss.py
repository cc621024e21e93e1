"""The losses of both architectures.

paper   least squares with targets 1 for real and 0 for generated (Mao et al., ICCV 2017, eq. 9)
r3gan   pairs of a real and a generated picture (Jolicoeur-Martineau, ICLR 2019), of which only the difference of their
        scores counts, with zero-centred gradient penalties at both (Huang et al., NeurIPS 2024, eq. 2 to 4)
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_real(realism: Tensor) -> Tensor:
    """½·mean (D(X, c) − 1)² over real pictures; realism [N]."""
    return 0.5 * (realism - 1).square().mean()


def discriminator_fake(realism: Tensor) -> Tensor:
    """½·mean D(G(z, c), c)² over generated pictures; realism [N]."""
    return 0.5 * realism.square().mean()


def generator_adversarial(realism: Tensor) -> Tensor:
    """½·mean (D(G(z, c), c) − 1)²; realism [N]."""
    return 0.5 * (realism - 1).square().mean()


def more_real(these: Tensor, those: Tensor) -> Tensor:
    """mean log(1 + exp(those − these)): small where every one of `these` scores [N] lies above its partner."""
    return F.softplus(those - these).mean()


def gradient_penalty(scores: Tensor, pictures: Tensor) -> Tensor:
    """½·mean ‖∂score/∂picture‖² over scores [N] of pictures [N, 3, S, S]: R1 at real ones, R2 at generated ones.

    Each score must depend on its own picture alone. The result can be differentiated again.
    """
    (gradients,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return 0.5 * gradients.square().sum((1, 2, 3)).mean()
