"""Schedules: the learning rate as a pure function of the step, and of what the evaluations brought."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.part import Part, Registry

Count = Annotated[int, Field(ge=1, le=10**12)]


class Schedule(Part):
    """The learning rate as a function of the step."""

    warmup: Annotated[float, Field(ge=0, lt=1)] | Count = 0.0
    """Share of the training, such as 0.05, or number of steps, in which the rate first climbs from near zero."""

    reacts: ClassVar[bool] = False
    """Does the rate also depend on the evaluations? Then its curve is not known ahead."""

    def factor(self, step: int, total: int) -> float:
        """What the learning rate is multiplied by at ``step`` (from 0) of ``total``."""
        climb = steps(self.warmup, total)
        left = max(1, total - climb)
        if step < climb:
            return (step + 1) / climb * self.after_warmup(0, left)
        return self.after_warmup(step - climb, left)

    def after_warmup(self, step: int, total: int) -> float:
        """The factor once warm, at ``step`` (from 0) of the ``total`` steps after the warm-up."""
        raise NotImplementedError

    def check(self, total: int, per_epoch: int | None = None) -> None:
        """Raises ConfigError when this schedule is longer than the training of ``total`` steps, ``per_epoch`` in an epoch."""
        climb = steps(self.warmup, total)
        if climb > total:
            raise too_long("warmup", f"a warm-up of {climb} steps is longer than the training of {total}", climb, per_epoch)

    def hear(self, memory: dict[str, Any], value: float, higher: bool) -> dict[str, Any]:
        """What is remembered after an evaluation that brought ``value``; ``higher``: more is better. At first: ``{}``."""
        return memory

    def reaction(self, memory: dict[str, Any]) -> float:
        """What the rate is multiplied by besides `factor`, after what was heard."""
        return 1.0


def steps(amount: float, total: int) -> int:
    """A number of steps as it is, or a share of ``total`` in steps."""
    return amount if isinstance(amount, int) else round(amount * total)


def too_long(key: str, what: str, count: int, per_epoch: int | None) -> ConfigError:
    """The error of a setting whose ``count`` steps are more than there are."""
    epochs = f": {count} steps are {count / per_epoch:.3g} epochs" if per_epoch else ""
    mend = f"Give fewer steps or a share such as 0.1, or train longer{epochs}."
    return ConfigError(f"{what}.", key=("schedule", key), suggestion=mend)


schedules = Registry("schedules", "schedule", Schedule, default="constant", must=None)
AnySchedule = Annotated[Schedule, schedules]
