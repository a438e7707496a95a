"""Preprocessing: series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.parts.preprocessing import Fitted, Preprocess, preprocessing
from trainkit.spec import Kind, Rows

if TYPE_CHECKING:
    import numpy as np

Scaling = Literal["standard", "minmax", "robust", "none"]
Missing = Literal["forward", "interpolate", "mean", "stop"]


@preprocessing.register
class Series(Preprocess):
    """Sequences of numbers: gaps filled, each feature scaled by the training rows' real steps."""

    name: Literal["series"] = "series"
    kind: ClassVar[Kind] = "sequence"
    scaling: Scaling = "standard"
    """standard: mean 0 and deviation 1; minmax: from 0 to 1; robust: median 0, and 1 between the quartiles, which a few
    wild values do not move; none: numbers stay as they are. Each feature for itself, over the steps that the training rows
    touch, each counted once however many windows it is in."""
    missing: Missing = "forward"
    """What stands for a value that is missing. forward: the one before it in the same row, and with none before it the
    feature's mean in the training rows; interpolate: the line between its neighbours in the same row; mean: the feature's
    mean; stop: nothing, an error names the row. Never anything from outside the row."""

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        from trainkit.data.series import FittedSeries

        return FittedSeries.fit(rows, train, self.scaling, self.missing)

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        from trainkit.data.series import FittedSeries

        return FittedSeries.restore(content, self.missing)
