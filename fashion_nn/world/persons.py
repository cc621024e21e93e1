"""Persons: a body in a pose, before a background, dressed in a top and a bottom garment.

The garment's mask is what one sees of it. Nothing outside that mask depends on it, so the same person
in two tops differs only where either top shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from fashion_nn.world import palette
from fashion_nn.world.backgrounds import Background, draw_background, sample_background
from fashion_nn.world.bodies import CROTCH_Y, FOREARM, HIP_Y, NECK_Y, SHOULDER_Y, WAIST_Y, Arm, Body, Figure
from fashion_nn.world.bottoms import bottom
from fashion_nn.world.drawing import Canvas, Piece, View, ellipse, join, limb, mirrored, spline
from fashion_nn.world.fabrics import Colour, Paint
from fashion_nn.world.heads import HAIRSTYLES, hair_behind, hair_in_front, head
from fashion_nn.world.shoes import feet
from fashion_nn.world.specs import GarmentSpec, sample_garment
from fashion_nn.world.tops import top

ASPECT = 3 / 4  # width : height of a person picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Everything about a person picture but the top: equal persons in equal tops draw equal pictures."""

    body: Body
    skin: Colour
    hair: Colour
    style: str  # one of HAIRSTYLES
    beard: bool
    bottoms: GarmentSpec
    shoes: GarmentSpec
    background: Background
    zoom: float  # picture heights per figure height
    head_room: float  # picture heights above the crown
    aside: float  # picture heights by which the person stands off the middle
    lean: float
    sway: float

    @property
    def figure(self) -> Figure:
        return self.body.figure


ARMS: tuple[tuple[Arm, float], ...] = (
    (Arm(upper=9, fore=4), 0.34),
    (Arm(upper=15, fore=10), 0.22),
    (Arm(upper=22, fore=14), 0.12),
    (Arm(upper=37, fore=-47, front=False), 0.16),
    (Arm(upper=13, fore=-74, front=True), 0.10),
    (Arm(upper=16, fore=-12, front=False), 0.06),
)


def sample_person(rng: np.random.Generator, figure: Figure, *, full_length: float = 0.12) -> Person:
    """Somebody; `full_length` is the share of pictures that show the shoes."""
    whole = rng.random() < full_length
    zoom = float(rng.uniform(0.90, 0.93) if whole else rng.uniform(1.30, 1.55))
    head_room = float(rng.uniform(0.035, 0.05) if whole else rng.uniform(0.03, 0.09))
    horizon = head_room + zoom * 0.9 if whole else float(rng.uniform(0.78, 0.92))
    styles = HAIRSTYLES[figure]
    return Person(
        body=Body(
            figure=figure,
            build=float(np.clip(rng.normal(1.0, 0.09), 0.86, 1.22)),
            arms=(_arm(rng), _arm(rng)),
            stance=float(rng.uniform(0.028, 0.055)),
        ),
        skin=palette.jittered(rng, palette.SKIN[rng.integers(len(palette.SKIN))], amount=0.7),
        hair=palette.jittered(rng, palette.HAIR[rng.integers(len(palette.HAIR))], amount=0.7),
        style=styles[rng.integers(len(styles))],
        beard=figure == "men" and bool(rng.random() < 0.35),
        bottoms=_calm(rng, sample_garment(rng, f"{figure}-bottoms")),
        shoes=sample_garment(rng, f"{figure}-shoes"),
        background=sample_background(rng, horizon=horizon),
        zoom=zoom,
        head_room=head_room,
        aside=float(rng.normal(0, 0.012)),
        lean=float(rng.normal(0, 0.035)),
        sway=float(rng.normal(0, 0.008)),
    )


def _arm(rng: np.random.Generator) -> Arm:
    arm = ARMS[rng.choice(len(ARMS), p=[share for _, share in ARMS])][0]
    return Arm(upper=arm.upper + float(rng.normal(0, 2)), fore=arm.fore + float(rng.normal(0, 3)), front=arm.front)


def _calm(rng: np.random.Generator, garment: GarmentSpec) -> GarmentSpec:
    """Most people wear something plain below a top that they want to be seen in."""
    if garment.paint.pattern == "denim" or rng.random() < 0.3:
        return garment
    return replace(garment, paint=replace(garment.paint, pattern="solid"))


def draw_person(person: Person, garment: GarmentSpec, *, height: int) -> tuple[Image.Image, Image.Image]:
    """`person` in the top `garment`: the picture (RGB) and what shows of it (L), height x 3/4 height."""
    view = view_of(person, height=height)
    canvas = Canvas(view, draw_background(person.background, height=height, width=view.width))
    dress(canvas, person, garment)
    return canvas.picture(), canvas.mask()


def view_of(person: Person, *, height: int) -> View:
    """Where figure coordinates land on a picture of `person`."""
    width = round(height * ASPECT)
    return View(
        height=height,
        width=width,
        scale=person.zoom * height,
        left=width / 2 + person.aside * height,
        top=person.head_room * height,
        lean=person.lean,
        sway=person.sway,
    )


def dress(canvas: Canvas, person: Person, garment: GarmentSpec) -> None:
    """Paint `person` in the top `garment`, from back to front."""
    if garment.part != "tops":
        raise ValueError(f"garment: a person wears tops, not {garment.category!r}")
    body, worn = person.body, top(garment, person.body)
    canvas.paint(hair_behind(person.style, person.hair))
    canvas.paint(_lower_body(person))
    arms = list(zip((-1, 1), body.arms, worn.sleeves, strict=True))
    for side, arm, _ in arms:
        if not arm.front:
            canvas.paint(_arm_pieces(person, side))
    canvas.paint(_trunk(person))
    canvas.paint(bottom(person.bottoms, body))
    for _, arm, sleeve in arms:
        if not arm.front:
            canvas.paint(sleeve, worn=True)
    canvas.paint(worn.trunk, worn=True)
    for side, arm, sleeve in arms:
        if arm.front:
            canvas.paint(_arm_pieces(person, side))
            canvas.paint(sleeve, worn=True)
    canvas.paint(head(person.figure, person.skin, person.hair, person.style, beard=person.beard))
    canvas.paint(hair_in_front(person.style, person.hair))


def _skin(person: Person) -> Paint:
    return Paint(colour=person.skin, shine=0.04)


def _arm_pieces(person: Person, side: int) -> list[Piece]:
    joints = person.body.arm_joints(side)
    radii = person.body.arm_radii
    toward = (joints[2] - joints[1]) / FOREARM
    palm = joints[2] + 0.022 * toward
    tip = joints[2] + 0.052 * toward
    hand = (*limb(np.array([joints[2], palm, tip]), (radii[2], radii[2] + 0.003, 0.009)),)
    inward = np.array([-side * 0.010, 0.004])
    thumb = limb(np.array([joints[2] + 0.008 * toward, palm + inward + 0.010 * toward]), (0.008, 0.005))
    return [Piece(outlines=(*limb(joints, radii), *hand, *thumb), paint=_skin(person), volume=0.014, relief=0.28)]


def _trunk(person: Person) -> list[Piece]:
    """Neck, shoulders and trunk in skin."""
    b = person.body
    side = join(
        spline(
            [
                (b.neck, 0.105),
                (b.neck, 0.145),
                (b.neck + 0.010, NECK_Y),
                (0.6 * b.shoulder, 0.171),
                (b.shoulder - 0.008, SHOULDER_Y + 0.006),
            ]
        ),
        spline(
            [
                (b.shoulder - 0.008, SHOULDER_Y + 0.006),
                (b.chest + 0.002, 0.235),
                (b.chest - 0.002, 0.27),
                (b.waist, WAIST_Y),
                (b.hip, HIP_Y),
                (b.hip - 0.01, CROTCH_Y),
            ]
        ),
    )
    paint = _skin(person)
    shadow = spline(
        [(-b.neck, 0.120), (0, 0.146), (b.neck, 0.120), (b.neck, 0.140), (0, 0.160), (-b.neck, 0.140)],
        closed=True,
    )
    collarbones = tuple(ellipse(s * 0.036, 0.181, 0.026, 0.0022, turn=s * 0.16) for s in (-1, 1))
    return [
        Piece(outlines=(join(side, mirrored(side)),), paint=paint, volume=0.020, relief=0.26),
        Piece(
            outlines=(shadow,),
            paint=paint.darker(0.70),
            relief=0,
            opacity=0.6,
            blur=0.004,
            clip=(join(side, mirrored(side)),),
        ),
        Piece(outlines=collarbones, paint=paint.darker(0.75), relief=0, opacity=0.4),
    ]


def _lower_body(person: Person) -> list[Piece]:
    b = person.body
    floor = Piece(
        outlines=(ellipse(0.01, 0.998, 0.12, 0.016),),
        paint=Paint(colour=(0.2, 0.2, 0.22)),
        relief=0,
        opacity=0.35,
        blur=0.012,
    )
    legs = [
        Piece(outlines=limb(b.leg_joints(s), b.leg_radii), paint=_skin(person), volume=0.018, relief=0.3)
        for s in (-1, 1)
    ]
    return [floor, *legs, *feet(person.shoes, b)]
