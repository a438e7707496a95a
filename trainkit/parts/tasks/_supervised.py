"""What tasks with a loss share: the settings, and most of what they build."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from trainkit.errors import ConfigError, NumericError
from trainkit.part import fault
from trainkit.parts.losses import AnyLoss, losses
from trainkit.parts.metrics import Judged
from trainkit.parts.tasks import WORDS, Task, fitting, words
from trainkit.spec import Batch, Spec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Supervised(Task):
    """A loss between outputs and targets."""

    loss: AnyLoss
    """What training makes small."""

    @model_validator(mode="after")
    def _loss_fits(self) -> Self:
        if self.target not in self.loss.targets:
            what = f"the loss {self.loss.name} compares {words(self.loss.targets)}, and {self.name} has {WORDS[self.target]}"
            raise fault(("loss",), f"{what}: use {fitting(losses, self.target)}")
        return self

    def outputs(self, spec: Spec) -> int:
        """As many as the loss asks for."""
        return self.loss.outputs(spec)


class BuiltSupervised:
    """The loss and the metrics. A task adds what its outputs mean: answers, truth and guess."""

    def __init__(self, task: Supervised, spec: Spec, class_weights: Tensor | None = None) -> None:
        self.task, self.weights = task, class_weights
        self.spec = replace(spec, outputs=task.outputs(spec))
        self.loss = task.loss.build(class_weights)

    def to(self, device: Any, dtype: Any) -> None:
        """Move the class weights and the loss."""
        from torch import nn

        self.weights = None if self.weights is None else self.weights.to(device=device, dtype=dtype)
        self.loss = self.task.loss.build(self.weights)
        if isinstance(self.loss, nn.Module):
            self.loss.to(device=device, dtype=dtype)

    def __call__(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        outputs = batch.through(network)
        wanted = (len(batch), self.spec.outputs)
        if outputs.shape != wanted:  # torch would broadcast (rows, 1) against (rows,) without a word
            raise ConfigError(
                f"the model answers with shape {tuple(outputs.shape)}, and the task needs {wanted}.",
                key=("model",),
                suggestion="End it with spec.outputs numbers a row.",
            )
        exact = outputs if outputs.dtype.itemsize >= 4 else outputs.float()  # not every loss would leave bf16 by itself
        loss = self.loss(exact, batch.targets)
        if batch.others is not None:
            own, other = batch.share * self._counts(batch.targets), (1 - batch.share) * self._counts(batch.others)
            loss = (loss * own + self.loss(exact, batch.others) * other) / (own + other)
        if getattr(loss, "shape", None) != () or loss.requires_grad != exact.requires_grad:
            raise self._no_loss(loss)
        return {"loss": loss, "outputs": outputs}

    def _no_loss(self, loss: Any) -> ConfigError:
        what = f"a tensor of shape {tuple(loss.shape)}" if getattr(loss, "shape", None) else type(loss).__name__
        what = "a number that does not depend on the outputs" if getattr(loss, "shape", None) == () else what
        return ConfigError(
            f"the loss {self.task.loss.name} gives {what}, not the mean over the rows as one tensor that gradients flow through.",
            key=("task", "loss"),
            suggestion="End it with .mean(), say, and leave .item() and .detach() out.",
        )

    def weight(self, batch: Batch) -> float | Tensor:
        """Rows, or the sum of their classes' weights."""
        if batch.others is None or self.weights is None:  # then every row counts 1, mixed or not
            return self._counts(batch.targets)
        return batch.share * self._counts(batch.targets) + (1 - batch.share) * self._counts(batch.others)

    def _counts(self, targets: Tensor) -> float | Tensor:
        """What the loss's mean over these targets divides by."""
        return len(targets) if self.weights is None else self.weights[targets].sum()

    def answers(self, outputs: Tensor) -> Tensor:
        """What the outputs say, as `Judged.answers` holds it."""
        raise NotImplementedError

    def truth(self, targets: Tensor) -> Tensor:
        """What the targets say, in the same shape and type."""
        raise NotImplementedError

    def guess(self, targets: Tensor) -> Tensor:
        """(rows, outputs) of a network that looks at no input."""
        raise NotImplementedError

    def judged(self, outputs: Tensor, targets: Tensor) -> Judged:
        """What the metrics look at."""
        return Judged(self.spec, outputs, self.answers(outputs).cpu(), self.truth(targets).cpu())

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Each metric by its label. Raises NumericError for one that is no finite number where all outputs are;
        where they are not, such a metric is NaN."""
        return self._measure(self.judged(outputs, targets), demanding=bool(outputs.isfinite().all()))

    def baseline(self, targets: Tensor) -> dict[str, float]:
        """Each metric of the guess. NaN where a metric has no number for answers that are all alike."""
        return self._measure(self.judged(self.guess(targets), targets), demanding=False)

    def details(self, outputs: Tensor, targets: Tensor) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and rows of each class or label."""
        tally = self.judged(outputs, targets).tally
        columns = (tally.precision.tolist(), tally.recall.tolist(), tally.f1.tolist(), tally.true.long().tolist())
        figures = [dict(zip(("precision", "recall", "f1", "rows"), row, strict=True)) for row in zip(*columns, strict=True)]
        return dict(zip(self.spec.classes, figures, strict=True))

    def _measure(self, judged: Judged, demanding: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        for n, metric in enumerate(self.task.measured):
            try:
                value = metric.measure(judged)
            except Exception:  # scikit-learn, say, takes no NaN
                if demanding:
                    raise
                value = nan
            if demanding and not _is_finite(value):
                rows = f"{len(judged.truth)} row{'s' * (len(judged.truth) != 1)}"
                raise NumericError(
                    f"the metric {metric.label} gives {_short(value)} for {rows}, and the network's outputs are finite.",
                    key=("task", "metrics", n),
                    suggestion="Let it return a number for every split, or leave it out of task.metrics.",
                )
            found[metric.label] = float(value) if _is_finite(value) else nan
        return found


def _is_finite(value: Any) -> bool:
    try:
        return isfinite(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # text, None, a tensor of many numbers
        return False


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
