"""Schedule: one cycle."""

from math import cos, pi
from typing import Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class OneCycle(Schedule):
    """Rises to the full rate, then falls to almost nothing (Smith and Topin 2019, arXiv 1708.07120); momentum stays as it is."""

    name: Literal["onecycle"] = "onecycle"
    rise: float = Field(default=0.3, gt=0, lt=1)
    """Share of the training, after the warm-up, in which the rate rises."""
    start: float = Field(default=25.0, ge=1, le=1e12)
    """It begins with the rate divided by this."""
    end: float = Field(default=1e4, ge=1, le=1e12)
    """It ends with the first rate divided by this."""

    def after_warmup(self, step: int, total: int) -> float:
        last = total - 1
        peak = max(0.0, self.rise * total - 1)  # between two steps, as a rule
        if step < peak:
            return _wave(1 / self.start, 1, step / peak)
        return _wave(1, 1 / (self.start * self.end), (step - peak) / ((last - peak) or 1))


def _wave(first: float, last: float, progress: float) -> float:
    """From first to last along half a cosine."""
    return first + (last - first) * (1 - cos(pi * progress)) / 2
