"""Logger: TensorBoard event files in the run's folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainkit.parts.loggers import Logger, loggers

if TYPE_CHECKING:
    import numpy as np
    from torch import nn
    from torch.utils.tensorboard import SummaryWriter

    from trainkit.spec import Batch

EVENTS = "events.out.tfevents.*"
TAGS = {
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "lr": "learning_rate",
    "grad_norm": "gradient_norm",
    "rows_per_second": "rows_per_second",
}


@loggers.register
class TensorBoard(Logger):
    """Event files for TensorBoard: losses, metrics, rate, gradient norm, throughput, the config, the graph, pictures."""

    name: Literal["tensorboard"] = "tensorboard"
    graph: bool = True
    """Draw the network as a graph, once a run."""

    def build(self, folder: Path) -> EventFiles:
        return EventFiles(folder, self.graph)


class EventFiles:
    """One writer at a time into one folder; its position is the size of each file, so a resume can cut them exactly there."""

    def __init__(self, folder: Path, graph: bool) -> None:
        self.folder, self.graph = folder, graph
        self._open: SummaryWriter | None = None

    @property
    def writer(self) -> SummaryWriter:
        """The writer, opened when first needed."""
        if self._open is None:
            from torch.utils.tensorboard import SummaryWriter

            self._open = SummaryWriter(str(self.folder))
        return self._open

    def begin(self, config: str, network: nn.Module, batch: Batch) -> None:
        """The config as text, and the graph if the network can be traced."""
        self._call("add_text", "config", f"```yaml\n{config}\n```", 0)
        if self.graph:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns of what it may miss; a picture may miss it
                try:
                    self._call("add_graph", network, batch.arguments)
                except Exception as error:  # any network may refuse to be traced, in any way
                    self._call("add_text", "graph", f"The network could not be drawn: {error}", 0)

    def log(self, record: dict[str, Any]) -> None:
        """A scalar for each number."""
        if record["kind"] == "end":
            return
        for name, value in record.items():
            if name in ("kind", "step", "epoch") or not isinstance(value, float):
                continue
            tag = TAGS.get(name) or f"metrics/{name}"
            if record["kind"] == "step" and name == "train_loss":
                tag = "loss/step"
            self._call("add_scalar", tag, value, record["step"])

    def picture(self, name: str, pixels: np.ndarray[Any, Any], step: int) -> None:
        """An image."""
        self.writer.add_image(name, pixels, step, dataformats="HWC")

    def position(self) -> dict[str, int]:
        """Size of each event file, all of it on the disk."""
        if self._open is not None:
            self._call("flush")
        return {file.name: file.stat().st_size for file in self.folder.glob(EVENTS)}

    def rewind(self, position: Any) -> None:
        """Cut every event file to its size at that position; newer files go."""
        sizes = position if isinstance(position, dict) else {}
        for file in self.folder.glob(EVENTS):
            size = sizes.get(file.name)
            if not isinstance(size, int):
                file.unlink()
            elif file.stat().st_size > size:
                with file.open("rb+") as content:
                    content.truncate(size)

    def close(self) -> None:
        """Flush and let go."""
        if self._open is not None:
            self._call("close")
            self._open = None

    def _call(self, name: str, *arguments: Any) -> None:
        getattr(self.writer, name)(*arguments)
