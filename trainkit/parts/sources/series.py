"""Source: series of measurements in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainkit.errors import ConfigError, DataError, Key
from trainkit.part import PathSetting, fault
from trainkit.parts.sources import Source, sources
from trainkit.parts.sources._columns import amounts, check_columns, check_filled, chosen, classes, target_kind, usable
from trainkit.parts.sources._tables import Files, Table, TableFormat, read_files, read_table, stream_table
from trainkit.spec import Kind, Rows, SplitName, Target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Array = np.ndarray[Any, Any]

Steps = Annotated[int, Field(gt=0, le=10**6)]
COLUMNS: Key = ("data", "columns")
TIME: Key = ("data", "time")
_PADDED = 2**27
"""Numbers, padding and all, that fit into memory whatever the sequences: 1 GB."""


@sources.register
class SeriesSource(TableFormat, Source):
    """Series of measurements in tables, one row a step: to forecast what comes next, or to tell whole sequences apart."""

    name: Literal["series"] = "series"
    path: PathSetting | Files
    """The file, or a pattern of files such as data/*.csv, each a series of its own; or one for each split; or a folder with a
    folder of files for each class."""
    target: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """To forecast: the column, or columns, whose next values are sought."""
    label: str | None = None
    """To tell whole sequences apart: the column that says what each is, the same in all of its rows. Without target and label,
    the name of a file's folder says it."""
    columns: tuple[str, ...] = ()
    """The inputs: names, or patterns such as sensor_*. Forecasts always see the target's past too, and, left out, nothing else;
    of whole sequences, left out, all columns are inputs."""
    time: str | None = None
    """The column of dates, moments or numbers by which rows are sorted. Left out: they stand in order. Steps count as equally
    far apart."""
    group: str | None = None
    """The column that names the series a row belongs to. Left out: each file is one."""
    window: Steps | None = None
    """To forecast: how many steps the network sees. Of whole sequences: only their last so many; left out: all."""
    horizon: Steps = 1
    """To forecast: how many steps ahead, each of which is a target."""
    gap: int = Field(default=0, ge=0, le=10**6)
    """To forecast: steps between the window and the first target, which are not known yet when the forecast is made."""
    stride: Steps = 1
    """To forecast: steps from the beginning of one window to that of the next."""
    drop_missing_targets: bool = False
    """To forecast: leave out the windows that have a target without a value."""

    @model_validator(mode="after")
    def _one_use(self) -> Self:
        if self.target is not None and self.label is not None:
            raise fault(("label",), "is of whole sequences, and target of forecasts: say one of them")
        if self.target is not None and self.window is None:
            raise fault(("window",), "is missing: how many steps does the network see to forecast the next?")
        if self.target is None and self.label is None and self.group is not None:
            raise fault(("group",), "needs a target to forecast, or a label to tell sequences apart: say one of them")
        for key in ("horizon", "gap", "stride", "drop_missing_targets"):
            if self.target is None and getattr(self, key) != type(self).model_fields[key].default:
                raise fault((key,), "is of forecasts, which need a target: say one, or leave this out")
        return self

    @property
    def data_kind(self) -> Kind:
        return "sequence"

    @property
    def given(self) -> tuple[SplitName, ...]:
        return self.path.given if isinstance(self.path, Files) else ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to forecast; none where whole sequences are told apart."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()

    def build(self, target: Target | None) -> Rows:
        series = self._read()
        return self._windows(series, target) if self.targets else self._sequences(series, target)

    def _read(self) -> Series:
        if isinstance(self.path, Files):
            paths = {name: _pattern(path) for name, path in self.path.model_dump().items() if path is not None}
            return self._series(*read_files(Files(**paths), self))
        return self._series(read_table(_pattern(self.path), self), None)

    def holes(self) -> list[tuple[int, str, str]]:
        """Where steps are missing in a series that is regular otherwise: how many, and the rows before and after.

        Regular: nine in ten steps take as long as the middle one, give or take a tenth, as months do and working days do not.
        """
        import numpy as np

        if self.time is None:
            return []
        series, found = self._read(), []
        for start, end in zip(series.starts, series.ends, strict=True):
            spans = np.diff(series.clock[start:end]).astype(float)
            if len(spans) < 9 or (np.abs(spans / (usual := np.median(spans)) - 1) < 0.1).mean() < 0.9:
                continue
            for step in np.flatnonzero(spans > 1.5 * usual):
                row = int(start + step)
                found.append((round(spans[step] / usual) - 1, series.table.place(row), series.table.place(row + 1)))
        return found

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        """Files as `build` reads them. To forecast: the last window of each series, so the answer is what comes after its end.
        Else: every sequence. Neither targets nor labels need to be there, but for a target's past."""
        import numpy as np

        for path in inputs:
            if path == "-":
                (table,) = stream_table(path, self, 10**15)  # a series is answered when its end is known
            else:
                table = read_table(_pattern(path), self, key=())
            series = self._series(table, None, new=True)
            count = len(series.starts)
            for first in range(0, count, size):
                some = np.arange(first, min(first + size, count))
                yield self._last(series, some) if self.targets else self._padded(series, some)

    def _series(self, table: Table, splits: dict[SplitName, Array] | None, new: bool = False) -> Series:
        """The rows of each series beside each other, in the order of their moments."""
        import numpy as np
        import polars as pl

        from trainkit.data.dates import moments

        for key, asked in (("target", self.targets), ("time", (self.time,)), ("group", (self.group,))):
            check_columns(table, [name for name in asked if name], key=("data", key))
        count = table.frame.height
        belongs = np.zeros(count, dtype=np.int64)
        for number, rows in enumerate((splits or {}).values()):
            belongs[rows] = number
        if self.group:
            check_filled(table, (self.group,), key=("data", "group"), fix="Fill it, or leave the row out.")
            written = table.frame[self.group].cast(pl.String)
            called = written.unique(maintain_order=True).to_list()
            codes = written.replace_strict(called, range(len(called)), return_dtype=pl.Int64).to_numpy()
        else:
            called = [file for file, _ in table.parts]
            codes = np.repeat(np.arange(len(called)), [rows for _, rows in table.parts])
        codes = codes + belongs * len(called)  # a name in two splits is two series
        clock = np.arange(count)
        if self.time:
            check_filled(table, (self.time,), key=TIME, fix="Fill it, or leave the row out.")
            clock = moments(table.frame[self.time], table.place, TIME)
        order = np.lexsort((clock, codes))
        table, codes, clock = table.take(order), codes[order], clock[order]
        same = (codes[1:] == codes[:-1]) & (clock[1:] == clock[:-1])
        if same.any():
            row = int(same.argmax())
            words = f"{table.place(row)} and {table.place(row + 1)} are of the same moment, {table.frame[self.time or ''][row]}."
            fix = "Leave one out" + ("." if self.group else "; or, if these are several series, name their column: data.group.")
            raise DataError(words, key=TIME, suggestion=fix)
        begins = np.diff(codes, prepend=-1) != 0
        starts = np.flatnonzero(begins)
        order_in_time = np.unique(clock, return_inverse=True)[1] if self.time else np.arange(count) - starts[begins.cumsum() - 1]
        names = np.array(called, dtype=object)[codes[starts] % len(called)]
        splitting = None if splits is None else (tuple(splits), codes[starts] // len(called))
        inputs = self._inputs(table, new)
        numbers = self._numbers(table, inputs)
        return Series(table, inputs, numbers, starts, clock, order_in_time, names, splitting, self.group)

    def _inputs(self, table: Table, new: bool) -> list[str]:
        """The names of the inputs, the targets first; the others sorted, so that another file may have them in another order.
        A new file may hold other columns beside: those without a single number are left out."""
        used = {"target": self.targets, "label": (self.label,), "time": (self.time,), "group": (self.group,)}
        for n, name in enumerate(self.columns):
            if key := next((key for key, names in used.items() if name in names), None):
                words = "its past is an input anyway" if key == "target" else "it cannot be an input too"
                raise ConfigError(
                    f"{name!r} is data.{key}: {words}.", key=(*COLUMNS, n), suggestion="Leave it out of data.columns."
                )
        others = [name for name in table.frame.columns if not any(name in names for names in used.values())]
        more = sorted(chosen(self.columns, others, table.name, key=COLUMNS)) if self.columns or not self.targets else []
        if new:
            more = [name for name in more if usable(table.frame[name]) and not _numbers(table.frame[name]).is_null().all()]
        check_columns(table, more, key=COLUMNS)
        if not (self.targets or more):
            raise DataError(f"{table.name} has no column that could be an input.", key=COLUMNS)
        return [*self.targets, *more]

    def _numbers(self, table: Table, names: Sequence[str]) -> Array:
        """float64 (rows, inputs), gaps NaN. Raises DataError naming the row of a value that is no number."""
        import numpy as np

        found = []
        for name in names:
            column, key = table.frame[name], ("data", "target") if name in self.targets else COLUMNS
            choose = "Mend it." if name in self.targets else "Mend it, or name the columns that are inputs: data.columns."
            if column.null_count() == len(column):
                raise DataError(f"{table.name}: column {name!r} holds no value at all.", key=key)
            numbers = _numbers(column)
            wrong = numbers.is_null() & column.is_not_null()
            if wrong.any():
                row = int(wrong.arg_true()[0])
                words = f"{table.place(row)}, column {name!r}: {str(column[row])!r} is not a usable number."
                raise DataError(words, key=key, suggestion=choose)
            found.append(numbers.to_numpy())
        return np.column_stack(found)

    def _windows(self, series: Series, target: Target | None) -> Rows:
        """A row for each place where a window, the gap and the horizon fit into a series."""
        import numpy as np
        import polars as pl

        from trainkit.data.series import Windows

        if target not in (None, "number"):
            words = "what comes next is forecast as an amount."
            raise ConfigError(words, key=("data", "target"), suggestion="Use `task: regression`, or say data.label instead.")
        assert self.window is not None
        ahead = self.window + self.gap
        last = series.ends - ahead - self.horizon
        starts = np.concatenate([np.arange(*ends, self.stride) for ends in zip(series.starts, last + 1, strict=True)])
        if not len(starts):
            longest = int((series.ends - series.starts).max())
            words = f"{series.table.name}: the longest series has {longest} steps, too few for a single window."
            fix = f"A window of {self.window}{f', a gap of {self.gap}' if self.gap else ''} and a horizon of {self.horizon} "
            raise DataError(words, key=("data", "window"), suggestion=f"{fix}need {ahead + self.horizon}.")
        steps = starts[:, None] + ahead + np.arange(self.horizon)
        targets = series.numbers[steps][:, :, : len(self.targets)].transpose(0, 2, 1)
        missing = np.isnan(targets)
        if missing.any() and not self.drop_missing_targets:
            row, column, step = (int(axis[0]) for axis in missing.nonzero())
            words = (
                f"{series.table.place(int(steps[row, step]))}, column {self.targets[column]!r} has no value, and is to be forecast."
            )
            fix = "Fill it, or leave out such windows: `data.drop_missing_targets: true`."
            raise DataError(words, key=("data", "target"), suggestion=fix)
        whole = ~missing.any(axis=(1, 2))
        if not whole.any():
            raise DataError(f"{series.table.name}: no window has all of its targets.", key=("data", "target"))
        starts, steps, targets = starts[whole], steps[whole], targets[whole]
        member = series.members[starts]
        extra = {"target_begins": series.moments[steps[:, 0]], "target_ends": series.moments[steps[:, -1]]}
        if self.group:
            extra = {self.group: series.names[member].astype(str), **extra}
        return Rows(
            Windows(series.numbers, starts, self.window),
            targets.reshape(len(starts), -1),
            "sequence",
            "number",
            tuple(f"{name} +{self.gap + n + 1}" for name in self.targets for n in range(self.horizon)),
            file=series.table.name,
            places=lambda row: f"window from {series.table.place(int(starts[row]))}",
            splits=series.split(member),
            features=tuple(series.inputs),
            extra=pl.DataFrame(extra),
            moments=("target_begins", "target_ends"),
        )

    def _sequences(self, series: Series, target: Target | None) -> Rows:
        """A row for each series."""
        import numpy as np

        if target == "labels":
            raise ConfigError("a sequence has one label here.", key=("data", "label"), suggestion="Use `task: classification`.")
        index = np.arange(len(series.starts))
        kind, targets = self._labels(series, target)
        names, splits = (self.label or "folder",), series.split(index)
        rows = self._padded(series, index)
        return replace(rows, targets=targets, target_kind=kind, target_names=names, splits=splits)

    def _labels(self, series: Series, target: Target | None) -> tuple[Target, Array]:
        """What each series is. Raises DataError for one whose rows say different things."""
        import numpy as np

        if self.label is None:
            if target == "number":
                words = "without data.label, the name of a file's folder is its class."
                raise ConfigError(words, key=("data", "label"), suggestion="Name the column of the amount.")
            return "class", np.array([Path(file).parent.name for file in series.names], dtype=object)
        key, table = ("data", "label"), series.table
        check_columns(table, (self.label,), key=key)
        check_filled(table, (self.label,), key=key)
        values = table.frame[self.label].to_numpy()
        wrong = values != values[series.starts][series.members]
        if wrong.any():
            row = int(wrong.argmax())
            first = int(series.starts[series.members[row]])
            words = f"{table.place(first)} says {str(values[first])!r} in column {self.label!r}, and {table.place(row)}"
            fix = "A series has one label; if there are several in a file, name their column: data.group."
            raise DataError(f"{words} of the same series {str(values[row])!r}.", key=key, suggestion=fix)
        once = table.take(series.starts)
        kind = target or target_kind(once, (self.label,), key=key)
        if kind == "class":
            return kind, classes(once, self.label, key=key, case="keep")
        return kind, amounts(once, (self.label,), key=key)

    def _padded(self, series: Series, some: Array) -> Rows:
        """Those series as rows, without targets."""
        import numpy as np

        lengths = np.minimum(series.ends - series.starts, self.window or len(series.numbers))[some]
        shape = (len(some), int(lengths.max()), series.numbers.shape[1])
        if np.prod(shape) > max(_PADDED, 4 * lengths.sum() * shape[2]):
            longest = series.called(int(some[lengths.argmax()]))
            words = f"{longest} has {shape[1]} steps, and most series far fewer: padded to its length, they do not fit into memory."
            raise DataError(
                words, key=("data", "window"), suggestion="Keep the last steps of each only, such as: data.window=1000."
            )
        inputs = np.zeros(shape)
        for row, (end, length) in enumerate(zip(series.ends[some], lengths, strict=True)):
            inputs[row, :length] = series.numbers[end - length : end]
        return series.rows(inputs, some, lengths)

    def _last(self, series: Series, some: Array) -> Rows:
        """The last window of those series. What it forecasts lies behind the end."""
        import numpy as np

        assert self.window is not None
        short = (series.ends - series.starts)[some] < self.window
        if short.any():
            member = int(some[short.argmax()])
            words = f"{series.called(member)} has {series.ends[member] - series.starts[member]} steps, and a window {self.window}."
            raise DataError(words, key=("data", "window"), suggestion="Give the steps before too.")
        return series.rows(series.numbers[series.ends[some][:, None] - self.window + np.arange(self.window)], some, at_end=True)


@dataclass(frozen=True)
class Series:
    """Series beside each other, each in the order of its moments."""

    table: Table
    inputs: Sequence[str]
    """The names of the inputs."""
    numbers: Array
    """float64 (steps, inputs)."""
    starts: Array
    """int64 (series,): where each begins."""
    clock: Array
    """int64 or float64 (steps,): when each was, as `trainkit.data.dates.moments` counts; without a time, its row."""
    moments: Array
    """int64 (steps,): their order in time, through all series."""
    names: Array
    """(series,): what each is called in its column, or its file."""
    splits: tuple[tuple[SplitName, ...], Array] | None
    """The splits that have files of their own, and (series,) which of them each belongs to."""
    group: str | None

    @property
    def ends(self) -> Array:
        """int64 (series,): where each ends, without it."""
        import numpy as np

        return np.append(self.starts[1:], len(self.numbers))

    @property
    def members(self) -> Array:
        """int64 (steps,): which series each belongs to."""
        import numpy as np

        return np.repeat(np.arange(len(self.starts)), self.ends - self.starts)

    def called(self, member: int) -> str:
        """How messages name a series."""
        return f"{self.table.name}: {self.group} {self.names[member]}" if self.group else str(self.names[member])

    def split(self, members: Array) -> dict[SplitName, Array] | None:
        """The rows of each split, where rows belong to these series."""
        import numpy as np

        if self.splits is None:
            return None
        names, belongs = self.splits
        return {name: np.flatnonzero(belongs[members] == number) for number, name in enumerate(names)}

    def rows(self, inputs: Array, some: Array, lengths: Array | None = None, at_end: bool = False) -> Rows:
        """Rows of one series each, without targets. Columns that are no inputs may split them: as at its beginning, or its end."""
        import numpy as np

        places = self.ends[some] - 1 if at_end else self.starts[some]

        others = [name for name in self.table.frame.columns if name not in self.inputs]
        return Rows(
            inputs,
            np.zeros((len(some), 0)),
            "sequence",
            "number",
            (),
            file=self.table.name,
            places=lambda row: self.called(int(some[row])),
            lengths=lengths,
            features=tuple(self.inputs),
            extra=self.table.frame[places].select(others) if others else None,
        )


def _numbers(column: pl.Series) -> pl.Series:
    """float64; null where a value is no usable number, as a date is."""
    from trainkit.data.columns import parsed

    return parsed(column.clear(len(column)) if column.dtype.is_temporal() else column)


def _pattern(path: str) -> str:
    """A folder as the pattern of its files, or of those in its folders."""
    from glob import escape

    folder = Path(path)
    if not folder.is_dir():
        return path
    deep = not any(file.is_file() for file in folder.glob("[!.]*"))
    return str(Path(escape(path)) / ("*/*" if deep else "*"))
