"""Metric: R²."""

from typing import ClassVar, Literal

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class R2(Metric):
    """Share of the target's variance that is explained: 1 all, 0 as much as its mean does.

    The mean over the targets, where there are several. Of one row, or where all are alike, 1 for exact answers, else 0,
    as scikit-learn's.
    """

    name: Literal["r2"] = "r2"
    targets: ClassVar[tuple[Target, ...]] = ("number",)
    better: ClassVar[Better] = "higher"

    def measure(self, judged: Judged) -> float:
        truth = judged.truth
        squared = (judged.answers - truth).square().sum(dim=0)
        spread = (truth - truth.mean(dim=0)).square().sum(dim=0)
        varied = (truth != truth[0]).any(dim=0)  # the mean of equal numbers may differ from them by its rounding
        return float((1 - squared / spread).where(varied, (squared == 0).double()).mean())
