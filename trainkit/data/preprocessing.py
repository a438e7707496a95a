"""Preprocessing: fitted on the training split alone, applied to every split, and kept in the checkpoint as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from trainkit.errors import DataError, Problem
from trainkit.spec import Rows

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
MOSTLY = 0.9
"""A column of which so many values are numbers is one of numbers with mistakes in it, not one of words."""
_CATEGORIES = 1000
"""Each category is an input of its own: more of them are meant only where the user says so."""
_LARGEST = 1e100
"""The square of a larger number, and so a standard deviation, may not be a number any more."""


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
        mean = scale = None
        if scaling == "standard" and rows.kind != "tokens":
            mean, scale = _scaling(rows, train, columns)
        if rows.target_kind == "labels":
            return cls(columns, mean, scale, classes=rows.target_names)
        if rows.target_kind == "class":
            _refuse_many(rows)
            return cls(columns, mean, scale, classes=_in_order(set(map(str, rows.targets[train].tolist()))))
        targets = _checked(rows, np.asarray(rows.targets[train], dtype=np.float64), train, "the target")
        center, spread, constant = _moments(targets, (0,))
        if constant.any():
            name = rows.target_names[int(constant.argmax())]
            raise DataError(
                f"the target {name!r} is always {targets[0, int(constant.argmax())]:g} in the training split: "
                "there is nothing to learn.",
                key=("data", "target"),
                suggestion="Choose another target, or give more rows.",
            )
        return cls(columns, mean, scale, center=tuple(center[0].tolist()), spread=tuple(spread[0].tolist()))

    def inputs(self, rows: Rows, index: Array) -> Array:
        """float64 (rows, …) of the rows numbered ``index``, tokens int64; padding is 0.

        Raises DataError on a value that does not fit its column, and on a token beyond the vocabulary.
        """
        numbers = _tokens(rows, index) if rows.kind == "tokens" else _numbers(rows, index, self.columns)
        if self.mean is not None and self.scale is not None:
            with np.errstate(over="ignore"):  # what no longer fits is found once the numbers are of the network's own type
                numbers = (numbers - self.mean) / self.scale
        if rows.lengths is not None:
            numbers[~_real(rows, index)] = 0
        return numbers

    def targets(self, rows: Rows, index: Array) -> Array:
        """int64 (rows,) class numbers; float64 (rows, targets) standardised, (rows, labels) 0 and 1.

        Raises DataError on an unknown class.
        """
        targets = rows.targets[index]
        if rows.target_kind == "labels":
            return np.asarray(targets, dtype=np.float64)
        if rows.target_kind == "number":
            targets = _checked(rows, np.asarray(targets, dtype=np.float64), index, "the target")
            standardised: Array = (targets - np.array(self.center)) / np.array(self.spread)
            return standardised
        known = {name: number for number, name in enumerate(self.classes)}
        names = list(map(str, targets.tolist()))
        try:
            return np.array([known[name] for name in names], dtype=np.int64)  # 2 million rows: 0.2 s
        except KeyError as missing:
            row = int(index[names.index(missing.args[0])])
            more = ", …" if len(self.classes) > 12 else ""
            raise DataError(
                f"{_where(rows, row)}class {missing.args[0]!r} is not among the training split's: "
                f"{', '.join(self.classes[:12])}{more}.",
                key=("data", "target"),
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
    """Class names sorted as people would: numbers by value, else words by letter. ``1`` comes before ``1.0``."""
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return tuple(sorted(names))
    if not all(map(isfinite, values.values())):  # NaN is neither before nor after anything
        return tuple(sorted(names))
    return tuple(sorted(names, key=lambda name: (values[name], name)))


def _where(rows: Rows, row: int) -> str:
    return f"{rows.file}: row {row + 1}, " if rows.file else f"row {row + 1}, "


def _checked(rows: Rows, numbers: Array, index: Array, what: str) -> Array:
    """The same numbers. Raises DataError naming the first row that holds NaN, infinity or something huge."""
    bad = ~(np.abs(numbers) <= _LARGEST)
    if bad.any():
        place = tuple(int(axis[0]) for axis in bad.nonzero())
        raise DataError(
            f"{_where(rows, int(index[place[0]]))}{what} is {numbers[place]:g}: nothing can be computed with that.",
            key=("data",),
            suggestion="Mend the value, or leave the row out.",
        )
    return numbers


def _moments(numbers: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Mean and standard deviation over ``axes`` (kept, of length 1), and what is constant: that has deviation 1.

    Rounding gives a column of 0.1 a tiny deviation, which would blow up any other value: so its ends are compared.
    """
    mean, scale = numbers.mean(axis=axes, keepdims=True), numbers.std(axis=axes, keepdims=True)
    constant = (numbers.min(axis=axes, keepdims=True) == numbers.max(axis=axes, keepdims=True)) | (scale == 0)
    return mean, np.where(constant, 1.0, scale), constant


def _scaling(rows: Rows, train: Array, columns: tuple[Column, ...] | None) -> tuple[Array, Array]:
    """Mean and standard deviation: of each column of a table, each channel of an image, each feature of a sequence.
    A constant keeps scale 1; 0/1 inputs of categories stay as they are; padding does not count."""
    numbers = _numbers(rows, train, columns)
    axes = {"table": (0,), "image": (0, 2, 3), "sequence": (0, 1)}[rows.kind]
    if rows.lengths is not None:
        numbers = numbers[_real(rows, train)][None]  # (1, all real steps, features)
    mean, scale = (moment[0] for moment in _moments(numbers, axes)[:2])
    if columns is not None:
        words = np.array([c.kind == "category" for c in columns for _ in (c.categories or ("",))])
        mean[words], scale[words] = 0.0, 1.0
    return mean, scale


def _refuse_many(rows: Rows) -> None:
    """Classes have many rows each. Asked only where something is fitted: new rows to be measured may be few."""
    names = rows.targets.astype(str)
    different = np.unique(names)
    try:
        numbers = different.astype(np.float64)
    except ValueError:
        numbers = None
    amounts = numbers is not None and bool((numbers != numbers.round()).any())
    if len(different) > 20 and (len(different) > len(names) / 2 or amounts):
        what = "texts: these are names" if numbers is None else "numbers: these are amounts"
        raise DataError(
            f"the target {rows.target_names[0]!r} holds {len(different)} different {what}, not classes.",
            key=("data", "target"),
            suggestion="Choose another target column." if numbers is None else "Use `task: regression`.",
        )


def _columns(rows: Rows, train: Array) -> list[Column]:
    """The kind of every column, as the training rows show it."""
    import polars as pl

    frame = rows.inputs
    assert isinstance(frame, pl.DataFrame)
    found, faults = [], []
    for name in frame.columns:
        if rows.kinds.get(name) != "ignore":
            column = _kind_of(rows, name, frame[name][train])
            if isinstance(column, Column):
                found.append(column)
            else:
                faults.append(column)
    if faults:
        raise DataError(faults)
    if not found:
        raise DataError("no column is left to learn from.", key=("data",), suggestion="The file needs one besides the target.")
    return found


def _kind_of(rows: Rows, name: str, values: pl.Series) -> Column | Problem:
    """A column as its training rows show it, or what is wrong with it."""
    kind, shown = rows.kinds.get(name), f"{rows.file}: column {name!r}"
    ignore = f"Leave it out: data.kinds: {{{name}: ignore}}"
    numbers, different = parsed(values), values.n_unique()
    share = 1 - numbers.null_count() / len(numbers)
    if different == 1 or (share == 1 and kind != "category" and numbers.n_unique() == 1):
        return Problem(f"{shown} is always {values[0]!r} in the training split: it can teach nothing.", ("data",), f"{ignore}.")
    if kind is None:
        kind = "number" if share >= MOSTLY else "category"
        if kind == "category" and values.str.contains(r"^[+-]?\d+,\d+$").mean() == 1:
            fix = f"Write 1,5 as 1.5 and 1,000 as 1000; or read them as words: data.kinds: {{{name}: category}}."
            return Problem(f"{shown} holds numbers with a comma, such as {values[0]!r}.", ("data",), fix)
        if kind == "category" and len(values) > 20 and different > min(len(values) / 2, _CATEGORIES):
            words = f"{shown} holds {different} different texts in {len(values)} training rows"
            fix = f"{ignore}; or keep it: {{{name}: category}}."
            return Problem(f"{words}: it looks like a name or an identifier.", ("data",), fix)
    return Column(name, kind, _in_order(set(values.unique().to_list())) if kind == "category" else ())


def parsed(values: pl.Series) -> pl.Series:
    """Text as float64; null where it is no number, or infinite, NaN or huge."""
    import polars as pl

    numbers = values.cast(pl.Float64, strict=False)
    return numbers.set(~(numbers.abs() <= _LARGEST).fill_null(True), None)


def _real(rows: Rows, index: Array) -> Array:
    """(rows, steps) true where a step is no padding."""
    assert rows.lengths is not None and isinstance(rows.inputs, np.ndarray)
    mask: Array = np.arange(rows.inputs.shape[1]) < rows.lengths[index, None]
    return mask


def _tokens(rows: Rows, index: Array) -> Array:
    assert isinstance(rows.inputs, np.ndarray)
    tokens = rows.inputs[index].astype(np.int64)
    wrong = (tokens < 0) | (tokens >= rows.vocabulary)
    if rows.lengths is not None:
        wrong &= _real(rows, index)
    if wrong.any():
        row, step = (int(axis[0]) for axis in wrong.nonzero())
        raise DataError(
            f"{_where(rows, int(index[row]))}token {tokens[row, step]} at step {step + 1} is not in the vocabulary of "
            f"{rows.vocabulary:,}: its tokens are 0 to {rows.vocabulary - 1:,}.",
            key=("data",),
        )
    return tokens


def _numbers(rows: Rows, index: Array, columns: tuple[Column, ...] | None) -> Array:
    if columns is None:
        assert isinstance(rows.inputs, np.ndarray)
        return _checked(rows, np.asarray(rows.inputs[index], dtype=np.float64), index, "an input")
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
        numbers = list(range(len(column.categories)))
        codes = values.replace_strict(list(column.categories), numbers, default=-1, return_dtype=pl.Int64).to_numpy()
        hot = np.zeros((len(values), len(numbers)))
        hot[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1.0
        return hot
    read = parsed(values)
    if read.null_count():
        bad = parsed(frame[column.name]).is_null().arg_true()  # of all splits: the first in the file is named
        row, value = int(bad[0]), frame[column.name][int(bad[0])]
        others = f" ({len(bad) - 1} more in this column)" if len(bad) > 1 else ""
        raise DataError(
            f"{_where(rows, row)}column {column.name!r}: {value!r} is not a usable number{others}.",
            key=("data",),
            suggestion=f"Mend it, or read the column as words: data.kinds: {{{column.name}: category}}.",
        )
    return read.to_numpy()
