"""Metric: weighted F1."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class WeightedF1(Metric):
    """F1, averaged over the classes by their rows.

    0 where no row has a label.
    """

    name: Literal["weighted_f1"] = "weighted_f1"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        tally = judged.tally
        return float((tally.f1 * tally.true).sum() / tally.true.sum().clamp(min=1))
