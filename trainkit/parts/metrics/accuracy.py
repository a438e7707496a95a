"""Metric: accuracy."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class Accuracy(Metric):
    """Share of rows whose class is answered rightly."""

    name: Literal["accuracy"] = "accuracy"
    targets: ClassVar[tuple[Target, ...]] = ("class",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        return float((judged.answers == judged.truth).double().mean())
