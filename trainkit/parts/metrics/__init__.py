"""Metrics: what is measured of the answers to a whole split, besides the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainkit.part import Part, Registry
from trainkit.spec import Spec, Target

if TYPE_CHECKING:
    from torch import Tensor

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Tally:
    """For each class or label, how many rows have it: three counts, float64 (classes,). Shares of no rows are 0."""

    right: Tensor
    """Answered, and true."""
    answered: Tensor
    true: Tensor

    @property
    def precision(self) -> Tensor:
        """(classes,): the share of the answers that are true."""
        return self.right / self.answered.clamp(min=1)

    @property
    def recall(self) -> Tensor:
        """(classes,): the share of the true rows that are answered."""
        return self.right / self.true.clamp(min=1)

    @property
    def f1(self) -> Tensor:
        """(classes,): the harmonic mean of precision and recall."""
        return 2 * self.right / (self.answered + self.true).clamp(min=1)

    def macro(self, shares: Tensor) -> float:
        """Mean over the classes that are true or answered in some row (as scikit-learn's macro); 0 where there is none."""
        return float(shares.sum() / ((self.answered + self.true) > 0).sum().clamp(min=1))  # where there are none, shares are 0


@dataclass(frozen=True)
class Judged:
    """The answers to a whole split beside the truth: what a metric looks at. All on the CPU, computed when asked for."""

    spec: Spec
    outputs: Tensor
    """(rows, outputs): the network's own numbers, still on its device."""
    answers: Tensor
    """(rows,) int64 class numbers, (rows, labels) int64 0 and 1, or (rows, targets) float64 amounts in their own units."""
    truth: Tensor
    """What the answers should have been, in the same shape and type."""

    @cached_property
    def scores(self) -> Tensor:
        """float64: chances (rows, classes) that add up to 1, chances (rows, labels), or amounts (rows, targets)."""
        from torch.nn.functional import pad

        if self.spec.target == "number":
            return self.answers
        outputs = self.outputs.detach().cpu().double()
        if self.spec.target == "labels":
            return outputs.sigmoid()
        if outputs.shape[1] == 1:  # the log odds of the second of two classes
            outputs = pad(outputs, (1, 0))
        return outputs.softmax(dim=1)

    @cached_property
    def confusion(self) -> Tensor:
        """(classes, classes) int64 counts: rows are the truth, columns the answers."""
        return confusion(self.answers, self.truth, len(self.spec.classes))

    @cached_property
    def tally(self) -> Tally:
        """The counts behind precision, recall and F1, of classes or of labels."""
        if self.spec.target == "class":
            counts = self.confusion.double()
            return Tally(counts.diagonal(), counts.sum(dim=0), counts.sum(dim=1))
        answers, truth = self.answers.double(), self.truth.double()
        return Tally((answers * truth).sum(dim=0), answers.sum(dim=0), truth.sum(dim=0))

    def one_against_rest(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each class or label: its (rows,) scores, and (rows,) bool whether it is true. Left out: never or always true."""
        import torch

        columns = self.truth[:, None] == torch.arange(len(self.spec.classes)) if self.spec.target == "class" else self.truth.bool()
        for scores, true in zip(self.scores.T, columns.T, strict=True):
            if true.any() and not true.all():
                yield scores, true


def confusion(answers: Tensor, truth: Tensor, classes: int) -> Tensor:
    """(classes, classes) counts: rows are the truth, columns the answers. Both are (rows,) int64."""
    return (truth * classes + answers).bincount(minlength=classes * classes).reshape(classes, classes)


class Metric(Part):
    """What is measured of the answers to a whole split."""

    targets: ClassVar[tuple[Target, ...]]
    """The kinds of target it works on: class, number, labels."""
    better: ClassVar[Better]
    """Which way is better."""

    @property
    def label(self) -> str:
        """Under which name it is shown; the same metric with other settings may need another one."""
        return self.name

    def measure(self, judged: Judged) -> float:
        """A finite number for every split, also where a class has no row or all answers are alike."""
        raise NotImplementedError


metrics = Registry("metrics", "metric", Metric, must="measure")
AnyMetric = Annotated[Metric, metrics]


def default_metrics(*names: str) -> Any:
    """For a task's field: these metrics, with their defaults."""
    return Field(default_factory=lambda: tuple(metrics.read(name) for name in names))
