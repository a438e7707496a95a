"""Task: regression, one or more amounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.errors import ConfigError
from trainkit.part import fault
from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.tasks import Better, Task, tasks
from trainkit.spec import Batch, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn


@tasks.register
class Regression(Task):
    """One or more amounts; trained on standardised targets, measured and answered in their own units."""

    name: Literal["regression"] = "regression"
    loss: AnyLoss = Field(default_factory=lambda: losses.read("mse"))
    """What training makes small, on standardised targets."""
    target: ClassVar[Literal["class", "number"]] = "number"
    measures: ClassVar[Mapping[str, Better]] = {"mae": "lower", "rmse": "lower", "r2": "higher"}

    @model_validator(mode="after")
    def _loss_fits(self) -> Regression:
        if self.loss.target != "number":
            raise fault(("loss",), f"the loss {self.loss.name} compares classes, and regression has amounts: use mse, l1 or huber")
        return self

    def build(self, spec: Spec) -> BuiltRegression:
        return BuiltRegression(self.loss.build(None), spec)


class BuiltRegression:
    """A loss on (rows, targets) outputs against standardised targets of the same shape."""

    def __init__(self, loss: nn.Module, spec: Spec) -> None:
        self.loss, self.spec = loss, spec

    def to(self, device: Any, dtype: Any) -> None:
        """Nothing to move."""

    def __call__(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        outputs = network(batch.inputs)
        if outputs.shape != batch.targets.shape:  # torch would broadcast (rows, 1) against (rows,) without a word
            raise ConfigError(
                f"the model answers with shape {tuple(outputs.shape)}, and the targets have {tuple(batch.targets.shape)}.",
                key=("model",),
                suggestion="End it with spec.outputs numbers a row.",
            )
        return {"loss": self.loss(outputs, batch.targets), "outputs": outputs}

    def weight(self, batch: Batch) -> int | Tensor:
        """Rows."""
        return len(batch.rows)

    def answers(self, outputs: Tensor) -> Tensor:
        """(rows, targets) in the targets' own units, float64 on the CPU."""
        outputs = outputs.cpu().double()
        return outputs * outputs.new_tensor(self.spec.scale) + outputs.new_tensor(self.spec.center)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Mean absolute error, root mean squared error, R²: means over the targets."""
        truth = self.answers(targets)
        error = self.answers(outputs) - truth
        spread = (truth - truth.mean(dim=0)).square().sum(dim=0)
        squared = error.square()
        # One row, or all alike: nothing to explain. scikit-learn says 0 there as well, unless the answer is exact.
        varied = (truth != truth[0]).any(dim=0)  # the mean of equal numbers may differ from them by its rounding
        r2 = (1 - squared.sum(dim=0) / spread).where(varied, (squared.sum(dim=0) == 0).double())
        return {"mae": float(error.abs().mean()), "rmse": float(squared.mean(dim=0).sqrt().mean()), "r2": float(r2.mean())}

    def baseline(self, targets: Tensor) -> dict[str, float]:
        """Always the training split's mean: 0 once standardised."""
        return self.metrics(targets.new_zeros(targets.shape), targets)
