"""Task: regression, one or more amounts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.metrics import AnyMetric, default_metrics, metrics
from trainkit.parts.tasks import tasks
from trainkit.parts.tasks._supervised import BuiltSupervised, Supervised
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor

FIGURES = ("mae", "rmse", "r2")
"""What is measured unless other metrics are listed, and of each target by itself."""


@tasks.register
class Regression(Supervised):
    """One or more amounts; trained on standardised targets, measured and answered in their own units."""

    name: Literal["regression"] = "regression"
    loss: AnyLoss = Field(default_factory=lambda: losses.read("mse"))
    """What training makes small, on standardised targets."""
    metrics: tuple[AnyMetric, ...] = default_metrics(*FIGURES)
    """What is measured besides the loss, in the targets' own units."""
    target: ClassVar[Target] = "number"

    def build(self, spec: Spec) -> BuiltRegression:
        return BuiltRegression(self, spec)


class BuiltRegression(BuiltSupervised):
    """(rows, targets) outputs against standardised targets of the same shape."""

    def answers(self, outputs: Tensor) -> Tensor:
        """(rows, targets) in the targets' own units, float64 on the CPU."""
        outputs = outputs.cpu().double()
        return outputs * outputs.new_tensor(self.spec.scale) + outputs.new_tensor(self.spec.center)

    def truth(self, targets: Tensor) -> Tensor:
        """(rows, targets) in their own units, float64 on the CPU."""
        return self.answers(targets)

    def guess(self, targets: Tensor) -> Tensor:
        """The training split's mean: 0 once standardised."""
        return targets.new_zeros(targets.shape)

    def details(self, outputs: Tensor, targets: Tensor) -> dict[str, dict[str, float]]:
        """Errors of each target, where there are several."""
        judged, names = self.judged(outputs, targets), self.spec.target_names
        columns = [replace(judged, answers=judged.answers[:, [n]], truth=judged.truth[:, [n]]) for n in range(len(names))]
        return {
            name: {figure: metrics.read(figure).measure(column) for figure in FIGURES}
            for name, column in zip(names, columns, strict=True)
            if len(names) > 1
        }
