"""Source: tables in CSV, Parquet or NDJSON files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from trainkit.errors import ConfigError, DataError, Problem
from trainkit.part import PathSetting, fault
from trainkit.parts.sources import Source, sources
from trainkit.parts.sources._columns import (
    TARGET,
    amounts,
    check_columns,
    check_filled,
    chosen,
    classes,
    fitting,
    labels,
    target_kind,
    usable,
)
from trainkit.parts.sources._tables import PATH, Files, Table, TableFormat, read_files, stream_table
from trainkit.spec import Rows, SplitName, Target

if TYPE_CHECKING:
    import numpy as np

Splits: TypeAlias = "dict[SplitName, np.ndarray[Any, Any]] | None"


@sources.register
class CSV(TableFormat, Source):
    """Tables with a header, in CSV, Parquet or NDJSON files: columns of any kind, and one or several columns to predict."""

    name: Literal["csv"] = "csv"
    path: PathSetting | Files
    """The file, or a pattern of files such as data/*.csv, relative to the config that names it; or one for each split."""
    target: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """The column to predict; or several: of numbers, or with `task: multilabel` of 0 and 1."""
    columns: tuple[str, ...] = ()
    """The inputs: names, or patterns such as sensor_*; left out: all columns but the target."""
    kinds: dict[str, Literal["number", "category", "yes_no", "date", "text", "ignore"]] = Field(default_factory=dict)
    """What columns hold, by name or pattern, where what their training rows show would be wrong. `ignore` leaves one out."""
    drop_missing_targets: bool = False
    """Leave out the rows that have no target."""
    label_case: Literal["ask", "keep", "lower"] = "ask"
    """Classes that differ only in capital letters, such as Yes and yes: ask stops, keep keeps them apart, lower makes them one."""

    @model_validator(mode="after")
    def _targets_are_no_inputs(self) -> CSV:
        for n, name in enumerate(self.targets):
            if name in self.targets[:n]:
                raise fault(("target", n), f"{name!r} is named twice")
            if name in self.kinds:
                raise fault(("kinds", name), f"{name!r} is the target: its kind follows from the task")
            if name in self.columns:
                raise fault(("columns", self.columns.index(name)), f"{name!r} is the target: it cannot be an input too")
        return self

    @property
    def given(self) -> tuple[SplitName, ...]:
        return self.path.given if isinstance(self.path, Files) else ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict."""
        return (self.target,) if isinstance(self.target, str) else self.target

    def build(self, target: Target | None) -> Rows:
        table, splits = read_files(self.path, self)
        check_columns(table, self.targets, key=TARGET)
        if self.drop_missing_targets:
            table, splits = self._with_targets(table, splits)
        check_filled(table, self.targets, fix="Fill it, or leave out all such rows: `data.drop_missing_targets: true`.")
        kinds = self._kinds(table)
        inputs = self._inputs(table, kinds)
        kind = target or target_kind(table, self.targets)
        if kind == "class":
            self._one_or_many(1, "classification")
            answers = classes(table, self.targets[0], case=self.label_case)
        elif kind == "labels":
            self._one_or_many(2, "multilabel")
            answers = labels(table, self.targets)
        else:
            answers = amounts(table, self.targets)
        rest = [column.name for column in table.frame if column.name not in (*inputs, *self.targets) and usable(column)]
        return Rows(
            table.frame.select(inputs),
            answers,
            "table",
            kind,
            target_names=self.targets,
            kinds={name: kinds[name] for name in inputs if name in kinds},
            file=table.name,
            places=table.place,
            splits=splits,
            extra=table.frame.select(rest),
        )

    def knowing(self, kinds: Mapping[str, str]) -> Self:
        return self.model_copy(update={"kinds": dict(kinds)})

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        import numpy as np

        usual = self.separator in ",;\t|"  # new files may have another of these
        how = self.model_copy(update={"format": "auto", "separator": "auto" if usual else self.separator})
        numbers = {name for name, kind in self.kinds.items() if kind == "number"}
        for path in inputs:
            for table in stream_table(path, how, size, numbers=numbers):
                frame = table.frame.select(column.name for column in table.frame if usable(column))
                none = np.zeros((frame.height, 0))
                yield Rows(frame, none, "table", "number", target_names=(), file=table.name, places=table.place)

    def _with_targets(self, table: Table, splits: Splits) -> tuple[Table, Splits]:
        """The rows that have every target."""
        import numpy as np
        import polars as pl

        kept = table.frame.select(pl.all_horizontal(pl.col(self.targets).is_not_null())).to_series().arg_true().to_numpy()
        found = splits and {name: np.flatnonzero(np.isin(kept, rows)) for name, rows in splits.items()}
        return (table.take(kept), found) if len(kept) else (table, splits)

    def _kinds(self, table: Table) -> dict[str, str]:
        """What the user says of each column. Raises DataError for a name or pattern that no column has."""
        from trainkit.data.columns import asked_kind

        for pattern in self.kinds:
            fitting(pattern, table.frame.columns, table.name, key=("data", "kinds", pattern))
        return {name: kind for name in table.frame.columns if (kind := asked_kind(self.kinds, name))}

    def _inputs(self, table: Table, kinds: Mapping[str, str]) -> list[str]:
        """The names of the inputs. Raises DataError for those that hold nothing, or nothing of use."""
        names = [name for name in table.frame.columns if name not in self.targets]
        names = [name for name in chosen(self.columns, names, table.name, key=("data", "columns")) if kinds.get(name) != "ignore"]
        if not names:
            raise DataError(
                f"{table.name}: no column is left to learn from.", key=PATH, suggestion="It needs one besides the target."
            )
        check_columns(table, names, key=PATH)
        empty = [name for name in names if table.frame[name].null_count() == table.frame.height]
        if empty:
            words = f"{table.name}: column {{!r}} holds no value at all."
            fix = "Leave the column out: data.kinds: {{{}: ignore}}."
            raise DataError([Problem(words.format(name), PATH, fix.format(name)) for name in empty])
        return names

    def _one_or_many(self, least: int, task: str) -> None:
        many = len(self.targets) > 1
        if many != (least > 1):
            asked = "several targets" if least > 1 else "one target"
            raise ConfigError(
                f"{task} has {asked}, and data.target names {len(self.targets)}.",
                key=TARGET,
                suggestion="Say `task: regression` for amounts, or `task: multilabel` for labels that a row may have or not."
                if many
                else "Name the column of each label, such as `target: [red, round]`, or say `task: classification`.",
            )
