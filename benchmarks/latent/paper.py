"""The paper's procedure: one shopper after another, all restarts in one batch of the plain networks."""

import torch
from torch import Tensor

from fashion_nn.latent import Ascent, Networks
from fashion_nn.latent.objective import Rows, scores, unbounded


def ascend(networks: Networks, ascent: Ascent, device: torch.device) -> Tensor:
    """The best objective that any restart meets."""
    starts, w = ascent.starts.to(device), ascent.weights
    m = len(starts)
    rows = Rows(
        taste=ascent.taste.to(device).expand(m, -1),
        category=torch.full((m,), ascent.category, device=device),
        targets=torch.zeros(m, 3, *(2 * (networks.generator.picture_size,)), device=device),
        anchors=starts,
        weights=torch.tensor([w.preference, w.realism, w.reconstruction, w.closeness], device=device).expand(m, -1),
    )
    hidden = unbounded(starts).requires_grad_()
    optimiser = torch.optim.Adam([hidden], lr=ascent.rate)
    best = torch.full((), -torch.inf, device=device)
    for _ in range(ascent.passes):
        objective = scores(networks, hidden.tanh(), rows).objective
        best = torch.maximum(best, objective.detach().max())
        optimiser.zero_grad()
        (-objective.sum()).backward()
        optimiser.step()
    return best.cpu()
