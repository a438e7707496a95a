"""Loggers: where the numbers of a run go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from trainkit.part import Part, Registry

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from trainkit.spec import Batch


class BuiltLogger(Protocol):
    """What a training hands its numbers to.

    ``position`` and ``rewind`` make every record appear once: a checkpoint holds each logger's position, and a
    resume rewinds to it before anything new is written.
    """

    def begin(self, config: str, network: nn.Module, batch: Batch) -> None:
        """Once a run, before the first step: the config as text, and what the network looks like on a few rows."""

    def log(self, record: dict[str, Any]) -> None:
        """One record: ``kind`` (step, evaluation or end), ``step``, ``epoch``, and numbers by name."""

    def picture(self, name: str, pixels: np.ndarray[Any, Any], step: int) -> None:
        """A picture of a split's answers, (height, width, 3) uint8."""

    def position(self) -> Any:
        """Put everything on the disk, and say how far it reaches: plain values."""

    def rewind(self, position: Any) -> None:
        """Forget all that came after ``position``; None: everything."""

    def close(self) -> None:
        """Put everything on the disk and let go."""


class Logger(Part):
    """Where the numbers of a run go."""

    def build(self, folder: Path) -> BuiltLogger:
        """Writes into ``folder``, the run's. Nothing is opened before the first record, so that `rewind` may come first."""
        raise NotImplementedError


loggers = Registry("loggers", "logger", Logger)
AnyLogger = Annotated[Logger, loggers]
