"""Metric: area under the ROC curve."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class RocAuc(Metric):
    """Chance that a row of a class scores higher than one of the rest, averaged over the classes.

    The area under the ROC curve, each class or label against the rest, from ranks (Hanley and McNeil 1982,
    doi 10.1148/radiology.143.1.7063747). Left out: classes that no row or every row has; 0.5 where none is left.
    """

    name: Literal["roc_auc"] = "roc_auc"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        areas = []
        for scores, true in judged.one_against_rest():
            _, place, counts = scores.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
            ranks = (counts.cumsum(dim=0) - (counts.double() - 1) / 2)[place]  # equal scores share their mean rank
            yes, no = int(true.sum()), int((~true).sum())
            areas.append((float(ranks[true].sum()) - yes * (yes + 1) / 2) / (yes * no))
        return sum(areas) / len(areas) if areas else 0.5
