"""Choose: the settings that suit somebody's data, each with its reason. A function of the data alone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from math import ceil, log2
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from trainkit.errors import ConfigError, DataError
from trainkit.spec import Rows, Target

if TYPE_CHECKING:
    import polars as pl

    from trainkit.parts.sources._tables import Table

Array = np.ndarray[Any, Any]
CLASSES, EACH = 20, 10
"""Whole numbers are classes where there are so few different ones, and so many rows for each; else amounts."""
FEW = 5
"""A column that is the same in all but fewer rows teaches nothing, and some training split would miss these rows."""
WORDS = 8
"""Texts of so many words on average are there to be read."""
SIDES = (32, 64, 96, 128)
"""Pictures of different sizes, or larger ones, become the largest of these squares that most of them fill."""
GLANCE = 100
"""So many values of a column show whether they are files."""
LONG = 50
"""Fewer rows are hardly worth forecasting from."""
_SEEN = (
    (90, 60, "an hour"), (5_400, 24, "a day"), (1.5 * 86_400, 28, "four weeks"), (10 * 86_400, 26, "half a year"),
    (45 * 86_400, 12, "a year"), (120 * 86_400, 8, "two years"), (np.inf, 12, "a dozen"),
)  # fmt: skip
"""How many steps a forecast looks back on, where the steps are of no more than so many seconds; and what that is."""
SECTIONS = ("data", "split", "preprocess", "augment", "model", "task", "optimizer", "schedule", "training")
_TABLES = (".csv", ".tsv", ".parquet", ".ndjson", ".jsonl")
_ARRAYS = (".npy", ".npz", ".safetensors", ".pt", ".pth")
_LIKELY = ("target", "label", "labels", "class", "y", "outcome", "answer", "result", "price")


class Choice(NamedTuple):
    """A setting, and why it has this value."""

    key: tuple[str, ...]
    value: Any
    why: str


class Asked(NamedTuple):
    """What the user says about the data."""

    data: Path
    """A table in a file, a pattern of such files, or a folder."""
    target: str | None = None
    text: str | None = None
    series: bool = False
    """Is the target's future to be forecast?"""
    encoding: str | None = None

    def typed(self) -> str:
        """The same as the words of a command."""
        options = {"--data": str(self.data), "--target": self.target, "--text": self.text, "--encoding": self.encoding}
        return " ".join([f"{name} {quote(value)}" for name, value in options.items() if value] + ["--series"] * self.series)


def choose(asked: Asked, *, folder: Path) -> tuple[list[Choice], str]:
    """The settings for a table, or for a folder of pictures or texts, and what else might be made of it, in a line; often
    nothing. Paths are written relative to ``folder``.

    Raises ConfigError for a path that is not there and where ``target`` is missing, DataError for what is wrong inside.
    """
    data, hint = asked.data, ""
    if not (data.exists() or any(mark in str(data) for mark in "*?[")):
        from trainkit.parts.sources._tables import nearest

        beside = [other.name for other in data.parent.glob("*")] if data.parent.is_dir() else []
        raise ConfigError(f"{data} is not there.", suggestion=nearest(data.name, beside))
    try:
        path = Path(os.path.relpath(data.absolute(), folder)).as_posix()
    except ValueError:  # another drive of Windows
        path = data.absolute().as_posix()
    if data.is_dir():
        found = _folder(asked, path)
    elif (arrays := data.suffix.lower() in _ARRAYS) or "-idx" in data.name:
        fill_in = f"trainkit init {'arrays' if arrays else 'mnist'}"
        raise ConfigError(f"{data} holds numbers, and does not say what they are.", suggestion=f"Fill in a template: {fill_in}")
    else:
        found, hint = _table(asked, path)
    settled = {choice.key: choice for choice in found}  # of two for one setting, the last
    return sorted(settled.values(), key=lambda choice: SECTIONS.index(choice.key[0])), hint


# --- tables


def _table(asked: Asked, path: str) -> tuple[list[Choice], str]:
    from trainkit.jobs import mending
    from trainkit.parts.sources._columns import check_columns
    from trainkit.parts.sources._tables import read_table

    table, how, why = mending.read(str(asked.data), asked.encoding)
    frame, target = table.frame, asked.target
    if target is None:
        _ask_for_the_target(asked, frame, why)
    check_columns(table, (target, *([asked.text] if asked.text else [])), key=())
    found = [Choice(("data", "encoding"), how.encoding, why)] if why else []
    pictures = None if asked.text or asked.series else _picture_files(asked, table)
    text = asked.text or (None if pictures or asked.series else _only_text(frame.drop(target)))
    slips = {name: mending.slips(frame[name]) for name in ((target,) if pictures or text or asked.series else frame.columns)}
    if slips[target].why and (asked.series or not slips[target].texts or _task(slips[target].rest)[0] == "number"):
        if not slips[target].texts or pictures or text:
            raise DataError(f"the target {target!r}: {slips[target].why}.", suggestion="Mend the file.")
    else:
        slips.pop(target)  # a word more among classes
    missing, why, unread = mending.missing(frame, slips, target)
    if missing:
        found.append(Choice(("data", "missing"), missing, why))
        table = read_table(str(asked.data), how.model_copy(update={"missing": tuple(missing)}), key=())
        frame = table.frame
    many = f", of {len(table.parts)} files" if len(table.parts) > 1 else ""
    size = f"{_counted(frame.height, 'row')}, {_counted(frame.width, 'column')}{many}"
    if pictures:
        return _picture_table(asked, path, size, table, pictures), ""
    if (gaps := frame[target].null_count()) and not text:
        found.append(Choice(("data", "drop_missing_targets"), True, f"{_counted(gaps, 'row')} without a target"))
    found.insert(0, Choice(("data", "path"), path, size))
    if asked.series:
        return _series(asked, table, found), ""
    kind, task = _task(frame[target])
    found += _spellings(frame[target]) if kind == "class" else []
    name, inputs = ("text", "") if text else ("csv", "; every other column is an input")
    found = [
        Choice(("data", "name"), name, "a table in a file"),
        *found,
        Choice(("data", "target"), target, f"what is predicted{inputs}"),
    ]
    if text:
        left = ", ".join(other for other in frame.columns if other not in (text, target))
        found.append(Choice(("data", "text"), text, f"what is read; left out: {left}" if left else "what is read"))
        rows = _rows(found, asked, kind)
        return [*found, *task, *_for_texts(rows), *_balance(rows)], ""
    refused = {column: why for column in frame.drop(target).columns if (why := unread.get(column) or _refused(frame[column]))}
    kinds = {column: ("ignore", why) for column, why in refused.items()}
    if len(refused) + 1 == frame.width:
        raise _nothing_left(table, kinds)
    rows = _rows(found, asked, kind, kinds=dict.fromkeys(refused, "ignore"))
    split, train = _shares(rows)
    more, inputs_of = _columns(rows, train)
    kinds |= more
    if not inputs_of:
        raise _nothing_left(table, kinds)
    found += [Choice(("data", "kinds", column), *kinds[column]) for column in frame.columns if column in kinds]
    found += [*split, *task, *_for_tables(len(train), sum(inputs_of.values())), *_balance(rows)]
    return found, _series_hint(asked, table) if kind == "number" else ""


def _rows(found: list[Choice], asked: Asked, kind: Target, **more: Any) -> Rows:
    """What the source makes of the data with these choices."""
    from trainkit.parts.sources import sources

    plain = {choice.key[1]: choice.value for choice in found if choice.key[0] == "data"}
    path = "table" if "table" in plain else "path"
    return sources.read(plain | {path: str(asked.data)} | more).build(kind)


def _spellings(classes: pl.Series) -> list[Choice]:
    """What makes Yes and yes one class."""
    import polars as pl

    first: dict[str, str] = {}
    words = sorted(classes.drop_nulls().cast(pl.String).unique())
    alike = [(word, first[word.lower()]) for word in words if first.setdefault(word.lower(), word) != word]
    return [Choice(("data", "label_case"), "lower", f"{alike[0][0]!r} and {alike[0][1]!r} are one")] if alike else []


def _task(values: pl.Series) -> tuple[Any, list[Choice]]:
    """The kind of target, and the task with its reason. Raises DataError where all values are the same."""
    import polars as pl

    from trainkit.data.columns import MOSTLY, parsed

    known, key = values.drop_nulls(), ("task", "name")
    numbers, different = parsed(known), known.n_unique()
    if different < 2:
        raise DataError(f"the target {values.name!r} {_looks(values)[0]}: there is nothing to tell apart.")
    if values.dtype == pl.Boolean or numbers.null_count() > (1 - MOSTLY) * len(known):
        return "class", [Choice(key, "classification", f"{values.name!r} holds {_some(known)}")]
    if (numbers != numbers.round()).any():
        return "number", [Choice(key, "regression", f"{values.name!r} holds numbers with decimals")]
    whole = f"{values.name!r} holds {different} different whole numbers"
    rarest = int(known.alias("value").value_counts()["count"].sort()[0])
    if different == 2 or (different <= CLASSES and different * EACH <= len(known) and rarest > 2):
        return "class", [Choice(key, "classification", f"{whole}; if they are amounts: regression")]
    return "number", [Choice(key, "regression", f"{whole}: amounts")]


def _refused(values: pl.Series) -> str:
    """Why the column cannot be read at all; nothing if it can."""
    from trainkit.parts.sources._columns import usable

    if values.null_count() == len(values):
        return "holds no value at all"
    return "" if usable(values) else f"holds {values.dtype}"


def _columns(rows: Rows, train: Array) -> tuple[dict[str, tuple[str, str]], dict[str, int]]:
    """The columns to leave out or to read as what they do not seem to be, each with that kind and the reason; and how many inputs
    each of the others makes."""
    from trainkit.data.findings import Look, columns
    from trainkit.parts.preprocessing import preprocessing

    table, every = preprocessing.read("table"), np.arange(len(rows))
    kinds: dict[str, tuple[str, str]] = {}
    inputs: dict[str, int] = {}
    for name in rows.inputs.columns:
        counts = rows.inputs[name].alias("value").value_counts(sort=True)
        if (others := len(rows) - counts["count"][0]) < FEW and len(rows) >= 20 * FEW:
            most = counts["value"][0]
            is_most = "has no value" if most is None else f"is {most!r}"
            kinds[name] = "ignore", f"{is_most} in all rows" + (f" but {others}" if others else "")
            continue
        one = replace(rows, inputs=rows.inputs.select(name))
        try:
            fitted: Any = table.fit(one, train)
            try:
                fitted.numbers(one, every)  # also what no training row shows
            except DataError as error:
                if fitted.columns[0].kind != "yes_no":
                    raise
                kinds[name] = "category", f"{_what(error, name)}: read as words"
                fitted = table.fit(replace(one, kinds={name: "category"}), train)
        except DataError as error:
            kinds[name] = "ignore", _what(error, name)
            continue
        inputs[name] = fitted.spec()["shape"][0]
    look = Look(replace(rows, inputs=rows.inputs.select(list(inputs))), {"train": train})
    for finding in (*columns.identifiers(look), *columns.target_copies(look)):
        if (name := str(finding.column)) in inputs and len(inputs) > 1:  # the only column stays, whatever it is
            del inputs[name]
            kinds[name] = "ignore", finding.message.partition(f"column {name!r} ")[2]
    return kinds, inputs


def _nothing_left(table: Table, kinds: dict[str, tuple[str, str]]) -> DataError:
    shown = "; ".join(f"{name!r} {why}" for name, (_, why) in list(kinds.items())[:5])
    more = f"; and {len(kinds) - 5} more" if len(kinds) > 5 else ""
    nothing = f"{table.name}: no column is left to learn from"
    return DataError(f"{nothing}: {shown}{more}." if kinds else f"{nothing}.", suggestion="It needs one besides the target.")


def _what(error: DataError, column: str) -> str:
    """What is wrong with the column, without its name."""
    return error.problems[0].message.partition(f"column {column!r}")[2].lstrip(": ").removesuffix(".")


def _only_text(frame: pl.DataFrame) -> str | None:
    """The column of texts to be read, where hardly anything else could be an input."""
    import polars as pl

    texts: dict[str, float] = {}
    others = 0
    for name in frame.columns:
        known = frame[name].drop_nulls()
        words = float(np.mean(known.str.count_matches(r"\S+").to_numpy())) if known.dtype == pl.String and len(known) else 0.0
        if words >= WORDS and known.n_unique() > len(known) / 2:
            texts[name] = words
        elif 1 < known.n_unique() < len(known):  # neither constant nor a name for each row
            others += 1
    return max(texts, key=texts.__getitem__) if texts and others <= 2 else None


def _ask_for_the_target(asked: Asked, frame: pl.DataFrame, encoding: str) -> NoReturn:
    """Say what each column looks like, and which would do."""
    looks = {name: _looks(frame[name]) for name in frame.columns}
    ends = (frame.columns[0], frame.columns[-1])

    def likely(name: str) -> tuple[bool, ...]:
        words, task = looks[name]
        return bool(task), name.lower() in _LIKELY, "words" in words, name in ends

    width = max(map(len, looks))
    lines = [f"  {name:<{width}}  {look}{f' → {task}' if task else ''}" for name, (look, task) in looks.items()]
    raise ConfigError(
        "\n".join([f"which column of {asked.data} is to be predicted?", *lines, *([encoding] if encoding else []), "Say which:"]),
        suggestion=f"trainkit init {asked._replace(target=max(frame.columns, key=likely)).typed()}",
    )


def _looks(values: pl.Series) -> tuple[str, str]:
    """What a column holds, in words, and the task that it would make as a target; none where it would do badly."""
    import polars as pl

    from trainkit.data.columns import parsed
    from trainkit.jobs.mending import slips

    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        return "holds lists or bytes", ""
    slip = slips(values)
    if slip.why and not slip.texts:
        return slip.why, ""
    known = slip.rest
    different, numbers = known.n_unique(), parsed(known)
    if different < 2:
        return f"is always {known[0]!r}" if different else "holds no value at all", ""
    gaps = f", {_counted(len(values) - len(known), 'gap')}" if len(known) < len(values) else ""
    if known.dtype.is_temporal():
        return f"{different} different dates{gaps}", ""
    if known.dtype == pl.Boolean or numbers.null_count():
        if different > CLASSES and different * 3 > len(known):
            return f"{different} different texts{gaps}", ""
        return f"{_some(known)}{gaps}", "classification"
    low, high = numbers.to_numpy().min(), numbers.to_numpy().max()
    whole = bool((numbers == numbers.round()).all())
    counts = whole and different == len(known) == high - low + 1
    spread = f"{different} different {'whole ' * whole}numbers, {low:g} to {high:g}{gaps}"
    return spread, "" if counts else _task(known)[1][0].value


def _some(values: pl.Series) -> str:
    """``3 different words: Adelie, Chinstrap, Gentoo``"""
    words = sorted(map(str, values.unique()))
    return f"{len(words)} different words: {_first(words)}"


# --- folders


def _folder(asked: Asked, path: str) -> list[Choice]:
    from trainkit.data.pictures import SUFFIXES

    data = asked.data
    if asked.target or asked.text or asked.series:
        raise ConfigError(f"{data} is a folder, and has no columns.", suggestion="Name the file: --data FILE --target COLUMN.")
    names = [Path(name) for _, _, files in os.walk(data) for name in files]
    endings = {name.suffix.lower() for name in names}
    pictures = bool(endings & set(SUFFIXES))
    if (tables := sorted(file for file in data.iterdir() if file.suffix.lower() in _TABLES)) and not pictures:
        fix = f"Name one: trainkit init --data {quote(str(tables[0]))}"
        if sum(file.suffix == tables[0].suffix for file in tables) > 1:
            fix += f", or all of them: --data {quote(str(data / f'*{tables[0].suffix}'))}"
        raise ConfigError(f"{data} holds tables.", suggestion=fix)
    if any("-idx" in name.name for name in names) and not pictures:
        name, what, each = "idx", "MNIST's file format", "picture"
    elif ".txt" in endings and not pictures:
        name, what, each = "text", "a folder of texts for each class", "text"
    else:
        name, what, each = "images", "a folder of pictures for each class", "picture"
    found = [Choice(("data", "name"), name, what)]
    rows, skipped = _readable(found, asked, "class") if name == "images" else (_rows(found, asked, "class"), [])
    classes = sorted(set(map(str, rows.targets)))
    return [
        *found,
        Choice(("data", "path"), path, _counted(len(rows), each)),
        *skipped,
        Choice(("task", "name"), "classification", f"{_counted(len(classes), 'class')}: {_first(classes)}"),
        *(_for_texts(rows) if name == "text" else _for_pictures(rows)),
        *_balance(rows),
    ]


def _readable(found: list[Choice], asked: Asked, kind: Target, **more: Any) -> tuple[Rows, list[Choice]]:
    """Pictures, and the setting that leaves out the few that cannot be read. Raises DataError naming them where they are many."""
    try:
        return _rows(found, asked, kind, **more), []
    except DataError:
        rows = None
        with suppress(DataError):
            rows = _rows(found, asked, kind, on_error="skip", **more)
        if rows is None:
            raise
    (file, why), *others = rows.inputs.skipped
    shown = f"{os.path.basename(file)} {why}" + (f", and {_counted(len(others), 'other')} too" if others else "")
    return rows, [Choice(("data", "on_error"), "skip", f"{shown}: left out")]


def _picture_files(asked: Asked, table: Table) -> tuple[str, Path] | None:
    """The column that names files of pictures which are there, and the folder that they are in: the table's, or one beside it."""
    import polars as pl

    from trainkit.data.columns import MOSTLY
    from trainkit.data.pictures import SUFFIXES

    above = Path(table.parts[0][0]).parent
    for column in table.frame.drop(asked.target or []):
        files = column.drop_nulls() if column.dtype == pl.String else pl.Series([], dtype=pl.String)
        some = files.gather_every(max(1, len(files) // GLANCE)).to_list()
        if sum(file.lower().endswith(SUFFIXES) for file in some) < MOSTLY * max(1, len(some)):
            continue
        for folder in (above, *sorted(folder for folder in above.iterdir() if folder.is_dir())):
            if sum((folder / file).is_file() for file in some) >= MOSTLY * len(some):
                return column.name, folder
    return None


def _picture_table(asked: Asked, path: str, size: str, table: Table, pictures: tuple[str, Path]) -> list[Choice]:
    assert asked.target is not None
    column, folder = pictures
    kind, task = _task(table.frame[asked.target])
    left = ", ".join(name for name in table.frame.columns if name not in (column, asked.target))
    found = [
        Choice(("data", "name"), "images", "a table of pictures"),
        Choice(("data", "table"), path, size),
        Choice(("data", "image"), column, f"files of pictures; left out: {left}" if left else "files of pictures"),
        Choice(("data", "target"), asked.target, "what is predicted"),
    ]
    if folder != asked.data.parent:
        written = os.path.normpath(Path(path).parent / os.path.relpath(folder, asked.data.parent))
        found.append(Choice(("data", "path"), Path(written).as_posix(), "where they are"))
    rows, skipped = _readable(found, asked, kind, path=str(folder))
    return [*found, *skipped, *task, *_for_pictures(rows), *_balance(rows)]


# --- series


def _clock(table: Table, *, numbers: bool) -> tuple[str, Array] | None:
    """The first column of dates, with ``numbers`` else the first of numbers that rise from row to row; and the moments of the rows,
    int64 or float64. Raises DataError naming the row of a date that is none."""
    from trainkit.data.dates import moments

    for column in table.frame:
        if _dated(column):
            return column.name, moments(column, table.place, ("data", "time"))
    for column in table.frame if numbers else ():
        if _numeric(column) and not column.null_count() and (np.diff(clock := moments(column, table.place, ())) > 0).all():
            return column.name, clock
    return None


def _series_hint(asked: Asked, table: Table) -> str:
    """For a table that has a row for each of many moments, in their order: the command that forecasts."""
    with suppress(DataError):
        clock = _clock(table, numbers=False)
        steps = np.diff(clock[1]) if clock else np.zeros(1)
        if clock and len(steps) >= LONG and ((steps > 0).all() or (steps < 0).all()):
            words = (
                f"each row is of another {clock[0]!r}, in order: is it a series? To forecast {asked.target!r} from its own past:"
            )
            return f"{words} trainkit init {asked._replace(series=True).typed()}"
    return ""


def _dated(values: pl.Series) -> bool:
    """Are these dates, by far the most of them?"""
    import polars as pl

    from trainkit.data.columns import MOSTLY
    from trainkit.data.dates import styles

    known = values.drop_nulls()
    return known.dtype in (pl.Date, pl.Datetime) or (
        known.dtype == pl.String and len(known) > 0 and styles(known, MOSTLY)[0] >= MOSTLY
    )


def _numeric(values: pl.Series) -> bool:
    """Are these numbers, all of them?"""
    import polars as pl

    from trainkit.data.columns import parsed

    known = values.drop_nulls()
    return len(known) > 0 and (known.dtype.is_numeric() or known.dtype == pl.String) and not parsed(known).null_count()


def _series(asked: Asked, table: Table, found: list[Choice]) -> list[Choice]:
    """A forecast of the target's next value from those before it."""
    from trainkit.parts.preprocessing import preprocessing

    frame, target = table.frame, asked.target
    found = [Choice(("data", "name"), "series", "a table with a row for each moment"), *found]
    others = [name for name in frame.columns if name != target]
    group, seconds = None, np.inf
    if clock := _clock(table, numbers=True):
        time, moments = clock
        others.remove(time)
        found.append(Choice(("data", "time"), time, "sorts the rows; they count as equally far apart"))
        seconds = float(np.median(np.diff(np.unique(moments)))) / 1e6 if _dated(frame[time]) else np.inf
        if len(np.unique(moments)) < len(moments):
            each = {name: frame[name].n_unique() for name in others}
            parted = [
                name for name in others if not frame.select(time, name).is_duplicated().any() and not frame[name].null_count()
            ]
            if not parted:
                row = int(frame.select(time).is_duplicated().arg_true()[1])
                words = (
                    f"{table.place(row)}: the moment {frame[time][row]} is there twice, and no column tells several series apart."
                )
                raise DataError(words, suggestion="Leave one of them out.")
            group = min(parted, key=each.__getitem__)
            others.remove(group)
            found.append(Choice(("data", "group"), group, f"{each[group]:,} series, each with a row for a moment"))
    length = len(frame) // (frame[group].n_unique() if group else len(table.parts))
    steps, why = next((steps, why) for most, steps, why in _SEEN if seconds <= most)
    if steps > (short := max(1, length // 6)):
        steps, why = short, f"a sixth of {_counted(length, 'step')}"
    others = [name for name in others if _numeric(frame[name])]
    more = f"; `columns: [{_first(others)}]` would add more" if others else ""
    found += [
        Choice(("data", "target"), target, f"whose next value is forecast, from its own past{more}"),
        Choice(("data", "window"), steps, f"steps that are seen: {why}"),
        Choice(("data", "horizon"), 1, "steps ahead"),
    ]
    rows = _rows(found, asked, "number")
    split, train = _shares(rows)
    preprocessing.read("series").fit(rows, train)
    return [
        *found,
        *split,
        Choice(("task", "name"), "regression", "the next value is an amount; the latest moments test, the earliest train"),
        Choice(("model", "name"), "lstm", "reads step after step"),
        Choice(("model", "hidden"), 64 if len(train) >= 2_000 else 32, f"{_counted(len(train), 'window')} to train on"),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 2e-3, "first to try for a network of this size"),
        *_training(len(train), steps=2_000, parts=20, batches=(16, 256), epochs=(10, 100)),
        Choice(("training", "clip"), 1.0, "now and then a gradient is huge: no larger than this"),
        *_balance(rows),
    ]


# --- what suits


def _shares(rows: Rows) -> tuple[list[Choice], Array]:
    """The split, where the usual shares would not do, and the rows that then train. Raises DataError where none does."""
    from trainkit.data.splitting import Shares, assign

    for shares, why in (
        (Shares(), ""),
        (Shares(0.25, 0.25), "smaller shares would miss classes that have few rows"),
        (Shares(0.3, 0.0), "too few rows to set any aside for a test"),
    ):
        try:
            train = assign(rows, shares, 0)["train"]
        except DataError as error:
            failed = error
            continue
        if rows.target_kind == "number" and (rows.targets[train] == rows.targets[train[0]]).all():
            failed = DataError("the target is the same in all rows that would train: there is nothing to learn.")
            continue
        told = [Choice(("split", name), getattr(shares, name), why) for name in ("validation", "test") if why]
        return told, train
    raise failed


def _balance(rows: Rows) -> list[Choice]:
    """What helps rare classes or rare amounts, and what two classes are measured by besides."""
    from trainkit.data.findings.targets import UNEVEN, far

    if rows.target_kind != "class":
        extreme = _counted(len(far(rows.targets[:, 0])), "row")
        return [Choice(("task", "loss"), "huber", f"{extreme} far from all others: they pull less")] if extreme[0] != "0" else []
    counted = sorted(zip(*np.unique(rows.targets.astype(str), return_counts=True), strict=True), key=lambda pair: pair[1])
    (rarest, few), *_, (_, most) = counted
    found = []
    if most >= UNEVEN * few:
        why = f"{str(rarest)!r} has {_counted(few, 'row')}, another {most:,}: each class counts the same"
        found.append(Choice(("task", "class_weights"), "balanced", why))
        why = "its highest value decides which weights are best: rare classes count the same in it"
        found.append(Choice(("training", "early_stopping", "monitor"), "val_macro_f1", why))
    if len(counted) == 2:
        found.append(Choice(("task", "metrics"), ["accuracy", "roc_auc"], "two classes: also how well the answers rank rows"))
    return found


def _training(rows: int, *, steps: int, parts: int, batches: tuple[int, int], epochs: tuple[int, int]) -> list[Choice]:
    """How long and in which batches: about ``steps`` steps, of about a ``parts``-th of the rows each."""
    size = min(batches[1], max(batches[0], 2 ** round(log2(max(1, rows / parts)))))
    each = ceil(rows / size)
    length = min(epochs[1], max(epochs[0], 5 * round(steps / each / 5)))
    return [
        Choice(("training", "epochs"), length, f"at most; {_counted(each, 'step')} each, {each * length:,} in all"),
        Choice(("training", "batch_size"), size, f"{_counted(rows, 'row')} to train on"),
        Choice(("training", "early_stopping", "monitor"), "val_loss", "its lowest value decides which weights are best"),
        Choice(("training", "early_stopping", "patience"), max(5, length // 5), "so many epochs without a better one end it"),
    ]


def _for_tables(rows: int, inputs: int) -> list[Choice]:
    wide = 256 if rows >= 20_000 else 128 if rows >= 2_000 or inputs > 50 else 64
    dropout, why = (0.2, "few rows are soon learnt by heart: this hinders it") if rows < 2_000 else (0.1, "many rows: a little")
    return [
        Choice(("model", "name"), "mlp", "columns stand in no order: a fully connected network"),
        Choice(("model", "hidden"), [wide, wide // 2], f"{_counted(rows, 'row')} of {_counted(inputs, 'input')}"),
        Choice(("model", "dropout"), dropout, why),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 3e-3, "the best of 0.001, 0.003 and 0.01 on seven small tables"),
        *_training(rows, steps=2_000, parts=20, batches=(16, 1024), epochs=(10, 200)),
    ]


def _for_pictures(rows: Rows) -> list[Choice]:
    split, train = _shares(rows)
    if isinstance(rows.inputs, np.ndarray):
        sizes, grey = [rows.inputs.shape[2:]], rows.inputs.shape[1] == 1
    else:
        sizes, grey = [(one.height, one.width) for one in rows.inputs.looks], all(one.grey for one in rows.inputs.looks)
    height, width = (int(np.median(side)) for side in zip(*sizes, strict=True))
    side, found = min(height, width), list(split)
    if (different := len(set(sizes))) > 1 or max(height, width) > SIDES[-1]:
        side = max((size for size in SIDES if size <= side), default=SIDES[0])
        why = f"{different:,} different sizes, {height} × {width} in the middle" if different > 1 else f"all are {height} × {width}"
        found.append(Choice(("preprocess", "size"), side, f"{why}; small ones train faster"))
        found.append(Choice(("preprocess", "resize"), "crop", "the middle of each, in its own proportions"))
    shift, halvings = {"name": "crop", "padding": max(1, side // 8)}, min(5, max(2, round(log2(side / 4))))
    blocks = [min(256, 32 << n) for n in range(halvings)]
    changes = [shift] if grey else [{"name": "flip"}, shift]
    why = "" if grey else "; no flip where left and right matter"
    return [
        *found,
        Choice(("augment",), changes, f"a little different in each epoch, as if there were more{why}"),
        Choice(("model", "name"), "cnn", "finds the same thing anywhere in a picture"),
        Choice(("model", "blocks"), blocks, f"each halves it: {side} pixels to {side >> halvings}"),
        Choice(("model", "dropout"), 0.5 if len(train) < 5_000 else 0.3, f"{_counted(len(train), 'picture')} to train on"),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 1e-3, "first to try for a network of this size"),
        Choice(("schedule", "name"), "cosine", "large steps first, small ones at the end"),
        *_training(len(train), steps=3_000, parts=50, batches=(16, 64), epochs=(15, 60)),
    ]


def _for_texts(rows: Rows) -> list[Choice]:
    split, train = _shares(rows)
    words = np.array([len(str(text).split()) for text in rows.inputs.to_series()])
    longest = min(400, max(16, 16 * ceil(1.2 * float(np.quantile(words, 0.95)) / 16)))  # punctuation marks are tokens too
    width = 128 if len(train) >= 10_000 else 64
    few = [Choice(("preprocess", "min_count"), 1, "so few texts that rare words count too")] if len(train) < 1_000 else []
    return [
        *split,
        Choice(("augment",), [{"name": "word_dropout", "share": 0.1}], "a tenth of the words is hidden, others in each epoch"),
        Choice(("preprocess", "max_length"), longest, f"tokens; the texts have {int(np.median(words))} words in the middle"),
        *few,
        Choice(("model", "name"), "lstm", "reads word after word"),
        Choice(("model", "hidden"), width, f"{_counted(len(train), 'text')} to train on"),
        Choice(("model", "embedding"), width, "so many numbers stand for a word"),
        Choice(("model", "bidirectional"), True, "forward and backward"),
        Choice(("model", "pooling"), "max", "the clearest sign counts, wherever it stands"),
        Choice(("model", "dropout"), 0.4, "words are soon learnt by heart: this hinders it"),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 2e-3, "first to try for a network of this size"),
        *_training(len(train), steps=1_500, parts=50, batches=(16, 64), epochs=(10, 40)),
        Choice(("training", "clip"), 1.0, "now and then a gradient is huge: no larger than this"),
    ]


def _first(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 'es' if word.endswith('s') else 's'}"
