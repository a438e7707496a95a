"""What a frozen body makes of the rows, computed once: the head then trains on it, epoch after epoch.

A row's features are the same whenever and with whatever other rows they are computed (`TransferNetwork.features`), so a
training with and without them kept is the same, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainkit.data.cutting import bounds
from trainkit.data.splits import Data, Drawn, Split
from trainkit.engine.evaluation import evaluating
from trainkit.engine.hardware import Hardware, processor
from trainkit.networks.transfer import TransferNetwork
from trainkit.spec import Batch, Held, SplitName
from trainkit.store.platform import replacing, write_text

FOLDER = ".features"
"""Beside the runs. It may be deleted at any time."""
_CHUNKS = 4
"""Chunks of rows that are read together."""


@dataclass(frozen=True)
class Views:
    """The training split as features: one view of each row, or several, which come round epoch by epoch."""

    splits: tuple[Split, ...]

    def drawn(self, steps: Iterable[Drawn], size: int) -> Iterator[Batch]:
        """The batches of these training steps."""
        for step in steps:
            yield from self.splits[step.epoch % len(self.splits)].drawn([step], size)


@dataclass(frozen=True)
class Features:
    """The splits that are seen more than once, as features."""

    train: Views
    splits: Mapping[SplitName, Split]
    """Those that are evaluated."""


@dataclass(frozen=True)
class Keeper:
    """Computes features, or finds them where an earlier run left them."""

    network: TransferNetwork
    hardware: Hardware
    folder: Path | None
    """Where files of features lie; None: they are kept in memory."""
    known: str
    """What else they are a function of: the rows, their preprocessing and augmentation."""
    heard: Callable[[int], None]
    """Hears how many rows more are done. What it raises ends the work."""
    made: list[str] = field(default_factory=list)
    """What was computed, and not found."""

    def __call__(self, data: Data) -> Features:
        """Features of the training and the validation split; test is seen once."""
        train = data["train"]
        views = [self._kept(train, f"train {view}", view) for view in range(train.views or 1)]
        return Features(Views(tuple(views)), {"validation": self._kept(data["validation"])} if "validation" in data else {})

    def _kept(self, split: Split, name: str = "validation", view: int | None = None) -> Split:
        shape = len(split), self.network.width
        self.made.append(name)
        if self.folder is None:
            values = torch.empty(shape, dtype=self.hardware.dtype, device=split.device)
            done = 0
            for some in self._computed(split, view):
                values[done : done + len(some)] = some
                done += len(some)
        else:
            path = self.folder / f"{self._key(name)}.npy"
            if _is_whole(path, shape):
                self.heard(len(split))
                self.made.pop()
            else:
                self._write(path, shape, self._computed(split, view))
            values = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False)).to(
                split.device
            )  # read as it is used, by the system
        return replace(split, held=Held(values.to(split.device)), changes=(), preparing=None, views=0)

    def _computed(self, split: Split, view: int | None) -> Iterator[Tensor]:
        """Every row's features, in order. A ``view`` is the rows as training sees them in that epoch."""
        size = _CHUNKS * self.network.feature_batch
        batches = split.slices(size)
        if view is not None:
            cuts = (torch.arange(first, end) for first, end in bounds(len(split), size))
            batches = split.drawn((Drawn(view, 0, rows, rows.to(split.device)) for rows in cuts), size)
        with evaluating(self.network), self.hardware.autocast():
            for batch in batches:
                yield self.network.features(batch.inputs).to(self.hardware.dtype)
                self.heard(len(batch))

    def _write(self, path: Path, shape: tuple[int, int], features: Iterator[Tensor]) -> None:
        dtype, digest = np.dtype("f8" if self.hardware.dtype == torch.float64 else "f4"), sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.lib.format.write_array_header_2_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
            for some in features:
                numbers = some.cpu().contiguous().numpy().data
                digest.update(numbers)
                file.write(numbers)
        about = {"what": "features of a frozen network, by trainkit", "sha256": digest.hexdigest()}
        write_text(path.with_suffix(".json"), json.dumps(about))

    def _key(self, name: str) -> str:
        """All that the features are a function of: one pixel, weight or setting more or less gives another."""
        network, hardware, digest = self.network, self.hardware, sha256()
        for key, value in network.body.state_dict().items():
            digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        where = str(torch.__version__), str(hardware.device), processor(hardware.device), torch.get_num_threads()
        words = self.known, name, str(network.body), network.feature_batch, hardware.precision, where
        digest.update(json.dumps(words).encode())
        return digest.hexdigest()


def _is_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Is this file of features there, and as it was written?"""
    try:
        wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        numbers = np.load(path, mmap_mode="r", allow_pickle=False)
        return numbers.shape == shape and sha256(numbers.data).hexdigest() == str(wanted)
    except (OSError, ValueError, KeyError, TypeError):
        return False
