"""Schedule: step."""

from typing import Annotated, Literal

from pydantic import Field

from trainkit.parts.schedules import Count, Schedule, schedules, steps, too_long


@schedules.register
class Step(Schedule):
    """Falls at once, again and again, and stays in between."""

    name: Literal["step"] = "step"
    every: Annotated[float, Field(gt=0, lt=1)] | Count = 0.3
    """Share of the training after the warm-up, or number of steps, after which it falls each time."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """What the rate is multiplied by each time."""

    def after_warmup(self, step: int, total: int) -> float:
        return float(self.gamma ** (step // max(1, steps(self.every, total))))

    def check(self, total: int, per_epoch: int | None = None) -> None:
        super().check(total, per_epoch)
        left = total - steps(self.warmup, total)
        if isinstance(self.every, int) and self.every >= left:
            what = f"the rate would never fall: every {self.every} steps, and the training has {left} after the warm-up"
            raise too_long("every", what, self.every, per_epoch)
