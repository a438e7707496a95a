"""Preprocessing: table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.part import fault
from trainkit.parts.preprocessing import Fitted, Preprocess, preprocessing
from trainkit.spec import Kind, Rows

if TYPE_CHECKING:
    import numpy as np


@preprocessing.register
class Table(Preprocess):
    """Columns of a table: gaps filled, amounts scaled, categories as 0/1 inputs or learnt vectors, dates in parts, texts as words.

    What a column holds is found on the training rows; `data.kinds` says otherwise. A text of yes and no, in any case of its
    letters, becomes one 0/1 input; a date its year, month, day, weekday, hour and the days since the first training date,
    those that vary.
    """

    name: Literal["table"] = "table"
    kind: ClassVar[Kind] = "table"
    scaling: Literal["standard", "minmax", "robust", "none"] = "standard"
    """standard: mean 0 and deviation 1; minmax: from 0 to 1; robust: median 0, and 1 between the quartiles, which a few wild
    values do not move; none: numbers stay as they are. Each amount for itself, by the training rows."""
    missing: Literal["median", "mean", "most_frequent", "constant"] = "median"
    """What stands for a number that is missing, by the training rows, whether these have gaps or not; constant: `fill`.
    A missing date becomes the median of its parts, a missing yes or no the more frequent one; a missing category has a place
    of its own where the training rows have some, and else counts as unknown."""
    fill: float | None = None
    """What stands for a missing number with `missing: constant`, in the column's own unit."""
    indicator: bool = True
    """Give a column that has gaps in the training rows a further 0/1 input that says where. Categories have it always."""
    categories: Literal["auto", "onehot", "embedding"] = "auto"
    """onehot: each category is a 0/1 input, all of them 0 for an unknown one; embedding: a vector is learnt for each category,
    and for unknown ones; auto: one-hot up to `most` categories, embedding beyond."""
    most: int = Field(default=20, ge=1)
    """Up to how many categories a column becomes 0/1 inputs, with `categories: auto`."""
    embedding: int | None = Field(default=None, ge=1, le=4096)
    """Length of the vector learnt for each category. Left out: 6 times the fourth root of how many there are (Wang et al.
    2017, arXiv 1708.05123), and not longer than that."""
    min_count: int = Field(default=1, ge=1)
    """Categories of fewer training rows count as unknown: so it is learnt what to make of those that come later."""
    words: int = Field(default=200, ge=1, le=100_000)
    """Of a column of texts: each of so many words, those that stand in most training texts, is a 0/1 input."""

    @model_validator(mode="after")
    def _fill_with_constant(self) -> Table:
        if self.missing == "constant" and self.fill is None:
            raise fault(("missing",), "constant needs a number: write `fill: 0`, say")
        if self.fill is not None and self.missing != "constant":
            raise fault(("fill",), f"says nothing with `missing: {self.missing}`: write `missing: constant`")
        return self

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        from trainkit.data.columns import Choices
        from trainkit.data.tables import FittedTable

        return FittedTable.fit(rows, train, Choices(**self.model_dump(exclude={"name"})))

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        from trainkit.data.tables import FittedTable

        return FittedTable.restore(content)
