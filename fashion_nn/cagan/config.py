"""What a CAGAN run is made of. Figures of `paper`: Jetchev & Bergmann, 2017 (figure 3 and section 3)."""

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

from fashion_nn import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class CAGANConfig:
    """Networks, loss and training of one try-on network. Sizes in pixels, rates per step.

    What the article left open is off by default; each says here why one may want it.

    colours: "lab": networks and cycle see Lab, whose distances are those of the eye, and where a shade of light moves
    one channel of three.
    given_mask: what a mask that is given at inference does: "override" takes the place of the learnt one, for who has
    segmented; "prior" is weighed against it, for who has drawn roughly.
    embedding: how many numbers, pooled over the wanted garment's picture, scale and shift the way down: convolutions
    compare what is at one place, and a garment is elsewhere in its picture than on its person.
    warp: carries the wanted garment's own pixels to where they belong and lets a mask of their own choose them: fine
    texture, which painting loses, is copied.
    placement: a warp begins with one map of the whole garment, told from all that the network sees at once. Without,
    convolutions carry it from pixel to pixel, and find it late.
    matched: a warp begins by looking up, for each place of the person, which place of the garment it is, and carries
    what it knows of the garment beside its pixels. Neither has to come from afar, pixel by pixel.
    detail: garments are given to a warp so many times as fine as persons, and each pixel that is carried is the mean of
    detail × detail places: from a picture no finer than the result, a moved pattern comes out blurred.
    finish: the last layer sees the pictures themselves, and the garment as it was bent so far. The article's paints
    from features of half the size, which know an outline to two pixels.
    groups: of garments ("upper", "lower", "dress") that are put on, each in exchange for its like; with several, the
    embedding knows which. Without, all pairs are taken for one kind.
    total_variation_weight: for outlines that are short: a mask without holes and specks.
    saturation_weight: against masks that die: G begins by painting what no one wants, learns to paint nowhere, and a
    sigmoid that has become sure of it hands on no gradient by which to learn otherwise.
    taught: the way back begins with the fitting as a given picture, a part of the batch with a person on whom a patch
    of another garment was laid, and a few as they are. All must end in the known picture of the person in their own
    garment, so that mask and painting are learnt from true pairs (see `patches`), and what is worn already is left; and
    the way there cannot hide what the way back needs, as a cycle that trains both ways does (Chu et al., 2017).
    transplants: after the warm-up a taught way back begins where nothing of the person's own garment is left, instead
    of with a fitting, which keeps sleeves that it overlooked (see `transplants`).
    truths: every person of the data is shown in a second garment, too, as a drawn or rendered world knows them, or a
    studio that dresses a dummy: a fitting is compared with that, and no way back is needed. Shops' photographs have
    none; `taught` is what comes nearest to it with pairs alone.
    origins_weight: of where in its own picture each pixel of a wanted garment is, as a drawn or rendered world knows.
    Stripes and checks look alike at many places, so that likeness alone leads a warp to the nearest of them.
    segmented_weight: of masks of the garments worn, for pairs that have one: all that is worn must go, of which sleeves
    are overlooked most often, and little else, for what is wanted may be larger.
    structure_weight: of 1 − SSIM of the picture that is known: outlines and folds, which a mean error hardly sees.
    adversarial: "least-squares" and "hinge" saturate later than "log".
    discriminator_norm, penalty_weight: two ways to keep D from being steeper than G can follow. Instance normalisation
    hides how strong a colour is; spectral does not.
    variety: for few pairs: share of them that is mirrored, relit, moved (see `variety`).
    start: a finished run with whose generator this one begins: what drawn persons taught it serves photographs, too.
    Parts that it had not (`matched`, an `embedding`) begin from noise beside it.
    warm_up: the adversarial term and L_id grow over the first steps, so that a taught G can paint before it is judged.
    average_decay: what is kept for use is a moving average of G; 0 keeps the last weights, as the article does.
    """

    height: int = 128  # pixels; persons are upright
    width: int = 96  # pixels
    generator_width: int = 64  # channels of the first layer; doubles three times
    discriminator_width: int = 64  # likewise
    kernel: int = 5  # of the stride-2 convolutions; the article does not state it
    upsampling: Literal["transposed", "nearest", "smooth"] = "transposed"  # how G doubles its resolution
    colours: Literal["rgb", "lab"] = "rgb"
    given_mask: Literal["refused", "override", "prior"] = "refused"
    embedding: int = 0  # numbers; 0: none
    warp: bool = False
    placement: bool = False  # for a warp
    matched: bool = False  # for a warp, instead of a placement
    detail: int = 1  # times; for a warp
    finish: int = 0  # channels; 0: none
    groups: tuple[str, ...] = ()  # of the pairs' labels; empty: all pairs, as one kind
    discriminator_norm: Literal["instance", "spectral"] = "instance"

    adversarial: Literal["log", "least-squares", "hinge"] = "log"
    identity_weight: float = 0.1  # γ_i
    cycle_weight: float = 1.0  # γ_c
    total_variation_weight: float = 0.0
    saturation_weight: float = 0.0
    texture_weight: float = 1.0  # of the carried garment's likeness to the worn one; for a warp
    roughness_weight: float = 0.1  # of the flow's kinks and folds, pixels; for a warp
    taught: bool = False
    transplants: bool = False
    truths: bool = False
    origins_weight: float = 0.0  # a pixel off counts so much; for a warp with truths
    segmented_weight: float = 0.0
    structure_weight: float = 0.0
    penalty_weight: float = 0.0  # R1's γ
    penalised_every: int = 16  # steps
    worn_dropout: float = 0.0  # share of pairs whose worn garment is blanked; above 0 it may be missing at inference
    variety: float = 0.0
    start: str = ""  # a run's name; empty: from noise
    warm_up: int = 0  # steps

    batch_size: int = 16  # pairs, over all workers
    steps: int = 10_000  # one discriminator and one generator update each
    generator_rate: float = 2e-4  # Adam
    discriminator_rate: float = 2e-4  # Adam
    last_rate_share: float = 1.0  # of both rates, reached along half a cosine at the end
    beta1: float = 0.5
    beta2: float = 0.999
    average_decay: float = 0.0  # of the generator's moving average
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0

    report_every: int = 50  # steps
    checkpoint_every: int = 1_000  # steps
    sheet_every: int = 500  # steps

    def __post_init__(self) -> None:
        checks.multiple_of("height", self.height, 16)
        checks.multiple_of("width", self.width, 16)
        checks.one_of("kernel", self.kernel, (3, 5, 7))
        for field, kind in get_type_hints(type(self)).items():
            if get_origin(kind) is Literal:
                checks.one_of(field, getattr(self, field), get_args(kind))
        checks.within("worn_dropout", self.worn_dropout, 0.0, 0.9)
        for field in ("variety", "average_decay", "last_rate_share"):
            checks.within(field, getattr(self, field), 0.0, 1.0)
        for field in ("beta1", "beta2"):
            checks.within(field, getattr(self, field), 0.0, 0.9999)
        for field in ("generator_width", "discriminator_width"):
            checks.at_least(field, getattr(self, field), 8)  # six channels of every layer are copies of the inputs
        for field in (each.name for each in fields(self) if each.name.endswith(("_weight", "_rate"))):
            checks.at_least(field, getattr(self, field), 0.0)
        for field in ("batch_size", "steps", "report_every", "checkpoint_every", "sheet_every", "penalised_every"):
            checks.at_least(field, getattr(self, field), 1)
        checks.within("detail", self.detail, 1, 8)
        for field in ("warm_up", "finish"):
            checks.at_least(field, getattr(self, field), 0)
        for option, needed in (
            ("transplants", "taught"),
            ("placement", "warp"),
            ("matched", "warp"),
            ("origins_weight", "truths"),
            ("origins_weight", "warp"),
        ):
            if getattr(self, option) and not getattr(self, needed):
                told = f"{option} is {getattr(self, option)}, but {needed} is False"
                raise ValueError(f"{told}, without which it has no place")
        if self.detail > 1 and not self.warp:
            raise ValueError(f"detail is {self.detail}, but warp is False, without which nothing is carried")
        if self.matched and self.placement:
            raise ValueError("placement is True, but matched is True, which finds the whole garment's place itself")
        for option in ("taught", "variety"):
            if self.truths and (value := getattr(self, option)):
                raise ValueError(f"{option} is {value}, but truths is True, which takes pictures as they are for known")
        checks.at_least("embedding", self.embedding, 1 if len(self.groups) > 1 else 0)
        if len(set(self.groups)) < len(self.groups):
            raise ValueError(f"groups is {self.groups}, but must name each group once")


def paper() -> CAGANConfig:
    """The article: 128×96, batches of 16, about 10,000 steps."""
    return CAGANConfig()


def paper_256() -> CAGANConfig:
    """The article's second size, 256×192."""
    return CAGANConfig(height=256, width=192)


def best() -> CAGANConfig:
    """What brought most for its cost, at the article's size; the model card has the figures."""
    return CAGANConfig(
        upsampling="smooth",
        given_mask="prior",
        embedding=32,
        warp=True,
        placement=True,
        taught=True,
        transplants=True,
        finish=48,
        segmented_weight=0.3,
        structure_weight=1.0,
        variety=0.3,
        saturation_weight=0.002,
        identity_weight=0.2,  # a D that has learnt its pairs by heart rewards painting on beyond the garment
        cycle_weight=3.0,
        texture_weight=2.0,
        warm_up=400,
        worn_dropout=0.2,
        beta2=0.99,  # a mask that was unlearnt has small gradients, which a long memory of large ones keeps small
        last_rate_share=0.02,
        average_decay=0.998,
    )


def best_256() -> CAGANConfig:
    """The same at the article's second size."""
    return replace(best(), height=256, width=192)


def demo() -> CAGANConfig:
    """The same for drawn persons at 64×48, trained in half an hour on one core.

    A kernel of three sees the same share of these pictures as one of five does of the article's.
    """
    return replace(
        best(),
        height=64,
        width=48,
        kernel=3,
        generator_width=32,
        discriminator_width=32,
        finish=24,
        batch_size=8,
        steps=2_000,
        generator_rate=5e-4,
        discriminator_rate=3e-4,
        checkpoint_every=500,
    )


def shipped() -> CAGANConfig:
    """What the demonstration brings along: `demo`, taught by drawings of its persons in second garments.

    Where the right picture is known, D is not needed to say what to paint, but against blur: all else weighs more; nor
    are masks needed, which know of the worn garment alone. With origins it is soon learnt where a garment's places are
    looked up, and it may be bent sharply, as at a shoulder. More pairs are needed than steps: tens of thousands.
    """
    return replace(
        demo(),
        placement=False,
        matched=True,
        detail=2,
        finish=48,
        truths=True,
        taught=False,
        transplants=False,
        segmented_weight=0.0,
        variety=0.0,
        identity_weight=0.06,
        cycle_weight=10.0,
        structure_weight=4.0,
        texture_weight=6.0,
        roughness_weight=0.1,
        origins_weight=1.0,
        saturation_weight=0.006,
        batch_size=32,
        steps=20_000,
        generator_rate=7e-4,
        discriminator_rate=4.2e-4,
    )


def debug() -> CAGANConfig:
    """Ten steps of tiny networks: to try the whole path in seconds."""
    return CAGANConfig(
        height=32,
        width=32,
        generator_width=8,
        discriminator_width=8,
        worn_dropout=0.2,
        batch_size=4,
        steps=10,
        report_every=2,
        checkpoint_every=5,
        sheet_every=5,
    )
