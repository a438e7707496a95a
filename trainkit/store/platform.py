"""What differs between Linux, macOS and Windows when a file must survive a crash, and what a disk's refusal is called."""

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from trainkit.errors import ConfigError, StorageError

WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows (see `ulimit -f`)",
    errno.EROFS: "the disk can only be read",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EIO: "the disk reports a fault",
    errno.ENOENT: "the folder is gone",
    errno.ENOTDIR: "the folder is gone",
}


def sync(file: IO[bytes]) -> None:
    """Wait until what was written to ``file`` lies on the disk. After a failure, write a new file: a second try may lie."""
    file.flush()
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # a network disk may not know F_FULLFSYNC
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
            return
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder lie on the disk. Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks do not offer it
            raise
    finally:
        os.close(folder)


def create_exclusive(path: Path) -> BinaryIO:
    """Create a file that was not there, never through a link that someone laid in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "wb")


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A name in ``folder`` for a file on its way to its real name; whatever still bears it at the end is removed."""
    path = folder / f".tmp-{os.getpid()}-{secrets.token_hex(6)}"
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file as UTF-8: after a crash it holds all of the old text or all of the new. Raises StorageError."""
    data = text.encode()
    try:
        with temporary(path.parent) as temp:
            with create_exclusive(temp) as file:
                file.write(data)
                sync(file)
            os.replace(temp, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path, len(data)) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` once all is written; if that fails, ``path`` is as it was.
    Raises ConfigError where its folder is not there, StorageError when the disk refuses."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path} can't be written: {'it is a folder' if path.is_dir() else 'its folder is not there'}.")
    try:
        with temporary(path.parent) as temp:
            with create_exclusive(temp) as file:
                yield file
            os.replace(temp, path)
    except OSError as error:
        raise storage_error(error, path, 0) from error


def storage_error(error: OSError, path: Path, size_bytes: int) -> StorageError:
    """Say in words why ``size_bytes`` could not be written to ``path``."""
    words = WORDS.get(error.errno or 0) or os.strerror(error.errno or errno.EIO)
    free = "an unknown amount"
    with suppress(OSError):
        free = readable(shutil.disk_usage(path.parent).free)
    return StorageError(
        f"{path}: not saved, {words}: {readable(size_bytes)} needed, {free} free in {path.parent}. "
        "What was saved before is untouched; mend the disk or choose another folder with --runs, then resume."
    )


def readable(size_bytes: int) -> str:
    """``readable(2_500_000)`` is ``2.5 MB``."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
