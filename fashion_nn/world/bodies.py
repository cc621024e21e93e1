"""The proportions and joints of a figure, standing, seen from the front, in figure coordinates.

Half-widths and heights are shares of the standing height, in the seven and a half heads of a natural figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fashion_nn.world.drawing import Points

Figure = Literal["men", "women"]

NECK_Y, SHOULDER_Y, ARMPIT_Y, WAIST_Y, HIP_Y, CROTCH_Y, KNEE_Y, ANKLE_Y = (
    0.158,
    0.182,
    0.25,
    0.385,
    0.475,
    0.525,
    0.73,
    0.945,
)
UPPER_ARM, FOREARM = 0.165, 0.150

# half-widths of neck, shoulders, chest, waist, hips; radii of upper arm, elbow, wrist
WIDTHS: dict[str, tuple[float, ...]] = {
    "men": (0.030, 0.122, 0.098, 0.084, 0.088, 0.029, 0.023, 0.017),
    "women": (0.022, 0.100, 0.084, 0.066, 0.093, 0.024, 0.019, 0.014),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One arm by its angles from straight down, outwards positive, in degrees."""

    upper: float
    fore: float
    front: bool = False  # the forearm passes in front of the trunk


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A figure's widths and pose."""

    figure: Figure
    build: float = 1.0  # widths are multiplied by this
    arms: tuple[Arm, Arm] = (Arm(upper=10, fore=5), Arm(upper=10, fore=5))  # the picture's left and right
    stance: float = 0.035  # half the distance between the ankles, figure units

    def _width(self, index: int, share: float = 1.0) -> float:
        return WIDTHS[self.figure][index] * (1 + share * (self.build - 1))

    @property
    def neck(self) -> float:
        return self._width(0, 0.5)

    @property
    def shoulder(self) -> float:
        return self._width(1, 0.5)

    @property
    def chest(self) -> float:
        return self._width(2, 0.8)

    @property
    def waist(self) -> float:
        return self._width(3, 1.3)

    @property
    def hip(self) -> float:
        return self._width(4)

    @property
    def arm_radii(self) -> tuple[float, float, float]:
        return self._width(5), self._width(6), self._width(7, 0.5)

    def arm_joints(self, side: int) -> Points:
        """Shoulder, elbow and wrist [3, 2] of the arm on `side` (-1 left, +1 right in the picture)."""
        arm = self.arms[(side + 1) // 2]
        joint = np.array([side * (self.shoulder - 0.9 * self.arm_radii[0]), SHOULDER_Y + 0.028])
        elbow = joint + UPPER_ARM * _direction(side, arm.upper)
        return np.array([joint, elbow, elbow + FOREARM * _direction(side, arm.fore)])

    def leg_joints(self, side: int) -> Points:
        """Hip, knee and ankle [3, 2]."""
        hip = 0.5 * self.hip
        knee = 0.45 * hip + 0.55 * self.stance
        return np.array([(side * hip, HIP_Y + 0.02), (side * knee, KNEE_Y), (side * self.stance, ANKLE_Y)])

    @property
    def leg_radii(self) -> tuple[float, float, float]:
        return 0.53 * self.hip, 0.034 * self.build**0.7, 0.020


def _direction(side: int, degrees: float) -> Points:
    return np.array([side * np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


def mannequin(figure: Figure, *, arms: float) -> Body:
    """The body inside a product picture: upright, both arms `arms` degrees from the trunk."""
    straight = Arm(upper=arms, fore=arms - 5)
    return Body(figure=figure, arms=(straight, straight), stance=0.078)
