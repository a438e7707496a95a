"""Dates in text: how they are written, and which moments they are. For tables, the order of series, and splits by time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

from trainkit.errors import DataError, Key

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Style = Literal["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"]
"""How dates are written; each may be followed by hours and minutes, by seconds, and by a zone's offset. 2024-12 is a day too:
the first of that month."""
_DATE = r"^(?:\d{4}[-/]\d\d?(?:[-/]\d\d?)?|\d\d?[-/.]\d\d?[-/.]\d{4})(?:[T ]|$)"
_CLOCK = r"[T ]+(\d\d?:\d\d[\d:.]*) *(?:Z|([+-]\d\d):?(\d\d)?)?$"
_GLANCE = 1000
"""So many values show what need not be tried with all."""


def styles(values: pl.Series, least: float = 0.0) -> tuple[float, list[Style]]:
    """The share of the texts that are dates of one style, and that style: several of them where nothing shows whether the day or
    the month comes first; none if no more than ``least`` of the texts look like dates at all. No value may be missing."""
    if not (values.str.contains(_DATE).mean() or 0.0) > least:  # type: ignore[operator]
        return 0.0, []
    every: tuple[Style, ...] = get_args(Style)
    likely = [style for style in every if wall(values.head(_GLANCE), style).is_not_null().any()]
    shares = {style: 1 - wall(values, style).null_count() / len(values) for style in likely or every}
    best = max(shares.values())
    return best, [style for style, share in shares.items() if share == best > 0]


def wall(values: pl.Series, style: Style) -> pl.Series:
    """What calendar and clock on the wall say, as datetimes without a zone; null where a value is none."""
    import polars as pl

    if values.dtype.is_temporal():
        return values.cast(pl.Datetime("us")).dt.replace_time_zone(None)
    values = values.cast(pl.String).str.replace(r"^(\d{4})([-/])(\d\d?)$", "${1}${2}${3}${2}01")
    found = values.str.to_datetime(style, strict=False, time_unit="us")
    if found.null_count() > values.null_count():  # 1 million with times: 1 s
        clock = values.str.replace(_CLOCK, " ${1}")
        read = [clock.str.to_datetime(style + time, strict=False, time_unit="us") for time in (" %H:%M", " %H:%M:%S%.f")]
        found = pl.select(pl.coalesce(found, *read)).to_series()
    return found.set((found.dt.year() < 1000).fill_null(False), None)  # 24-12-31 is no year of the Romans'


def moments(values: pl.Series, place: Callable[[int], str], key: Key) -> np.ndarray[Any, Any]:
    """(rows,) int64 or float64 that grow with time: numbers as they are, dates in microseconds since 1970, their zone's offset
    counted. No value may be missing; ``place`` names a row.

    Raises DataError at ``key`` naming the row of a value that is neither, and for dates whose day might be the month.
    """
    import polars as pl

    found: list[Style] = []
    if values.dtype in (pl.Date, pl.Datetime):
        best = values.dt.epoch("us")
    elif values.dtype != pl.String:
        best = values.to_physical()
    else:
        share, found = styles(values)
        numbers = [values.cast(dtype, strict=False) for dtype in (pl.Int64, pl.Float64)]
        best = min([*numbers, *(_instants(values, style) for style in found)], key=pl.Series.null_count)
    wrong = ~best.cast(pl.Float64).is_finite().fill_null(False)
    if wrong.any():
        row = int(wrong.arg_true()[0])
        words = f"{place(row)}, column {values.name!r}: {values[row]!r} is neither a number nor a date."
        raise DataError(words, key=key, suggestion="Write dates as 2024-01-31 or 2024-01-31 18:30, or give numbers.")
    if len(found) > 1 and share == 1:
        words = f"column {values.name!r} holds dates such as {values[0]!r}, of which the day might be the month."
        raise DataError(f"{place(0)}: {words}", key=key, suggestion="Write them as 2024-12-31.")
    return best.to_numpy()


def _instants(values: pl.Series, style: Style) -> pl.Series:
    """int64: microseconds since 1970 in Greenwich."""
    import polars as pl

    hours, minutes = values.str.extract(_CLOCK, 2), values.str.extract(_CLOCK, 3)
    offset = [60 * hours.cast(pl.Int64), (hours.str.head(1) + minutes).cast(pl.Int64)]
    return wall(values, style).dt.epoch("us") - sum(part.fill_null(0) for part in offset) * 60_000_000
