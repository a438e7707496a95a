"""The screen of a training: lasting lines, and on a terminal one live bar below them. All of it on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Counting:
    """On a terminal, how many rows are done, while a long reading goes on."""

    def __enter__(self) -> Counting:
        self._done, self._since, self._drawn = 0, monotonic(), 0.0
        self._live = sys.stderr.isatty()
        return self

    def step(self, rows: int) -> None:
        """So many more are done."""
        self._done, now = self._done + rows, monotonic()
        if self._live and now - self._drawn > 0.1:
            self._drawn = now
            speed = self._done / max(now - self._since, 1e-9)
            print(f"\r{self._done:,} rows, {speed:,.0f} rows/s", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._live and self._drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


_PLAIN = str.maketrans({"↑": "^", "↓": "v", "★": "*", "·": "|", "×": "x", "→": "->"})
"""For terminals that know no such signs."""


class TerminalScreen:
    """Draws with Rich on a terminal; writes plain lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not quiet
        self.encoding = sys.stderr.encoding or "ascii"  # asked now: under a live bar stderr is Rich's, which has none
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0

    def say(self, line: str) -> None:
        """A line that stays."""
        if self.quiet:
            return
        try:
            line.encode(self.encoding)
        except UnicodeEncodeError:
            line = line.translate(_PLAIN).encode(self.encoding, "replace").decode(self.encoding)
        try:
            self.console.print(self._styled(line), markup=False)
        except BrokenPipeError:  # nobody reads any more: no reason to stop a training
            self.quiet = True

    def _styled(self, line: str) -> object:
        from rich.text import Text

        text = Text(line)
        if line.endswith("★"):
            text.stylize("bold")
        elif line.startswith(("data", "model", "task", "device", "training", "run ", "resume", "bit-exact")):
            text.stylize("dim", 0, 9)
        return text

    def bar(self, steps: int, done: int, word: str = "step") -> AbstractContextManager[object]:
        """A live bar of all steps, or of what ``word`` says, the ones done already included."""
        return self._bar(steps, done, word) if self.live else nullcontext()

    @contextmanager
    def _bar(self, steps: int, done: int, word: str) -> Iterator[None]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(word + " {task.completed:,}/{task.total:,}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, auto_refresh=False) as self._progress:
            self._task = self._progress.add_task("training", total=steps, completed=done, words="")
            yield
        self._progress = None

    def step(self, step: int, loss: float | None, rows_per_second: float | None) -> None:
        """Move the bar, ten times a second at most: drawing costs more than a small step."""
        if self._progress is None or self._task is None:
            return
        if loss is not None:
            words = f"loss {loss:.4f}" + (f"  {rows_per_second:,.0f} rows/s" if rows_per_second else "")
            self._progress.update(self._task, words=words)
        now = monotonic()
        if now - self._drawn > 0.1:
            self._drawn = now
            self._progress.update(self._task, completed=step, refresh=True)
