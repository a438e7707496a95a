"""Metric: balanced accuracy."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class BalancedAccuracy(Metric):
    """Recall, averaged over the classes that have rows: each class counts alike."""

    name: Literal["balanced_accuracy"] = "balanced_accuracy"
    targets: ClassVar[tuple[Target, ...]] = ("class",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        tally = judged.tally
        return float(tally.recall.sum() / (tally.true > 0).sum())
