"""Metric: micro F1."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class MicroF1(Metric):
    """F1 of all yes and no together, whatever their label.

    Of one class a row it would be the accuracy. 0 where no label is true or answered.
    """

    name: Literal["micro_f1"] = "micro_f1"
    targets: ClassVar[tuple[Target, ...]] = ("labels",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        tally = judged.tally
        return float(2 * tally.right.sum() / (tally.answered.sum() + tally.true.sum()).clamp(min=1))
