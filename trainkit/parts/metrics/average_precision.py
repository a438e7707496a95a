"""Metric: average precision."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class AveragePrecision(Metric):
    """Area under the curve of precision over recall, averaged over the classes: for rare ones.

    A sum of steps, nothing between them, as scikit-learn's. Left out: classes that no row or every row has; 0 where none
    is left.
    """

    name: Literal["average_precision"] = "average_precision"
    targets: ClassVar[tuple[Target, ...]] = ("class", "labels")
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        areas = []
        for scores, true in judged.one_against_rest():
            _, place, counts = scores.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
            found = place.bincount(weights=true.double()).flip(0)  # from the highest score down, equal ones together
            precision = found.cumsum(dim=0) / counts.flip(0).cumsum(dim=0)
            areas.append(float((precision * found).sum() / true.sum()))
        return sum(areas) / len(areas) if areas else 0.0
