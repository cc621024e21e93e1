"""The sizes that the demonstration comes in: what is drawn, trained and asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fashion_nn.latent.bank import BankConfig
from fashion_nn.world import config as worlds
from fashion_nn.world.config import WorldConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """One size; its name is also that of the networks' configurations."""

    name: str
    world: WorldConfig
    bank: BankConfig
    trained: bool = False  # its networks come with the code
    visitors: int = 3  # shoppers with boards; one more is known by likes alone
    likes: int = 5  # that somebody new tells
    sitters: int = 8  # persons fitted with the garment they want
    design: Mapping[str, int] = field(default_factory=dict)  # fields of a design request: restarts, steps
    alter: Mapping[str, int] = field(default_factory=dict)  # and of an alteration


def demo() -> Size:
    """What `make demo` shows."""
    return Size(
        name="demo", world=worlds.demo(), bank=BankConfig(codes=1024, tastes=16, rounds=1, steps=30), trained=True
    )


def shipped() -> Size:
    """What trains the networks that come with the code: minutes on a GPU, most of a day on one core.

    The same world with more pairs, and with what each wanted garment's pixels come from.
    """
    world = replace(worlds.demo(), pairs_train=60_000, pairs_per_person=3, origins=True)
    return replace(demo(), name="shipped", trained=False, world=world)


def debug() -> Size:
    """The whole path in a minute, with networks that have learnt nothing."""
    few = {"restarts": 3, "steps": 2}
    return Size(
        name="debug",
        world=worlds.debug(),
        bank=BankConfig(codes=64, tastes=2, steps=2),
        visitors=2,
        likes=2,
        sitters=2,
        design=few,
        alter=few,
    )
