"""Schedule: cosine."""

from math import cos, pi
from typing import Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Cosine(Schedule):
    """Falls along half a cosine to the end (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts)."""

    name: Literal["cosine"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)
    """Share of the rate that is left at the end."""

    def after_warmup(self, step: int, total: int) -> float:
        return self.final + (1 - self.final) * (1 + cos(pi * step / total)) / 2
