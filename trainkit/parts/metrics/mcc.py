"""Metric: Matthews correlation coefficient."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class MCC(Metric):
    """Correlation of answers and truth: 1 all right, 0 no better than chance (Matthews 1975).

    For more than two classes as Gorodkin 2004 (doi 10.1016/j.compbiolchem.2004.09.006). 0 where all rows or all answers
    are of one class.
    """

    name: Literal["mcc"] = "mcc"
    targets: ClassVar[tuple[Target, ...]] = ("class",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        counts = judged.confusion.double()
        true, answered, rows = counts.sum(dim=1), counts.sum(dim=0), counts.sum()
        shared = counts.trace() * rows - (true * answered).sum()
        spread = (rows**2 - (true**2).sum()) * (rows**2 - (answered**2).sum())
        return float(shared / spread.sqrt()) if spread else 0.0
