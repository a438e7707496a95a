"""Metric: recall."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class Recall(Metric):
    """Share of the rows of a class that are found, averaged over the classes.

    The mean goes over the classes or labels that are true or answered in some row, as scikit-learn's macro; 0 without any.
    """

    name: Literal["recall"] = "recall"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        return judged.tally.macro(judged.tally.recall)
