"""Source: MNIST's file format."""

from __future__ import annotations

import gzip
import itertools
import math
import os
import re
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.errors import ConfigError, DataError
from trainkit.part import PathSetting
from trainkit.parts.sources import Source, sources
from trainkit.spec import Kind, Rows, SplitName, Target

if TYPE_CHECKING:
    import numpy as np

_NAME = re.compile(r"(?P<set>.*?)(?P<split>train|t10k|test)-(?P<what>images|labels)[-.]idx\d-\w+(\.gz)?")
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@sources.register
class Idx(Source):
    """Pictures in MNIST's files, gzipped or not: MNIST, Fashion-MNIST, KMNIST, EMNIST and others of the same format."""

    name: Literal["idx"] = "idx"
    path: PathSetting
    """The folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, .gz behind them or not; and, for the test split,
    the same beginning with t10k."""
    classes: tuple[str, ...] | None = None
    """What the numbers 0, 1, … stand for; left out, classes are called by their numbers."""
    data_kind: ClassVar[Kind] = "image"
    given: ClassVar[tuple[SplitName, ...]] = ("test",)

    def build(self, target: Target | None) -> Rows:
        import numpy as np

        if target not in (None, "class"):
            raise ConfigError("the files hold classes, and the task wants something else.", key=("task",))
        if not os.path.isdir(self.path):
            what = "is a file" if os.path.exists(self.path) else "is not there"
            raise ConfigError(f"the folder {self.path} {what}.", key=("data", "path"))
        sets = self._sets()
        if len(sets) > 1:
            words = f"{self.path} holds several sets: {', '.join(repr(name.rstrip('-')) for name in sorted(sets))}."
            raise DataError(words, key=("data", "path"), suggestion="Give each a folder of its own.")
        files = next(iter(sets.values()), {})
        for split in ("train", "test"):
            for what, dimensions in (("images", 3), ("labels", 1)):
                if (split, what) not in files and (split == "train" or any(key[0] == split for key in files)):
                    asked = f"{'train' if split == 'train' else 't10k'}-{what}-idx{dimensions}-ubyte"
                    raise ConfigError(f"{self.path} holds no {asked}, nor {asked}.gz.", key=("data", "path"))
        found = [(files[split, "images"], *self._read(files, split)) for split in ("train", "test") if (split, "images") in files]
        if len({images.shape[1:] for _, images, _ in found}) > 1:
            sizes = " and ".join(f"{images.shape[1]} × {images.shape[2]}" for _, images, _ in found)
            raise DataError(f"{self.path}: the pictures of train and test differ in size: {sizes}.", key=("data", "path"))
        inputs = np.concatenate([images for _, images, _ in found]) if len(found) > 1 else found[0][1]
        begins = len(found[0][1])
        splits: dict[SplitName, Any] = {"train": np.arange(begins), "test": np.arange(begins, len(inputs))}

        def place(row: int) -> str:
            return _place(found[0][0], 0, row) if row < begins else _place(found[1][0], -begins, row)

        labels = np.concatenate([labels for _, _, labels in found])
        return Rows(inputs[:, None], labels, "image", "class", places=place, splits=splits if len(found) > 1 else None)

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        """Files of the same format, or any pictures."""
        import numpy as np

        from trainkit.data.pictures import fresh, listed

        for same, paths in itertools.groupby(listed(inputs), _is_idx):
            if not same:
                yield from fresh(paths, size)
                continue
            for path in paths:
                images = read(path, 3)
                for first in range(0, len(images), size):
                    piece = images[first : first + size, None]
                    place = partial(_place, path, first)
                    yield Rows(piece, np.empty((len(piece), 0)), "image", "class", places=place)

    def _sets(self) -> dict[str, dict[tuple[str, str], str]]:
        """By what stands before its names, each set's files: of a split's images, or labels, the unpacked one if there is one."""
        found: dict[str, dict[tuple[str, str], str]] = {}
        for name in sorted(os.listdir(self.path)):
            if (fits := _NAME.fullmatch(name)) and not name.startswith("."):
                split = "train" if fits["split"] == "train" else "test"
                found.setdefault(fits["set"], {}).setdefault((split, fits["what"]), os.path.join(self.path, name))
        return found

    def _read(self, files: dict[tuple[str, str], str], split: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Pictures (rows, height, width), and the names of their classes."""
        import numpy as np

        images, labels = read(files[split, "images"], 3), read(files[split, "labels"], 1)
        if len(images) != len(labels):
            raise DataError(
                f"{files[split, 'images']} holds {len(images):,} pictures, and {files[split, 'labels']} {len(labels):,} labels.",
                key=("data", "path"),
            )
        if labels.dtype.kind == "f":
            raise DataError(f"{files[split, 'labels']} holds amounts, not classes.", key=("data", "path"))
        numbers, codes = np.unique(labels, return_inverse=True)
        names = [str(number) for number in numbers]
        if self.classes is not None:
            if len(numbers) and not 0 <= numbers[0] <= numbers[-1] < len(self.classes):
                wrong = numbers[0] if numbers[0] < 0 else numbers[-1]
                raise DataError(
                    f"{files[split, 'labels']} holds the class {wrong}, and {len(self.classes)} classes are named.",
                    key=("data", "classes"),
                    suggestion="The first name stands for 0.",
                )
            names = [self.classes[number] for number in numbers]
        return images, np.array(names, dtype=object)[codes]


def read(path: str, dimensions: int) -> np.ndarray[Any, Any]:
    """What a file holds: an array of so many dimensions, of its own type. Packed MNIST, 47 MB unpacked, takes 0.3 s.

    The format: two bytes of 0, one for the type, one for the count of dimensions; each dimension as 4 bytes; the numbers
    (Y. LeCun, yann.lecun.com/exdb/mnist). Raises DataError.
    """
    import zlib

    import numpy as np

    def fault(words: str, fix: str = "Copy or download it again.") -> DataError:
        return DataError(f"{path} {words}.", key=("data", "path"), suggestion=fix)

    try:
        with _open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
                fix = "It should begin with two bytes of 0 and the type's number."
                raise fault(f"is not in the idx format: it begins with {head!r}" if head else "is empty", fix)
            if head[3] != dimensions:
                raise fault(f"has {head[3]} dimensions: {'pictures' if dimensions == 3 else 'labels'} have {dimensions}", "")
            sizes = file.read(4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise fault("is cut off within its first bytes")
            shape, kind = struct.unpack(f">{dimensions}I", sizes), np.dtype(_TYPES[head[2]])
            stated, on_disk = math.prod(shape) * kind.itemsize, os.path.getsize(path)
            if stated > on_disk * (_MOST_PACKED if isinstance(file, gzip.GzipFile) else 1):
                says = " × ".join(map(str, shape))
                raise fault(f"says that it holds {says} numbers, and its {on_disk:,} bytes cannot hold so many")
            if not stated:
                raise fault("holds nothing: one of its dimensions is 0", "")
            content = file.read(stated + 1)  # to its end, where gzip's own checksum stands, and not a byte further
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        cut = isinstance(error, EOFError)
        raise fault("is cut off: the packed file ends too early" if cut else f"cannot be unpacked ({error})") from None
    except OSError as error:
        raise fault(f"cannot be read: {error.strerror}", "") from None
    if len(content) != stated:
        raise fault("is cut off" if len(content) < stated else "holds more than its dimensions say")
    numbers = np.frombuffer(content, kind).reshape(shape)
    return numbers.astype(kind.newbyteorder("="))


_MOST_PACKED = 1032
"""Deflate makes nothing smaller than by this factor: a file of a few bytes that promises gigabytes is refused unread."""


def _open(path: str) -> Any:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else open(path, "rb")


def _is_idx(path: str) -> bool:
    try:
        with _open(path) as file:
            head = file.read(3)
    except (OSError, EOFError):
        return path.lower().endswith((".gz", "-ubyte"))  # `read` says what is wrong with it
    return len(head) == 3 and head[:2] == b"\0\0" and head[2] in _TYPES


def _place(path: str, first: int, row: int) -> str:
    return f"{path}: picture {first + row + 1}"
