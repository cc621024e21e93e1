"""What the engine must give, in the fewest obvious lines: one row after another, autograd, torch.optim.Adam."""

import torch
from torch import Tensor

from fashion_nn.dvbpr.network import upsample
from fashion_nn.latent.ascent import Ascent
from fashion_nn.latent.objective import LARGEST, Networks


def ascend(networks: Networks, ascent: Ascent) -> tuple[Tensor, Tensor]:
    """The best code of every start [m, Z] and its objective [m], in the order of the starts."""
    w, category = ascent.weights, torch.tensor([ascent.category])
    codes, objectives = [], []
    for start in ascent.starts:
        anchor = start if ascent.anchor is None else ascent.anchor
        hidden = torch.atanh(start.clamp(-LARGEST, LARGEST)).requires_grad_()
        optimiser = torch.optim.Adam([hidden], lr=ascent.rate)
        best, highest = start, -torch.inf
        for _ in range(ascent.steps + 1):
            z = hidden.tanh()
            picture = networks.generator(z[None], category)
            look = networks.look(upsample(picture, networks.look.picture_size), category)[0]
            objective = w.preference * (ascent.taste @ look)
            objective = objective - w.realism * (networks.discriminator(picture, category)[0] - 1) ** 2
            objective = objective - w.closeness * ((z - anchor) ** 2).sum()
            if ascent.target is not None:
                objective = objective - w.reconstruction * (picture[0] - ascent.target).abs().mean()
            if objective.item() > highest:
                best, highest = z.detach(), objective.item()
            optimiser.zero_grad()
            (-objective).backward()
            optimiser.step()
        codes.append(best)
        objectives.append(highest)
    return torch.stack(codes), torch.tensor(objectives)
