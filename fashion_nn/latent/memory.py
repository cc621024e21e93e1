"""What the engine needs of memory, and how many slots that leaves room for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fashion_nn.latent.objective import Networks
from fashion_nn.latent.slots import Slots

MIB = 2**20
LIVE_GRADIENTS = 2  # of the largest feature map, alive at once on the way back: of its output and of its input


class DoesNotFit(ValueError):
    """The slots that were asked for need more memory than was declared."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes: of the networks, exact and rounded, and of the state of rows that wait; and of each slot (its state, and
    its share of the largest pass)."""

    fixed: int
    row: int

    def of(self, slots: int) -> int:
        """Of an engine with so many slots."""
        return self.fixed + slots * self.row

    def slots(self, budget: int, *, wanted: int | None, most: int) -> int:
        """`wanted` slots, or as many as the budget has room for, but no more than `most`. Raises DoesNotFit."""
        room = max(0, budget - self.fixed) // self.row
        if room < (wanted or 1):
            raise DoesNotFit(
                f"{wanted or 1} slots need {self.of(wanted or 1) / MIB:.1f} MiB (networks and rows that wait "
                f"{self.fixed / MIB:.1f}, each slot {self.row / MIB:.2f}), but the memory budget is {budget / MIB:.1f} "
                f"MiB: room for {room}"
            )
        return wanted or min(room, most)


def footprint(networks: Networks, device: torch.device, *, max_waiting: int) -> Footprint:
    """Taken from what autograd keeps for one row on its way through the folded networks.

    max_waiting: rows, all of which may have begun and been suspended.
    """
    exact = sum(each.nbytes for network in networks for each in (*network.parameters(), *network.buffers()))
    weights = {each.untyped_storage().data_ptr() for network in networks for each in network.parameters()}
    table = Slots.empty(1, networks, device)
    kept: dict[int, Tensor] = {}  # by storage; held, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in weights:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        table.step(torch.zeros(1, dtype=torch.int64, device=device), networks)
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    state = table.bytes // 2
    return Footprint(exact * 3 // 2 + max_waiting * state, state + sum(sizes) + LIVE_GRADIENTS * max(sizes))
