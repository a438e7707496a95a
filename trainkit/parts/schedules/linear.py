"""Schedule: linear."""

from typing import Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Linear(Schedule):
    """Falls in a straight line to the end."""

    name: Literal["linear"] = "linear"
    final: float = Field(default=0.0, ge=0, le=1)
    """Share of the rate that is left at the end."""

    def after_warmup(self, step: int, total: int) -> float:
        return 1 - (1 - self.final) * step / total
