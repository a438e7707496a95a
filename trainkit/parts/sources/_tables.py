"""Tables in files, read for every source that lives on them: CSV, Parquet and NDJSON, whole or a few rows at a time.

CSV is read as text, what is missing as null, so that what a column holds is found later, on the training rows alone.
Parquet and NDJSON keep their types. A source that reads tables inherits its settings from `TableFormat`, reads with
`read_table` or `read_files`, and streams new rows with `stream_table`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from trainkit.errors import ConfigError, DataError, Key
from trainkit.part import PathSetting, Settings, fault
from trainkit.spec import SPLITS, SplitName

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

PATH: Key = ("data", "path")
STDIN = "-"
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NAN", "null", "NULL")
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}
_BLOCK = 2**23
"""Bytes read at a time: less is slower, more only costs memory."""
_LONGEST = 2**26
"""Bytes of one record: what is longer has a quote that nothing closes, or is no table."""
_UNNAMED = "\0"
"""Begins the name of a column that the header does not name; no file holds it."""


class TableFormat(Settings):
    """How tables are written. Everything is found out where nothing is said."""

    format: Literal["auto", "csv", "parquet", "ndjson"] = "auto"
    """auto: by the file's ending (.csv .tsv .txt, .parquet, .ndjson .jsonl; .gz behind it), else by its first bytes."""
    separator: str = "auto"
    """The one character between the columns of a CSV file; auto: a comma, semicolon, tab or bar, as its first lines show."""
    decimal: Literal["auto", ".", ","] = "auto"
    """What stands before the decimals; auto: a comma where commas do not separate the columns and the numbers are written so."""
    encoding: str = "auto"
    """Of CSV text, such as windows-1252; auto: UTF-8, or UTF-16 that begins with its mark."""
    missing: tuple[str, ...] = ()
    """More texts that mean “no value”, besides empty ones, NA, N/A, NaN, null and their like."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        mark = self.separator
        if mark != "auto" and (len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\r\n'):
            raise fault(("separator",), f'{mark!r} cannot separate columns: one character can, such as ; or a tab, written "\\t"')
        try:
            "a".encode("utf-8" if self.encoding == "auto" else self.encoding)
        except (LookupError, UnicodeError):
            words = f"no encoding is called {self.encoding!r}: there are utf-8, utf-16, windows-1252, latin-1, shift-jis, gb18030 …"
            raise fault(("encoding",), words) from None
        return self


class Files(Settings):
    """One file, or pattern of files such as data/*.csv, for each split."""

    train: PathSetting
    """The rows that train."""
    validation: PathSetting | None = None
    """The rows that validate; left out: some of train's, as the section split says."""
    test: PathSetting | None = None
    """The rows that are measured at the end; left out: some of train's, as the section split says."""

    @property
    def given(self) -> tuple[SplitName, ...]:
        """The splits that have files of their own, besides train."""
        return tuple(name for name in SPLITS[1:] if getattr(self, name) is not None)


@dataclass(frozen=True)
class Table:
    """Rows of one or several files, under each other."""

    frame: pl.DataFrame
    """Its columns are text, numbers, booleans, dates or moments; texts are stripped, and what is missing is null.
    Lists and structures are kept too: `check_columns` refuses them."""
    name: str
    """The file or pattern, for messages about all of it."""
    parts: tuple[tuple[str, int], ...]
    """The files, and how many rows each has."""
    rows: np.ndarray[Any, Any] | range
    """Where each row of the frame stands in the files, counted from 0 through all of them."""

    def place(self, row: int) -> str:
        """The file and row of the row counted from 0: ``a.csv: row 3``. Rows count from 1, blank lines not at all."""
        left = int(self.rows[row])
        for file, rows in self.parts:
            if left < rows:
                return f"{file}: row {left + 1}"
            left -= rows
        raise IndexError(row)

    @property
    def files(self) -> set[str]:
        """The files themselves, whatever links lead to them."""
        from os.path import realpath

        return {realpath(file) for file, _ in self.parts}

    def take(self, index: np.ndarray[Any, Any]) -> Table:
        """The rows of these numbers; they keep their places."""
        import numpy as np

        return replace(self, frame=self.frame[index], rows=np.asarray(self.rows)[index])


# --- whole tables


def read_table(path: str, how: TableFormat, *, key: Key = PATH) -> Table:
    """A file, or all files that a pattern (``data/*.csv``) finds, in the order of their names.

    Raises ConfigError at ``key`` for a path that is not there, DataError naming file, and line or row, for what is wrong inside:
    no rows, columns that other files lack, lines with too few or too many values, quotes without an end, a wrong encoding.
    """
    files = _files(path, key)
    return _joined(path, [(file, _whole(file, how, key)) for file in files], key)


def read_files(
    path: str | Files, how: TableFormat, *, key: Key = PATH
) -> tuple[Table, dict[SplitName, np.ndarray[Any, Any]] | None]:
    """`read_table` for a setting that names one file or one for each split: all rows, and the row numbers of each split
    (None where the source makes no splits)."""
    import numpy as np

    if isinstance(path, str):
        return read_table(path, how, key=key), None
    tables: dict[SplitName, Table] = {}
    for name in ("train", *path.given):
        tables[name] = table = read_table(getattr(path, name), how, key=(*key, name))
        for other, earlier in tables.items():
            if other != name and (twice := earlier.files & table.files):
                raise ConfigError(f"{min(twice)} belongs to {other} too: it would measure what was learnt.", key=(*key, name))
    whole = _joined(path.train, [(table.name, table.frame) for table in tables.values()], key)
    starts = np.cumsum([0, *(table.frame.height for table in tables.values())])
    splits = {name: np.arange(*ends) for name, ends in zip(tables, pairwise(starts), strict=True)}
    return replace(whole, parts=tuple(part for table in tables.values() for part in table.parts)), splits


def _whole(file: str, how: TableFormat, key: Key) -> pl.DataFrame:
    frame = _stacked(list(_frames(file, how, key)))
    if frame.is_empty():
        raise DataError(f"{file} has a header and no rows." if frame.width else f"{file} is empty.", key=key)
    for name in [name for name in frame.columns if name.startswith(_UNNAMED)]:
        if frame[name].null_count() < frame.height:
            raise DataError(
                f"{file}: column {name[1:]} has no name in the header.",
                key=key,
                suggestion="Name it, or drop it if it only numbers the rows (pandas: to_csv(…, index=False)).",
            )
        frame = frame.drop(name)  # each line ends with a comma
    return frame


def _joined(name: str, tables: list[tuple[str, pl.DataFrame]], key: Key) -> Table:
    """One table under another. Raises DataError where they have other columns."""
    (first, top), *others = tables
    for file, frame in others:
        for lacks, have, name_ in ((file, top.columns, first), (first, frame.columns, file)):
            other = frame.columns if lacks == file else top.columns
            if alone := [column for column in have if column not in other]:
                words = f"{lacks} has no column {alone[0]!r}, which {name_} has{more(len(alone))}."
                raise DataError(words, key=key, suggestion="All files need the same columns, in any order.")
    frame = _stacked([frame for _, frame in tables])
    return Table(frame, name, tuple((file, part.height) for file, part in tables), range(frame.height))


def _stacked(frames: list[pl.DataFrame], rechunk: bool = True) -> pl.DataFrame:
    """One frame under another. A column that is text in one of them becomes text; one that is not there, null."""
    import polars as pl

    return pl.concat(frames, how="diagonal_relaxed", rechunk=rechunk) if len(frames) != 1 else frames[0]


# --- a few rows at a time


def stream_table(path: str, how: TableFormat, size: int, *, numbers: Collection[str] = (), key: Key = ()) -> Iterator[Table]:
    """A file, pattern or ``-`` (the standard input), ``size`` rows at a time; little memory, however long it is.

    Columns without a name are left out. Where those named in ``numbers`` hold nothing else, they come as float64 instead of text,
    which is faster. Raises what `read_table` raises, when it comes to it.
    """
    for file in [STDIN] if path == STDIN else _files(path, key):
        start, left = 0, None
        for frame in _frames(file, _as_written(file, how), key, numbers):
            left = frame if left is None else _stacked([left, frame], rechunk=False)
            full = left.height - left.height % size
            for n in range(0, full, size):
                yield _piece(file, left[n : n + size], start + n)
            start, left = start + full, left[full:]
        if left is not None and left.height:
            yield _piece(file, left, start)
        elif not start:
            raise DataError(f"{_called(file)} has no rows.", key=key)


def _as_written(file: str, how: TableFormat) -> TableFormat:
    """New rows need not be written as those of the training were: UTF-8 and UTF-16 are known when they are seen."""
    import codecs
    import zlib

    if how.encoding == "auto" or file == STDIN:
        return how
    try:
        with _opened(file) as stream:
            block = stream.read(2**16)
    except (OSError, EOFError, zlib.error):  # said when it is read
        return how
    try:
        marked = block.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        codecs.getincrementaldecoder("utf-8")().decode(block)  # the last letter may be cut
        return how.model_copy(update={"encoding": "auto"}) if marked or not block.isascii() else how
    except UnicodeDecodeError:
        return how.model_copy(update={"encoding": "auto"}) if marked else how


def _piece(file: str, frame: pl.DataFrame, start: int) -> Table:
    frame = frame.drop([name for name in frame.columns if name.startswith(_UNNAMED)])
    end = start + frame.height
    return Table(frame, _called(file), ((_called(file), end),), range(start, end))


def _called(file: str) -> str:
    return "the standard input" if file == STDIN else file


# --- files


def _files(path: str, key: Key) -> list[str]:
    from glob import glob
    from pathlib import Path

    file = Path(path)
    if file.is_file():  # also one whose name looks like a pattern
        return [path]
    if file.is_dir():
        ending = next((f"*{other.suffix}" for other in sorted(file.iterdir()) if other.suffix in _ENDINGS), "*.csv")
        raise ConfigError(f"the file {path} is a folder.", key=key, suggestion=f"Name its files: {file / ending}.")
    if any(mark in path for mark in "*?["):
        if found := sorted(other for other in glob(path, recursive=True) if Path(other).is_file()):
            return found
        raise ConfigError(f"no file fits {path}.", key=key)
    near = nearest(file.name, [other.name for other in file.parent.glob("*")]) if file.parent.is_dir() else ""
    raise ConfigError(f"the file {path} {'is no file to read' if file.exists() else 'is not there'}.", key=key, suggestion=near)


@contextmanager
def _opened(file: str) -> Iterator[Any]:
    """Its bytes, unpacked if they are gzipped."""
    import gzip
    import io
    import sys

    def peeking(stream: Any) -> Any:
        return stream if hasattr(stream, "peek") else io.BufferedReader(stream)

    with nullcontext(peeking(sys.stdin.buffer)) if file == STDIN else open(file, "rb") as stream:
        yield gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == b"\x1f\x8b" else stream


def _frames(file: str, how: TableFormat, key: Key, numbers: Collection[str] = ()) -> Iterator[pl.DataFrame]:
    """A file's rows, some thousands at a time; without rows, one frame of none."""
    import zlib
    from gzip import BadGzipFile, GzipFile
    from pathlib import Path

    try:
        with _opened(file) as stream:
            ending = Path(file.removesuffix(".gz")).suffix.lower()
            kind = _ENDINGS.get(ending, _shown(stream)) if how.format == "auto" else how.format
            if kind == "ndjson":  # JSON is UTF-8
                how = how.model_copy(update={"encoding": "auto"})
            text = _Text(_called(file), stream, how, key)
            if kind != "parquet":
                yield from _csv(text, numbers) if kind == "csv" else _ndjson(text)
            elif file == STDIN or isinstance(stream, GzipFile):
                raise DataError(f"{_called(file)}: Parquet is read from a plain file.", key=key)
            else:
                yield from _parquet(text)
    except (EOFError, zlib.error, BadGzipFile):
        raise DataError(
            f"{_called(file)} is cut off or damaged: it cannot be unpacked.", key=key, suggestion="Fetch it anew."
        ) from None
    except OSError as error:
        raise ConfigError(f"{_called(file)} cannot be read: {error.strerror or error}.", key=key) from error


def _shown(stream: Any) -> str:
    """The format that the first bytes show."""
    first = bytes(stream.peek(64)[:64])
    return "parquet" if first.startswith(b"PAR1") else "ndjson" if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


def _parquet(text: _Text) -> Iterator[pl.DataFrame]:
    import polars as pl

    try:
        scan = pl.scan_parquet(text.file, glob=False, hive_partitioning=False)
        yield _tidy(scan.head(0).collect(), text.how)
        for frame in scan.collect_batches(chunk_size=2**16):
            yield _tidy(frame, text.how)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        why = str(error).partition("\n")[0].removeprefix("parquet: ")
        raise text.fault(f"is no Parquet file, or cut off or damaged ({why})", "Fetch or write it anew.") from None


# --- lines of text


class _Text:
    """A file of lines, a block at a time: UTF-8, whatever it was, and no line cut in two."""

    def __init__(self, file: str, stream: Any, how: TableFormat, key: Key) -> None:
        self.file, self.stream, self.how, self.key = file, stream, how, key
        self.line, self.rest = 1, b""  # what has been read and not yet given, and the number of its first line

    def fault(self, words: str, fix: str | None, line: int | None = None) -> DataError:
        where = self.file if line is None else f"{self.file}: line {line}"
        return DataError(f"{where} {words}.", key=self.key, suggestion=fix)

    def blocks(self, quotes: bool) -> Iterator[tuple[int, bytes]]:
        """The number of a block's first line, and its text. With ``quotes``, lines inside of them belong together."""
        for block in self._decoded():
            self.rest += block
            if cut := _end(self.rest) if quotes else self.rest.rfind(b"\n") + 1:
                whole, self.rest = self.rest[:cut], self.rest[cut:]
                yield self.line, whole
                self.line += whole.count(b"\n")
            elif len(self.rest) > _LONGEST:
                raise self.unreadable(self.line, self.rest, 0, ",") if quotes else self.fault("is too long", None, self.line)
        if quotes and self.rest.count(b'"') % 2:
            raise self.unreadable(self.line, self.rest, 0, ",")
        if self.rest:
            yield self.line, self.rest

    def _piece(self) -> bytes:
        """A block, read a little at a time: then Ctrl-C is heard also between two waits for the standard input."""
        block = bytearray()
        while len(block) < _BLOCK and (more := self.stream.read1(_BLOCK - len(block))):
            block += more
        return bytes(block)

    def _decoded(self) -> Iterator[bytes]:
        import codecs

        block = self._piece()
        if block.startswith((b"PAR1", b"PK\3\4")):
            what, fix = (
                ("a Parquet file", "Say `format: parquet`")
                if block[:3] == b"PAR"
                else ("a spreadsheet or an archive", "Export it as CSV")
            )
            raise self.fault(f"is not text but {what}", f"{fix}.")
        encoding, old_mac = self.how.encoding, False
        if encoding == "auto":
            encoding = "utf-16" if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
        called = encoding.upper()
        decoder = codecs.getincrementaldecoder("utf-8-sig" if called in ("UTF-8", "UTF8") else encoding)()
        first = True
        while block or first:
            following = self._piece()
            try:
                text = decoder.decode(block, final=not following).encode()
            except UnicodeError as error:
                line = self.line + self.rest.count(b"\n")
                line += error.object.count(b"\n", 0, error.start) if isinstance(error, UnicodeDecodeError) else 0
                fix = "Say how it is written, such as `encoding: windows-1252`, or save it in UTF-8 (“Save as” offers it)."
                raise self.fault(f"is not text in {called}", fix, line) from None
            if b"\0" in text:
                line = self.line + (self.rest + text).count(b"\n", 0, len(self.rest) + text.index(b"\0"))
                raise self.fault(
                    "holds a NUL byte: this is no text", "If it is UTF-16 without a mark, say `encoding: utf-16-le`.", line
                )
            old_mac = b"\r" in text and b"\n" not in text if first else old_mac
            yield text.replace(b"\r", b"\n") if old_mac else text
            block, first = following, False

    def unreadable(self, line: int, block: bytes, columns: int, separator: str) -> DataError:
        """Why a block cannot be read as CSV, and in which line. ``columns``: as many as the header names; 0: any."""
        from csv import Error

        reader, began = _records(block, separator), line
        quotes = "Close each quote, and write a quote inside a quoted text twice."
        try:
            for record in reader:
                if columns and (len(record) > columns or (len(record) < columns and any(map(str.strip, record)))):
                    fix = (
                        f"A text that holds {separator!r} needs quotes around it." if len(record) > columns else "Fill up the line."
                    )
                    values, names = (f"{n} {word}{'s' * (n != 1)}" for n, word in ((len(record), "value"), (columns, "column")))
                    words = f"has {values}, and the header names {names}"
                    return self.fault(words, fix, began)
                began = line + reader.line_num
        except Error:
            return self.fault("has quotes that do not match", quotes, began)
        lines = list(_lines(block))
        odd = next((n for n, words in enumerate(lines, line) if words.count('"') % 2), None)
        odd = odd or next((n for n, words in enumerate(lines, line) if '"' in words), line)
        return self.fault("has quotes that do not match", quotes, odd)


def _lines(block: bytes) -> Iterator[str]:
    """Decoded as they are asked for: most often only the first."""
    from io import BytesIO, TextIOWrapper

    return TextIOWrapper(BytesIO(block), "utf-8", "ignore", newline="")


def _records(block: bytes, separator: str) -> Any:
    """A reader of Python's: slower than Polars, but it knows its line. Raises csv.Error for quotes that do not match."""
    import csv

    csv.field_size_limit(_LONGEST)
    return csv.reader(_lines(block), strict=True, delimiter=separator)


def _end(text: bytes) -> int:
    """Where the last whole record ends: behind a line end that is not inside of quotes."""
    cut = text.rfind(b"\n") + 1
    inside = b'"' in text and text.count(b'"', 0, cut) % 2
    while cut and inside:
        before = text.rfind(b"\n", 0, cut - 1) + 1
        inside ^= text.count(b'"', before, cut) % 2
        cut = before
    return cut


# --- CSV


def _csv(text: _Text, numbers: Collection[str]) -> Iterator[pl.DataFrame]:
    """Every column as text, but for those of ``numbers`` that plainly hold them."""
    from csv import Error

    import polars as pl

    blocks = text.blocks(quotes=True)
    line, block = next(blocks, (1, b""))
    separator = _separator(block) if text.how.separator == "auto" else text.how.separator
    reader = _records(block, separator)
    try:
        header = next((record for record in reader if any(map(str.strip, record))), None)
    except Error:
        raise text.unreadable(line, block, 0, separator) from None
    if header is None:
        raise text.fault("is empty", None)
    names = [name.strip() for name in header]
    if twice := next((name for n, name in enumerate(names) if name and name in names[:n]), None):
        raise text.fault(f"has two columns named {twice!r}", "Rename one of them.")
    names = [name or f"{_UNNAMED}{n}" for n, name in enumerate(names, 1)]
    head = separator.join(f"c{n}" for n in range(len(names))).encode() + b"\n"
    decimal: str = "." if separator == "," and text.how.decimal == "auto" else text.how.decimal
    above = islice(_lines(block), reader.line_num)
    line, block = line + reader.line_num, block[len("".join(above).encode()) :]
    known = {f"c{n}": pl.Float64 for n, name in enumerate(names) if name in numbers} if not text.how.missing else {}
    rows = 0
    while True:
        quoted = b'"' in block
        spaced = not block.isascii() or b" " in block or (b"\t" in block and (quoted or separator != "\t"))
        frame = _parsed(head + block, separator, known) if known and decimal == "." and not quoted and not spaced else None
        if frame is None:
            try:
                frame = pl.read_csv(head + block, infer_schema=False, empty_string_is_null=False, separator=separator)
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                raise text.unreadable(line, block, len(names), separator) from None
            if len(names) > 1 and (frame[:, -1] == "").any() and _cut_short(block, separator, len(names)):
                raise text.unreadable(line, block, len(names), separator)
            if spaced:
                frame = frame.with_columns(pl.all().str.strip_chars())
            if (frame[:, 0] == "").any():
                frame = frame.filter(~pl.all_horizontal(pl.all() == ""))  # blank lines, and those of commas alone
        frame.columns = names
        frame = _without_missing(frame, text.how)
        if decimal == "auto":
            decimal = _decimal(frame)
        yield _with_points(frame, text, rows) if decimal == "," else frame
        rows += frame.height
        if (following := next(blocks, None)) is None:
            return
        line, block = following


def _parsed(block: bytes, separator: str, numbers: Mapping[str, type[pl.DataType]]) -> pl.DataFrame | None:
    """A block without quotes and spaces, these columns as the numbers that their text would become later: for half the time.
    None where a value is no usable number, or one that stands first or last in its line is empty."""
    import polars as pl

    from trainkit.data.columns import parsed

    try:
        frame = pl.read_csv(
            block, infer_schema=False, schema_overrides=numbers, empty_string_is_null=False, separator=separator, quote_char=None
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    ends = (frame[:, 0], frame[:, -1])  # a line may be blank, or too short
    if any(end.null_count() or (end.dtype == pl.String and (end == "").any()) for end in ends):
        return None
    return frame if all(parsed(frame[name]).null_count() == frame[name].null_count() for name in numbers) else None


def _separator(block: bytes) -> str:
    """What cuts most of the first lines into as many columns as the header, and then into most columns."""
    from csv import Error

    def fits(separator: str) -> tuple[int, int]:
        records: list[list[str]] = []
        reader = _records(block[: 2**16], separator)
        with suppress(Error):  # the sample may end inside of quotes
            records.extend(islice((record for record in reader if any(map(str.strip, record))), 50))
        columns = len(records[0]) if records else 0
        return (sum(len(record) == columns for record in records), columns) if columns > 1 else (0, 0)

    return max(",;\t|", key=fits)


def _cut_short(block: bytes, separator: str, columns: int) -> bool:
    """Is there a line with too few values? Polars fills it up. Blank lines do not count."""
    full = block.count(b"\n") + (not block.endswith(b"\n"))
    if b'"' not in block and block.count(separator.encode()) == (columns - 1) * full:
        return False
    return any(len(record) < columns and any(map(str.strip, record)) for record in _records(block, separator))


_COMMA, _POINT, _WHOLE = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$", r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$", r"^[+-]?\d+$"


def _decimal(frame: pl.DataFrame) -> str:
    """A comma if there are columns of numbers with one, and none of numbers with a point; auto if there are neither."""
    found = set()
    for column in frame.iter_columns():
        for mark, number in (",", _COMMA), (".", _POINT):
            if column.str.contains(mark, literal=True).any() and column.str.contains(f"{number}|{_WHOLE}").all():
                found.add(mark)
    return "." if "." in found else "," if found else "auto"


def _with_points(frame: pl.DataFrame, text: _Text, rows: int) -> pl.DataFrame:
    """1,5 as 1.5. ``rows`` stand above it in the file."""
    import polars as pl

    for column in frame.iter_columns():
        if not column.str.contains(",", literal=True).any() or not (commas := column.str.contains(_COMMA)).any():
            continue
        if column.str.contains(".", literal=True).any() and (points := column.str.contains(_POINT)).any():
            row = int(points.arg_true()[0])
            words = (
                f"{text.file}: row {rows + row + 1}, column {column.name!r}: {column[row]!r} has a point, where others have a comma"
            )
            raise DataError(f"{words} before the decimals.", key=text.key, suggestion="Write all numbers of the column alike.")
        frame = frame.with_columns(
            pl.when(commas).then(column.str.replace(",", ".", literal=True)).otherwise(column).alias(column.name)
        )
    return frame


# --- typed values


def _ndjson(text: _Text) -> Iterator[pl.DataFrame]:
    import polars as pl
    import polars.selectors as cs

    empty = True
    for line, block in text.blocks(quotes=False):
        if not block.strip():
            continue
        try:
            frame = pl.read_ndjson(block, infer_schema_length=None)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            why = str(error).partition("\n")[0]
            raise _mixed_json(text, line, block) or text.fault(f"or one below cannot be read ({why})", None, line) from None
        lists = frame.select(cs.string().str.contains(r"^[\[{]").any())  # Polars makes words of a list among words
        if lists.width and any(lists.row(0)) and (fault := _mixed_json(text, line, block)):
            raise fault
        yield _tidy(frame, text.how)
        empty = False
    if empty:
        raise text.fault("is empty", None)


def _mixed_json(text: _Text, line: int, block: bytes) -> DataError | None:
    """What the first line holds that is no JSON, or of another kind than a line above; None where all is alike."""
    import json

    def refuse(constant: str) -> None:
        raise ValueError

    seen: dict[str, tuple[str, int]] = {}
    for number, words in enumerate(block.decode().split("\n"), line):
        if not words.strip():
            continue
        try:
            row = json.loads(words, parse_constant=refuse)
        except (ValueError, RecursionError):
            return text.fault("is not JSON", 'Each line is an object of its own, such as {"size": 1.5}.', number)
        if not isinstance(row, dict):
            return text.fault("is not an object", 'Each line is one, such as {"size": 1.5}.', number)
        for name, value in row.items():
            kind = {bool: "true or false", dict: "an object", list: "a list", str: "text"}.get(type(value), "a number")
            other, above = seen.setdefault(name, (kind, number)) if value is not None else (kind, number)
            if other != kind:
                return text.fault(
                    f"holds {kind} in {name!r}, and line {above} {other}", "Write all values of a column alike.", number
                )
    return None


def _tidy(frame: pl.DataFrame, how: TableFormat) -> pl.DataFrame:
    """Few types, and nulls where nothing is: NaN is nothing."""
    import polars as pl
    import polars.selectors as cs

    texts = [pl.col(name).cast(pl.String) for name, dtype in frame.schema.items() if dtype in (pl.Categorical, pl.Enum, pl.Null)]
    frame = frame.with_columns(*texts, cs.decimal().cast(pl.Float64)).with_columns(
        cs.string().str.strip_chars(), cs.float().fill_nan(None)
    )
    return _without_missing(frame, how)


def _without_missing(frame: pl.DataFrame, how: TableFormat) -> pl.DataFrame:
    """Texts that mean “no value” as null, and numbers that are written like one."""
    import polars as pl
    import polars.selectors as cs

    texts = [*MISSING, *how.missing]
    held = frame.select(cs.string().is_in(texts).any())
    found = [name for name in held.columns if held[name].any()]  # most columns hold none: 0.03 s instead of 0.3 for a million rows
    frame = frame.with_columns(pl.col(found).replace(dict.fromkeys(texts))) if found else frame
    numbers = pl.Series(how.missing, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls().to_list()
    if numbers:
        frame = frame.with_columns(pl.when(~cs.numeric().cast(pl.Float64).is_in(numbers)).then(cs.numeric()).name.keep())
    return frame


# --- words for messages


def nearest(name: str, names: Sequence[str]) -> str:
    """What to say to somebody who wrote a name that is not there: the one that was meant, or all there are."""
    from difflib import get_close_matches

    lower = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lower, 1, 0.7)
    return f"Did you mean {lower[near[0]]!r}?" if near else f"There are: {', '.join(sorted(names)[:20])}." if names else ""


def more(found: int, where: str = "") -> str:
    """``(2 more)``, where only the first of three is named."""
    return f" ({found - 1} more{where})" if found > 1 else ""
