"""Metric: root mean squared error."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class RMSE(Metric):
    """Root of the mean squared error, in the target's own unit.

    The mean over the targets, where there are several.
    """

    name: Literal["rmse"] = "rmse"
    targets: ClassVar[tuple[Target, ...]] = ("number",)
    better: ClassVar[Better] = "lower"

    def measure(self, judged: Judged) -> float:
        return float((judged.answers - judged.truth).square().mean(dim=0).sqrt().mean())
