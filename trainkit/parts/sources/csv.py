"""Source: a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainkit.errors import ConfigError, DataError, Problem
from trainkit.part import PathSetting
from trainkit.parts.sources import Source, sources
from trainkit.spec import Rows, Target

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

MISSING = ["", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NAN", "null", "NULL"]


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

    def build(self, target: Target | None) -> Rows:
        frame = self._read()
        for key, name in ((("data", "target"), self.target), *((("data", "kinds", name), name) for name in self.kinds)):
            if name not in frame.columns:
                raise DataError(f"{self.path} has no column {name!r}.", key=key, suggestion=_nearest(name, frame.columns))
        if self.target in self.kinds:
            raise ConfigError(
                f"{self.target!r} is the target: its kind follows from the task.",
                key=("data", "kinds", self.target),
                suggestion="Say `task: classification` or `task: regression`.",
            )
        frame = frame.drop(name for name, kind in self.kinds.items() if kind == "ignore")
        self._refuse_gaps(frame)
        values = frame[self.target]
        kind = target or self._kind(values)
        return Rows(
            frame.drop(self.target),
            values.to_numpy().astype(object) if kind == "class" else self._amounts(values).to_numpy()[:, None],
            "table",
            kind,
            target_names=(self.target,),
            kinds=self.kinds,
            file=self.path,
        )

    def _read(self) -> pl.DataFrame:
        """Every column as text, what is missing as null: kinds are found later, on the training rows."""
        from pathlib import Path

        import polars as pl

        path = Path(self.path)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            near = _nearest(path.name, [file.name for file in path.parent.glob("*")]) if path.parent.is_dir() else ""
            raise ConfigError(f"the file {self.path} {what}.", key=("data", "path"), suggestion=near)
        names = self._header(path)
        try:
            frame = pl.read_csv(path, infer_schema=False, glob=False)
        except pl.exceptions.PolarsError as error:
            raise self._unreadable(path, len(names)) from error
        if frame.width != len(names):
            fix = "Save it anew as CSV."
            raise DataError(f"{self.path}: its lines do not end as those of other files do.", key=("data", "path"), suggestion=fix)
        frame.columns = [name or f"column {n}" for n, name in enumerate(names, 1)]
        text = pl.all().str.strip_chars()
        frame = frame.select(pl.when(text.is_in(MISSING)).then(None).otherwise(text).name.keep())
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines, and those of commas alone
        if frame.is_empty():
            raise DataError(f"{self.path} has a header and no rows.", key=("data", "path"))
        for n, name in enumerate(names, 1):
            if not name and frame[f"column {n}"].is_null().all():  # each line ends with a comma
                frame = frame.drop(f"column {n}")
            elif not name:
                raise DataError(
                    f"{self.path}: column {n} has no name in the header.",
                    key=("data", "path"),
                    suggestion="Name it, or drop it if it only numbers the rows (pandas: to_csv(…, index=False)).",
                )
        return frame

    def _header(self, path: Path) -> list[str]:
        """The names of the columns; an empty text for a column without one."""
        import csv

        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                first = next((record for record in csv.reader(file) if record), None)
        except (UnicodeDecodeError, csv.Error):
            raise self._unreadable(path, 0) from None
        if first is None:
            raise DataError(f"{self.path} is empty.", key=("data", "path"))
        names = [name.strip() for name in first]
        for mark in ";\t|":
            if len(names) == 1 and mark in names[0]:
                raise DataError(
                    f"{self.path}: its columns are separated by {mark!r}, not by commas.",
                    key=("data", "path"),
                    suggestion="Save it with commas between the columns.",
                )
        twice = next((name for n, name in enumerate(names) if name and name in names[:n]), None)
        if twice is not None:
            raise DataError(f"{self.path} has two columns named {twice!r}.", key=("data", "path"), suggestion="Rename one of them.")
        return names

    def _unreadable(self, path: Path, columns: int) -> DataError:
        """Why the file cannot be read, and in which line."""
        import csv
        from io import StringIO

        def fault(line: int, words: str, fix: str) -> DataError:
            return DataError(f"{self.path}: line {line} {words}.", key=("data", "path"), suggestion=fix)

        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            return fault(line, "is not text in UTF-8", "Save the file as CSV in UTF-8 (a spreadsheet's “Save as” offers it).")
        lines = list(StringIO(text, newline=""))
        reader, began = csv.reader(lines, strict=True), 1
        quotes = "Close each quote, and write a quote inside a quoted text twice."
        try:
            for record in reader:
                if len(record) > columns:
                    fix = "A text that holds a comma needs quotes around it."
                    return fault(began, f"has {len(record)} values, and the header names {columns} columns", fix)
                began = reader.line_num + 1
        except csv.Error:
            return fault(began, "has quotes that do not match", quotes)
        line = next((n for n, words in enumerate(lines, 1) if words.count('"') % 2), 1)
        return fault(line, "has quotes that do not match", quotes)

    def _refuse_gaps(self, frame: pl.DataFrame) -> None:
        problems = []
        for name in frame.columns:
            gaps = frame[name].is_null()
            if not gaps.any():
                continue
            ignore = f"eave the column out: data.kinds: {{{name}: ignore}}."
            if gaps.all():
                words = f"{self.path}: column {name!r} holds no value at all."
                fix = "Choose another target column." if name == self.target else f"L{ignore}"
            else:
                row, more = int(gaps.arg_true()[0]) + 1, int(gaps.sum()) - 1
                words = f"{self.path}: row {row}, column {name!r} has no value{f' ({more} more in this column)' if more else ''}."
                fix = "Fill it, or drop the row." if name == self.target else f"Fill it, drop the row, or l{ignore}"
            problems.append(Problem(words, ("data", "path"), fix))
        if problems:
            raise DataError(problems)

    def _kind(self, values: pl.Series) -> Literal["class", "number"]:
        from trainkit.data.preprocessing import MOSTLY, parsed

        if parsed(values).is_null().mean() > 1 - MOSTLY:  # type: ignore[operator]
            return "class"
        if not values.str.contains(r"^[+-]?\d+$").all():
            return "number"
        raise ConfigError(
            f"the target {self.target!r} holds whole numbers: are they classes or amounts?",
            key=("data", "target"),
            suggestion="Say so: `task: classification` or `task: regression`.",
        )

    def _amounts(self, values: pl.Series) -> pl.Series:
        from trainkit.data.preprocessing import parsed

        numbers = parsed(values)
        bad = numbers.is_null().arg_true()
        if len(bad):
            others = f" ({len(bad) - 1} more)" if len(bad) > 1 else ""
            raise DataError(
                f"{self.path}: row {bad[0] + 1}, target {self.target!r}: {values[int(bad[0])]!r} is not a usable number{others}.",
                key=("data", "target"),
                suggestion="Mend it, or use `task: classification`.",
            )
        return numbers


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    lower = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lower, 1)
    return f"Did you mean {lower[near[0]]!r}?" if near else f"There are: {', '.join(sorted(names)[:20])}." if names else ""
