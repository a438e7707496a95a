"""The family of errors that trainkit raises: each knows its exit code and can name a place.

TrainkitError            1  the base; never raised itself
├── ConfigError          2  a config, an argument, a path or a plugin that is not there
├── DataError            3  the data lacks or breaks something
├── CheckpointError      4  a checkpoint that is refused
├── SetupError           5  the machine or an installed package does not fit
├── NumericError         6  the numbers failed: NaN or infinity
├── StorageError         7  the disk said no
├── LockedError          8  another process works on this run
└── GateError            9  a quality gate (`eval --min`) was missed
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Key = tuple[str | int, ...]
"""The way from a config's root to a setting: ``("model", "hidden", 0)``."""


def dotted(key: Key) -> str:
    """Write a key as people do: ``model.hidden[0]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def printable(text: str) -> str:
    """The text without what could move a terminal's cursor: column names and checkpoints may hold anything."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what would mend it.

    ``line`` and ``column`` count from 1. ``file`` is a path, or words such as ``argument 2`` for a
    setting that came from the command line. ``quoted`` is the line itself, to be shown with a caret.
    """

    message: str
    key: Key = ()
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    quoted: str | None = None
    at: Literal["key", "value"] = "value"
    """Is it the key that is wrong, or its value? Decides which of them a caret points at."""

    @property
    def where(self) -> str:
        """``configs/a.yaml:7:9``, or as much of it as is known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} {self.suggestion}" if self.suggestion else text


class TrainkitError(Exception):
    """An expected failure: said in words, without a traceback.

    Made from a sentence (``ConfigError("…", key=("model",))``) or from several `Problem`s.
    """

    exit_code = 1
    name = "error"

    def __init__(self, message: str | Sequence[Problem], *, key: Key = (), suggestion: str | None = None) -> None:
        if isinstance(message, str):
            message = [Problem(message, key, suggestion)]
        self.problems: tuple[Problem, ...] = tuple(message)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def placed(self, place: Callable[[Problem], Problem]) -> "TrainkitError":
        """The same error, each problem that has a key but no file yet sent through ``place``."""
        error = type(self)([place(p) if p.key and not p.file else p for p in self.problems])
        return error.with_traceback(self.__traceback__)


class ConfigError(TrainkitError):
    exit_code = 2
    name = "config"


class DataError(TrainkitError):
    exit_code = 3
    name = "data"


class CheckpointError(TrainkitError):
    exit_code = 4
    name = "checkpoint"


class SetupError(TrainkitError):
    exit_code = 5
    name = "environment"


class NumericError(TrainkitError):
    exit_code = 6
    name = "numbers"


class StorageError(TrainkitError):
    exit_code = 7
    name = "storage"


class LockedError(TrainkitError):
    exit_code = 8
    name = "locked"


class GateError(TrainkitError):
    exit_code = 9
    name = "gate"
