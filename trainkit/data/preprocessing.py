"""Preprocessing: fitted on the training split alone, applied to every split, and kept in the checkpoint as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trainkit.errors import DataError
from trainkit.spec import Rows

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
_MOSTLY = 0.9
"""A column of which so many values are numbers is one of numbers with mistakes in it, not one of words."""


@dataclass(frozen=True)
class Column:
    """A column of a table: of numbers, or of categories that each become one 0/1 input. Unknown categories become all 0."""

    name: str
    kind: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """Turns rows as read into numbers for the network. ``mean`` and ``scale`` broadcast against one row."""

    columns: tuple[Column, ...] | None
    mean: Array | None
    scale: Array | None
    classes: tuple[str, ...] = ()
    center: tuple[float, ...] = field(default=())
    spread: tuple[float, ...] = field(default=())

    @classmethod
    def fit(cls, rows: Rows, train: Array, scaling: str) -> Preprocessing:
        """Column kinds, categories, scaling, class names: all from the rows numbered ``train``, and from no other."""
        columns = None if isinstance(rows.inputs, np.ndarray) else tuple(_columns(rows, train))
        numbers = _numbers(rows, train, columns)
        mean, scale = _scaling(numbers, rows.kind, columns) if scaling == "standard" else (None, None)
        targets = rows.targets[train]
        if rows.target_kind == "class":
            return cls(columns, mean, scale, classes=_in_order(set(targets.tolist())))
        center, spread = targets.mean(axis=0), targets.std(axis=0)
        if (spread == 0).any():
            name = rows.target_names[int((spread == 0).argmax())]
            raise DataError(f"the target {name!r} is constant in the training split: there is nothing to learn.", key=("data",))
        return cls(columns, mean, scale, center=tuple(center.tolist()), spread=tuple(spread.tolist()))

    def inputs(self, rows: Rows, index: Array) -> Array:
        """float64 (rows, …) of the rows numbered ``index``. Raises DataError on a value that does not fit its column."""
        numbers = _numbers(rows, index, self.columns)
        return numbers if self.mean is None or self.scale is None else (numbers - self.mean) / self.scale

    def targets(self, rows: Rows, index: Array) -> Array:
        """int64 (rows,) class numbers, or float64 (rows, targets) standardised. Raises DataError on an unknown class."""
        targets = rows.targets[index]
        if rows.target_kind == "number":
            standardised: Array = (targets - np.array(self.center)) / np.array(self.spread)
            return standardised
        known = {name: number for number, name in enumerate(self.classes)}
        try:
            return np.array([known[name] for name in targets.tolist()], dtype=np.int64)
        except KeyError as missing:
            row = index[targets.tolist().index(missing.args[0])]
            raise DataError(
                f"{_where(rows, row)}class {missing.args[0]!r} is not among the training split's: {', '.join(self.classes[:12])}.",
                key=("data",),
            ) from None

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        import torch

        def tensor(array: Array | None) -> Any:
            return None if array is None else torch.from_numpy(array)

        columns = None if self.columns is None else [[c.name, c.kind, list(c.categories)] for c in self.columns]
        return {
            "columns": columns,
            "mean": tensor(self.mean),
            "scale": tensor(self.scale),
            "classes": list(self.classes),
            "center": list(self.center),
            "spread": list(self.spread),
        }

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> Preprocessing:
        """What `content` wrote."""
        columns = content["columns"]
        return cls(
            None if columns is None else tuple(Column(name, kind, tuple(categories)) for name, kind, categories in columns),
            None if content["mean"] is None else content["mean"].numpy(),
            None if content["scale"] is None else content["scale"].numpy(),
            tuple(content["classes"]),
            tuple(content["center"]),
            tuple(content["spread"]),
        )


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Class names sorted as people would: numbers by value, else words by letter."""
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(sorted(names))


def _where(rows: Rows, row: int) -> str:
    return f"{rows.file}: row {row + 1}, " if rows.file else f"row {row + 1}, "


def _scaling(numbers: Array, kind: str, columns: tuple[Column, ...] | None) -> tuple[Array, Array]:
    """Mean and standard deviation: of each column of a table, each channel of an image, each feature of a sequence.
    A constant keeps scale 1; 0/1 inputs of categories stay as they are."""
    axes = {"table": (0,), "image": (0, 2, 3), "sequence": (0, 1)}[kind]
    mean, scale = numbers.mean(axis=axes, keepdims=True)[0], numbers.std(axis=axes, keepdims=True)[0]
    scale[scale == 0] = 1.0
    if columns is not None:
        words = np.array([c.kind == "category" for c in columns for _ in (c.categories or ("",))])
        mean[words], scale[words] = 0.0, 1.0
    return mean, scale


def _columns(rows: Rows, train: Array) -> list[Column]:
    """The kind of every column, as the training rows show it."""
    import polars as pl

    frame = rows.inputs
    assert isinstance(frame, pl.DataFrame)
    found = []
    for name in frame.columns:
        values, kind = frame[name][train], rows.kinds.get(name)
        if kind == "ignore":
            continue
        if values.n_unique() == 1:
            raise DataError(
                f"{rows.file}: column {name!r} is always {values[0]!r} in the training split: it can teach nothing.",
                key=("data",),
                suggestion=f"Leave it out: data.kinds: {{{name}: ignore}}.",
            )
        if kind is None:
            numbers = values.cast(pl.Float64, strict=False).is_not_null().mean()
            assert isinstance(numbers, float)
            kind = "number" if numbers >= _MOSTLY else "category"
            if kind == "category" and len(values) > 20 and values.n_unique() > len(values) / 2:
                raise DataError(
                    f"{rows.file}: column {name!r} holds {values.n_unique()} different texts in {len(values)} training "
                    "rows: it looks like a name or an identifier.",
                    key=("data",),
                    suggestion=f"Leave it out: data.kinds: {{{name}: ignore}}; or keep it: {{{name}: category}}.",
                )
        found.append(Column(name, kind, _in_order(set(values.to_list())) if kind == "category" else ()))
    if not found:
        raise DataError("no column is left to learn from.", key=("data",))
    return found


def _numbers(rows: Rows, index: Array, columns: tuple[Column, ...] | None) -> Array:
    if columns is None:
        assert isinstance(rows.inputs, np.ndarray)
        return np.asarray(rows.inputs[index], dtype=np.float64)
    return np.column_stack([_column(rows, index, column) for column in columns])


def _column(rows: Rows, index: Array, column: Column) -> Array:
    import polars as pl

    frame = rows.inputs
    assert isinstance(frame, pl.DataFrame)
    if column.name not in frame.columns:
        raise DataError(
            f"{rows.file}: column {column.name!r} is missing.",
            key=("data",),
            suggestion=f"The file has: {', '.join(frame.columns[:20])}.",
        )
    values: pl.Series = frame[column.name][index]
    if column.kind == "category":
        known = {name: number for number, name in enumerate(column.categories)}
        hot = np.zeros((len(values), len(known)))
        for row, value in enumerate(values):
            if value in known:
                hot[row, known[value]] = 1.0
        return hot
    numbers = values.cast(pl.Float64, strict=False)
    bad = (numbers.is_null() | ~numbers.is_finite().fill_null(True)).arg_true()
    if len(bad):
        row, value = int(index[bad[0]]), values[int(bad[0])]
        raise DataError(
            f"{_where(rows, row)}column {column.name!r}: {value!r} is not a number.",
            key=("data",),
            suggestion=f"Mend it, or read the column as words: data.kinds: {{{column.name}: category}}.",
        )
    return numbers.to_numpy()
