"""Source: arrays in files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from pydantic import Field, model_validator

from trainkit.errors import ConfigError, DataError, Key
from trainkit.part import PathSetting, fault
from trainkit.parts.sources import Source, sources
from trainkit.parts.sources._columns import which
from trainkit.parts.sources._tables import nearest
from trainkit.spec import SPLITS, Kind, Rows, SplitName, Target

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ENDINGS = (".npy", ".npz", ".safetensors", ".pt", ".pth")
_LARGE = 2**30
_SAFE = {"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
         "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}  # fmt: skip
"""What safetensors calls its types, and what NumPy does; it has no BF16, whose bits are the upper half of a float32's."""


@sources.register
class Arrays(Source):
    """Arrays in files, rows first: NumPy's .npy and .npz, .safetensors, and PyTorch's .pt with nothing but tensors."""

    name: Literal["arrays"] = "arrays"
    path: PathSetting | None = None
    """One file that holds all arrays by name (.npz, .safetensors, .pt), or a folder with one .npy for each name."""
    inputs: PathSetting | None = None
    """Instead of path: the file of the inputs, such as X.npy."""
    targets: PathSetting | None = None
    """Instead of path: the file of the targets, such as y.npy."""
    inputs_key: str = "inputs"
    """The name of the inputs, where a file holds several arrays."""
    targets_key: str = "targets"
    """The name of the targets, where a file holds several arrays."""
    lengths_key: str | None = None
    """The name of the sequences' real lengths, beside the inputs. Left out: `lengths`, if there is such an array."""
    splits_key: str | None = None
    """The name of an array beside the inputs that says each row's split: train, validation or test, or 0, 1, 2.
    Left out: rows are split by shares."""
    kind: Kind = "table"
    """What a row is: table (rows, features), image (rows, channels, height, width) or (rows, height, width), sequence
    (rows, steps, features) or (rows, steps), tokens (rows, steps)."""
    layout: Literal["auto", "channels_first", "channels_last"] = "auto"
    """Where an image's channels stand, before or behind height and width. auto: where there are 1 or 3."""
    classes: tuple[str, ...] = ()
    """Names of the classes, for targets that are numbers from 0 on; or of the labels."""
    vocabulary: int | None = Field(default=None, gt=0)
    """Of tokens: how many there are; each is smaller."""
    memory: Literal["auto"] | bool = "auto"
    """Hold all inputs in memory? If not, each batch is read from the file. auto: up to 1 GB."""

    @model_validator(mode="after")
    def _all_said(self) -> Self:
        if self.path is not None and (self.inputs or self.targets):
            raise fault(("path",), "stands for inputs and targets in one: say either path, or inputs and targets")
        if self.path is None and not (self.inputs and self.targets):
            missing = "path, or inputs and targets" if not (self.inputs or self.targets) else "both inputs and targets"
            raise fault(("path",), f"needs files: say {missing}")
        if self.vocabulary is not None and self.kind != "tokens":
            raise fault(("vocabulary",), "is of tokens: say kind: tokens, or leave it out")
        return self

    @property
    def data_kind(self) -> Kind:
        return self.kind

    def build(self, target: Target | None) -> Rows:
        file, setting = (self.path, "path") if self.path else (self.inputs, "inputs")
        assert file is not None
        arrays = _opened(file, ("data", setting))
        if self.path and list(arrays) == [""]:
            words = f"{file} holds one array without a name: is it the inputs, or the targets?"
            raise DataError(
                words, key=("data", "path"), suggestion="Name a file of each: data.inputs and data.targets, not data.path."
            )
        rows = self._rows(file, arrays, self._held_in_memory)
        splits = self._splits(file, arrays, len(rows)) if self.splits_key else None
        if self.targets is not None:
            file, setting, arrays = self.targets, "targets", _opened(self.targets, ("data", "targets"))
        values = _copied(_picked(file, arrays, self.targets_key, self._place("targets_key", setting)))
        found = Targets(file, values, ("data", setting), self.classes)
        found.check(len(rows))
        kind = target or found.kind()
        targets, names = found.read(kind)
        return replace(rows, targets=targets, target_kind=kind, target_names=names, splits=splits)

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        """Files with an array of the inputs' name, or with one array alone, and folders of such files. No targets needed."""
        for path in inputs:
            folder = Path(path)
            files = sorted(str(file) for file in folder.glob("*") if file.suffix in ENDINGS) if folder.is_dir() else []
            if (folder / f"{self.inputs_key}.npy").is_file() or not files:
                files = [path]
            for file in files:
                rows = self._rows(file, _opened(file, ()), lambda values: False)
                for start in range(0, len(rows), size):
                    yield _slice(rows, start, min(start + size, len(rows)))

    def _place(self, setting: str = "", file: str = "") -> Key:
        """Where a mistake stands: at the setting, if it was said, else at that of the file."""
        said = setting and getattr(self, setting) != type(self).model_fields[setting].default
        return ("data", setting if said else file or ("path" if self.path else "inputs"))

    def _held_in_memory(self, values: Array) -> bool:
        return values.nbytes <= _LARGE if self.memory == "auto" else self.memory

    def _rows(self, file: str, arrays: Mapping[str, Array], hold: Callable[[Array], bool]) -> Rows:
        """A file's inputs, without targets."""
        import numpy as np

        values = _picked(file, arrays, self.inputs_key, self._place("inputs_key"))
        if values.dtype.kind not in "iufb":
            words = f"{file}: the inputs are of type {values.dtype}, and not numbers."
            raise DataError(words, key=self._place(), suggestion="Words are read by the sources csv and text.")
        values = self._shaped(file, values.view(np.uint8) if values.dtype.kind == "b" else values)
        if not values.size:
            raise DataError(f"{file}: the inputs are of shape {values.shape}: there is nothing in them.", key=self._place())
        if self.kind == "tokens":
            self._check_tokens(file, values)
        name, lengths = self.lengths_key or "lengths", None
        if self.kind in ("sequence", "tokens") and (self.lengths_key or name in arrays):
            lengths = _lengths(file, _picked(file, arrays, name, self._place("lengths_key"), alone=False), values)
        inputs = _copied(values) if hold(values) else Stored(values)
        targets, vocabulary = np.zeros((len(values), 0)), self.vocabulary or 0
        return Rows(inputs, targets, self.kind, "number", (), file=file, lengths=lengths, vocabulary=vocabulary)

    def _shaped(self, file: str, values: Array) -> Array:
        """(rows, …) with the dimensions that the kind of data has: a view."""
        dimensions = {"table": 2, "image": 4, "sequence": 3, "tokens": 2}[self.kind]
        if self.kind == "sequence" and values.ndim == 2:  # one number a step
            return values[:, :, None]
        if self.kind == "image" and values.ndim == 3:  # grey
            return values[:, None]
        if values.ndim != dimensions:
            other = {2: "table", 3: "sequence", 4: "image"}.get(values.ndim)
            if other == "sequence" and values.dtype.kind in "u":
                other = "image"
            fix = f"If each row is {_ONE[other]}: data.kind={other}." if other and other != self.kind else "Rows come first."
            words = f"{file}: the inputs are of shape {values.shape}; kind {self.kind} has {dimensions} dimensions."
            raise DataError(words, key=("data", "kind"), suggestion=fix)
        if self.kind != "image" or self.layout == "channels_first":
            return values
        first, last = values.shape[1] in (1, 3), values.shape[3] in (1, 3)
        if self.layout == "auto" and first == last:
            words = f"{file}: in pictures of shape {values.shape[1:]}, which dimension holds the channels?"
            raise ConfigError(
                words, key=("data", "layout"), suggestion="Say data.layout=channels_first or data.layout=channels_last."
            )
        return values.transpose(0, 3, 1, 2) if last or self.layout == "channels_last" else values

    def _check_tokens(self, file: str, values: Array) -> None:
        if values.dtype.kind not in "iu":
            words = f"{file}: tokens are whole numbers, and the inputs are of type {values.dtype}."
            raise DataError(words, key=("data", "kind"))
        if self.vocabulary is None:
            words = "how many tokens are there? Ids that only validation or test rows hold count too."
            fix = f"The largest id in {file} is {values.max()}: data.vocabulary={int(values.max()) + 1} at least."
            raise ConfigError(words, key=("data", "vocabulary"), suggestion=fix)

    def _splits(self, file: str, arrays: Mapping[str, Array], rows: int) -> dict[SplitName, Array]:
        import numpy as np

        assert self.splits_key is not None
        values, key = (
            _copied(_picked(file, arrays, self.splits_key, self._place("splits_key"), alone=False)),
            ("data", "splits_key"),
        )
        if values.shape != (rows,):
            words = f"{file}: the array {self.splits_key!r} is of shape {values.shape}, and there are {rows} rows."
            raise DataError(words, key=key)
        names = [str(value) for value in values.tolist()]
        known: dict[str, SplitName] = {name: name for name in SPLITS} | {str(number): name for number, name in enumerate(SPLITS)}
        strange = next((row for row, name in enumerate(names) if name not in known), None)
        if strange is not None:
            words = f"{file}: row {strange + 1} belongs to the split {names[strange]!r}."
            raise DataError(words, key=key, suggestion="There are train, validation and test, or 0, 1 and 2.")
        found = np.array([known[name] for name in names])
        splits: dict[SplitName, Array] = {name: np.flatnonzero(found == name) for name in SPLITS if (found == name).any()}
        if "train" not in splits:
            raise DataError(f"{file}: by the array {self.splits_key!r}, no row belongs to train.", key=key)
        return splits


_ONE = {"table": "a row of a table", "sequence": "a sequence of steps", "image": "a picture"}


class Targets:
    """An array of targets: what they are, and as Rows hold them."""

    def __init__(self, file: str, values: Array, key: Key, classes: tuple[str, ...]) -> None:
        self.file, self.key, self.classes = file, key, classes
        self.values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    def check(self, rows: int) -> None:
        """Raises DataError for targets that do not fit ``rows`` rows of inputs."""
        values = self.values
        if values.ndim not in (1, 2) or not values.size:
            self._refuse(f"the targets are of shape {values.shape}.", "They are (rows,), or (rows, how many).")
        if len(values) != rows:
            self._refuse(f"there are {len(values)} targets, and {rows} rows of inputs.", "Each row has one.")
        if values.dtype.kind not in "iufbUS":
            self._refuse(f"the targets are of type {values.dtype}.", "They are numbers or texts.")
        if values.dtype.kind in "US" and values.ndim == 2:
            self._refuse("a row has several texts as its target.", "It has one class.")

    def kind(self) -> Target:
        """What they are, where the task does not say. Raises ConfigError where they could be two things."""
        values = self.values
        if values.ndim == 1 and (values.dtype.kind in "USb" or (self.classes and values.dtype.kind in "iu")):
            return "class"
        if values.ndim == 1 and values.dtype.kind in "iu":
            raise which(f"{self.file}: the targets are", "class", self.key)
        if values.ndim == 2 and ((values == 0) | (values == 1)).all():
            raise which(f"{self.file}: the targets are", "labels", self.key)
        return "number"

    def read(self, kind: Target) -> tuple[Array, tuple[str, ...]]:
        """As `Rows.targets` are, and their names. Raises DataError naming the row of one that is not of that kind."""
        if kind == "class":
            return self._names(), ("target",)
        values = self.values.reshape(len(self.values), -1)
        if values.dtype.kind in "US":
            self._refuse(f"the targets are texts, such as {self.values[0]!s}, and no numbers.", "Use `task: classification`.")
        word, count = ("label", values.shape[1]) if kind == "labels" else ("target", values.shape[1])
        names = ("target",) if word == "target" and count == 1 else tuple(f"{word} {n + 1}" for n in range(count))
        if kind == "labels":
            wrong = ((values != 0) & (values != 1)).any(axis=1)
            if wrong.any():
                row = int(wrong.argmax())
                self._refuse(f"row {row + 1}: labels are 0 or 1, and these are {values[row].tolist()}.", "Mend the row.")
        if self.classes:
            if kind == "number" or len(self.classes) != count:
                words = f"are {len(self.classes)} names, and the targets are {count} {word}{'' if count == 1 else 's'}"
                raise ConfigError(f"classes {words}.", key=("data", "classes"), suggestion="Take them out, or name each once.")
            names = self.classes
        return values.astype("float64"), names

    def _names(self) -> Array:
        import numpy as np

        values = self.values
        if values.ndim == 2:
            fix = "If one of a row's numbers is 1 and says the class, save y.argmax(axis=1); several classes: `task: multilabel`."
            self._refuse(f"a row has {values.shape[1]} targets, and a class is one.", fix)
        if values.dtype.kind == "f":
            broken = values != np.floor(values)  # NaN is not equal to itself; infinity has a name of its own
            if broken.any() or not np.isfinite(values).all():
                row = int((broken | ~np.isfinite(values)).argmax())
                self._refuse(f"row {row + 1}: the target is {values[row]:g}, and no class.", "Amounts: `task: regression`.")
            values = values.astype(np.int64)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind == "U":
            if self.classes:
                words = f"{self.file}: the targets are names already, such as {values[0]!s}."
                raise ConfigError(words, key=("data", "classes"), suggestion="Take the setting out.")
            empty = np.char.strip(values) == ""
            if empty.any():
                self._refuse(f"row {int(empty.argmax()) + 1} has no class.", "Fill it, or leave the row out.")
        elif self.classes:
            numbers = values.astype(np.int64)
            wrong = (numbers < 0) | (numbers >= len(self.classes))
            if wrong.any():
                row = int(wrong.argmax())
                words = f"row {row + 1}: the target is {numbers[row]}, and data.classes names 0 to {len(self.classes) - 1}."
                self._refuse(words, "Name them all, in the order of their numbers.")
            return np.array(self.classes, dtype=object)[numbers]
        return np.array([str(value) for value in values.tolist()], dtype=object)

    def _refuse(self, words: str, fix: str) -> NoReturn:
        raise DataError(f"{self.file}: {words}", key=self.key, suggestion=fix)


class Stored:
    """A `Reader` of an array that stays in its file."""

    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return _native(self.array.dtype)

    def read(self, index: Array) -> Array:
        return _copied(self.array[index])

    def digest(self, index: Array) -> bytes:
        """Of which rows, and of as many of them as fit into 64 MB."""
        row = max(1, self.array.nbytes // len(self.array))
        some = index[:: max(1, len(index) * row // 2**26)]
        return sha256(repr((self.shape, self.dtype.str)).encode() + index.tobytes() + self.read(some).tobytes()).digest()


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type as this machine and PyTorch know it."""
    import numpy as np

    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=")


def _copied(values: Array) -> Array:
    """In memory, rows beside each other."""
    import numpy as np

    return np.array(values, dtype=_native(values.dtype), order="C", subok=False)


def _slice(rows: Rows, start: int, end: int) -> Rows:
    """Some of the rows, in memory, which keep their places."""
    lengths = None if rows.lengths is None else rows.lengths[start:end]
    inputs = _copied(rows.inputs.array[start:end])
    return replace(
        rows, inputs=inputs, targets=rows.targets[start:end], lengths=lengths, places=lambda row: rows.place(start + row)
    )


def _lengths(file: str, lengths: Array, values: Array) -> Array:
    import numpy as np

    key, steps = ("data", "lengths_key"), values.shape[1]
    if lengths.shape != (len(values),) or lengths.dtype.kind not in "iu":
        words = f"{file}: the lengths are of shape {lengths.shape} and type {lengths.dtype}."
        raise DataError(words, key=key, suggestion=f"They are whole numbers, one for each of the {len(values)} rows.")
    wrong = (lengths < 1) | (lengths > steps)
    if wrong.any():
        row = int(wrong.argmax())
        words = f"{file}: row {row + 1} has the length {lengths[row]}, and the inputs have {steps} steps."
        raise DataError(words, key=key, suggestion="Lengths lie between 1 and the steps there are.")
    return np.array(lengths, dtype=np.int64)


def _picked(file: str, arrays: Mapping[str, Array], name: str, key: Key, alone: bool = True) -> Array:
    """The array of that name, or, if ``alone``, the only one there is in a file that knows no names."""
    names = sorted(arrays)
    if name not in arrays and not (alone and names == [""]):
        if names == [""]:
            raise DataError(f"{file} holds one array without a name, and no {name!r}.", key=key)
        near = nearest(name, names)
        raise DataError(f"{file} has no array {name!r}.", key=key, suggestion=near)
    return arrays[name if name in arrays else ""]


def _unreadable(file: str, key: Key, error: Exception) -> DataError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        words = f"{file} holds Python objects, which could run any program when they are read: they are not."
        return DataError(words, key=key, suggestion="Save numbers or texts: np.save(file, np.array(values.tolist())).")
    by_name = 'Save tensors, each by its name: torch.save({"inputs": x, "targets": y}, file).'
    if isinstance(error, TypeError):
        return DataError(f"{file} holds {error}.", key=key, suggestion=by_name)
    if foreign := re.search(r"GLOBAL ([\w.]+) was not", str(error)):  # PyTorch's words for a module, a data set, NumPy's arrays
        words = f"{file} holds Python objects ({foreign[1]}), which could run any program when they are read: they are not."
        return DataError(words, key=key, suggestion=by_name)
    fix = "It is damaged or cut off, or not what its ending says: save it anew."
    return DataError(f"{file} cannot be read as {Path(file).suffix}.", key=key, suggestion=fix)


def _opened(file: str, key: Key) -> Mapping[str, Array]:
    """The arrays of a file by name, read when they are taken; one that knows no names has the name "".

    Raises ConfigError for a path that is not there or of another format, DataError for one that is damaged.
    """
    path = Path(file)
    if not path.exists():
        near = nearest(path.name, [other.name for other in path.parent.glob("*")]) if path.parent.is_dir() else ""
        raise ConfigError(f"the file {file} is not there.", key=key, suggestion=near)
    if path.is_dir():
        inside = {found.stem: found for found in sorted(path.glob("*.npy"))}
        if not inside:
            raise ConfigError(f"the folder {file} holds no .npy file.", key=key, suggestion="Save the inputs there as inputs.npy.")
        return Opened(file, key, inside, lambda name: _npy(inside[name]))
    if path.suffix not in ENDINGS:
        words = f"{file} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}."
        raise ConfigError(words, key=key, suggestion="Tables and pictures have sources of their own: csv, images.")
    try:
        match path.suffix:
            case ".npy":
                array = _npy(path)
                return Opened(file, key, [""], lambda name: array)
            case ".npz":
                return Opened(file, key, _packed(path), partial(_packed, path))
            case ".safetensors":
                found = safetensors(path)
                return Opened(file, key, found, lambda name: found[name]())
            case _:
                tensors = _tensors(path)
                return Opened(file, key, tensors, lambda name: _array(tensors[name]))
    except Exception as error:  # of damaged bytes, readers complain in many ways
        raise _unreadable(file, key, error) from None


class Opened(Mapping[str, "Array"]):
    """The arrays of a file, each read when it is asked for. Raises DataError for one that cannot be."""

    def __init__(self, file: str, key: Key, names: Iterable[str], read: Callable[[str], Array]) -> None:
        self._file, self._key, self._names, self._read = file, key, tuple(names), read

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._read(name)
        except Exception as error:  # of damaged bytes, readers complain in many ways
            raise _unreadable(self._file, self._key, error) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def _packed(path: Path, name: str | None = None) -> Any:
    """An array of a .npz by its name; without one, all names."""
    from zipfile import is_zipfile

    import numpy as np

    if not is_zipfile(path):  # of whatever else, np.load says that it is a pickle
        raise ValueError("not a .npz")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as packed:
        return packed.files if name is None else packed[name]


def _npy(path: Path) -> Array:
    import numpy as np

    with path.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":  # of whatever else, np.load says that it is a pickle
            raise ValueError("not an array")
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def safetensors(path: Path) -> dict[str, Callable[[], Array]]:
    """What reads each array of a file, by its name.

    It holds eight bytes with the size of a JSON header, the header, then bare numbers (github.com/huggingface/safetensors).
    """
    import json

    import numpy as np

    size = path.stat().st_size
    with path.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        if start > size:
            raise ValueError("the header is longer than the file")
        header = json.loads(stream.read(start - 8))
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if any(start + entry["data_offsets"][1] > size for entry in entries.values()):
        raise ValueError("the file ends before its arrays do")

    def mapped(dtype: str, shape: tuple[int, ...], first: int, end: int) -> Array:
        found: Array = (
            np.memmap(path, _SAFE[dtype], "r", start + first, tuple(shape)) if end > first else np.zeros(shape, _SAFE[dtype])
        )
        if found.nbytes != end - first:
            raise ValueError("the shape does not fit the bytes")
        return (found.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else found

    return {name: partial(mapped, entry["dtype"], entry["shape"], *entry["data_offsets"]) for name, entry in entries.items()}


def _tensors(path: Path) -> dict[str, Any]:
    """The tensors of a PyTorch file; nothing else is read from it. Raises TypeError where it holds none."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if isinstance(found, torch.Tensor):
        return {"": found}
    tensors = found.items() if isinstance(found, dict) else ()
    named = {name: value for name, value in tensors if isinstance(name, str) and isinstance(value, torch.Tensor)}
    if not named:
        raise TypeError(f"no tensors by their names, but an object of type {type(found).__name__}")
    return named


def _array(tensor: Any) -> Array:
    """A view where NumPy has its type."""
    import torch

    plain = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    found: Array = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    return found
