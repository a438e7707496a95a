"""Schedule: exponential."""

from typing import Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Exponential(Schedule):
    """Falls by the same ratio at every step."""

    name: Literal["exponential"] = "exponential"
    final: float = Field(default=0.01, gt=0, le=1)
    """Share of the rate that is left at the end."""

    def after_warmup(self, step: int, total: int) -> float:
        return float(self.final ** (step / total))
