"""What a look at the data may find, and what the checks look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainkit.spec import Rows, SplitName

if TYPE_CHECKING:
    import polars as pl

    from trainkit.data.texts import Report

Array = np.ndarray[Any, Any]
Severity = Literal["error", "warning", "note"]
SHOWN = 3
"""So many rows or names are given as examples in a message."""
LARGE_BYTES = 2**26
"""The quick form does not read more than this."""


@dataclass(frozen=True)
class Finding:
    """One thing that somebody who trains on this data would want to know."""

    severity: Severity
    """error: training stops or is worth nothing; warning: it may mislead; note: good to know."""
    name: str
    """The kind of finding, such as ``constant``."""
    message: str
    fix: str = ""
    """What mends it: settings as they are typed into the YAML, or else words."""
    rows: tuple[int, ...] = ()
    """The rows it is about, from 0."""
    column: str | None = None
    """The column of a table that it is about."""


@dataclass(frozen=True)
class Look:
    """The rows as they were read and, as far as preparing them went, how they were split and what was fitted."""

    rows: Rows
    splits: Mapping[SplitName, Array] = field(default_factory=dict)
    """Row numbers by split; empty where they could not be split."""
    fitted: Any = None
    """The fitted preprocessing; None where fitting failed."""
    left_out: frozenset[str] = frozenset()
    """Columns of a table that are no inputs: the split goes by them."""
    lenient: bool = False
    """Are unreadable pictures left out?"""
    holes: Sequence[tuple[int, str, str]] = ()
    """Of series: how many steps are missing between which rows, in order of time."""
    quick: bool = False
    """Only what takes no time worth mentioning."""

    @cached_property
    def train(self) -> Array:
        """The rows that train; all of them where nothing was split."""
        return self.splits["train"] if "train" in self.splits else np.arange(len(self.rows))

    @property
    def others(self) -> dict[SplitName, Array]:
        """The splits that measure."""
        return {name: index for name, index in self.splits.items() if name != "train"}

    @cached_property
    def classes(self) -> pl.Series:
        """The class of each row, as text."""
        import polars as pl

        return pl.Series(list(map(str, self.rows.targets.tolist())), dtype=pl.String)

    @cached_property
    def row_names(self) -> dict[str, str]:
        """Columns that number or name the rows, each with the words that say why."""
        from trainkit.data.findings.columns import row_names

        return row_names(self)

    @cached_property
    def reports(self) -> dict[SplitName, Report]:
        """What the vocabulary makes of each split's texts; nothing where there is none."""
        known = self.rows.kind == "tokens" and hasattr(self.fitted, "report")
        return {name: self.fitted.report(self.rows, index) for name, index in self.splits.items()} if known else {}

    @cached_property
    def unlike(self) -> list[str]:
        """Columns in which rows that are the same may differ: they name the rows, or the split goes by them."""
        return [name for name in getattr(self.rows.inputs, "columns", ()) if name in self.left_out or name in self.row_names]

    @property
    def but(self) -> str:
        """``, but for 'id'``, where rows are compared without that column."""
        return f", but for {named(self.unlike)}" if self.unlike else ""

    @cached_property
    def keys(self) -> Array | None:
        """(rows,) of 64 bits: the same for the same inputs, whatever names the rows have. None where finding out would mean
        reading files, and time is short."""
        inputs, lengths = self.rows.inputs, self.rows.lengths
        if hasattr(inputs, "hash_rows"):
            told = inputs.drop(self.unlike)
            found: Array = told.hash_rows(seed=0).to_numpy() if told.width else np.arange(len(inputs))
            return found
        if isinstance(inputs, np.ndarray) and not (self.quick and inputs.nbytes > LARGE_BYTES):
            rows = (row.tobytes() for row in inputs)
            if lengths is not None:
                rows = (row[:steps].tobytes() for row, steps in zip(inputs, lengths.tolist(), strict=True))
            return np.fromiter(map(hash, rows), np.int64, len(inputs))
        if self.quick:
            return None
        if hasattr(inputs, "paths"):
            return np.fromiter((hash(Path(path).read_bytes()) for path in inputs.paths), np.int64, len(inputs.paths))
        rows = (row.tobytes() for first in range(0, inputs.shape[0], 256) for row in inputs.read(_range(first, inputs.shape[0])))
        return np.fromiter(map(hash, rows), np.int64, inputs.shape[0])

    def place(self, row: int) -> str:
        """``row 3`` of the one file there is, else ``b.csv: row 3``."""
        return self.rows.place(int(row)).removeprefix(f"{self.rows.file}: ")

    def places(self, rows: Iterable[int]) -> str:
        """``row 3, row 8, …`` for the first of them."""
        rows = list(rows)
        return ", ".join(map(self.place, rows[:SHOWN])) + (", …" if len(rows) > SHOWN else "")


def _range(first: int, end: int) -> Array:
    return np.arange(first, min(first + 256, end))


def share(part: float) -> str:
    """``3 %``, ``0.4 %``."""
    percent = 100 * part
    return f"{percent:.0f} %" if percent >= 10 or percent == round(percent) else f"{percent:.2g} %"


def counted(number: int, word: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {word}{'s' * (number != 1)}"


def named(names: Iterable[Any]) -> str:
    """``'a', 'b', 'c', …``"""
    names = list(names)
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n|nan|inf)$)[A-Za-z_][\w-]*( [\w-]+)*", re.ASCII | re.IGNORECASE)


def as_yaml(name: str) -> str:
    """A name as it is typed into YAML, in quotes where it needs them."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def kind(column: str, word: str) -> str:
    """``data: {kinds: {id: ignore}}``"""
    return f"data: {{kinds: {{{as_yaml(column)}: {word}}}}}"
