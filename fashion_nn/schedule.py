"""Values that change over a training: pure functions of the step."""

import math


def cosine(first: float, last: float, step: int, steps: int) -> float:
    """From `first` at step 0 along half a cosine to `last` at `steps` and after; always `first` if `steps` is 0."""
    if not steps:
        return first
    share = min(step / steps, 1.0)
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))
