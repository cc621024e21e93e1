"""DVBPR's loss: Bayesian personalised ranking over pictures (Kang et al., ICDM 2017, eq. 4), summed over the batch."""

import torch.nn.functional as F
from torch import Tensor, nn


def triplet_ranking(taste: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """−Σ log σ(θ_u·(Φ(X_i) − Φ(X_j))) over triplets; all three [B, K]."""
    return -F.logsigmoid((taste * (positive - negative)).sum(1)).sum()


def batch_ranking(taste: Tensor, positive: Tensor, looks: Tensor, is_negative: Tensor) -> Tensor:
    """The same with every picture of the batch as a negative, averaged over a shopper's negatives.

    taste, positive: [B, K]; looks: [M, K]; is_negative: bool [B, M], true where the shopper has not bought the item.
    """
    margin = (taste * positive).sum(1, keepdim=True) - taste @ looks.T
    weights = is_negative / is_negative.sum(1, keepdim=True).clamp(min=1)
    return -(F.logsigmoid(margin) * weights).sum()


def weight_penalty(network: nn.Module) -> Tensor:
    """½‖W‖² over the weight tensors (no biases) of `network`."""
    return 0.5 * sum(p.square().sum() for name, p in network.named_parameters() if name.endswith("weight"))


def taste_penalty(taste: Tensor) -> Tensor:
    """½‖θ_u‖² over the batch's shoppers [B, K]."""
    return 0.5 * taste.square().sum()
