"""Pictures: opening files of any kind as pixels, all of one size, and what is fitted on the training pictures.

Colours are 0 to 1 from the moment a batch is opened; whatever is fitted (size, channels, range, mean, deviation) comes from
the training rows alone. Opening a file costs a few milliseconds: a set that fits into a gigabyte is opened once and kept.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import file_digest, sha256
from math import isfinite, prod
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from trainkit.errors import ConfigError, DataError, Problem
from trainkit.spec import Fitted, Held, Rows

Array = np.ndarray[Any, Any]
Resize = Literal["stretch", "crop", "pad"]
Scaling = Literal["standard", "imagenet", "asked", "none"]
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm")
"""A file in a folder is taken for a picture by its name's end, in small or large letters."""
LARGEST_COMMON = 512
"""The size that all training pictures have is kept up to this: cameras' pictures of 12 million pixels are no network's input."""
SIDE = 8192
"""No side is longer."""
LARGEST_SIDE = 224
"""Otherwise, where the config says nothing, neither side becomes longer than this."""
SAMPLE = 10_000
"""Of more pictures in files than this, so many, evenly chosen, tell the mean and the deviation: they differ by 1 in 1,000 then."""
MEMORY_BYTES = 2**30
"""``memory: auto`` keeps a set of pixels up to this large."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's red, green and blue, which networks trained on it expect (torchvision's documentation)."""
_CHUNK_BYTES = 2**26
_LARGEST = np.float64(1e100)
"""The square of a larger number may not be a number any more."""
_GREY = ("1", "L", "LA", "La")
Image.init()  # here, once: Pillow loads its decoders when first asked, and not all threads at once may ask
_FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM") if name in Image.OPEN)
"""What is opened. Pillow knows more, EPS among them, for which it would start another program."""


class Form(NamedTuple):
    """What every picture is brought to."""

    channels: int
    height: int
    width: int
    resize: Resize = "stretch"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)"""
        return self.channels, self.height, self.width

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what is taken of a picture: of the cut, the largest middle part of these proportions."""
        if self.resize != "crop":
            return 0, 0, width, height
        scale = min(height / self.height, width / self.width)
        high, wide = max(1, round(self.height * scale)), max(1, round(self.width * scale))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    def inner(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what is taken, once its size is changed: padded, the picture keeps its proportions."""
        if self.resize != "pad":
            return self.height, self.width
        scale = min(self.height / height, self.width / width)
        return max(1, round(height * scale)), max(1, round(width * scale))


class Look(NamedTuple):
    """What a picture's header tells."""

    height: int
    width: int
    grey: bool


class Pictures:
    """Pictures in files. Each file is looked at when this is made, and decoded when it is read.

    Looking reads the header (0.1 ms a file): whatever is no picture is found at once. With ``on_error="skip"`` each file is
    decoded once besides, so that no bad one can turn up later and no row ever changes its number; as many as ``skip_limit``,
    a share of all, may be left out. Raises DataError naming the files.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        *,
        on_error: Literal["stop", "skip"] = "stop",
        skip_limit: float = 0.05,
        memory: bool | Literal["auto"] = "auto",
        mend: str = "Mend or remove it, or leave such files out: data.on_error: skip.",
    ) -> None:
        named = [str(path) for path in paths]
        found = list(_each(partial(_attempt, partial(_look, whole=on_error == "skip")), named))
        self.skipped = [(path, look) for path, look in zip(named, found, strict=True) if isinstance(look, str)]
        """The files left out, and why."""
        if self.skipped and (on_error == "stop" or len(self.skipped) > skip_limit * len(named)):
            if on_error == "skip":
                many = f"{len(self.skipped)} of {len(named):,} are"
                mend = f"Such files are left out, but no more than {skip_limit:.0%} (data.skip_limit), and {many}."
            raise _bad(self.skipped, mend)
        self.kept = np.array([row for row, look in enumerate(found) if isinstance(look, Look)], dtype=np.int64)
        """int64: which of the paths that were given are here."""
        self.paths: list[str] = [named[row] for row in self.kept]
        self.looks = [look for look in found if isinstance(look, Look)]
        self.memory, self._mend = memory, mend
        self._kept: dict[int, Array] = {}
        self._form: Form | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.paths)

    def place(self, row: int) -> str:
        """The file of a row, for messages."""
        return self.paths[row]

    def fits(self, form: Form) -> bool:
        """Are the pixels to be kept in memory?"""
        size = len(self) * form.channels * form.height * form.width
        return size <= MEMORY_BYTES if self.memory == "auto" else self.memory

    def read(self, index: Array, form: Form, *, keep: bool = False) -> Array:
        """uint8 (len(index), channels, height, width). With ``keep``, pixels that are to be in memory wait here until they are
        read without it, so that fitting decodes no file in vain: then they are the caller's, and nothing is held twice."""
        pixels = np.empty((len(index), *form.shape), dtype=np.uint8)
        if not self.fits(form):
            self._decode(index, form, pixels, range(len(index)), map)  # its callers are the threads
            return pixels
        with self._lock:
            if self._form != form:
                self._kept, self._form = {}, form
            new = []
            for place, row in enumerate(index.tolist()):
                known = self._kept.get(row) if keep else self._kept.pop(row, None)
                if known is None:
                    new.append(place)
                else:
                    pixels[place] = known
            self._decode(index[new], form, pixels, new, _each)
            if keep:
                self._kept.update((int(index[place]), pixels[place]) for place in new)
        return pixels

    def _decode(self, index: Array, form: Form, into: Array, places: Iterable[int], each: Callable[..., Iterable[Any]]) -> None:
        found = each(partial(_attempt, partial(_decode, form=form)), [self.paths[row] for row in index])
        bad = []
        for row, place, pixels in zip(index, places, found, strict=True):
            if isinstance(pixels, str):
                bad.append((self.paths[row], pixels))
            else:
                into[place] = pixels
        if bad:
            raise _bad(bad, self._mend)

    def digest(self, index: Array) -> bytes:
        """sha256 of what the files hold, read by several threads: 0.7 s a gigabyte and core, and no more than the disk gives."""
        found = list(_each(partial(_attempt, _hash), [self.paths[row] for row in index]))
        if bad := [(self.paths[row], why) for row, why in zip(index, found, strict=True) if isinstance(why, str)]:
            raise _bad(bad, self._mend)
        return sha256(b"".join(found)).digest()


@dataclass(frozen=True, eq=False)
class FittedPictures(Fitted):
    """What was learnt from the training pictures. ``mean`` and ``std``, (channels,), are of colours from 0 to 1."""

    form: Form
    low: float
    high: float
    """The colours of rows that are not uint8 run from ``low`` to ``high``: uint8 always runs from 0 to 255."""
    mean: Tensor | None = None
    std: Tensor | None = None
    _ready: dict[Any, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def held(self, rows: Rows, index: Array) -> Held:
        """uint8 or the rows' own type, (rows, channels, height, width): a tensor, or a Reader where it does not fit in memory."""
        if isinstance(rows.inputs, Pictures):
            kept = rows.inputs.fits(self.form)
        else:
            kept = isinstance(rows.inputs, np.ndarray) and (
                rows.inputs.shape[1:] == self.form.shape or len(rows) * prod(self.form.shape) * rows.inputs.itemsize <= MEMORY_BYTES
            )
        if kept:
            return Held(torch.from_numpy(self.pixels(rows, index)))
        return Held(_Streamed(self, rows, index))

    def opened(self, held: Held) -> Held:
        """Colours from 0 to 1: float32, or float64 where the rows are."""
        values: Tensor = held.values
        if values.dtype == torch.uint8:
            return replace(held, values=values.to(torch.float32) / 255)
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        return replace(held, values=(values - self.low) / (self.high - self.low))

    def finished(self, opened: Held) -> Held:
        """Of mean 0 and deviation 1 a channel on the training split, or as the config has it."""
        if self.mean is None or self.std is None:
            return opened
        values: Tensor = opened.values
        place = values.device, values.dtype
        if place not in self._ready:  # copying to a GPU waits for it: once
            self._ready[place] = self.mean[:, None, None].to(*place), self.std[:, None, None].to(*place)
        mean, std = self._ready[place]
        return replace(opened, values=(values - mean) / std)

    def spec(self) -> Mapping[str, Any]:
        """The shape."""
        return {"shape": self.form.shape}

    def told(self) -> list[str]:
        """Nothing."""
        return []

    def content(self) -> dict[str, Any]:
        """Plain values and two tensors."""
        return {"form": list(self.form), "low": self.low, "high": self.high, "mean": self.mean, "std": self.std}

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> FittedPictures:
        """What `content` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        channels, height, width, resize = content["form"]
        low, high, *moments = (content[name] for name in ("low", "high", "mean", "std"))
        whole = all(type(number) is int and number > 0 for number in (channels, height, width)) and max(height, width) <= SIDE
        span = all(type(number) is float and isfinite(number) for number in (low, high)) and low < high
        if not whole or not span or resize not in get_args(Resize):
            raise ValueError("no form of pictures, or no range of their colours")
        if moments != [None, None]:
            if not all(isinstance(numbers, Tensor) and numbers.is_floating_point() for numbers in moments):
                raise ValueError("mean and deviation are no tensors of numbers")
            mean, std = moments
            if not mean.shape == std.shape == (channels,) or not (mean.isfinite() & std.isfinite() & (std > 0)).all():
                raise ValueError("mean and deviation are none of these channels")
        return cls(Form(channels, height, width, resize), low, high, *moments)

    def pixels(self, rows: Rows, index: Array, *, keep: bool = False) -> Array:
        """(len(index), channels, height, width) of the form, in the rows' own type; ``keep`` as in `Pictures.read`.
        Raises DataError naming a bad row."""
        if isinstance(rows.inputs, Pictures):
            return rows.inputs.read(index, self.form, keep=keep)
        values = rows.inputs[index] if isinstance(rows.inputs, np.ndarray) else rows.inputs.read(index)
        if values.dtype.kind == "f" and not (fine := np.abs(values) <= min(_LARGEST, np.finfo(values.dtype).max)).all():
            where = tuple(int(axis[0]) for axis in (~fine).nonzero())
            raise DataError(
                f"{rows.place(int(index[where[0]]))}: an input is {values[where]:g}: nothing can be computed with that.",
                key=("data",),
                suggestion="Mend the value, or leave the row out.",
            )
        if values.shape[1:] == self.form.shape:
            return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        made = np.empty((len(values), *self.form.shape), values.dtype.newbyteorder("="))
        step = max(1, _CHUNK_BYTES // (8 * max(1, values[0].size, made[0].size))) if len(values) else 1
        for first in range(0, len(values), step):
            made[first : first + step] = _formed(values[first : first + step], self.form, rows)
        return made


@dataclass(frozen=True)
class _Streamed:
    """Rows that are read when a batch asks for them. Safe for threads: nothing is kept."""

    fitted: FittedPictures
    rows: Rows
    index: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.index), *self.fitted.form.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8) if isinstance(self.rows.inputs, Pictures) else self.rows.inputs.dtype.newbyteorder("=")

    def read(self, index: Array) -> Array:
        return self.fitted.pixels(self.rows, self.index[index])

    def digest(self, index: Array) -> bytes:
        inputs = self.rows.inputs
        if isinstance(inputs, np.ndarray):  # made larger for the network than they are
            return sha256(np.ascontiguousarray(inputs[self.index[index]]).data).digest()
        found: bytes = inputs.digest(self.index[index])
        return found


def inside(folder: str) -> list[str]:
    """The picture files in a folder and in those below it, sorted by their paths; hidden ones are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [os.path.join(place, name) for name in files if name.lower().endswith(SUFFIXES) and not _hidden(name)]
    return sorted(found, key=lambda path: Path(path).parts)


def _hidden(name: str) -> bool:
    """``.DS_Store``, ``._cat.jpg`` and ``__MACOSX`` come with archives from a Mac."""
    return name.startswith(".") or name == "__MACOSX"


def listed(inputs: Iterable[str]) -> Iterator[str]:
    """Picture files from files, folders, and ``-``: paths on the standard input, one a line. Raises ConfigError for a path
    that is not there, DataError for a folder without pictures."""
    for given in inputs:
        if given == "-":
            yield from listed([line.rstrip("\r\n") for line in sys.stdin if line.strip()])
        elif os.path.isdir(given):
            found = inside(given)
            if not found:
                raise DataError(f"{given} holds no pictures.", suggestion=f"Known by their names' ends: {' '.join(SUFFIXES)}.")
            yield from found
        elif os.path.exists(given):
            yield given
        else:
            raise ConfigError(f"{given} is not there.")


def fresh(inputs: Iterable[str], size: int) -> Iterator[Rows]:
    """New pictures to be answered, ``size`` at a time. A bad one stops it: each file that is asked about gets its answer."""
    files = listed(inputs)
    while paths := list(itertools.islice(files, size)):
        pictures = Pictures(paths, memory=True, mend="Mend it, or leave it out.")
        yield Rows(pictures, np.empty((len(paths), 0)), "image", "class", places=pictures.place)


def fit(
    rows: Rows,
    train: Array,
    *,
    size: tuple[int, int] | None = None,
    resize: Resize = "stretch",
    channels: Literal["auto", "colour", "grey", "rgb"] = "auto",
    scaling: Scaling = "standard",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> FittedPictures:
    """Size, channels, range, mean and deviation from the rows numbered ``train``, and from no other.

    ``channels="colour"`` makes three of one, and keeps what has more. Of mean and deviation that are ``asked`` for other channels
    than there are, each channel gets the middle. Numbers that are all between 0 and 1 keep that range; others run from the least
    to the greatest. Moments are taken over all pixels of arrays in memory; of what is read from files, over `SAMPLE` rows at most.
    Raises DataError and ConfigError.
    """
    fitted = FittedPictures(_form(rows, train, size, resize, channels), 0.0, 255.0)
    count = fitted.form.channels
    if scaling == "imagenet" and mean is None:
        mean, std = IMAGENET
    if scaling == "asked" and mean is not None and std is not None and len(mean) != count:
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    for name, given in (("mean", mean), ("std", std)):
        if given is not None and len(given) not in (1, count):
            raise ConfigError(
                f"{name} has {len(given)} numbers, and the pictures have {count} channel{'s' * (count > 1)}.",
                key=("preprocess", "scaling" if scaling == "imagenet" else name),
                suggestion="Use `channels: rgb`." if len(given) == 3 and count == 1 else f"Give {count}, or one for all.",
            )
    stored = np.dtype(np.uint8) if isinstance(rows.inputs, Pictures) else rows.inputs.dtype
    fixed = scaling == "none" or mean is not None
    if fixed and stored == np.uint8:
        return _with(fitted, mean, std)
    if not isinstance(rows.inputs, np.ndarray) and len(train) > SAMPLE:
        train = train[np.linspace(0, len(train) - 1, SAMPLE).astype(np.int64)]
    moments = _moments(fitted, rows, train)
    if stored != np.uint8:
        low, high = float(moments.least.min()), float(moments.most.max())
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)
        fitted = replace(fitted, low=low, high=high)
    if fixed:
        return _with(fitted, mean, std)
    span = fitted.high - fitted.low
    deviation = np.where(moments.least == moments.most, 1.0, np.sqrt(moments.squares / moments.numbers) / span)
    return _with(fitted, (moments.mean - fitted.low) / span, np.where(deviation == 0, 1.0, deviation))


def _with(fitted: FittedPictures, mean: Any, std: Any) -> FittedPictures:
    if mean is None:
        return fitted
    several = [torch.from_numpy(np.resize(np.asarray(numbers, np.float64), fitted.form.channels)) for numbers in (mean, std)]
    return replace(fitted, mean=several[0], std=several[1])


def _form(rows: Rows, train: Array, size: tuple[int, int] | None, resize: Resize, channels: str) -> Form:
    if isinstance(rows.inputs, Pictures):
        looks = [rows.inputs.looks[row] for row in train]
        count = 1 if channels == "grey" or (channels == "auto" and all(look.grey for look in looks)) else 3
        if size is None:
            sizes = np.array([look[:2] for look in looks])
            same = (sizes == sizes[0]).all() and sizes[0].max() <= LARGEST_COMMON
            height, width = sizes[0] if same else np.median(sizes, axis=0).round().clip(1, LARGEST_SIDE)
            size = int(height), int(width)
    else:
        stored = rows.inputs.shape[1]
        count = {"auto": stored, "colour": 3 if stored == 1 else stored, "grey": 1, "rgb": 3}[channels]
        size = size or rows.inputs.shape[2:]
    if max(size) > SIDE:
        words = f"{rows.file or 'the data'}: the pictures are {size[0]:,} × {size[1]:,}, and no side may be longer than {SIDE:,}."
        raise DataError(words, key=("data",), suggestion="Make them smaller: `preprocess: {size: 512}`, say.")
    return Form(int(count), int(size[0]), int(size[1]), resize)


class _Moments(NamedTuple):
    """Of each channel: how many numbers, mean, sum of squared deviations, least and most."""

    numbers: int
    mean: Array
    squares: Array
    least: Array
    most: Array


def _moments(fitted: FittedPictures, rows: Rows, index: Array) -> _Moments:
    """In one pass, some rows at a time."""
    step = max(1, _CHUNK_BYTES // (8 * int(np.prod(fitted.form.shape))))
    pieces = (fitted.pixels(rows, index[at : at + step], keep=True).swapaxes(0, 1) for at in range(0, len(index), step))
    first = next(pieces)
    join = _counted if first.dtype == np.uint8 else _joined
    return join(itertools.chain([first], pieces))


def _counted(pieces: Iterable[Array]) -> _Moments:
    """Of uint8, by counting each of its 256 values: exact, and 47 million pixels take 0.3 s."""
    counts: Array = sum(np.stack([np.bincount(channel.ravel(), minlength=256) for channel in piece]) for piece in pieces)  # type: ignore[assignment]
    values, numbers = np.arange(256.0), int(counts[0].sum())
    mean = counts @ values / numbers
    squares = (counts * (values - mean[:, None]) ** 2).sum(axis=1)
    return _Moments(numbers, mean, squares, (counts > 0).argmax(axis=1), 255 - (counts[:, ::-1] > 0).argmax(axis=1))


def _joined(pieces: Iterable[Array]) -> _Moments:
    """Two parts' sums are joined without loss (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance",
    doi 10.1080/00031305.1983.10483115)."""
    all_: _Moments | None = None
    for piece in pieces:
        pixels = piece.reshape(len(piece), -1).astype(np.float64)
        mean = pixels.mean(axis=1)
        here = _Moments(pixels.shape[1], mean, ((pixels - mean[:, None]) ** 2).sum(axis=1), pixels.min(axis=1), pixels.max(axis=1))
        if all_ is None:
            all_ = here
            continue
        together, apart = all_.numbers + here.numbers, here.mean - all_.mean
        all_ = _Moments(
            together,
            all_.mean + apart * (here.numbers / together),
            all_.squares + here.squares + apart**2 * (all_.numbers * here.numbers / together),
            np.minimum(all_.least, here.least),
            np.maximum(all_.most, here.most),
        )
    assert all_ is not None
    return all_


def _formed(values: Array, form: Form, rows: Rows) -> Array:
    """Arrays (rows, channels, height, width) brought to the form, as pictures in files are."""
    pixels = torch.from_numpy(values.astype(np.float64 if values.dtype == np.float64 else np.float32))
    if pixels.shape[1] != form.channels:
        if pixels.shape[1] == 3 and form.channels == 1:
            pixels = (pixels * torch.tensor([0.299, 0.587, 0.114], dtype=pixels.dtype)[:, None, None]).sum(1, keepdim=True)
        elif pixels.shape[1] == 1:
            pixels = pixels.expand(-1, form.channels, -1, -1)
        else:
            raise DataError(
                f"{rows.file or 'the data'}: the pictures have {pixels.shape[1]} channels, and {form.channels} are asked for.",
                key=("data",),
            )
    height, width = pixels.shape[2:]
    left, top, right, bottom = form.box(height, width)
    high, wide = form.inner(height, width)
    if (bottom - top, right - left) != (high, wide):
        pixels = functional.interpolate(
            pixels[:, :, top:bottom, left:right].contiguous(), (high, wide), mode="bilinear", antialias=True
        )
    else:
        pixels = pixels[:, :, top:bottom, left:right]
    above, before = (form.height - high) // 2, (form.width - wide) // 2
    pixels = functional.pad(pixels, (before, form.width - wide - before, above, form.height - high - above))
    if values.dtype.kind != "f":
        limits = (0, 1) if values.dtype.kind == "b" else (np.iinfo(values.dtype).min, np.iinfo(values.dtype).max)
        pixels = pixels.round().clamp(*limits)
    return pixels.numpy()


def _each(function: Callable[[str], Any], paths: Sequence[str]) -> Iterator[Any]:
    """The function of each path, in order, by several threads: Pillow lets go of the interpreter while it decodes."""
    if len(paths) < 2:
        yield from map(function, paths)
        return
    with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1), "pictures") as pool:
        yield from pool.map(function, paths)


def _attempt(function: Callable[[str], Any], path: str) -> Any:
    """What the function makes of a file, or why it cannot, in words."""
    try:
        return function(path)
    except _Unreadable as error:
        return str(error)


class _Unreadable(Exception):
    """A file that is no picture, or a bad one; in words that follow its name."""


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    """The picture, its header read. Raises _Unreadable for whatever goes wrong until the block's end."""
    try:
        if not os.path.getsize(path):
            raise _Unreadable("is empty")
        with Image.open(path, formats=_FORMATS) as image:
            yield image
    except _Unreadable:
        raise
    except UnidentifiedImageError:
        with open(path, "rb") as file:
            raise _Unreadable(f"is no picture of a kind known here: it begins with {file.read(12)!r}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _Unreadable(f"is too large to be opened safely ({str(error).partition(',')[0]})") from None
    except Exception as error:  # a decoder may fail in any way on bytes that are not what they should be
        words = str(error).partition("\n")[0]
        if isinstance(error, OSError) and error.errno:
            raise _Unreadable(f"cannot be read: {error.strerror}") from None
        if "truncated" in words or "unexpected end" in words.lower():
            raise _Unreadable("is cut off: it ends before the picture does") from None
        raise _Unreadable(f"cannot be decoded ({words or type(error).__name__})") from None


def _hash(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file_digest(file, "sha256").digest()
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None


def _look(path: str, whole: bool = False) -> Look:
    """What the header tells; ``whole`` decodes the rest too, a JPEG at an eighth of its size, which finds the same faults."""
    with _opened(path) as image:
        width, height = image.size
        if image.format != "TIFF" and _orientation(image) >= 5:  # Pillow turns a TIFF itself
            width, height = height, width
        grey = image.mode in _GREY or image.mode.startswith("I")
        if image.mode == "P" and image.palette is not None and isinstance(image.palette.palette, bytes | bytearray):
            colours = np.frombuffer(image.palette.palette, np.uint8).reshape(-1, len(image.palette.rawmode or image.palette.mode))
            grey = bool((colours[:, :3] == colours[:, :1]).all())
        if whole:
            image.draft(None, (1, 1))
            image.load()
        return Look(height, width, grey)


def _decode(path: str, form: Form) -> Array:
    """uint8 (channels, height, width): the first frame, upright, transparent parts white, 16 bits brought to 8."""
    with _opened(path) as image:
        longest = 2 * max(form.height, form.width)
        image.draft(None, (longest, longest))  # a large JPEG at 1/2, 1/4 or 1/8, never below twice what is needed: 3 times faster
        image.load()
        turn = _TURNS.get(_orientation(image))
        picture = _plain(image)
        picture = picture if turn is None else picture.transpose(turn)
        picture = picture.crop(form.box(picture.height, picture.width))
        high, wide = form.inner(picture.height, picture.width)
        mode = "L" if form.channels == 1 else "RGB"
        picture = picture.convert(mode).resize((wide, high), Image.Resampling.BILINEAR)
        if (high, wide) != (form.height, form.width):
            whole = Image.new(mode, (form.width, form.height))
            whole.paste(picture, ((form.width - wide) // 2, (form.height - high) // 2))
            picture = whole
        pixels = np.asarray(picture).reshape(form.height, form.width, form.channels)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _plain(image: Image.Image) -> Image.Image:
    """The same picture in mode L or RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image)
        if deep.dtype.kind == "f" or deep.min() < 0 or deep.max() > 65535:
            raise _Unreadable("has more than 16 bits a pixel: save it with 8 or 16")
        return Image.fromarray(((deep.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode in ("1", "LA", "La"):
        return image.convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """How a camera was held (EXIF 2.3, tag 0x0112): 1 is upright."""
    if image.format == "PNG" and "exif" not in image.info:  # it may stand behind the pixels: asking would decode them
        return 1
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # the pixels are good for all that
        return 1


_TURNS = dict(zip(range(2, 9), (
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
), strict=True))  # fmt: skip


def _bad(files: Sequence[tuple[str, str]], mend: str) -> DataError:
    """Names up to ten files."""
    problems = [Problem(f"{path} {why}.", ("data",), mend) for path, why in files[:10]]
    if len(files) > 10:
        problems.append(Problem(f"{len(files) - 10:,} more pictures cannot be read.", ("data",)))
    return DataError(problems)
