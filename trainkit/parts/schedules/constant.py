"""Schedule: constant."""

from typing import Literal

from trainkit.parts.schedules import Schedule, schedules


@schedules.register
class Constant(Schedule):
    """The same rate throughout, after the warm-up."""

    name: Literal["constant"] = "constant"

    def after_warmup(self, step: int, total: int) -> float:
        return 1.0
