"""Source: pictures in files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.errors import ConfigError, DataError
from trainkit.part import PathSetting, fault
from trainkit.parts.sources import Source, sources
from trainkit.parts.sources._folders import split_folders
from trainkit.spec import Kind, Rows, SplitName, Target

if TYPE_CHECKING:
    from trainkit.data.pictures import Pictures

_LAYOUT = "Lay it out as cats/1.jpg, cats/2.jpg, dogs/1.jpg …, or give a table of files and answers: data.table."


@sources.register
class Images(Source):
    """Pictures in files: a folder for each class, or a table of files and answers."""

    name: Literal["images"] = "images"
    path: PathSetting | None = None
    """A folder with a folder for each class; or with the folders train, val and test (or validation, valid, dev,
    training, testing), and in each a folder for each class.
    With a table: the folder that its files are in, the table's own unless said."""
    table: PathSetting | None = None
    """A table (CSV, Parquet or NDJSON) with a row for each picture, instead of a folder for each class."""
    image: str = "image"
    """The table's column of files."""
    target: str = "label"
    """The table's column to predict: classes or amounts."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do about a file that cannot be read: name it and stop, or leave it out. To know them all, `skip` decodes each
    file once before training."""
    skip_limit: float = Field(default=0.05, ge=0, lt=1)
    """The largest share of files that `skip` may leave out."""
    memory: bool | Literal["auto"] = "auto"
    """Keep the pixels in memory, or decode each file whenever it is seen; auto: in memory up to a gigabyte."""
    data_kind: ClassVar[Kind] = "image"

    @model_validator(mode="after")
    def _one_way(self) -> Images:
        if self.path is None and self.table is None:
            raise fault(("path",), "is missing: give a folder of pictures, or a table of them")
        for name in ("image", "target"):
            if self.table is None and getattr(self, name) != type(self).model_fields[name].default:
                raise fault((name,), "is a column of the table, and there is no table: classes are folders")
        return self

    @property
    def given(self) -> tuple[SplitName, ...] | None:
        return () if self.table is not None else None

    def build(self, target: Target | None) -> Rows:
        if self.table is not None:
            return self._from_table(self.table, target)
        if target not in (None, "class"):
            raise ConfigError("folders are classes, and the task wants amounts.", key=("task",), suggestion="Give a table of them.")
        return self._from_folders(str(self.path))

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        from trainkit.data.pictures import fresh

        return fresh(inputs, size)

    def _from_folders(self, path: str) -> Rows:
        import numpy as np

        if not os.path.isdir(path):
            what = "is a file" if os.path.exists(path) else "is not there"
            raise ConfigError(f"the folder {path} {what}.", key=("data", "path"))
        splits = split_folders(path, _folders(path))
        folders = {split: os.path.join(path, name) for split, name in splits.items()} or {"train": path}
        found = [(file, label, split) for split, folder in folders.items() for file, label in _classes(folder)]
        pictures = self._pictures([file for file, _, _ in found])
        labels = np.array([label for _, label, _ in found], dtype=object)[pictures.kept]
        of = np.array([split for _, _, split in found])[pictures.kept]
        index = {split: np.flatnonzero(of == split) for split in splits}
        return Rows(pictures, labels, "image", "class", file=path, places=pictures.place, splits=index or None)

    def _from_table(self, table: str, target: Target | None) -> Rows:
        import numpy as np
        import polars as pl

        from trainkit.parts.sources._columns import amounts, check_columns, classes, target_kind
        from trainkit.parts.sources._tables import TableFormat, read_table

        read = read_table(table, TableFormat(), key=("data", "table"))
        check_columns(read, (self.image,), key=("data", "image"))
        check_columns(read, (self.target,), key=("data", "target"))
        files = read.frame[self.image].cast(pl.String)
        if files.null_count():
            where = read.place(int(files.is_null().arg_true()[0]))
            raise DataError(f"{where}: column {self.image!r} names no file.", key=("data", "image"))
        folder = self.path or os.path.dirname(table)
        pictures = self._pictures([os.path.join(folder, file) for file in files])
        kept = read.take(pictures.kept)
        kind = target or target_kind(read, (self.target,))
        if kind == "labels":
            raise ConfigError("the table has one answer a picture, and the task wants several.", key=("task",))
        named: Any = (self.target,)
        values = classes(kept, self.target) if kind == "class" else amounts(kept, named)
        others = kept.frame.drop(self.image, self.target)
        assert isinstance(values, np.ndarray)
        return Rows(
            pictures, values, "image", kind, named, file=table, places=pictures.place, extra=others if others.width else None
        )

    def _pictures(self, files: list[str]) -> Pictures:
        from trainkit.data.pictures import Pictures

        return Pictures(files, on_error=self.on_error, skip_limit=self.skip_limit, memory=self.memory)


def _folders(path: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith((".", "__MACOSX")))


def _classes(folder: str) -> Iterator[tuple[str, str]]:
    """Each picture and its class. Raises DataError for a class without pictures, and pictures without a class."""
    from trainkit.data.pictures import inside

    names = _folders(folder)
    files = {name: inside(os.path.join(folder, name)) for name in names}
    among = {file for found in files.values() for file in found}
    beside = [file for file in inside(folder) if file not in among]
    if not names or not among:
        lies = f"has {len(beside)} pictures, and no folder for each class" if beside else "holds no pictures"
        raise DataError(f"{folder} {lies}.", key=("data", "path"), suggestion=_LAYOUT)
    if beside:
        raise DataError(
            f"{beside[0]} lies beside the folders of the classes: which class is it?",
            key=("data", "path"),
            suggestion="Move it into one of them, or elsewhere.",
        )
    if empty := [name for name in names if not files[name]]:
        raise DataError(
            f"{folder} has folders without pictures: {', '.join(empty[:10])}{', …' if len(empty) > 10 else ''}.",
            key=("data", "path"),
            suggestion="Each folder is a class: fill them, or remove them.",
        )
    for name in names:
        yield from ((file, name) for file in files[name])
