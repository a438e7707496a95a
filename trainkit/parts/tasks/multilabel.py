"""Task: multilabel, any number of labels a row."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.metrics import AnyMetric, default_metrics
from trainkit.parts.tasks import tasks
from trainkit.parts.tasks._supervised import BuiltSupervised, Supervised
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor


@tasks.register
class Multilabel(Supervised):
    """Any number of labels a row; each is answered when its chance is above a threshold."""

    name: Literal["multilabel"] = "multilabel"
    loss: AnyLoss = Field(default_factory=lambda: losses.read("bce"))
    """What training makes small."""
    metrics: tuple[AnyMetric, ...] = default_metrics("subset_accuracy", "hamming")
    """What is measured besides the loss; macro_f1 always is."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """A label with a chance above this is answered."""
    target: ClassVar[Target] = "labels"
    always: ClassVar[tuple[str, ...]] = ("macro_f1",)

    def build(self, spec: Spec) -> BuiltMultilabel:
        return BuiltMultilabel(self, spec, log(self.threshold / (1 - self.threshold)))


class BuiltMultilabel(BuiltSupervised):
    """(rows, labels) outputs, the log odds of each label, against targets of 0 and 1."""

    def __init__(self, task: Multilabel, spec: Spec, least: float) -> None:
        super().__init__(task, spec)
        self.least = least
        """Log odds above which a label is answered."""

    def answers(self, outputs: Tensor) -> Tensor:
        """(rows, labels) int64: 1 for a label that is answered."""
        return (outputs > self.least).long()

    def truth(self, targets: Tensor) -> Tensor:
        """(rows, labels) int64."""
        return targets.long()

    def guess(self, targets: Tensor) -> Tensor:
        """Each label as likely as it is in the training split."""
        shares = targets.new_tensor(self.spec.counts, dtype=targets.dtype).cpu().double() / max(1, self.spec.rows)
        return shares.logit(eps=1e-9).expand(len(targets), -1)
