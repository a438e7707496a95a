"""Source: texts, in a table or in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainkit.errors import ConfigError, DataError, Key
from trainkit.part import PathSetting
from trainkit.parts.sources import Source, sources
from trainkit.parts.sources._columns import TARGET, amounts, check_columns, classes, labels, target_kind
from trainkit.parts.sources._folders import split_folders
from trainkit.parts.sources._tables import PATH, STDIN, Files, Table, TableFormat, read_files, stream_table
from trainkit.spec import Kind, Rows, SplitName, Target

if TYPE_CHECKING:
    import polars as pl


@sources.register
class Text(TableFormat, Source):
    """Texts: a table with a column of them and one to predict, or a folder of .txt files for each class."""

    name: Literal["text"] = "text"
    path: PathSetting | Files
    """A table (CSV, Parquet or NDJSON), a pattern such as data/*.csv, or one for each split; or a folder that holds a folder for
    each class, whose .txt files are the texts. Folders called train, validation and test above those of the classes are splits."""
    text: str = "text"
    """The column of the texts. Missing ones are empty texts."""
    target: str | tuple[str, ...] | None = None
    """The column to predict, or several; all others are left alone. A folder needs none: its folders' names are the classes."""

    label_case: Literal["ask", "keep", "lower"] = "ask"
    """Classes that differ only in capital letters, such as Yes and yes: ask stops, keep keeps them apart, lower makes them one."""

    @property
    def data_kind(self) -> Kind:
        return "tokens"

    @property
    def given(self) -> tuple[SplitName, ...] | None:
        if isinstance(self.path, str):
            return None if self.target is None else ()
        return self.path.given

    def build(self, target: Target | None) -> Rows:
        if isinstance(self.path, str) and Path(self.path).is_dir():
            return self._folder(Path(self.path), target)
        names = (self.target,) if isinstance(self.target, str) else self.target or ()
        if not names:
            raise ConfigError("which column holds the answers?", key=TARGET, suggestion="Name it: data.target=label, say.")
        if self.text in names:
            raise ConfigError(f"{self.text!r} cannot be both text and target.", key=TARGET, suggestion="Name another column.")
        table, splits = read_files(self.path, self)
        check_columns(table, (self.text,), key=("data", "text"))
        check_columns(table, names, key=TARGET)
        kind = target or target_kind(table, names)
        if kind == "class" and len(names) > 1:
            raise ConfigError(
                f"{', '.join(names)} are {len(names)} targets, and a text is of one class.",
                key=TARGET,
                suggestion="Use `task: multilabel` for several that are 0 or 1, `task: regression` for amounts.",
            )
        if kind == "class":
            targets = classes(table, names[0], case=self.label_case)
        else:
            targets = (amounts if kind == "number" else labels)(table, names)
        return Rows(
            _texts(table, self.text),
            targets,
            "tokens",
            kind,
            target_names=names,
            file=table.name,
            places=table.place,
            splits=splits,
            extra=table.frame.drop(self.text, *names),
        )

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        """Tables with the column of texts; folders of .txt files, each a text; a .txt file, which is a text each line, or one text
        if it was learnt from such files; what comes through the standard input: a table if it begins like one, else a text
        each line."""
        for path in inputs:
            file = Path(path)
            if path != STDIN and file.is_dir():
                yield from self._answered(_files(file), size)
            elif path != STDIN and file.suffix.lower() == ".txt" and self.target is None:
                yield from self._answered([file], size)
            elif self._is_lines(path):
                yield from _chunks(self._lines(path), path, self.text, size)
            else:
                for table in stream_table(path, self, size):
                    check_columns(table, (self.text,), key=())
                    yield _unanswered(_texts(table, self.text), file=table.name, places=table.place)

    def _folder(self, root: Path, target: Target | None) -> Rows:
        """A folder for each class, or these in a folder for each split."""
        import numpy as np
        import polars as pl

        if self.target is not None:
            words = f"{root} is a folder: the names of the folders in it are the classes."
            raise ConfigError(words, key=TARGET, suggestion="Leave target out.")
        if target not in (None, "class"):
            words = f"{root} is a folder for each class, and the task wants something else than classes."
            raise ConfigError(words, key=PATH, suggestion="Use `task: classification`, or a table.")
        splits = split_folders(str(root), [folder.name for folder in _folders(root)])
        found = {
            split: [(file, folder.name) for folder in _folders(root / name) for file in _files(folder)]
            for split, name in (splits or {"train": ""}).items()
        }
        pairs = [pair for those in found.values() for pair in those]
        if not pairs:
            raise DataError(
                f"{root} holds no folder with .txt files.",
                key=PATH,
                suggestion="Make a folder for each class, or name a table and its target.",
            )
        ends = np.cumsum([len(those) for those in found.values()])[:-1]
        numbers = dict(zip(found, np.split(np.arange(len(pairs)), ends), strict=True))
        return Rows(
            pl.DataFrame({self.text: [self._read(file) for file, _ in pairs]}),
            np.array([name for _, name in pairs], dtype=object),
            "tokens",
            "class",
            file=str(root),
            places=[str(file) for file, _ in pairs].__getitem__,
            splits=numbers if splits else None,
        )

    def _answered(self, files: Sequence[Path], size: int) -> Iterator[Rows]:
        """A text a file."""
        import polars as pl

        for first in range(0, len(files), size):
            chunk = files[first : first + size]
            texts = pl.DataFrame({self.text: [self._read(file, ()) for file in chunk]})
            yield _unanswered(texts, places=[str(file) for file in chunk].__getitem__)

    def _read(self, file: Path, key: Key = PATH) -> str:
        return "".join(self._lines(str(file), key))

    def _lines(self, path: str, key: Key = ()) -> Iterator[str]:
        """The lines of a file or of the standard input."""
        import sys
        from contextlib import nullcontext

        name = "the standard input" if path == STDIN else path
        try:
            with nullcontext(sys.stdin.buffer) if path == STDIN else open(path, "rb") as stream:
                yield from self._decoded(stream, name, key)
        except FileNotFoundError as error:
            raise ConfigError(f"the file {path} is not there.", key=key) from error
        except OSError as error:
            raise ConfigError(f"{name} cannot be read: {error.strerror or error}.", key=key) from error

    def _decoded(self, stream: Any, name: str, key: Key) -> Iterator[str]:
        """The lines of text in a stream that stays open."""
        import io

        number = 0
        lines = io.TextIOWrapper(stream, encoding=self._encoding(stream))
        try:
            for number, line in enumerate(lines, 1):  # noqa: B007
                yield line
        except UnicodeError:
            words = f"{name}: line {number + 1} or one soon after is not text in {lines.encoding}."
            raise DataError(words, key=key, suggestion="Save it in UTF-8, or say data.encoding.") from None
        finally:
            lines.detach()

    def _encoding(self, stream: Any) -> str:
        """Of a stream, whose first bytes stay in it."""
        if self.encoding != "auto":
            return self.encoding
        return "utf-16" if stream.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"

    def _is_lines(self, path: str) -> bool:
        """Is it a text on each line, and no table? What begins like a table's header, or like one of its other formats, is one."""
        import re
        import sys

        if path != STDIN:
            return path.lower().endswith(".txt")
        stream: Any = sys.stdin.buffer
        first = bytes(stream.peek(2**13))
        if first.startswith((b"PAR1", b"\x1f\x8b")):
            return False
        header = first.decode(self._encoding(stream), "replace").lstrip().partition("\n")[0]
        names = re.split(r"[,;\t|]" if self.separator == "auto" else re.escape(self.separator), header)
        return not header.startswith("{") and self.text not in (name.strip(" \r\"'") for name in names)


def _texts(table: Table, column: str) -> pl.DataFrame:
    """The column alone, as text; what is missing is empty."""
    import polars as pl

    return table.frame.select(pl.col(column).cast(pl.String).fill_null(""))


def _folders(above: Path) -> list[Path]:
    return sorted(folder for folder in above.iterdir() if folder.is_dir() and not folder.name.startswith((".", "__MACOSX")))


def _files(folder: Path) -> list[Path]:
    """The .txt files in a folder and in those below it."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".txt" and file.is_file() and file.name[0] != ".")


def _chunks(texts: Iterator[str], name: str, column: str, size: int) -> Iterator[Rows]:
    """A text a line, without its end."""
    from itertools import islice

    import polars as pl

    while chunk := [line.rstrip("\n") for line in islice(texts, size)]:
        yield _unanswered(pl.DataFrame({column: chunk}), file=name)


def _unanswered(inputs: pl.DataFrame, **more: Any) -> Rows:
    import numpy as np

    return Rows(inputs, np.zeros((inputs.height, 0)), "tokens", "class", (), **more)
