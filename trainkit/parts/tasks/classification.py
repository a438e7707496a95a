"""Task: classification, one class out of two or more."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.metrics import AnyMetric, default_metrics
from trainkit.parts.tasks import tasks
from trainkit.parts.tasks._supervised import BuiltSupervised, Supervised
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor


@tasks.register
class Classification(Supervised):
    """One class out of two or more; the answer is the class with the largest output."""

    name: Literal["classification"] = "classification"
    loss: AnyLoss = Field(default_factory=lambda: losses.read("cross_entropy"))
    """What training makes small."""
    metrics: tuple[AnyMetric, ...] = default_metrics("accuracy")
    """What is measured besides the loss; macro_f1 always is."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, le=1e6)]] = "none"
    """How much each class counts: none (by its rows), balanced (all classes alike), or a weight by class name (others 1)."""
    target: ClassVar[Target] = "class"
    always: ClassVar[tuple[str, ...]] = ("macro_f1",)

    def build(self, spec: Spec) -> BuiltClassification:
        return BuiltClassification(self, spec, self._weights(spec))

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
                near = get_close_matches(name, spec.classes, 1)
                raise ConfigError(
                    f"there is no class {name!r} in the data.",
                    key=("task", "class_weights", name),
                    suggestion=f"{f'Did you mean {near[0]}? ' if near else ''}The classes are: {', '.join(spec.classes[:20])}.",
                )
        return torch.tensor([self.class_weights.get(name, 1.0) for name in spec.classes], dtype=torch.float64)


class BuiltClassification(BuiltSupervised):
    """(rows, classes) outputs, or (rows, 1): the log odds of the second of two classes. Targets are (rows,) int64."""

    def answers(self, outputs: Tensor) -> Tensor:
        """(rows,) int64 class numbers."""
        return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)

    def truth(self, targets: Tensor) -> Tensor:
        """(rows,) int64 class numbers."""
        return targets

    def guess(self, targets: Tensor) -> Tensor:
        """Each class as likely as in the training split, so the answer is the most frequent one."""
        import torch

        chances = torch.tensor(self.spec.counts).double().log()
        odds = chances if self.spec.outputs > 1 else chances[1:] - chances[0]
        return odds.expand(len(targets), -1)
