"""Columns of a table as the sources need them: found by name, refused where nothing can be made of them, and read as targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trainkit.errors import ConfigError, DataError, Key
from trainkit.parts.sources._tables import Table, more, nearest
from trainkit.spec import Target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

TARGET: Key = ("data", "target")


def check_columns(table: Table, names: Sequence[str], *, key: Key) -> None:
    """Raises DataError at ``key`` for a column that is not there (naming the nearest), or one of lists, structures or bytes."""
    for name in names:
        if name not in table.frame.columns:
            raise DataError(f"{table.name} has no column {name!r}.", key=key, suggestion=nearest(name, table.frame.columns))
        if not usable(table.frame[name]):
            words = f"{table.name}: column {name!r} holds {table.frame[name].dtype}, not numbers, text or dates."
            raise DataError(words, key=key, suggestion=f"Leave it out: data.kinds: {{{name}: ignore}}.")


def usable(column: pl.Series) -> bool:
    """Does it hold text, numbers, booleans, dates or moments?"""
    import polars as pl

    return column.dtype.is_numeric() or column.dtype in (pl.String, pl.Boolean, pl.Date, pl.Datetime)


def chosen(patterns: Sequence[str], names: Sequence[str], file: str, *, key: Key) -> list[str]:
    """The names that are written in ``patterns`` or fit one of them (``sensor_*``), in their own order; all, without patterns.

    Raises DataError at ``key`` for a pattern that none fits.
    """
    found = {name for n, pattern in enumerate(patterns) for name in fitting(pattern, names, file, key=(*key, n))}
    return [name for name in names if name in found or not patterns]


def fitting(pattern: str, names: Sequence[str], file: str, *, key: Key) -> list[str]:
    """The name itself, or those that fit the pattern. Raises DataError at ``key`` if there are none."""
    from fnmatch import fnmatchcase

    found = [pattern] if pattern in names else [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise DataError(f"{file} has no column {pattern!r}.", key=key, suggestion=nearest(pattern, names))
    return found


def check_filled(table: Table, names: Sequence[str], *, key: Key = TARGET, fix: str = "Fill it, or drop the row.") -> None:
    """Raises DataError naming the first row of these columns that has no value."""
    for name in names:
        gaps = table.frame[name].is_null()
        if gaps.all():
            raise DataError(
                f"{table.name}: column {name!r} holds no value at all.", key=key, suggestion="Choose another target column."
            )
        if gaps.any():
            words = (
                f"{table.place(int(gaps.arg_true()[0]))}, column {name!r} has no value{more(int(gaps.sum()), ' in this column')}."
            )
            raise DataError(words, key=key, suggestion=fix)


def target_kind(table: Table, names: Sequence[str], *, key: Key = TARGET) -> Target:
    """What these columns are, where no task says it: one of words is classes, several of 0 and 1 or their like are labels, and
    where nearly all values are numbers they are amounts, so that `amounts` can name the row of a mistake among them.

    Raises ConfigError at ``key`` for whole numbers, which may be either, DataError for a gap and for columns that differ in kind.
    """
    import polars as pl

    from trainkit.data.columns import MOSTLY, parsed

    check_filled(table, names, key=key)
    columns, called, several = [table.frame[name] for name in names], ", ".join(map(repr, names)), len(names) > 1
    marked = several and all(not marks(column).null_count() for column in columns)

    def amount(column: pl.Series) -> bool:
        text = column.dtype == pl.String
        return parsed(column).null_count() <= (1 - MOSTLY) * len(column) if text else column.dtype.is_numeric()

    def whole(column: pl.Series) -> bool:
        return bool(column.str.contains(r"^[+-]?\d+$").all()) if column.dtype == pl.String else column.dtype.is_integer()

    if all(map(amount, columns)):
        if not all(map(whole, columns)) or (several and not marked):
            return "number"
        raise which(f"the target{'s' * several} {called} hold{'s' * (not several)}", "labels" if several else "class", key)
    if several and not marked:
        words = f"the targets {called} are neither all numbers nor all 0 and 1, yes and no, or true and false."
        raise DataError(words, key=key, suggestion="Name one column, or columns of the same kind.")
    return "labels" if several else "class"


def which(words: str, kind: Literal["class", "labels"], key: Key) -> ConfigError:
    """The question about targets that may be of that kind, or amounts. ``words`` come before what they hold."""
    what, task = ("whole numbers: are they classes", "classification")
    if kind == "labels":
        what, task = ("0 and 1: are they labels", "multilabel")
    return ConfigError(f"{words} {what} or amounts?", key=key, suggestion=f"Say so: `task: {task}` or `task: regression`.")


def classes(table: Table, name: str, *, key: Key = TARGET, case: Literal["ask", "keep", "lower"] = "ask") -> np.ndarray[Any, Any]:
    """The column as class names: (rows,) str in an object array. ``case`` says what happens to capital letters.

    Raises DataError naming the row of a missing one and, when it is ``ask``, of two that differ only in capital letters.
    """
    import polars as pl

    check_filled(table, (name,), key=key)
    values = table.frame[name].cast(pl.String)
    if case == "lower":
        values = values.str.to_lowercase()
    written: dict[str, str] = {}
    for other in values.unique(maintain_order=True) if case == "ask" else ():
        if (same := written.setdefault(other.lower(), other)) != other:
            rows = [table.place(int((values == word).arg_max() or 0)) for word in (same, other)]
            raise DataError(
                f"{rows[0]} has the class {same!r}, and {rows[1]} {other!r}: are they the same?",
                key=key,
                suggestion="Say so: `label_case: lower` makes them one, `label_case: keep` keeps them apart.",
            )
    return values.to_numpy().astype(object)


def amounts(table: Table, names: Sequence[str], *, key: Key = TARGET) -> np.ndarray[Any, Any]:
    """The columns as numbers: float64 (rows, len(names)). Raises DataError naming the row of one that is missing or no number."""
    from trainkit.data.columns import parsed

    fix = "Mend it, or use `task: classification`."
    return _read(table, names, parsed, "target {!r}: {!r} is not a usable number", fix, key)


def labels(table: Table, names: Sequence[str], *, key: Key = TARGET) -> np.ndarray[Any, Any]:
    """The columns as 0 and 1: float64 (rows, len(names)), from 0/1, yes/no or true/false. Raises DataError naming the row of
    one that is missing or neither."""
    return _read(table, names, marks, "label {!r}: {!r} is neither 0 nor 1", "Write 0 and 1, no and yes, or false and true.", key)


def _read(
    table: Table, names: Sequence[str], read: Callable[[pl.Series], pl.Series], wrong: str, fix: str, key: Key
) -> np.ndarray[Any, Any]:
    """What ``read`` makes of each column. ``wrong`` speaks of a column's name and of the value that it makes nothing of."""
    import numpy as np

    check_filled(table, names, key=key)
    found = [read(table.frame[name]) for name in names]
    for name, numbers in zip(names, found, strict=True):
        if len(bad := numbers.is_null().arg_true()):
            row = int(bad[0])
            words = f"{table.place(row)}, {wrong.format(name, table.frame[name][row])}{more(len(bad))}."
            raise DataError(words, key=key, suggestion=fix)
    return np.column_stack([numbers.to_numpy() for numbers in found])


def marks(column: pl.Series) -> pl.Series:
    """1 for 1, yes and true, 0 for 0, no and false; null for anything else."""
    import polars as pl

    words = column.cast(pl.String).str.to_lowercase()
    if column.dtype.is_float():
        words = words.str.strip_suffix(".0")
    meant = {"1": 1.0, "yes": 1.0, "true": 1.0, "0": 0.0, "no": 0.0, "false": 0.0}
    return words.replace_strict(meant, default=None, return_dtype=pl.Float64)
