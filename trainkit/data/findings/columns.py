"""Checks of a table's columns: empty, constant, numbered, copied from the target, wild values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from trainkit.data.columns import MOSTLY
from trainkit.data.findings.finding import Finding, Look, counted, kind, named, share
from trainkit.data.findings.targets import far, variants

Array = np.ndarray[Any, Any]
SOME = 500
"""What all rows show, so many of them show too: only where they do, all are looked at."""
FEW = 20
"""Of fewer rows, chance alone may make all values differ, or one column follow another."""
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}"
_LONG = 40
"""Characters: longer texts are read, they do not name rows."""
_FLOAT32 = 2**24
"""Whole numbers up to this are told apart by float32, which networks compute in."""


@dataclass(frozen=True)
class Column:
    """One column of inputs."""

    name: str
    values: pl.Series
    said: str | None = None
    """The kind that the user gave it: then nobody wonders whether it names rows."""
    named: bool = True
    """Has it a name in the file, by which settings speak of it?"""

    @property
    def left_out(self) -> str:
        """How not to use it."""
        return kind(self.name, "ignore") if self.named else "leave it out of the inputs"

    @cached_property
    def numbers(self) -> Array:
        """float64 (rows,), NaN where there is no finite number."""
        if self.values.dtype.is_temporal() or self.values.dtype.is_nested():
            return np.full(len(self.values), np.nan)
        found: Array = self.values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return np.where(np.isfinite(found), found, np.nan)

    @cached_property
    def known(self) -> pl.Series:
        """The values that are not missing."""
        return self.values.drop_nulls()

    @cached_property
    def is_number(self) -> bool:
        """Would it be read as numbers?"""
        return self.said in (None, "number") and bool(np.isfinite(self.numbers).sum() >= max(1, MOSTLY * len(self.known)))

    def __getitem__(self, rows: Any) -> Column:
        return Column(self.name, self.values[rows], self.said, self.named)


def columns(look: Look) -> list[Column]:
    """The inputs of a table, one by one; of a source that gives numbers without names, by their place."""
    rows = look.rows
    if rows.kind != "table" or not isinstance(rows.inputs, pl.DataFrame | np.ndarray):
        return []
    named = isinstance(rows.inputs, pl.DataFrame)
    if isinstance(rows.inputs, np.ndarray):
        frame = pl.from_numpy(rows.inputs, [f"input {n}" for n in range(1, rows.inputs.shape[1] + 1)]).fill_nan(None)
    else:
        frame = rows.inputs
    used = (name for name in frame.columns if name not in look.left_out and rows.kinds.get(name) != "ignore")
    return [Column(name, frame[name], rows.kinds.get(name), named) for name in used]


def _holds(test: Callable[..., bool], column: Column, *more: Any) -> bool:
    """Does the test hold for all rows? Only if it may, by some at even distances, are all looked at."""
    some = slice(None, None, max(1, len(column.values) // SOME))
    if len(column.values) > 2 * SOME and not test(column[some], *(other[some] for other in more), part=True):
        return False
    return test(column, *more, part=False)


# --- nothing in it


def missing(look: Look) -> Iterator[Finding]:
    """Columns with gaps."""
    for column in columns(look):
        if gaps := column.values.null_count():
            part, rows = gaps / len(column.values), column.values.is_null().arg_true().to_list()
            words = f"column {column.name!r}: {share(part)} of the values are missing ({counted(gaps, 'row')})"
            if part == 1:
                words = f"column {column.name!r} holds no value at all"
            bad = part > 0.5
            yield Finding("warning" if bad else "note", "missing", words, column.left_out * bad, tuple(rows), column.name)


def constant(look: Look) -> Iterator[Finding]:
    """Columns that are the same in every training row."""
    for column in columns(look):
        if _constant(column[look.train[:SOME]]) and _constant(training := column[look.train]):
            words = f"column {column.name!r} is always {training.values[0]!r} in the training split: it can teach nothing"
            yield Finding("warning", "constant", words, column.left_out, column=column.name)


def _constant(column: Column, *, part: bool = False) -> bool:
    return not column.values.has_nulls() and bool((column.values == column.values[0]).all())


# --- names of rows


def identifiers(look: Look) -> Iterator[Finding]:
    """Columns that number or name the rows: a network learns them by heart, and new rows have others."""
    for name, words in look.row_names.items():
        yield Finding("warning", "id-like", f"column {name!r} {words}", kind(name, "ignore"), column=name)


def row_names(look: Look) -> dict[str, str]:
    """The columns that number or name the rows, and what they do."""
    found: dict[str, str] = {}
    for column in columns(look) if isinstance(look.rows.inputs, pl.DataFrame) else ():
        if column.said or len(column.values) - column.values.null_count() < FEW:
            continue
        if _holds(_counts, column):
            found[column.name] = "numbers the rows one after another"
        elif _holds(_names, column):
            found[column.name] = (
                f"holds {column.known.n_unique():,} different texts in {len(column.known):,} rows: they look like names"
            )
    return found


def _counts(column: Column, *, part: bool) -> bool:
    """Whole numbers, nearly all different, with nearly none left out between the least and the greatest."""
    if not column.is_number or column.values.has_nulls():
        return False
    numbers = np.sort(column.numbers)
    if not (numbers == np.round(numbers)).all() or (np.diff(numbers) > 0).mean() < 0.95:
        return False
    return part or bool(numbers[-1] - numbers[0] < 1.05 * len(numbers))


def _names(column: Column, *, part: bool) -> bool:
    """Short texts, nearly all different, that are no dates."""
    known = column.known
    if column.is_number or known.dtype != pl.String or known.n_unique() < 0.95 * len(known):
        return False
    dates = known.head(FEW).str.contains(_DATE).mean()
    return bool(dates < 0.5 and known.str.len_chars().mean() < _LONG)  # type: ignore[operator]


def large_numbers(look: Look) -> Iterator[Finding]:
    """Numbers so large, and all different, that float32 can't tell neighbours apart: identifiers, mostly."""
    for column in columns(look):
        if column.is_number and not column.said:
            numbers = column.numbers[np.isfinite(column.numbers)]
            if (
                len(numbers) >= FEW
                and np.abs(numbers).max() > _FLOAT32
                and (numbers == np.round(numbers)).all()
                and len(np.unique(numbers)) > 0.95 * len(numbers)
                and len(np.unique(numbers.astype(np.float32))) < len(np.unique(numbers))
            ):
                words = f"column {column.name!r} holds numbers up to {numbers.max():,.0f}: the network sees their first 7 digits"
                fix = f"{kind(column.name, 'ignore')} if they only name the rows"
                yield Finding("note", "large-numbers", words, fix, column=column.name)


# --- the answer in it


def target_copies(look: Look) -> Iterator[Finding]:
    """Columns that give the target away."""
    rows = look.rows
    if not isinstance(rows.inputs, pl.DataFrame) or len(rows) < FEW:
        return
    for column in columns(look):
        words = ""
        if rows.target_kind == "class":
            if _holds(_determines, column, look.classes):
                words = f"tells the target {rows.target_names[0]!r} all by itself"
        elif rows.target_kind == "number":
            for n, name in enumerate(rows.target_names):
                if _holds(_follows, column, rows.targets[:, n].astype(float)):
                    words = f"rises or falls exactly as the target {name!r} does"
        if words:
            words = f"column {column.name!r} {words}: is it known before the answer is?"
            yield Finding("warning", "target-copy", words, kind(column.name, "ignore"), column=column.name)


def _determines(column: Column, classes: pl.Series, *, part: bool) -> bool:
    """Does who knows the value, and answers its commonest class, avoid nearly all the mistakes that always answering the
    commonest class makes? (Goodman and Kruskal 1954, "Measures of association for cross classifications": lambda.) Values must
    come again often enough to show it: there are 1,000 at most."""
    answers = classes.to_list()
    pairs = Counter(zip(column.values.to_list(), answers, strict=True))  # of 500 rows: 0.1 ms, a tenth of what Polars takes
    best: Counter[Any] = Counter()
    for (value, _), count in pairs.items():
        best[value] = max(best[value], count)
    mistakes, blind = len(answers) - best.total(), len(answers) - max(Counter(answers).values())
    most = 0.9 * len(answers) if part else min(1000, len(answers) / 5)
    return (part or len(best) > 1) and len(best) <= most and mistakes <= (0.1 if part else 0.02) * blind


def _follows(column: Column, amounts: Array, *, part: bool) -> bool:
    """Is the order of the numbers that of the amounts (Spearman 1904, "The proof and measurement of association")?"""
    both = np.isfinite(column.numbers) & np.isfinite(amounts)
    if both.sum() < max(FEW, len(amounts) / 2):
        return False
    ranks = [pl.Series(values[both]).rank().to_numpy() for values in (column.numbers, amounts)]
    if any(rank.std() == 0 for rank in ranks):
        return part
    return bool(abs(np.corrcoef(ranks[0], ranks[1])[0, 1]) > (0.99 if part else 0.9999))  # rounded, a few change places


# --- wrong or wild values


def mixed(look: Look) -> Iterator[Finding]:
    """Columns of numbers with something else in a few rows."""
    for column in columns(look):
        if column.is_number and column.values.dtype == pl.String:
            bad = np.flatnonzero(~np.isfinite(column.numbers) & column.values.is_not_null().to_numpy())
            if len(bad):
                words = f"column {column.name!r} holds numbers, but for {counted(len(bad), 'value')} such as "
                words += f"{column.values[int(bad[0])]!r} ({look.places(bad)})"
                yield Finding(
                    "error", "mixed", words, f"mend them, or {kind(column.name, 'category')}", tuple(bad.tolist()), column.name
                )


def outliers(look: Look) -> Iterator[Finding]:
    """A few numbers that lie far from all others: slips of the pen, or a number that stands for a gap, such as 9999."""
    for column in columns(look):
        if column.is_number and len(rows := far(column.numbers)):
            values = column.numbers[rows]
            words = f"column {column.name!r}: {counted(len(rows), 'value')} far from all others: "
            words += f"{', '.join(f'{value:g}' for value in dict.fromkeys(values[:3].tolist()))} ({look.places(rows)})"
            fix = "mend them, or preprocess: {scaling: robust}"
            if column.named and len(rows) > 1 and (values == values[0]).all():
                fix = f"mend them, or, if it means “no value”, data: {{missing: [{json.dumps(str(column.values[int(rows[0])]))}]}}"
            yield Finding("warning", "outliers", words, fix, tuple(rows.tolist()), column.name)


def spellings(look: Look) -> Iterator[Finding]:
    """Words that differ in case and spaces alone, and so are different categories."""
    for column in columns(look):
        if not column.is_number and column.values.dtype == pl.String and column.name not in look.row_names:
            for alike in variants(column.values):
                rows = column.values.is_in(alike[1:]).arg_true().to_list()
                words = f"column {column.name!r}: {named(alike)} differ in case or spaces alone ({look.places(rows)})"
                yield Finding("warning", "spelling", words, f"write all of them as {alike[0]!r}", tuple(rows), column.name)


def equal_columns(look: Look) -> Iterator[Finding]:
    """Columns that hold the same in every row."""
    seen: dict[int, Column] = {}
    for column in columns(look):
        known = hash(column.values.cast(pl.String).hash(0).to_numpy().tobytes())
        if known in seen and len(column.known) and not _constant(column):
            words = f"columns {seen[known].name!r} and {column.name!r} hold the same in every row"
            yield Finding("note", "equal-columns", words, column.left_out, column=column.name)
        seen.setdefault(known, column)


def unseen(look: Look) -> Iterator[Finding]:
    """Words of validation and test that no training row has."""
    for column in columns(look):
        if not column.is_number and column.name not in look.row_names and column.known.n_unique() <= 0.5 * len(column.known):
            known = column.values[look.train].unique().drop_nulls().implode()
            for split, index in look.others.items():
                values = column.values[index]
                new = ~values.is_in(known).fill_null(True)
                if new.any():
                    shown = named(values.filter(new).unique(maintain_order=True).to_list())
                    part = share(int(new.sum()) / len(new))
                    words = f"column {column.name!r}: {part} of the {split} rows hold words that no training row has: {shown}"
                    yield Finding("note", "unseen-words", words, "", tuple(index[new.to_numpy()].tolist()), column.name)
