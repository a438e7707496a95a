"""Metric: mean absolute percentage error."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class MAPE(Metric):
    """Mean absolute error as a share of the true amount: 0.1 is ten percent.

    Huge where a true amount is 0, as scikit-learn's.
    """

    name: Literal["mape"] = "mape"
    targets: ClassVar[tuple[Target, ...]] = ("number",)
    better: ClassVar[Better] = "lower"

    def measure(self, judged: Judged) -> float:
        from torch import finfo

        share = (judged.answers - judged.truth).abs() / judged.truth.abs().clamp(min=finfo(judged.truth.dtype).eps)
        return float(share.mean())
