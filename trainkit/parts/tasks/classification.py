"""Task: classification, one class out of two or more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.errors import ConfigError
from trainkit.part import fault
from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.tasks import Better, Task, tasks
from trainkit.spec import Batch, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn


@tasks.register
class Classification(Task):
    """One class out of two or more; the answer is the class with the largest output."""

    name: Literal["classification"] = "classification"
    loss: AnyLoss = Field(default_factory=lambda: losses.read("cross_entropy"))
    """What training makes small."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, le=1e6)]] = "none"
    """How much each class counts: none (by its rows), balanced (all classes alike), or a weight by class name (others 1)."""
    target: ClassVar[Literal["class", "number"]] = "class"
    measures: ClassVar[Mapping[str, Better]] = {"accuracy": "higher", "macro_f1": "higher"}

    @model_validator(mode="after")
    def _loss_fits(self) -> Classification:
        if self.loss.target != "class":
            raise fault(("loss",), f"the loss {self.loss.name} compares numbers, and classification has classes: use cross_entropy")
        return self

    def build(self, spec: Spec) -> BuiltClassification:
        weights = self._weights(spec)
        return BuiltClassification(self.loss.build(weights), spec, weights)

    def _weights(self, spec: Spec) -> Tensor | None:
        import torch

        if self.class_weights == "none":
            return None
        if self.class_weights == "balanced":
            counts = torch.tensor(spec.counts, dtype=torch.float64)
            return counts.sum() / (len(counts) * counts)
        assert isinstance(self.class_weights, dict)
        for name in self.class_weights:
            if name not in spec.classes:
                raise ConfigError(
                    f"there is no class {name!r} in the data.",
                    key=("task", "class_weights", name),
                    suggestion=f"The classes are: {', '.join(spec.classes[:20])}.",
                )
        return torch.tensor([self.class_weights.get(name, 1.0) for name in spec.classes], dtype=torch.float64)


class BuiltClassification:
    """Cross-entropy and its kin on (rows, classes) outputs."""

    def __init__(self, loss: nn.Module, spec: Spec, weights: Tensor | None) -> None:
        self.loss, self.spec, self.weights = loss, spec, weights

    def to(self, device: Any, dtype: Any) -> None:
        """Move the class weights."""
        self.loss = self.loss.to(device=device, dtype=dtype)
        self.weights = None if self.weights is None else self.weights.to(device=device, dtype=dtype)

    def __call__(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        outputs = network(batch.inputs)
        return {"loss": self.loss(outputs, batch.targets), "outputs": outputs}

    def weight(self, batch: Batch) -> int | Tensor:
        """Rows, or the sum of their classes' weights."""
        return len(batch.rows) if self.weights is None else self.weights[batch.targets].sum()

    def answers(self, outputs: Tensor) -> Tensor:
        """(rows,) int64 class numbers."""
        return outputs.argmax(dim=1)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Accuracy, and F1 averaged over the classes that are there or were answered (as scikit-learn's macro)."""
        return self._measure(confusion(self.answers(outputs), targets, len(self.spec.classes)))

    def baseline(self, targets: Tensor) -> dict[str, float]:
        """Always the training split's most frequent class."""
        most = max(range(len(self.spec.counts)), key=self.spec.counts.__getitem__)
        return self._measure(confusion(targets.new_full(targets.shape, most), targets, len(self.spec.classes)))

    def _measure(self, counts: Tensor) -> dict[str, float]:
        counts = counts.cpu().double()
        right, there = counts.diagonal(), counts.sum(dim=0) + counts.sum(dim=1)
        f1 = 2 * right[there > 0] / there[there > 0]
        return {"accuracy": float(right.sum() / counts.sum()), "macro_f1": float(f1.mean())}


def confusion(answers: Tensor, targets: Tensor, classes: int) -> Tensor:
    """(classes, classes) counts: rows are the truth, columns the answers. Both are (rows,) int64."""
    return (targets * classes + answers).bincount(minlength=classes * classes).reshape(classes, classes)
