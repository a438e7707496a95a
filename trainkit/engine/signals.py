"""Ctrl-C and SIGTERM: once means finish the step, save and stop; Ctrl-C twice means now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """While active, the first signal only sets ``signal``; the loop reads it after each step.

    Nothing else happens inside a handler: saving there may meet a half-done step.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.signal: int | None = None
        self.words = "Stopping after this step, then saving. Ctrl-C again stops now."
        self._say = say
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python takes no handler
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # at any moment: checkpoints are replaced in one move, so nothing can be half written
        self.signal = number
        with suppress(RuntimeError):  # the signal came while a line was being written
            self._say(self.words)
