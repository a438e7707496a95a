"""Schedules: the learning rate as a pure function of the step."""

from typing import Annotated

from pydantic import Field

from trainkit.part import Part, Registry


class Schedule(Part):
    """The learning rate as a function of the step."""

    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the training in which the rate first climbs from near zero to its full value."""

    def factor(self, step: int, total: int) -> float:
        """What the learning rate is multiplied by at ``step`` (from 0) of ``total``."""
        climb = round(self.warmup * total)
        if step < climb:
            return (step + 1) / climb
        return self.after_warmup((step - climb) / max(1, total - climb))

    def after_warmup(self, progress: float) -> float:
        """The factor once warm, at ``progress`` from 0 to 1."""
        raise NotImplementedError


schedules = Registry("schedules", "schedule", Schedule, default="constant")
AnySchedule = Annotated[Schedule, schedules]
