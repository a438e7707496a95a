"""Metric: Hamming loss."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class Hamming(Metric):
    """Share of all yes and no that are wrong."""

    name: Literal["hamming"] = "hamming"
    targets: ClassVar[tuple[Target, ...]] = ("labels",)
    better: ClassVar[Better] = "lower"

    def measure(self, judged: Judged) -> float:
        return float((judged.answers != judged.truth).double().mean())
