"""Checkpoints (.pth): written so that a crash leaves the old file or the new one, read so that a bad file is refused in words.

A checkpoint is a dictionary of plain values and tensors in the zip that ``torch.save`` writes. `save` refuses what `load`
would not take back, at once rather than on the day of the resume.
"""

import itertools
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import torch

from trainkit.errors import CheckpointError, ConfigError, Key, NumericError, StorageError, dotted
from trainkit.spec import FORMAT
from trainkit.store import platform
from trainkit.store.environment import trainkit_version
from trainkit.store.inspection import FORMAT_VERSION, MAX_OPCODES, foreign, in_words, inspect, unsafe

__all__ = ["FORMAT", "FORMAT_VERSION", "duplicate", "load", "newest", "save", "sweep"]

MAX_DEPTH = 32
FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128}
DTYPES = FLOATS | {torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool}
PREFERRED = {"last.pth": 0, "previous.pth": 1, "best.pth": 2}


def save(content: dict[str, Any], *paths: Path) -> None:
    """Write ``content`` to every path in order (all in one folder), each atomically; the last path is the last to change.

    Raises TypeError for a value that a checkpoint can't hold, naming its place; NumericError for weights that are not
    finite (below ``network`` or ``ema``); StorageError when the disk says no. After an error no path holds half a file.
    """
    header = {"format": FORMAT, "format_version": FORMAT_VERSION, "trainkit_version": trainkit_version()}
    header["torch_version"] = str(torch.__version__)
    plain = _copy(header | content | header, _written, (), itertools.count())
    *others, target = paths
    try:
        with platform.temporary(target.parent) as temp:
            with platform.create_exclusive(temp) as file:
                torch.save(plain, file)
                platform.sync(file)
            _verify(temp, target)
            for path in others:
                duplicate(temp, path)
            os.replace(temp, target)
        platform.sync_folder(target.parent)
    except Exception as error:
        if (cause := _disk_error(error)) is None:
            raise
        raise platform.storage_error(cause, target, _size_bytes(plain)) from error


def duplicate(source: Path, path: Path) -> None:
    """Give the checkpoint ``source`` a second name in its folder, atomically, without copying its bytes where the disk can.

    Raises StorageError when the disk says no.
    """
    try:
        with platform.temporary(path.parent) as temp:
            try:
                os.link(source, temp)
            except OSError:  # FAT and some network disks have no hard links
                with source.open("rb") as original, platform.create_exclusive(temp) as file:
                    shutil.copyfileobj(original, file, 1 << 20)
                    platform.sync(file)
            os.replace(temp, path)
        platform.sync_folder(path.parent)
    except OSError as error:
        raise platform.storage_error(error, path, source.stat().st_size if source.exists() else 0) from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint, its tensors on the CPU, running nothing and opening nothing that it names.

    Raises ConfigError when there is no file at ``path``, CheckpointError when the file is not a whole, harmless checkpoint.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise CheckpointError(f"{path}: this user may not read it. Change its permissions or those of its folder.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: there is no such file. Give a .pth file, or a run by its folder or name.") from error
    if S_ISDIR(mode):
        raise ConfigError(f"{path}: is a folder. Give a .pth file in it.")
    try:
        return _read(path, mode)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error.__cause__
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error}). Copy it to another disk first.") from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: does not fit into memory. Close other programs or use a larger machine.") from error


def newest(folder: Path) -> tuple[Path, dict[str, Any], list[str]] | None:
    """The readable checkpoint of the highest step in ``folder``, its content, and in words which files were skipped and why.

    Of equal steps last.pth wins, then previous.pth, then best.pth. None when no checkpoint there can be read.
    """
    found: tuple[Path, dict[str, Any]] | None = None
    skipped: list[str] = []
    for path in sorted(folder.glob("*.pth"), key=lambda path: (PREFERRED.get(path.name, len(PREFERRED)), path.name)):
        try:
            content = load(path)
            step = _step(content)
        except (CheckpointError, ConfigError) as error:
            skipped.append(str(error))
            continue
        if step is None:
            skipped.append(f"{path}: does not say at which step it was written (state.step).")
        elif found is None or step > (_step(found[1]) or 0):
            found = path, content
    return (*found, skipped) if found else None


def sweep(folder: Path) -> None:
    """Remove the unfinished files that a killed process left. Call it holding the run's lock: a live save has such a file too."""
    for path in folder.glob(".tmp-*"):
        path.unlink(missing_ok=True)


def _read(path: Path, mode: int) -> dict[str, Any]:
    if not S_ISREG(mode):  # opening a pipe would wait for ever
        raise foreign("a pipe or a device")
    with path.open("rb") as file:  # held open throughout: what was inspected is what is read, even if the name moves on
        inspect(file)
        file.seek(0)
        with in_words():
            content = torch.load(file, weights_only=True, map_location="cpu")
    try:
        content = _copy(content, _accepted, (), itertools.count())
    except TypeError as error:
        raise unsafe(str(error)) from error
    if not isinstance(content, dict) or (content.get("format"), content.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise foreign("a PyTorch file from elsewhere")
    return content


def _verify(temp: Path, target: Path) -> None:
    try:
        with temp.open("rb") as file:
            inspect(file)
    except CheckpointError as error:
        raise StorageError(f"{target}: not saved, as it would not read back: {error}") from error


def _copy(value: Any, tensor: Callable[[torch.Tensor, Key], torch.Tensor], key: Key, count: Iterator[int]) -> Any:
    """``value`` rebuilt from plain types, tensors passed through ``tensor``. Raises TypeError naming the place of a stranger."""
    kind = type(value)
    if next(count) > MAX_OPCODES or len(key) > MAX_DEPTH:
        raise TypeError(f"{dotted(key[:4])} is nested too deep or holds too many values")
    if value is None or kind in (bool, float, str) or (kind is bytes and value) or (kind is int and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, torch.Tensor):
        return tensor(value, key)
    if kind is list or kind is tuple:
        return kind(_copy(item, tensor, (*key, i), count) for i, item in enumerate(value))
    if kind is dict or kind is OrderedDict:
        for name in value:
            if type(name) is not str and not (type(name) is int and -(2**63) <= name < 2**63):
                raise TypeError(f"{dotted(key) or 'the content'} has a key of type {_name(name)}: only str and int are stored")
        return {name: _copy(item, tensor, (*key, name), count) for name, item in value.items()}
    what = "an int beyond 64 bits" if kind is int else "empty bytes" if kind is bytes else _name(value)
    plain = "None, bool, int, float, str, bytes, list, tuple, dict and tensors"
    raise TypeError(f"{dotted(key) or 'the content'} is {what}: only {plain} are stored")


def _written(value: torch.Tensor, key: Key) -> torch.Tensor:
    """The tensor as it goes to the disk: on the CPU, in order, and with no bytes but its own."""
    if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.dtype not in DTYPES or not _is_dense(value):
        kind = f"{_name(value)} ({value.dtype}, {value.layout}, {value.device})"
        raise TypeError(f"{dotted(key)} is {kind}: only dense tensors of the usual dtypes are stored")
    value = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    if key[0] in ("network", "ema") and value.dtype in FLOATS and not _is_finite(value):
        raise NumericError(
            f"the weights hold NaN or infinity: not saved ({dotted(key)}). What was saved before is untouched; "
            "try a lower optimizer.lr or set training.clip."
        )
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()


def _accepted(value: torch.Tensor, key: Key) -> torch.Tensor:
    """The tensor as it came from the disk, if it is of the kind that `save` writes: a few bytes can claim to be terabytes."""
    if type(value) is not torch.Tensor or value.dtype not in DTYPES or not _is_dense(value) or value.requires_grad:
        raise TypeError(f"{dotted(key)} is not a plain tensor")
    if value.numel() * value.itemsize > value.untyped_storage().nbytes():
        raise TypeError(f"{dotted(key)} is a tensor larger than its bytes")
    return value


def _is_dense(value: torch.Tensor) -> bool:
    return value.layout is torch.strided and not value.is_nested and not value.is_meta


def _is_finite(value: torch.Tensor) -> bool:
    # One NaN or infinity spoils the sum, which takes a tenth of the time; a sum may also overflow by itself.
    return bool(torch.isfinite(value.sum()) or torch.isfinite(value).all())


def _name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _step(content: dict[str, Any]) -> int | None:
    state = content.get("state")
    step = state.get("step") if isinstance(state, dict) else None
    return step if type(step) is int else None


def _size_bytes(value: Any) -> int:
    """About what a plain value takes on the disk."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_size_bytes(item) for item in value.values())
    return sum(map(_size_bytes, value)) if isinstance(value, list | tuple) else len(value) if isinstance(value, str | bytes) else 8


def _disk_error(error: BaseException | None) -> OSError | None:
    """The OSError behind an error: torch hides a full disk behind a RuntimeError of its own."""
    while error is not None and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error
