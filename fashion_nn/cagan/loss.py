"""CAGAN's loss, L_cGAN + γ_i·L_id + γ_c·L_cyc (Jetchev & Bergmann, 2017, section 2), and what may be added to it.

The article prints 1 − log D; log(1 − D) is meant. G minimises −log D instead of log(1 − D): the same fixed point
with gradients that do not vanish while D wins (Goodfellow et al., 2014, section 3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_nn import colour
from fashion_nn.metrics.similarity import ssim

SURE = 4.0  # a mask of 0.018 or 0.982


def classified(logits: Tensor, target: float, adversarial: str) -> Tensor:
    """How far the field `logits` [N, 1, h, w] is from `target` (1: real and worn, 0: not), averaged over places.

    The hinge is D's: beyond ±1 a place is sure enough. G's is `fooled`.
    """
    match adversarial:
        case "least-squares":
            return (logits - target).square().mean()
        case "hinge":
            return F.relu(1 - logits if target else 1 + logits).mean()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def fooled(logits: Tensor, adversarial: str) -> Tensor:
    """G's adversarial term, on D's `logits` for what G made."""
    return -logits.mean() if adversarial == "hinge" else classified(logits, 1.0, adversarial)


def gradient_penalty(logits: Tensor, persons: Tensor) -> Tensor:
    """R1: how steep D is at real pictures (Mescheder et al., 2018): mean over pictures of ½‖∂ΣD/∂x‖².

    D's answer to a picture is the mean of its field. `persons` must require gradients.
    """
    (slope,) = torch.autograd.grad(logits.mean((1, 2, 3)).sum(), persons, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean() / 2


def identity(mask: Tensor) -> Tensor:
    """L_id = ‖α‖₁ as a mean over pixels: change as little as possible; mask [N, 1, H, W] in [0, 1]."""
    return mask.abs().mean()


def total_variation(mask: Tensor) -> Tensor:
    """The length of the mask's outlines, in shares of the picture: what the article names as a better norm of α."""
    across, down = mask[..., 1:] - mask[..., :-1], mask[..., 1:, :] - mask[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def saturation(logits: Tensor) -> Tensor:
    """How far a mask's logits are beyond ±SURE, squared: what a sigmoid is sure of beyond, it does not unlearn."""
    return F.relu(logits.abs() - SURE).square().mean()


def cycle(person: Tensor, returned: Tensor, colours: str = "rgb") -> Tensor:
    """L_cyc = ‖x_i − G(G(x_i, y_i, y_j), y_j, y_i)‖₁ as a mean over pixels and channels, of RGB or of scaled Lab."""
    if colours == "lab":
        person, returned = colour.scaled_lab(person), colour.scaled_lab(returned)
    return (person - returned).abs().mean()


def segmented(mask: Tensor, place: Tensor) -> Tensor:
    """How far the mask is from a place, both [N, 1, H, W] in [0, 1]: mean of −log α within, and of −log(1 − α) beyond.

    Pixels beyond, which are many, count for little each: a wanted garment may be larger than the one worn. An empty
    place is of somebody whose mask is not known.
    """
    known = (place.amax((1, 2, 3), keepdim=True) > 0).float()
    found = []
    for covered, where in ((mask, place), (1 - mask, known - place)):
        found.append(-(where * covered.clamp(min=1e-6).log()).sum() / where.sum().clamp(min=1))
    return sum(found)


def structure(person: Tensor, returned: Tensor) -> Tensor:
    """1 − SSIM: outlines and folds, however faint, count as much as colours do (Zhao et al., 2017)."""
    return 1 - ssim(person, returned, dtype=torch.float32).mean()


def texture(person: Tensor, carried: Tensor, mask: Tensor) -> Tensor:
    """How the carried garment differs from the person who truly wears it, where the mask is: at full size and a fourth.

    The coarse picture draws the flow from farther away than a pixel's neighbourhood reaches.
    """
    terms = []
    for factor in (1, 4):
        ours, theirs, weight = (F.avg_pool2d(each, factor) for each in (carried, person, mask))
        terms.append((weight * (ours - theirs).abs()).mean())
    return sum(terms)
