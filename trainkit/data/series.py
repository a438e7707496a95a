"""Series: gaps filled and numbers scaled, as the training rows teach; windows that are cut out when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from trainkit.errors import DataError
from trainkit.spec import Fitted, Held, Rows

if TYPE_CHECKING:
    from trainkit.parts.preprocessing.series import Missing, Scaling

Array = np.ndarray[Any, Any]
_LARGEST = 1e100
"""The square of a larger number, and so a standard deviation, may not be a number any more."""
_AT_ONCE = 2**22
"""Numbers that are worked on at a time: 32 MB."""
_SMALL = 2**26
"""Windows of so many numbers are cut out once, ahead: 512 MB."""
_FOR_QUARTILES = 2**24
"""Quartiles need all numbers beside each other: of more than these, rows are taken at even distances."""


class Windows:
    """A `Reader` of windows that overlap: each is cut out of the one long series when it is read.

    ``steps`` (time, features) holds the series; window n has ``length`` steps from ``starts[n]`` on.
    """

    def __init__(self, steps: Array, starts: Array, length: int) -> None:
        self.steps, self.starts, self.length = steps, starts, length

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.starts), self.length, self.steps.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = self.steps.dtype
        return found

    def read(self, index: Array) -> Array:
        found: Array = self.steps[self.starts[index][:, None] + np.arange(self.length)]
        return found

    def digest(self, index: Array) -> bytes:
        return sha256(self.starts[index].tobytes() + self.steps[self.touched(index)].tobytes()).digest()

    def touched(self, index: Array) -> Array:
        """(time,) true where a step is in one of those windows."""
        starts, time = self.starts[index], len(self.steps) + 1
        inside = np.bincount(starts, minlength=time) - np.bincount(starts + self.length, minlength=time)
        found: Array = inside.cumsum()[:-1] > 0
        return found


@dataclass(frozen=True)
class FittedSeries(Fitted):
    """What the training rows taught. ``center``, ``scale`` and ``mean`` are float64 (features,)."""

    missing: Missing
    shape: tuple[int, int]
    """Steps of the longest training row, and features."""
    varying: bool
    """Do the training rows differ in length? If not, any other row needs as many steps as they have."""
    names: tuple[str, ...]
    """What each feature is called; empty where the source does not say."""
    center: Array
    scale: Array
    mean: Array

    @classmethod
    def fit(cls, rows: Rows, train: Array, scaling: Scaling, missing: Missing) -> FittedSeries:
        """Learn from the real steps of the rows numbered ``train``. Raises DataError for a feature that holds no number there."""
        mean, deviation, low, high = _moments(rows, train)
        center, scale = mean, deviation
        if scaling == "none":
            center, scale = np.zeros_like(mean), np.ones_like(mean)
        elif scaling == "minmax":
            center, scale = low, high - low
        elif scaling == "robust":
            lower, center, upper = _quartiles(rows, train)
            scale = np.where(upper > lower, upper - lower, deviation)  # half of the numbers equal: quartiles say nothing
        # Rounding gives a feature of 0.1 a tiny deviation, which would blow up any other value: so its ends are compared.
        scale = np.where((low == high) | (scale == 0), 1.0, scale)
        steps = _longest(rows, train)
        varying = rows.lengths is not None and bool((rows.lengths[train] != steps).any())
        return cls(missing, (steps, len(mean)), varying, rows.features, center, scale, mean)

    def held(self, rows: Rows, index: Array) -> Held:
        """The rows filled and scaled: now, where they lie in memory or are windows that take little of it, else when they are read.

        Features that have names are found by these, in whatever order they stand. Raises DataError for one that is not there, for
        rows of another shape than the training rows, and naming the row of a value that cannot be used.
        """
        import torch

        rows = self._picked(rows)
        lengths = self._lengths(rows, index)
        ready = Ready(self, rows, index)
        values: Any = ready
        small = isinstance(rows.inputs, Windows) and len(index) * int(np.prod(ready.shape[1:])) <= _SMALL
        if small or isinstance(rows.inputs, np.ndarray):
            values = torch.from_numpy(ready.read(np.arange(len(index))))
        return Held(values, None if lengths is None else torch.from_numpy(lengths))

    def opened(self, held: Held) -> Held:
        return held

    def finished(self, opened: Held) -> Held:
        return opened

    def spec(self) -> Mapping[str, Any]:
        return {"shape": self.shape, "varying": self.varying}

    def told(self) -> list[str]:
        """Nothing."""
        return []

    def content(self) -> dict[str, Any]:
        import torch

        arrays = {"center": self.center, "scale": self.scale, "mean": self.mean}
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        return {"shape": list(self.shape), "varying": self.varying, "names": list(self.names), **tensors}

    @classmethod
    def restore(cls, content: Mapping[str, Any], missing: Missing) -> FittedSeries:
        """What `content` wrote."""
        steps, features = map(int, content["shape"])
        arrays = [content[name].numpy() for name in ("center", "scale", "mean")]
        if any(array.shape != (features,) for array in arrays):
            raise ValueError(f"there are {features} features, and the arrays have {[array.shape for array in arrays]}")
        names = tuple(map(str, content["names"]))
        if len(names) not in (0, features):
            raise ValueError(f"there are {features} features, and {len(names)} names")
        return cls(missing, (steps, features), bool(content["varying"]), names, *arrays)

    def ready(self, rows: Rows, index: Array) -> Array:
        """float64 (len(index), steps, features): gaps filled, scaled, padding 0."""
        numbers, padding = _read(rows, index)
        gaps = np.isnan(numbers)
        if padding is not None:
            gaps &= ~padding[..., None]
        if gaps.any():
            numbers = self._filled(rows, index, numbers, gaps)
        with np.errstate(over="ignore"):  # what no longer fits is found once the numbers are of the network's own type
            numbers = (numbers - self.center) / self.scale
        if padding is not None:
            numbers[padding] = 0
        return numbers

    def _filled(self, rows: Rows, index: Array, numbers: Array, gaps: Array) -> Array:
        if self.missing == "stop":
            row, step, feature = (int(axis[0]) for axis in gaps.nonzero())
            raise DataError(
                f"{rows.place(int(index[row]))}: step {step + 1} has no value of feature {feature + 1}.",
                key=("data",),
                suggestion="Mend it, or have it filled: preprocess.missing=forward.",
            )
        if self.missing == "mean":
            return np.where(gaps, self.mean, numbers)
        steps = np.arange(numbers.shape[1])[:, None]
        known = ~np.isnan(numbers)  # padding is not known
        before = np.maximum.accumulate(np.where(known, steps, -1), axis=1)
        filled = np.take_along_axis(numbers, before.clip(min=0), axis=1)
        if self.missing == "interpolate":
            last = len(steps)
            after = np.minimum.accumulate(np.where(known, steps, last)[:, ::-1], axis=1)[:, ::-1]
            later = np.take_along_axis(numbers, after.clip(max=last - 1), axis=1)
            share = (steps - before) / np.maximum(after - before, 1)
            between = filled + (later - filled) * share
            filled = np.where(before < 0, later, np.where(after == last, filled, between))
        return np.where(gaps, np.where(np.isnan(filled), self.mean, filled), numbers)

    def _picked(self, rows: Rows) -> Rows:
        """The features that were learnt from, in their order. Raises DataError naming one that is not there."""
        if not (self.names and rows.features) or rows.features == self.names:
            return rows
        if absent := [name for name in self.names if name not in rows.features]:
            words = f"{rows.file}: " if rows.file else ""
            words += f"column {absent[0]!r} is missing{f', and {len(absent) - 1} more' if len(absent) > 1 else ''}."
            raise DataError(words, key=("data",), suggestion=f"There are: {', '.join(rows.features[:20])}.")
        order = [rows.features.index(name) for name in self.names]
        if isinstance(rows.inputs, Windows):
            picked: Any = Windows(rows.inputs.steps[:, order], rows.inputs.starts, rows.inputs.length)
        else:
            picked = rows.inputs[:, :, order]
        return replace(rows, inputs=picked, features=self.names)

    def _lengths(self, rows: Rows, index: Array) -> Array | None:
        """The real steps of each row, where rows may differ in that. Raises DataError where the rows do not fit."""
        (steps, features), (given, found) = self.shape, rows.inputs.shape[1:]
        if found != features:
            raise DataError(f"a step has {found} numbers here, and {features} in the training split.", key=("data",))
        lengths = np.full(len(index), given, dtype=np.int64) if rows.lengths is None else rows.lengths[index].astype(np.int64)
        if self.varying:
            return lengths
        if (lengths != steps).any():
            row = int((lengths != steps).argmax())
            words = f"{rows.place(int(index[row]))} has {lengths[row]} steps, and every row of the training split {steps}."
            raise DataError(words, key=("data",), suggestion=f"Give it {steps} steps, or training rows of different lengths.")
        return None


class Ready:
    """A `Reader` of some rows of another, filled and scaled when they are read."""

    def __init__(self, fitted: FittedSeries, rows: Rows, index: Array) -> None:
        self.fitted, self.rows, self.index = fitted, rows, index
        self.steps = rows.inputs.shape[1] if fitted.varying else fitted.shape[0]  # other splits may have padded rows further

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.index), self.steps, self.rows.inputs.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 if that is as fine as the numbers are, else float64."""
        found: np.dtype[Any] = np.result_type(self.rows.inputs.dtype, np.float32)
        return found

    def read(self, index: Array) -> Array:
        found = np.empty((len(index), *self.shape[1:]), self.dtype)
        for part in _parts(len(index), self.shape[1:]):
            with np.errstate(over="ignore"):
                found[part] = self.fitted.ready(self.rows, self.index[index[part]])[:, : self.steps]
        return found

    def digest(self, index: Array) -> bytes:
        found: bytes = self.rows.inputs.digest(self.index[index])
        return found


def _parts(rows: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of so many rows as are worked on at a time."""
    size = max(1, _AT_ONCE // max(1, int(np.prod(shape))))
    return (slice(start, start + size) for start in range(0, rows, size))


def _read(rows: Rows, index: Array) -> tuple[Array, Array | None]:
    """float64 (len(index), steps, features), gaps and padding NaN; and (len(index), steps), true where padding is.

    Raises DataError naming the first row that holds infinity or something huge.
    """
    values = rows.inputs[index] if isinstance(rows.inputs, np.ndarray) else rows.inputs.read(index)
    numbers, padding = np.asarray(values, dtype=np.float64), None
    if rows.lengths is not None:
        padding = np.arange(numbers.shape[1]) >= rows.lengths[index, None]
        numbers = np.where(padding[..., None], np.nan, numbers)
    bad = np.abs(numbers) > _LARGEST
    if bad.any():
        row, step, feature = (int(axis[0]) for axis in bad.nonzero())
        raise _unusable(rows.place(int(index[row])), step, feature, numbers[row, step, feature])
    return numbers, padding


def _unusable(place: str, step: int, feature: int, value: float) -> DataError:
    words = f"{place}: step {step + 1}, feature {feature + 1} is {value:g}: nothing can be computed with that."
    return DataError(words, key=("data",), suggestion="Mend the value, or leave the row out.")


def _longest(rows: Rows, index: Array) -> int:
    """Steps of the longest of those rows, however far others made the source pad them."""
    return int(rows.inputs.shape[1] if rows.lengths is None else rows.lengths[index].max())


def _steps(rows: Rows, index: Array) -> Iterator[Array]:
    """float64 (some, features): the real steps of those rows, gaps NaN; of windows, each step once."""
    if isinstance(rows.inputs, Windows):
        windows, touched = rows.inputs, rows.inputs.touched(index)
        numbers = windows.steps[touched].astype(np.float64)
        bad = np.abs(numbers) > _LARGEST
        if bad.any():
            place, feature = (int(axis[0]) for axis in bad.nonzero())
            step = int(touched.nonzero()[0][place])
            starts = windows.starts[index]
            row = int(((starts <= step) & (step < starts + windows.length)).argmax())
            raise _unusable(rows.place(int(index[row])), step - int(starts[row]), feature, numbers[place, feature])
        yield numbers
        return
    for part in _parts(len(index), (_longest(rows, index), rows.inputs.shape[2])):
        numbers, padding = _read(rows, index[part])
        yield numbers.reshape(-1, numbers.shape[2]) if padding is None else numbers[~padding]


def _moments(rows: Rows, train: Array) -> tuple[Array, Array, Array, Array]:
    """Mean, standard deviation, smallest and largest of each feature. Sums of squares of parts are merged as Chan, Golub and
    LeVeque do (1979, "Updating formulae and a pairwise algorithm for computing sample variances"): one pass, no cancellation."""
    features = rows.inputs.shape[2]
    count, mean, squares = np.zeros(features), np.zeros(features), np.zeros(features)
    low, high = np.full(features, np.inf), np.full(features, -np.inf)
    for numbers in _steps(rows, train):
        known = ~np.isnan(numbers)
        here = known.sum(axis=0)
        average = numbers.sum(axis=0, where=known) / here.clip(min=1)
        both, apart = (count + here).clip(min=1), average - mean
        squares += ((numbers - average) ** 2).sum(axis=0, where=known) + apart**2 * (count * here / both)
        mean = mean + apart * (here / both)
        count = count + here
        low, high = np.fmin(low, np.fmin.reduce(numbers, initial=np.inf)), np.fmax(high, np.fmax.reduce(numbers, initial=-np.inf))
    if not count.all():
        raise DataError(
            f"feature {int(count.argmin()) + 1} of {features} holds no value in the training split.",
            key=("data",),
            suggestion="Leave it out, or give more rows.",
        )
    return mean, np.sqrt(squares / count), low, high


def _quartiles(rows: Rows, train: Array) -> Array:
    """(3, features): lower quartile, median, upper quartile."""
    numbers = len(train) * _longest(rows, train) * rows.inputs.shape[2]
    apart = 1 if isinstance(rows.inputs, Windows) else -(-numbers // _FOR_QUARTILES)
    found: Array = np.nanquantile(np.concatenate(list(_steps(rows, train[:: max(1, apart)]))), (0.25, 0.5, 0.75), axis=0)
    return found
