"""Metric: macro F1."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class MacroF1(Metric):
    """F1 (harmonic mean of precision and recall), averaged over the classes: each class counts alike.

    The mean goes over the classes or labels that are true or answered in some row, as scikit-learn's macro; 0 without any.
    """

    name: Literal["macro_f1"] = "macro_f1"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        return judged.tally.macro(judged.tally.f1)
