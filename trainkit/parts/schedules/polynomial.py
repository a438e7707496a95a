"""Schedule: polynomial."""

from typing import Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Polynomial(Schedule):
    """Falls as a power of the steps that are left."""

    name: Literal["polynomial"] = "polynomial"
    power: float = Field(default=2.0, gt=0, le=100)
    """1 is a straight line; more falls faster at first."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Share of the rate that is left at the end."""

    def after_warmup(self, step: int, total: int) -> float:
        return float(self.final + (1 - self.final) * (1 - step / total) ** self.power)
