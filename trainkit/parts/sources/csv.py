"""Source: a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainkit.errors import ConfigError, DataError
from trainkit.part import PathSetting
from trainkit.parts.sources import Source, sources
from trainkit.spec import Rows

if TYPE_CHECKING:
    import polars as pl

MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]


@sources.register
class CSV(Source):
    """A CSV file with a header: columns of numbers and categories, and one column to predict."""

    name: Literal["csv"] = "csv"
    path: PathSetting
    """The file, relative to the config that names it."""
    target: str
    """The column to predict."""
    kinds: dict[str, Literal["number", "category", "ignore"]] = Field(default_factory=dict)
    """What a column holds, where what its training rows show would be wrong. `ignore` leaves a column out."""

    def build(self, target: Literal["class", "number"] | None) -> Rows:
        frame = self._read()
        for key, name in ((("data", "target"), self.target), *((("data", "kinds", name), name) for name in self.kinds)):
            if name not in frame.columns:
                raise DataError(f"{self.path} has no column {name!r}.", key=key, suggestion=_nearest(name, frame.columns))
        ignored = {name for name, kind in self.kinds.items() if kind == "ignore"}
        frame = frame.drop(ignored - {self.target})
        self._refuse_gaps(frame)
        kind = target or self._kind(frame[self.target])
        rows = Rows(
            frame.drop(self.target),
            frame[self.target].to_numpy().astype(object),
            "table",
            kind,
            target_names=(self.target,),
            kinds=self.kinds,
            file=self.path,
        )
        return self._as_numbers(rows, frame[self.target]) if kind == "number" else rows

    def _read(self) -> pl.DataFrame:
        """Every column as text: kinds are found later, on the training rows."""
        from pathlib import Path

        import polars as pl

        path = Path(self.path)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            near = _nearest(path.name, [file.name for file in path.parent.glob("*")]) if path.parent.is_dir() else ""
            raise ConfigError(f"the file {self.path} {what}.", key=("data", "path"), suggestion=near)
        try:
            frame = pl.read_csv(path, infer_schema=False, null_values=MISSING, truncate_ragged_lines=False)
        except pl.exceptions.NoDataError:
            raise DataError(f"{self.path} is empty.", key=("data", "path")) from None
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            words = str(error).splitlines()[0]
            raise DataError(f"{self.path} cannot be read as a CSV file in UTF-8: {words}.", key=("data", "path")) from error
        frame = frame.rename({name: name.strip() for name in frame.columns}).with_columns(pl.all().str.strip_chars())
        if frame.is_empty():
            raise DataError(f"{self.path} has a header and no rows.", key=("data", "path"))
        return frame

    def _refuse_gaps(self, frame: pl.DataFrame) -> None:
        for name in frame.columns:
            gaps = frame[name].is_null()
            fix = "" if name == self.target else f"Fill it, drop the row, or leave the column out: data.kinds: {{{name}: ignore}}."
            if gaps.all():
                raise DataError(f"{self.path}: column {name!r} holds no value at all.", key=("data", "path"), suggestion=fix)
            if gaps.any():
                row, more = int(gaps.arg_true()[0]) + 1, int(gaps.sum()) - 1
                others = f" ({more} more in this column)" if more else ""
                raise DataError(
                    f"{self.path}: row {row}, column {name!r} has no value{others}.",
                    key=("data", "path"),
                    suggestion=fix or "Fill it, or drop the row.",
                )

    def _kind(self, values: pl.Series) -> Literal["class", "number"]:
        import polars as pl

        if values.cast(pl.Float64, strict=False).is_null().any():
            return "class"
        if values.str.contains(r"^[+-]?\d+$").all():
            raise ConfigError(
                f"the target {self.target!r} holds whole numbers: are they classes or amounts?",
                key=("data", "target"),
                suggestion="Say so: `task: classification` or `task: regression`.",
            )
        return "number"

    def _as_numbers(self, rows: Rows, values: pl.Series) -> Rows:
        from dataclasses import replace

        import polars as pl

        numbers = values.cast(pl.Float64, strict=False)
        bad = (numbers.is_null() | ~numbers.is_finite().fill_null(True)).arg_true()
        if len(bad):
            raise DataError(
                f"{self.path}: row {bad[0] + 1}, target {self.target!r}: {values[int(bad[0])]!r} is not a number.",
                key=("data", "target"),
                suggestion="Mend it, or use `task: classification`.",
            )
        return replace(rows, targets=numbers.to_numpy()[:, None], target_kind="number")


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(names)[:20])}." if names else ""
