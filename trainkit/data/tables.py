"""Tables: what the training rows teach of each column, kept for the checkpoint, by which any rows become numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trainkit.data.columns import ROWS, Category, Choices, Column, asked_kind, constant, find
from trainkit.data.targets import checked, moments
from trainkit.errors import DataError, Problem
from trainkit.spec import Fitted, Held, Reader, Rows

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
T = TypeVar("T")
U = TypeVar("U")
_AT_ONCE = 2**22
"""Numbers read at once from what does not fit into memory."""


@dataclass(frozen=True)
class FittedTable(Fitted):
    """What was learnt from the training rows of a table (see `trainkit.parts.preprocessing.Fitted`)."""

    columns: tuple[Column, ...] | None
    """None: the rows are numbers without names."""
    center: Array
    """float64 (inputs,): what is taken away from each."""
    scale: Array
    """float64 (inputs,): what each is then divided by."""

    @classmethod
    def fit(cls, rows: Rows, train: Array, choices: Choices) -> FittedTable:
        """Kinds, categories, words, fillings and scaling: from the rows numbered ``train``, and from no other.

        Raises DataError naming every column that nothing can be learnt from, or that holds a wrong value.
        """
        if isinstance(rows.inputs, np.ndarray):
            numbers = checked(rows, np.asarray(rows.inputs[train], dtype=np.float64), train, "an input")
            return cls(None, *_scaling(numbers, choices.scaling))
        if not hasattr(rows.inputs, "columns"):
            return cls(None, *_streamed(rows, train, choices.scaling))
        names = [name for name in rows.inputs.columns if asked_kind(rows.kinds, name) != "ignore"]
        if not names:
            raise DataError("no column is left to learn from.", key=("data",), suggestion="The file needs one besides the target.")
        columns, centers, scales = zip(*_each(names, lambda name: _learn(rows, name, train, choices)), strict=True)
        return cls(columns, np.concatenate(centers), np.concatenate(scales))

    def held(self, rows: Rows, index: Array) -> Held:
        """float64 (rows, inputs), filled and scaled; a `Reader` of them where the rows are read when they are asked for.

        Raises DataError naming each column that is not there, and the row of a value that does not fit its column.
        """
        import torch

        if self.columns is None and not isinstance(rows.inputs, np.ndarray):
            self._check_width(rows)
            return Held(_Scaled(self, rows, index))
        return Held(torch.from_numpy(self.numbers(rows, index)))

    def numbers(self, rows: Rows, index: Array) -> Array:
        """float64 (rows, inputs), filled and scaled."""
        if self.columns is None:
            self._check_width(rows)
            found = rows.inputs[index] if isinstance(rows.inputs, np.ndarray) else rows.inputs.read(index)
            numbers = checked(rows, np.array(found, dtype=np.float64), index, "an input")
            self._scale(numbers)
            return numbers
        absent = [repr(column.name) for column in self.columns if column.name not in rows.inputs.columns]
        if absent:
            which = f"column {absent[0]} is" if len(absent) == 1 else f"columns {', '.join(absent)} are"
            there = f"The file has: {', '.join(rows.inputs.columns[:20])}."
            raise DataError(f"{_file(rows)}{which} missing.", key=("data",), suggestion=there)
        out = np.zeros((len(index), len(self.center)))
        frame = rows.inputs.select(column.name for column in self.columns)
        whole = np.array_equal(index, np.arange(len(frame)))
        for first in range(0, len(index), ROWS):
            chosen = slice(first, first + ROWS)
            part, some = frame[chosen if whole else index[chosen]], out[chosen]
            _each(self._placed(), lambda placed: placed[0].write(part[placed[0].name], some[:, placed[1]], rows))  # noqa: B023
            self._scale(some)
        return out

    def opened(self, held: Held) -> Held:
        """The same: rows are held scaled."""
        return held

    def finished(self, opened: Held) -> Held:
        """The same: rows are held scaled."""
        return opened

    def spec(self) -> dict[str, Any]:
        """Shape, names of the inputs, which of them are amounts, and which are codes: (input, codes, width of their vectors)."""
        shape = (len(self.center),)
        if self.columns is None:
            return {"shape": shape, "amounts": tuple(range(*shape))}
        placed = list(self._placed())
        hows = [(column.how, place) for column, place in placed]
        return {
            "shape": shape,
            "features": tuple(name for column in self.columns for name in column.inputs),
            "amounts": tuple(n for c, place in placed if c.how.amounts for n in range(place.start, place.stop - c.gaps)),
            "embedded": tuple((p.start, h.codes, h.width) for h, p in hows if isinstance(h, Category) and h.width),
        }

    def describe(self) -> list[tuple[str, str, str, int]]:
        """For people: each column's name, its kind, what is made of it, and how many inputs that is."""
        return [(column.name, column.kind, column.said(), len(column.inputs)) for column in self.columns or ()]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column."""
        return {column.name: column.kind for column in self.columns or ()}

    def strange(self, rows: Rows) -> dict[str, pl.Series]:
        """The categories, column by column, that training never saw; without those of columns that have none."""
        found = {column.name: column.strange(rows.inputs[column.name]) for column in self.columns or ()}
        return {name: words for name, words in found.items() if words is not None}

    def told(self) -> list[str]:
        """Columns of one kind together: ``number: bill_length_mm, bill_depth_mm``."""
        kinds: dict[str, list[str]] = {}
        for name, kind, how, _ in self.describe():
            kinds.setdefault(kind if kind in ("number", "yes_no") else f"{kind}, {how}", []).append(name)
        return [
            f"{kind}: {', '.join(names[:12])}{f' and {len(names) - 12} more' if len(names) > 12 else ''}"
            for kind, names in kinds.items()
        ]

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        import torch

        columns = None if self.columns is None else [column.content() for column in self.columns]
        return {"columns": columns, "center": torch.from_numpy(self.center), "scale": torch.from_numpy(self.scale)}

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> FittedTable:
        """What `content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        center, scale = (np.asarray(content[key], dtype=np.float64) for key in ("center", "scale"))
        columns = None
        if content["columns"] is not None:
            columns = tuple(Column.restore(column) for column in content["columns"])
        inputs = len(center) if columns is None else sum(len(column.inputs) for column in columns)
        if center.shape != (inputs,) or scale.shape != (inputs,) or not (np.isfinite(center).all() and (scale > 0).all()):
            raise ValueError(f"{inputs} inputs, and center and scale of shapes {center.shape} and {scale.shape}")
        return cls(columns, center, scale)

    def _scale(self, numbers: Array) -> None:
        """In place."""
        with np.errstate(over="ignore"):  # what no longer fits is found once the numbers are of the network's own type
            numbers -= self.center
            numbers /= self.scale

    def _placed(self) -> Iterator[tuple[Column, slice]]:
        """Each column with the place of its inputs."""
        assert self.columns is not None
        ends = accumulate(len(column.inputs) for column in self.columns)
        return ((column, slice(end - len(column.inputs), end)) for column, end in zip(self.columns, ends, strict=True))

    def _check_width(self, rows: Rows) -> None:
        given, wanted = rows.inputs.shape[1], len(self.center)
        if given != wanted:
            raise DataError(f"{_file(rows)}a row has {given} numbers here, and {wanted} in the training split.", key=("data",))


class _Scaled:
    """A `Reader` of some rows of another, scaled when they are read."""

    def __init__(self, fitted: FittedTable, rows: Rows, index: Array) -> None:
        self.fitted, self.rows, self.index = fitted, rows, index

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.index), len(self.fitted.center)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def read(self, index: Array) -> Array:
        return self.fitted.numbers(self.rows, self.index[index])

    def digest(self, index: Array) -> bytes:
        reader: Reader = self.rows.inputs
        return reader.digest(self.index[index])


def _each(items: Iterable[T], do: Callable[[T], U]) -> list[U]:
    """What ``do`` gives for each item. What is wrong with any of them is said at once."""
    found: list[U] = []
    problems: list[Problem] = []
    for item in items:
        try:
            found.append(do(item))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return found


def _learn(rows: Rows, name: str, train: Array, choices: Choices) -> tuple[Column, Array, Array]:
    """A column as its training rows show it, and the center and scale of each of its inputs."""
    values = rows.inputs[name][train]
    with _naming(rows, name):
        kind, how, gaps = find(values, asked_kind(rows.kinds, name), choices)
    size = len(how.inputs(name))
    center, scale = np.zeros(size + gaps), np.ones(size + gaps)
    if not how.wanted:
        return Column(name, kind, how, (), gaps), center, scale
    block = np.zeros((len(train), size))
    Column(name, kind, how, (np.nan,) * size).write(values, block, rows)
    known = block[~np.isnan(block[:, 0])]
    if not gaps and (known[0] == known).all():
        with _naming(rows, name):
            raise constant(values.drop_nulls())
    way = {"date": "median", "yes_no": "most_frequent"}.get(kind, choices.missing)
    if how.amounts:
        center[:size], scale[:size] = _scaling(known, choices.scaling)
    return Column(name, kind, how, tuple(_filling(known, way, choices.fill)), gaps), center, scale


def _filling(known: Array, way: str, fill: float | None) -> list[float]:
    """What stands for missing values of each input, by those that are known, (rows, inputs)."""
    match way:
        case "median":
            found = np.median(known, axis=0)
        case "mean":
            found = known.mean(axis=0)
        case "most_frequent":
            found = np.array([values[counts.argmax()] for values, counts in (np.unique(c, return_counts=True) for c in known.T)])
        case _:
            found = np.full(known.shape[1], fill)
    return found.tolist()  # type: ignore[no-any-return]


def _scaling(numbers: Array, way: str) -> tuple[Array, Array]:
    """What is taken away from each input, and what it is then divided by: 1 for a constant."""
    mean, scale, constant = (moment[0] for moment in moments(numbers, (0,)))
    match way:
        case "standard":
            return mean, scale
        case "minmax":
            low = numbers.min(axis=0)
            return low, np.where(constant, 1.0, numbers.max(axis=0) - low)
        case "robust":
            low, middle, high = np.percentile(numbers, (25, 50, 75), axis=0)
            return middle, np.where(high > low, high - low, scale)  # mostly one value: its wild ones are still made small
        case _:
            return np.zeros_like(mean), np.ones_like(scale)


def _streamed(rows: Rows, train: Array, way: str) -> tuple[Array, Array]:
    """Center and scale of what does not fit into memory, read in parts. Quartiles are those of rows evenly spread.

    Parts are merged as Chan, Golub and LeVeque do (1983, "Algorithms for computing the sample variance").
    """
    size, order = max(1, _AT_ONCE // rows.inputs.shape[1]), np.sort(train)

    def read(index: Array) -> Array:
        return checked(rows, np.asarray(rows.inputs.read(index), dtype=np.float64), index, "an input")

    if way in ("robust", "none") or len(order) <= size:
        return _scaling(read(order[np.linspace(0, len(order) - 1, min(len(order), size)).astype(int)]), way)
    numbers = read(order[:size])
    count, mean, squares = len(numbers), numbers.mean(axis=0), numbers.var(axis=0) * len(numbers)
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    for first in range(size, len(order), size):
        numbers = read(order[first : first + size])
        more, away = len(numbers), numbers.mean(axis=0) - mean
        squares += numbers.var(axis=0) * more + away**2 * (count * more / (count + more))
        mean, count = mean + away * (more / (count + more)), count + more
        low, high = np.minimum(low, numbers.min(axis=0)), np.maximum(high, numbers.max(axis=0))
    center, scale = (low, high - low) if way == "minmax" else (mean, np.sqrt(squares / count))
    return center, np.where((low == high) | (scale == 0), 1.0, scale)


@contextmanager
def _naming(rows: Rows, name: str) -> Iterator[None]:
    """What is wrong in here is wrong with this column."""
    try:
        yield
    except DataError as error:
        shown = f"{_file(rows)}column {name!r} "
        raise DataError([replace(problem, message=shown + problem.message) for problem in error.problems]) from None


def _file(rows: Rows) -> str:
    return f"{rows.file}: " if rows.file else ""
