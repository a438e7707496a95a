"""Metric: mean absolute error."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class MAE(Metric):
    """Mean absolute error, in the target's own unit.

    The mean over the targets, where there are several.
    """

    name: Literal["mae"] = "mae"
    targets: ClassVar[tuple[Target, ...]] = ("number",)
    better: ClassVar[Better] = "lower"

    def measure(self, judged: Judged) -> float:
        return float((judged.answers - judged.truth).abs().mean())
