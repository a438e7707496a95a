"""Mend: settings that let a table be read whose letters, or some of whose values, are not as they should be. The file stays as it
is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from trainkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

    from trainkit.parts.sources._tables import Table, TableFormat

MANY = 8
"""So many different values that are no numbers can still be listed in a config."""
VARIED = 20
"""A column of more different numbers than this holds amounts, even where half of its values say “unknown”."""
_ENCODINGS = ("windows-1252", "cp850", "utf-16-le", "utf-16-be")
"""What text is that is no UTF-8: Windows' own in Western Europe and America, that of DOS, UTF-16 without its mark."""
_UNKNOWN = ("none", "nil", "unknown", "missing", "undefined", "not available", "inf", "-inf", "error", "nd", "n.a.", "tbd")
"""Words that mean “no value” wherever they stand, as do those without a letter or digit, such as ? and -."""
_CURRENCY = r"[$€£¥₹₽]|US\$|USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|Rs\.?|kr\.?"
_DIGITS = r"(?:\d{1,3}(?:[,.'’\s]\d{3})+|\d+)(?:[.,]\d+)?"
_AMOUNT = rf"^[+-]?(?:{_CURRENCY})?\s?[+-]?{_DIGITS}\s?(?:{_CURRENCY}|%|‰|[\p{{L}}°µ/²³]{{1,5}})?$"
"""$5, 12.5 %, 1,234.50, 80 kg"""


class Slips(NamedTuple):
    """What keeps a column from being read as the numbers or dates that it mostly holds."""

    texts: tuple[str, ...]
    """Few: they can count as missing values."""
    why: str
    """What they are; or, without texts, why the column is to be left out. Nothing: all is well."""
    rest: pl.Series
    """The values that are not missing, without those."""


def read(path: str, encoding: str | None) -> tuple[Table, TableFormat, str]:
    """The table, how it is written, and why so: nothing where it is UTF-8 or UTF-16 with its mark.

    Raises what `read_table` raises.
    """
    from trainkit.parts.sources._tables import TableFormat, read_table

    if encoding is not None:
        try:
            how = TableFormat(encoding=encoding)
        except ValueError:
            words = f"no encoding is called {encoding!r}."
            raise ConfigError(words, suggestion="There are utf-8, windows-1252, windows-1251, shift-jis, gb18030 …") from None
        return read_table(path, how, key=()), how, "as --encoding says"
    try:
        return read_table(path, TableFormat(), key=()), TableFormat(), ""
    except DataError as error:
        for likely in _ENCODINGS:
            how = TableFormat(encoding=likely)
            try:
                table = read_table(path, how, key=())
            except (ConfigError, DataError):
                continue
            found = _foreign(table.frame)
            if found and sum(_is_wrong(word, likely) for word in found) * 2 < len(found):
                return table, how, f"no UTF-8; read so, it says {found[0]!r}: if that is wrong, it is another encoding"
        problem = error.problems[0]
        if "`encoding: " in (problem.suggestion or ""):
            fix = "Say how it is written, such as --encoding windows-1251, or save it in UTF-8 (“Save as” offers it)."
            raise DataError(problem.message, suggestion=fix) from None
        raise


def _foreign(frame: pl.DataFrame) -> list[str]:
    """Words with letters that are not ASCII, some from each column, names of columns first."""
    import polars as pl

    texts = [pl.Series(frame.columns), *(column for column in frame if column.dtype == pl.String)]
    return [
        word
        for text in texts
        for word in text.str.extract(r"(\S*[^\x00-\x7f]\S*)").drop_nulls().unique(maintain_order=True).head(100)
    ]


def _is_wrong(word: str, encoding: str) -> bool:
    """Is it UTF-8, and only other words in the file are damaged? Or does it have a sign in its middle, as “gr”áe” has, which is no
    apostrophe or dash?"""
    try:
        return bool(word.encode(encoding).decode())
    except UnicodeError:
        inner = re.findall(r"(?<=[A-Za-z])[^\x00-\x7f’‘´–—·]+(?=[A-Za-z])", word)
        return not all(map(str.isalpha, inner))


def slips(values: pl.Series) -> Slips:
    """What in a column is no number, or no date, though nearly all the others are.

    Numbers and dates are told as fitting tells them. Where a few words come again and again among many different numbers
    (``?``, unknown), they may be up to half of all.
    """
    import polars as pl

    from trainkit.data.columns import MOSTLY, parsed
    from trainkit.data.dates import styles, wall

    known = values.drop_nulls()
    fine = Slips((), "", known)
    if not len(known) or not (known.dtype == pl.String or known.dtype.is_float()):
        return fine
    written, usable = known.cast(pl.Float64, strict=False).is_not_null(), parsed(known).is_not_null()  # infinity is written
    what = "number"
    if usable.all():
        return fine
    if written.all() and not usable.any():
        return fine._replace(why=f"holds no usable number, but {named(known)}")
    share = written.sum() / len(known)
    if share < MOSTLY:
        if amounts := _amounts(known.filter(~usable), known):
            return fine._replace(why=amounts)
        often = share >= 0.5 and known.filter(usable).n_unique() > VARIED and known.filter(~usable).n_unique() <= 3
        if not often:
            part, found = styles(known, MOSTLY) if known.dtype == pl.String else (0.0, [])
            if not found or not MOSTLY <= part < 1:
                return fine
            what, usable = "date", wall(known, found[0]).is_not_null()
    odd = known.filter(~usable)
    texts = odd.cast(pl.String).unique(maintain_order=True)
    if len(texts) <= MANY:
        verb, s = ("is", "") if len(odd) == 1 else ("are", "s")
        return Slips(tuple(texts), f"{len(odd):,} value{s} of {values.name!r} {verb} no usable {what}{s}", known.filter(usable))
    left = f"{len(texts):,} different values are no {what}s, such as {named(odd)}: mend them to use it"
    return fine._replace(why=_amounts(odd, odd) or left)


def _amounts(odd: pl.Series, known: pl.Series) -> str:
    """How these values, most of which are no plain numbers, are amounts nevertheless; nothing if they are none."""
    import polars as pl

    from trainkit.data.columns import MOSTLY

    if known.dtype != pl.String or known.n_unique() <= VARIED / 2 or known.str.contains(_AMOUNT).sum() < MOSTLY * len(known):
        return ""
    worn = odd.str.replace_all(r"[\d\s.,'’+-]", "")
    marks = worn.filter(worn != "") if (worn != "").any() else odd.str.extract(r"\d([.,'’\s])").drop_nulls()
    mark = str(marks.mode().sort()[0]) if len(marks) else ""
    if (marks == mark).sum() < MOSTLY * max(1, len(marks)):
        return ""  # names such as 12b and 7c
    holding = odd.filter(odd.str.contains(mark, literal=True)) if mark else odd.head(0)
    if holding.is_empty():  # a word such as k.A., of which no sign is left
        return ""
    shown = holding[0]
    if mark == "," and not odd.str.contains(r",\d{3}(?:\D|$)").all():
        return f"looks like numbers with a comma, such as {shown!r}: write a point, or say decimal: ',' to use it"
    return f"looks like amounts with {mark!r}, such as {shown!r}: write plain numbers to use it"


def missing(frame: pl.DataFrame, found: dict[str, Slips], target: str) -> tuple[list[str], str, dict[str, str]]:
    """The texts to call missing, in all columns, and why; and the columns to leave out instead, each with the reason: what is
    a slip in one of them would mean something in another."""
    import polars as pl

    texts: dict[str, None] = {}
    told: list[str] = []
    left: dict[str, str] = {}
    for name, slip in found.items():
        if not slip.texts:
            left |= {name: slip.why} if slip.why else {}
            continue
        meant = next(
            (
                f"{text!r} is no number here, and a word in {other.name!r}: mend it to use the column"
                for text in slip.texts
                for other in frame
                if other.dtype == pl.String
                and text not in (found[other.name].texts if other.name in found else ())
                and (other.name == target or not _says_nothing(text))
                and (other == text).any()
            ),
            "",
        )
        if meant:
            left[name] = meant
            continue
        texts |= dict.fromkeys(slip.texts)
        told.append(slip.why)
    counts = "it counts as missing" if len(told) == 1 and told[0].startswith("1 ") else "they count as missing"
    more = f", and so in {len(told) - 2} more columns" if len(told) > 2 else ""
    return list(texts), f"{', '.join(told[:2])}{more}: {counts}" if told else "", left


def _says_nothing(text: str) -> bool:
    return text.lower() in _UNKNOWN or not any(map(str.isalnum, text))


def named(values: pl.Series) -> str:
    """``'a', 'b', …``"""
    import polars as pl

    words = values.cast(pl.String).unique(maintain_order=True).head(4).to_list()
    return ", ".join(map(repr, words[:3])) + (", …" if len(words) > 3 else "")
