"""Persons in new dress, nothing of their own left: another garment's wearer, or what G paints, where they are dressed.

What G makes of a person keeps what it overlooked: a sleeve that was left tells the way back that there was a sleeve,
a pattern that shines through tells which, and both ways agree to overlook them. Here the new is whole. From the wearer
come true sleeves, and arms that are bare; what G paints has the person's own pose and no seams of other backgrounds.
The picture to be returned to is a photograph: all of it needs pairs alone, and the masks that G has learnt meanwhile.
"""

import torch.nn.functional as F
from torch import Tensor

DRESSED = 0.3  # a mask beyond this may be a garment
GROWN = 48  # of the height, by which both masks are widened: a seam is not to tell where the garment ended


def transplanted(person: Tensor, new: Tensor, mask: Tensor) -> Tensor:
    """person and new [N, 3, H, W] → the person, but the new where mask [N, 1, H, W] and its surroundings are."""
    reach = max(1, round(person.shape[2] / GROWN))
    wide = F.max_pool2d((mask > DRESSED).to(person), 2 * reach + 1, stride=1, padding=reach)
    where = F.avg_pool2d(wide, 3, stride=1, padding=1, count_include_pad=False)
    return where * new + (1 - where) * person
