"""Metric: subset accuracy."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class SubsetAccuracy(Metric):
    """Share of rows all of whose labels are answered rightly."""

    name: Literal["subset_accuracy"] = "subset_accuracy"
    targets: ClassVar[tuple[Target, ...]] = ("labels",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        return float((judged.answers == judged.truth).all(dim=1).double().mean())
