"""Columns of a table: what kind each is, by its training rows, and how its values become numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from pydantic import TypeAdapter

from trainkit.data.dates import Style, styles, wall
from trainkit.data.targets import LARGEST, in_order
from trainkit.errors import DataError
from trainkit.spec import Rows

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
MOSTLY = 0.9
"""A column of which so many values are numbers is one of numbers with mistakes in it, not one of words."""
_FEW = 20
"""Among so few rows, values that all differ may still be categories."""
_WORDY = 5
"""Texts have more words than this on average; names and addresses have fewer."""
_EXACT = 2**53
"""Whole numbers from here on are no longer all told apart as floating point."""
ROWS = 2**15
"""Rows of a frame worked on at once: little is in memory twice, and more of it in the processor's own."""
_PAIRS = [
    ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("off", "on"), ("nein", "ja"), ("n", "j"), ("non", "oui"), ("n", "o"),
    ("no", "sí"), ("no", "si"), ("no", "sì"), ("n", "s"), ("não", "sim"), ("nee", "ja"), ("nie", "tak"), ("нет", "да"),
]  # fmt: skip
"""Words for no and yes: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian."""
_GLANCE = 1000
"""So many values show what need not be tried with all."""
Part = Literal["year", "month", "day", "weekday", "hour", "days"]
"""What a date is taken apart into; ``days`` are those since the first training date."""
_WORD = r"[\p{L}\p{N}]+"


class Choices(NamedTuple):
    """The settings of `trainkit.parts.preprocessing.table`, where they are explained."""

    scaling: str
    missing: str
    fill: float | None
    indicator: bool
    categories: str
    most: int
    embedding: int | None
    min_count: int
    words: int


# How the values of one kind of column become numbers. Each has ``amounts`` (are its inputs amounts, which are scaled?);
# ``wanted``, what a value must be, else it is an error (empty: anything goes); ``fit``, from training values that are not
# missing; ``inputs``, what its inputs are called; ``write``, numbers into ``out``, float64 (rows, inputs) of zeros, where
# something is wanted NaN for what is missing or wrong; and ``said``, the same in words.


@dataclass(frozen=True)
class Number:
    """Amounts as they are."""

    amounts: ClassVar[bool] = True
    wanted: ClassVar[str] = "a usable number"

    @classmethod
    def fit(cls, values: pl.Series, choices: Choices, asked: bool, gaps: bool) -> Number:
        large = values.filter((parsed(values).abs() >= _EXACT).fill_null(False))
        large = large.filter(_words(large).str.contains(r"^[+-]?\d+$"))
        if len(large) and not asked:
            name, words = values.name, f"holds whole numbers too large to be told from their neighbours, such as {large[0]}."
            raise _refusal(words, f"{_ignored(name)}; or keep it: {_read_as(name, 'category')}, or {_read_as(name, 'number')}.")
        return cls()

    def inputs(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, values: pl.Series, out: Array) -> None:
        out[:, 0] = parsed(values).to_numpy()

    def said(self) -> str:
        return "an amount"


@dataclass(frozen=True)
class YesNo:
    """One of two words, whatever their case: 0 and 1."""

    no: str
    yes: str
    amounts: ClassVar[bool] = False

    @property
    def wanted(self) -> str:
        return f"{self.no!r} or {self.yes!r}"

    @classmethod
    def fit(cls, values: pl.Series, choices: Choices, asked: bool, gaps: bool) -> YesNo:
        words = set(_words(values).str.to_lowercase().unique())
        if len(words) > 2:
            fix = f"Read it as words: {_read_as(values.name, 'category')}."
            raise _refusal(f"holds {len(words)} different values, not two.", fix)
        return cls(*next((pair for pair in _PAIRS if words <= set(pair)), ("", *in_order(words))[-2:]))

    def inputs(self, name: str) -> tuple[str, ...]:
        return (f"{name}={self.yes}",)

    def write(self, values: pl.Series, out: Array) -> None:
        import polars as pl

        words = _words(values).str.to_lowercase()
        out[:, 0] = words.replace_strict([self.no, self.yes], [0.0, 1.0], default=None, return_dtype=pl.Float64).to_numpy()

    def said(self) -> str:
        return f"{self.no} 0, {self.yes} 1"


@dataclass(frozen=True)
class Category:
    """One of several words: a 0/1 input for each, all 0 for a word that training did not know; or a code, unknown being 0."""

    words: tuple[str, ...]
    rare: bool = False
    """Did training hold others, too rare to count? Then, as 0/1 inputs, these and unknown ones have one as well."""
    missing: bool = False
    """Did training hold gaps? Then, as codes, these have the last one."""
    width: int = 0
    """Length of the vector learnt for each code; 0: 0/1 inputs."""
    amounts: ClassVar[bool] = False
    wanted: ClassVar[str] = ""

    @classmethod
    def fit(cls, values: pl.Series, choices: Choices, asked: bool, gaps: bool) -> Category:
        counts = _words(values).alias("word").value_counts(name="rows")
        common = counts.filter(counts["rows"] >= choices.min_count)["word"]
        if common.is_empty():
            words = f"holds no value that {choices.min_count} training rows share."
            raise DataError(words, key=("preprocess", "min_count"), suggestion=f"{_ignored(values.name)}; or lower min_count.")
        found = cls(in_order(set(common)), len(common) < len(counts))
        if choices.categories == "onehot" or (choices.categories == "auto" and len(common) <= choices.most):
            return found
        from trainkit.networks.embedded import width

        found = replace(found, missing=gaps)
        return replace(found, width=choices.embedding or width(found.codes))

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 1 + len(self.words) + self.missing

    def inputs(self, name: str) -> tuple[str, ...]:
        if self.width:
            return (name,)
        return (*(f"{name}={word}" for word in self.words), *([f"{name} is another"] if self.rare else []))

    def write(self, values: pl.Series, out: Array) -> None:
        import polars as pl

        words = _words(values)
        numbers = range(1, len(self.words) + 1)
        codes = words.replace_strict(list(self.words), numbers, default=0, return_dtype=pl.Int32).to_numpy(writable=True)
        gaps = words.is_null().to_numpy()
        if self.width:
            codes[gaps] = self.codes - 1 if self.missing else 0
            out[:, 0] = codes
            return
        if self.rare:
            codes[codes == 0] = len(self.words) + 1
        known = np.flatnonzero((codes > 0) & ~gaps)
        out[known, codes[known] - 1] = 1.0

    def said(self) -> str:
        others = " and others" if self.rare else ""
        return f"{len(self.words)} values{others}, {f'vectors of {self.width}' if self.width else 'one-hot'}"


@dataclass(frozen=True)
class Date:
    """Parts of dates, those that differ between the training rows. Wall-clock time counts: a zone's offset is left out."""

    style: Style
    parts: tuple[Part, ...] = get_args(Part)
    start: int = 0
    """The first training date: microseconds since 1970."""
    amounts: ClassVar[bool] = True
    wanted: ClassVar[str] = "a date as the training rows have them"

    @classmethod
    def fit(cls, values: pl.Series, choices: Choices, asked: bool, gaps: bool) -> Date:
        style = _style(values, 0.0 if asked else MOSTLY)
        if style is None:
            fix = f"Write dates as 2024-12-31, or read them as words: {_read_as(values.name, 'category')}."
            raise _refusal(f"holds no dates: {values[0]!r} is none.", fix)
        first = wall(values, style).dt.epoch("us").min()
        found = cls(style, start=int(first or 0))  # type: ignore[arg-type]
        parts = np.zeros((len(values), len(found.parts)))
        found.write(values, parts)
        varying = np.nanmin(parts, axis=0) < np.nanmax(parts, axis=0)
        if not varying.any():
            raise constant(values)
        return replace(found, parts=tuple(part for part, varies in zip(found.parts, varying, strict=True) if varies))

    def inputs(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}: {part}" for part in self.parts)

    def write(self, values: pl.Series, out: Array) -> None:
        dates = wall(values, self.style)
        for n, part in enumerate(self.parts):
            if part == "hour":
                numbers = (dates.dt.hour() + dates.dt.minute() / 60 + dates.dt.second() / 3600).to_numpy()
            elif part == "days":
                numbers = (dates.dt.epoch("us").to_numpy() - self.start) / 86_400_000_000
            else:
                numbers = getattr(dates.dt, part)().to_numpy()
            out[:, n] = numbers

    def said(self) -> str:
        return ", ".join(self.parts)


@dataclass(frozen=True)
class Text:
    """A bag of words: 1 for each of these words that stands in the text. That it does tells more than how often (Pang, Lee
    & Vaithyanathan 2002, "Thumbs up? Sentiment classification using machine learning techniques")."""

    words: tuple[str, ...]
    amounts: ClassVar[bool] = False
    wanted: ClassVar[str] = ""

    @classmethod
    def fit(cls, values: pl.Series, choices: Choices, asked: bool, gaps: bool) -> Text:
        found = _frequent(values, choices.words)
        if not found:
            raise _refusal("holds no word that stands in several of its texts.", f"{_ignored(values.name)}.")
        return cls(found)

    def inputs(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name} has {word}" for word in self.words)

    def write(self, values: pl.Series, out: Array) -> None:
        import polars as pl

        words = _cut(values)
        counts = words.list.len().to_numpy()
        rows, known = np.repeat(np.arange(len(words)), counts), words.filter(pl.Series(counts > 0)).explode()
        places = known.replace_strict(list(self.words), range(len(self.words)), default=-1, return_dtype=pl.Int32).to_numpy()
        out[rows[places >= 0], places[places >= 0]] = 1.0

    def said(self) -> str:
        return f"{len(self.words)} words"


_HOWS: dict[str, Any] = {"number": Number, "yes_no": YesNo, "category": Category, "date": Date, "text": Text}
AnyHow: TypeAlias = Number | YesNo | Category | Date | Text


@dataclass(frozen=True)
class Column:
    """A column, as its training rows show it."""

    name: str
    kind: str
    how: AnyHow
    fills: tuple[float, ...] = ()
    """What stands for a missing value, before it is scaled: one for each input where something is wanted."""
    gaps: bool = False
    """Does an input of its own say where a value is missing?"""

    @property
    def inputs(self) -> tuple[str, ...]:
        """What each of its inputs is called."""
        return (*self.how.inputs(self.name), *([f"{self.name} is missing"] if self.gaps else []))

    def write(self, values: pl.Series, out: Array, rows: Rows) -> None:
        """The numbers of some of the rows' values, not yet scaled, into ``out``, float64 (rows, inputs) of zeros.

        Raises DataError naming the first value in the file that is not what is wanted.
        """
        values = _plain(values)
        found = out[:, :-1] if self.gaps else out
        self.how.write(values, found)
        missing = values.is_null().to_numpy() if values.null_count() else False
        if self.gaps:
            out[:, -1] = missing
        if self.how.wanted and (empty := np.isnan(found[:, 0])).any():
            if (empty > missing).any():
                raise self._wrong(rows)
            found[empty] = self.fills

    def _wrong(self, rows: Rows) -> DataError:
        """What is wrong, of all rows of the file: the first is named."""
        values = _plain(rows.inputs[self.name])
        found = np.zeros((len(values), len(self.how.inputs(self.name))))
        self.how.write(values, found)
        bad = np.flatnonzero(np.isnan(found[:, 0]) & values.is_not_null().to_numpy())
        row = int(bad[0])
        others = f" ({len(bad) - 1} more in this column)" if len(bad) > 1 else ""
        return DataError(
            f"{rows.place(row)}, column {self.name!r}: {values[row]!r} is not {self.how.wanted}{others}.",
            key=("data",),
            suggestion=f"Mend it, or read the column as words: {_read_as(self.name, 'category')}.",
        )

    def strange(self, values: pl.Series) -> pl.Series | None:
        """The categories among them that training never saw; None: none are, or it saw more of them than it kept."""
        if not isinstance(self.how, Category) or self.how.rare:
            return None
        words = _words(_plain(values)).drop_nulls()
        unknown = set(words.unique()).difference(self.how.words)
        return words.filter(words.is_in(list(unknown))) if unknown else None

    def said(self) -> str:
        """What is made of it, in words."""
        words = self.how.said()
        if self.how.wanted and self.gaps:
            words += f", gaps become {', '.join(f'{fill:g}' for fill in self.fills)}"
        return words

    def content(self) -> dict[str, Any]:
        """Plain values, for the checkpoint."""
        content: dict[str, Any] = _listed(asdict(self))
        return content

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> Column:
        """What `content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        kind = _HOWS[content["kind"]]
        if strange := content["how"].keys() ^ {field.name for field in fields(kind)}:
            raise KeyError(*strange)
        how = _reader(kind).validate_python(content["how"])
        column = cls(str(content["name"]), content["kind"], how, tuple(map(float, content["fills"])), bool(content["gaps"]))
        if len(column.fills) != (len(how.inputs(column.name)) if how.wanted else 0):
            raise ValueError(f"column {column.name!r} has {len(column.fills)} fillings")
        return column


@cache
def _reader(kind: type[AnyHow]) -> TypeAdapter[Any]:
    """It takes 2 ms to make one."""
    return TypeAdapter(kind)


def parsed(values: pl.Series) -> pl.Series:
    """Text or typed values as float64; null where it is no number, or infinite, NaN or huge."""
    import polars as pl

    numbers = values.cast(pl.Float64, strict=False)
    if (np.abs((numbers.drop_nulls() if numbers.null_count() else numbers).to_numpy()) <= LARGEST).all():
        return numbers
    return numbers.set(~(numbers.abs() <= LARGEST).fill_null(True), None)


def asked_kind(kinds: Mapping[str, str], name: str) -> str | None:
    """The user's word on a column: the one for its own name, else the first whose pattern (``*``, ``?``, ``[…]``) fits."""
    if name in kinds:
        return kinds[name]
    return next((kind for pattern, kind in kinds.items() if fnmatchcase(name, pattern)), None)


def find(values: pl.Series, asked: str | None, choices: Choices) -> tuple[str, AnyHow, bool]:
    """The kind of a column, how it becomes numbers, and whether an input of its own says where a value is missing.

    Raises DataError for a column that nothing can be learnt from.
    """
    values = _plain(values)
    present = values.drop_nulls()
    empty = len(present) < len(values)
    if not len(present):
        raise _refusal("holds no value in the training split.", f"{_ignored(values.name)}.")
    if not empty and (present == present[0]).all():
        raise constant(present)
    kind = asked or _kind(present, choices)
    how: AnyHow = _HOWS[kind].fit(present, choices, asked is not None, empty)
    return kind, how, empty and (not how.width if isinstance(how, Category) else choices.indicator)


def _kind(values: pl.Series, choices: Choices) -> str:
    """What a column holds, by its training rows that are not missing."""
    import polars as pl

    if values.dtype == pl.Boolean:
        return "yes_no"
    if values.dtype.is_temporal():
        return "date"
    if values.dtype != pl.String or parsed(values).null_count() <= (1 - MOSTLY) * len(values):
        return "number"
    if values.head(_GLANCE).n_unique() < 9 and set(values.str.to_lowercase().unique()) in map(set, _PAIRS):
        return "yes_no"
    if _style(values, MOSTLY):
        return "date"
    if values.str.contains(r"^[+-]?\d+,\d+$").all():
        fix = f"Write 1,5 as 1.5 and 1,000 as 1000; or read them as words: {_read_as(values.name, 'category')}."
        raise _refusal(f"holds numbers with a comma, such as {values[0]!r}.", fix)
    different = values.n_unique()
    if len(values) <= _FEW or different <= len(values) / 2:
        return "category"
    if values.str.count_matches(_WORD).mean() > _WORDY and _frequent(values, choices.words):  # type: ignore[operator]
        return "text"
    words = f"holds {different} different texts in {len(values)} training rows: it looks like a name or an identifier."
    raise _refusal(words, f"{_ignored(values.name)}; or keep it: {_read_as(values.name, 'category')}.")


def _style(values: pl.Series, least: float) -> Style | None:
    """How at least that share of the values is written as dates; None: it is not. Raises DataError where days and months
    can't be told apart."""
    import polars as pl

    if values.dtype.is_temporal():
        return "%Y-%m-%d"
    if values.dtype != pl.String:
        return None
    best, found = styles(values, least)
    if not found or best < least:
        return None
    if len(found) > 1:
        words = f"holds dates such as {values[0]!r}, of which the day might be the month."
        raise _refusal(words, f"Write them as 2024-12-31; or read them as words: {_read_as(values.name, 'category')}.")
    return found[0]


def _plain(values: pl.Series) -> pl.Series:
    """Text, numbers, yes and no, or dates: what is missing is null. Raises DataError for lists and the like."""
    import polars as pl

    if values.dtype.is_float():
        return values.fill_nan(None) if np.isnan(values.to_numpy()).any() else values
    if values.dtype in (pl.Categorical, pl.Enum, pl.Null):
        return values.cast(pl.String)
    if values.dtype in (pl.Duration, pl.Time):
        return values.to_physical()
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        raise _refusal(f"holds values of type {values.dtype}, of which nothing can be made.", f"{_ignored(values.name)}.")
    return values


def _words(values: pl.Series) -> pl.Series:
    """As text; whole numbers without a decimal point."""
    import polars as pl

    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        return whole.cast(pl.String).zip_with((whole == values).fill_null(False), values.cast(pl.String))
    return values.cast(pl.String)


def _cut(values: pl.Series) -> pl.Series:
    """Texts as lists of words in small letters; one that is missing has none."""
    return _words(values).fill_null("").str.to_lowercase().str.extract_all(_WORD)


def _frequent(values: pl.Series, most: int) -> tuple[str, ...]:
    """The words that stand in most texts, but neither in one alone nor in all of them."""
    import polars as pl

    parts = (_cut(values[first : first + ROWS]) for first in range(0, len(values), ROWS))
    found = [words.list.unique().explode().drop_nulls().alias("word").value_counts(name="texts") for words in parts]
    counts = pl.concat(found).group_by("word").agg(pl.col("texts").sum())
    counts = counts.filter(counts["texts"] > 1, counts["texts"] < len(values)).sort("texts", "word", descending=[True, False])
    return tuple(counts["word"].head(most))


def _refusal(words: str, fix: str) -> DataError:
    return DataError(words, key=("data",), suggestion=fix)


def constant(values: pl.Series) -> DataError:
    return _refusal(f"is always {values[0]!r} in the training split: it can teach nothing.", f"{_ignored(values.name)}.")


def _ignored(name: str) -> str:
    return f"Leave it out: {_read_as(name, 'ignore')}"


def _read_as(name: str, kind: str) -> str:
    """The setting that says what a column holds, as YAML."""
    plain = re.fullmatch(r"[^\W\d][\w ]*", name) and name.lower() not in ("true", "false", "null")
    return f"data.kinds: {{{name if plain else json.dumps(name, ensure_ascii=False)}: {kind}}}"


def _listed(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
