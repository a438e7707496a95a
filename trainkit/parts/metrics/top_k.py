"""Metric: top-k accuracy."""

from typing import ClassVar, Literal

from pydantic import Field

from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.spec import Target


@metrics.register
class TopK(Metric):
    """Share of rows whose true class is among the k likeliest."""

    name: Literal["top_k"] = "top_k"
    k: int = Field(default=5, gt=0)
    """How many classes a row may name; of equally likely ones, the first."""
    targets: ClassVar[tuple[Target, ...]] = ("class",)
    better: ClassVar[Better] = "higher"

    @property
    def label(self) -> str:
        """``top_3`` for a k of 3."""
        return f"top_{self.k}"

    def measure(self, judged: Judged) -> float:
        likeliest = judged.scores.argsort(dim=1, descending=True, stable=True)[:, : self.k]
        return float((likeliest == judged.truth[:, None]).any(dim=1).double().mean())
