"""Logger: metrics.jsonl, one JSON object a line. Always on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainkit.parts.loggers import Logger, loggers

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from trainkit.spec import Batch


@loggers.register
class JSONL(Logger):
    """metrics.jsonl in the run's folder: one JSON object a line, no clock in it, so that equal runs write equal files."""

    name: Literal["jsonl"] = "jsonl"

    def build(self, folder: Path) -> JSONLFile:
        return JSONLFile(folder / "metrics.jsonl")


class JSONLFile:
    """Appends records to one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []

    def begin(self, config: str, network: nn.Module, batch: Batch) -> None:
        """Nothing: config.yaml holds it."""

    def log(self, record: dict[str, Any]) -> None:
        """Keep the line until the next position: a file opened for each line would cost more than a small step."""
        numbers = {k: v for k, v in record.items() if k != "rows_per_second"}
        self._lines.append(json.dumps(numbers) + "\n")
        if record["kind"] != "step" or len(self._lines) >= 100:
            self._write()

    def picture(self, name: str, pixels: np.ndarray[Any, Any], step: int) -> None:
        """Nothing: pictures lie in plots/."""

    def position(self) -> int:
        """Bytes in the file."""
        self._write()
        return self.path.stat().st_size if self.path.exists() else 0

    def rewind(self, position: Any) -> None:
        """Cut the file off."""
        size = position if isinstance(position, int) else 0
        if self.path.exists() and self.path.stat().st_size > size:
            with self.path.open("rb+") as file:
                file.truncate(size)

    def close(self) -> None:
        """Write what is left."""
        self._write()

    def _write(self) -> None:
        if self._lines:
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(self._lines)
            self._lines.clear()
