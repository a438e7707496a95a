"""Schedule: plateau."""

from math import inf
from typing import Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Plateau(Schedule):
    """Falls when evaluations bring nothing better, by what early stopping watches, else by the loss."""

    name: Literal["plateau"] = "plateau"
    gamma: float = Field(default=0.5, gt=0, lt=1)
    """What the rate is multiplied by each time."""
    patience: int = Field(default=5, gt=0, le=10**9)
    """So many evaluations in a row without anything better make it fall."""
    min_delta: float = Field(default=0.0, ge=0)
    """A smaller change does not count as better."""
    min_factor: float = Field(default=0.001, ge=0, le=1)
    """Share of the rate that is always left."""

    reacts: ClassVar[bool] = True

    def after_warmup(self, step: int, total: int) -> float:
        return 1.0

    def hear(self, memory: dict[str, Any], value: float, higher: bool) -> dict[str, Any]:
        """NaN is never better. A memory without ``best`` takes the next value as the best."""
        best, stale, factor = memory.get("best"), memory.get("stale", 0), self.reaction(memory)
        sign = 1.0 if higher else -1.0
        if sign * value > (-inf if best is None else sign * best + self.min_delta):  # False for NaN
            return {"best": value, "stale": 0, "factor": factor}
        if stale + 1 < self.patience:
            return {"best": best, "stale": stale + 1, "factor": factor}
        return {"best": best, "stale": 0, "factor": max(factor * self.gamma, self.min_factor)}

    def reaction(self, memory: dict[str, Any]) -> float:
        return float(memory.get("factor", 1.0))
