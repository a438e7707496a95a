"""A split: rows ready as tensors where they fit into memory, else read and prepared batch by batch, threads reading ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from trainkit.data.cutting import bounds, slices
from trainkit.data.randomness import Draws
from trainkit.errors import DataError
from trainkit.spec import Batch, Fitted, Held, Spec, SplitName

LARGE = 2**30
"""Bytes up to which a split is prepared once, ahead, instead of batch by batch."""
WAITING = 2**29
"""Bytes of the batches that threads have read ahead and nobody has asked for yet, about."""
T = TypeVar("T")


class Change(NamedTuple):
    """An augmentation, built: ``apply(values, draws)``, or, where it mixes rows, ``apply(batch, draws)``."""

    name: str
    apply: Callable[[Any, Draws], Any]
    mixes: bool


class Drawn(NamedTuple):
    """The rows of one training step."""

    epoch: int
    step: int
    rows: Tensor
    """Their numbers in the split, on the CPU."""
    there: Tensor
    """The same on the device."""
    turns: Tensor | None = None
    """How often each was seen in this epoch before, where some are seen more than once: they are changed anew each time."""


@dataclass(frozen=True)
class Split:
    """The rows of one split, on the way to batches. Rows are prepared the same in whatever batch they are."""

    held: Held
    targets: Tensor
    """(rows,) class numbers or (rows, …) floating point, on the device."""
    rows: Tensor
    """(rows,) int64 on the CPU: which rows of the source these are."""
    preparing: Fitted | None
    """What is left to do with a batch; None: nothing, the rows are held as the network gets them."""
    dtype: torch.dtype
    place: Callable[[int], str]
    """How a message names a row."""
    changes: tuple[Change, ...] = ()
    """What training does to its rows, and evaluation does not."""
    seed: int = 0
    workers: int = 0
    """Threads that read ahead, where rows are read at all."""
    views: int = 0
    """So many changed views of each row come round, epoch by epoch; 0: every epoch has its own."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def device(self) -> torch.device:
        """Where batches come from."""
        return self.targets.device

    @property
    def streams(self) -> bool:
        """Are its rows read when they are asked for?"""
        return not isinstance(self.held.values, Tensor | np.ndarray)

    @property
    def lengths(self) -> Tensor | None:
        """int64 (rows,) on the CPU: about how long each row is, for buckets; None: all are alike."""
        if isinstance(self.held.values, np.ndarray):
            return torch.tensor([len(text) for text in self.held.values.tolist()])
        return self.held.lengths

    def to(self, device: torch.device) -> Split:
        """Held tensors and targets on the device."""
        values = self.held.values
        if isinstance(values, Tensor):
            values = _typed(self.held, self.dtype).values.to(device)
        return replace(self, held=replace(self.held, values=values), targets=self.targets.to(device))

    def settled(self) -> Split:
        """All rows prepared now, once. Raises DataError for one that does not fit into the type of the network's numbers."""
        if self.preparing is None:
            return self
        done = _typed(self.preparing.finished(_typed(self.preparing.opened(self.held), self.dtype)), self.dtype)
        _check_finite(done.values, self.rows, self.place, self.dtype)
        return replace(self, held=done, preparing=None)

    def part(self, first: int, end: int) -> Batch:
        """The rows from ``first`` to ``end``, without it, as they are."""
        index = torch.arange(first, min(end, len(self)))
        if self.preparing is not None:
            return self._prepared(self._read(index, index), index, index)
        return self.whole.part(first, end)

    @property
    def whole(self) -> Batch:
        """All rows as one batch, as they are."""
        if self.preparing is not None:
            return self.part(0, len(self))
        return Batch(self.held.values, self.targets, self.rows, self.held.lengths)

    def first(self, rows: int) -> Split:
        """Its first rows only."""
        values = self.held.values
        if self.streams:
            values = torch.from_numpy(values.read(np.arange(min(rows, len(self)))))
        lengths = None if self.held.lengths is None else self.held.lengths[:rows]
        return replace(self, held=Held(values[:rows], lengths), targets=self.targets[:rows], rows=self.rows[:rows])

    def slices(self, size: int) -> Iterator[Batch]:
        """All rows in order, ``size`` at a time, as they are."""
        if self.preparing is None:
            yield from slices(self.whole, size)
            return
        numbers = torch.arange(len(self))
        cuts = [numbers[first:end] for first, end in bounds(len(self), size)]
        for index, held in ahead(lambda index: self._read(index, index), cuts, self._threads(size)):
            yield self._prepared(held, index, index)

    def drawn(self, steps: Iterable[Drawn], size: int) -> Iterator[Batch]:
        """The batches of these training steps, augmented; each of about ``size`` rows."""
        if self.preparing is None and not self.changes:
            whole = self.whole
            for step in steps:
                yield whole.take(step.rows, step.there)
            return
        for step, held in ahead(lambda step: self._read(step.rows, step.there), steps, self._threads(size)):
            if self.views:
                draws = Draws(self.seed, step.epoch % self.views, 0, self.rows[step.rows], self.device)
            else:
                rows = self.rows[step.rows] + (0 if step.turns is None else step.turns << 40)
                draws = Draws(self.seed, step.epoch, step.step, rows, self.device)
            batch = self._prepared(held, step.rows, step.there, draws)
            for n, change in enumerate(self.changes):
                if change.mixes and batch.others is None:
                    batch = change.apply(batch, draws.apart(f"{n} {change.name}"))
            yield batch

    def digest(self) -> bytes:
        """sha256 over the rows as they are held, their targets and numbers."""
        values = self.held.values
        if isinstance(values, Tensor):
            found: Any = values.contiguous().numpy()  # hashed where it lies, without a copy
        elif isinstance(values, np.ndarray):
            found = "\0".join(values.tolist()).encode("utf-8", "surrogatepass")
        else:
            found = values.digest(np.arange(len(self)))
        lengths = b"" if self.held.lengths is None else self.held.lengths.contiguous().numpy()
        parts: tuple[Any, ...] = (found, lengths, self.targets.contiguous().numpy(), self.rows.contiguous().numpy())
        return sha256(b"".join(sha256(part).digest() for part in parts)).digest()

    def _threads(self, size: int) -> int:
        """How many read ahead: fewer where the batches of ``size`` rows that wait would take too much memory."""
        if not self.streams:
            return 0
        reader = self.held.values
        batch = int(min(size, len(self)) * prod(reader.shape[1:]) * reader.dtype.itemsize)
        return min(self.workers, max(1, WAITING // (3 * batch + 1)))

    def _read(self, index: Tensor, there: Tensor) -> Held:
        values = self.held.values
        if isinstance(values, Tensor):
            found: Any = values.index_select(0, there.to(values.device))
        elif isinstance(values, np.ndarray):
            found = values[index.numpy()]
        else:
            found = _typed(Held(torch.from_numpy(values.read(index.numpy()))), self.dtype).values
            _check_finite(found, self.rows[index], self.place, self.dtype)
        return Held(found, None if self.held.lengths is None else self.held.lengths[index])

    def _prepared(self, held: Held, index: Tensor, there: Tensor, draws: Draws | None = None) -> Batch:
        if isinstance(held.values, Tensor):
            held = replace(held, values=held.values.to(self.device))
        if self.preparing is not None:
            held = _typed(self.preparing.opened(held), self.dtype)
        for n, change in enumerate(self.changes if draws is not None else ()):
            if not change.mixes:
                assert draws is not None
                held = replace(held, values=change.apply(held.values, draws.apart(f"{n} {change.name}")))
        if self.preparing is not None:
            held = _typed(self.preparing.finished(held), self.dtype)
        targets = self.targets.index_select(0, there.to(self.device))
        return Batch(held.values.to(self.device), targets, self.rows[index], held.lengths).part(0, len(index))


@dataclass(frozen=True)
class Data:
    """Rows split and fitted, on their way to batches."""

    spec: Spec
    splits: Mapping[SplitName, Split]
    fitted: Mapping[str, Any]
    """What was fitted on the training split: plain values and tensors, for the checkpoint."""
    fingerprint: str
    """sha256 over all splits: tells whether this is the data that a checkpoint was trained on."""
    told: tuple[str, ...] = ()
    """What became of the rows and their columns, a line each, for people."""
    found: tuple[str, ...] = ()
    """What a quick look at the rows warns of, a line each."""

    def __getitem__(self, split: SplitName) -> Split:
        return self.splits[split]

    def __contains__(self, split: SplitName) -> bool:
        return split in self.splits

    @property
    def index(self) -> dict[SplitName, np.ndarray[Any, Any]]:
        """Numbers of each split's rows in the source."""
        return {name: split.rows.numpy() for name, split in self.splits.items()}

    def to(self, device: torch.device) -> Data:
        """Held tensors and targets on the device."""
        return replace(self, splits={name: split.to(device) for name, split in self.splits.items()})

    def changed(self, changes: Sequence[Change], seed: int, views: int = 0) -> Data:
        """With these augmentations of the training split, and so many ``views`` of each row (0: a new one in each epoch)."""
        train = replace(self.splits["train"], changes=tuple(changes), seed=seed, views=views)
        return replace(self, splits={**self.splits, "train": train})


def ahead(read: Callable[[T], Held], items: Iterable[T], workers: int) -> Iterator[tuple[T, Held]]:
    """Each item with what is read for it, in order; ``workers`` threads are at most two items each ahead of who asks.

    Threads, not processes: decoding and NumPy let go of Python's lock, nothing is copied or pickled between them, and
    none outlives a process that is killed.
    """
    if not workers:
        yield from ((item, read(item)) for item in items)
        return
    pool, waiting = ThreadPoolExecutor(workers, thread_name_prefix="reader"), deque[tuple[T, Future[Held]]]()
    try:
        for item in items:
            waiting.append((item, pool.submit(read, item)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made by a thread while whoever asks is busy with the one before."""
    iterator, nothing = iter(items), object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="reader")
    try:
        coming: Future[Any] = pool.submit(next, iterator, nothing)
        while (item := coming.result()) is not nothing:
            coming = pool.submit(next, iterator, nothing)
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if hasattr(iterator, "close"):
            iterator.close()


def _typed(held: Held, dtype: torch.dtype) -> Held:
    """Floating point numbers in the network's type."""
    if isinstance(held.values, Tensor) and held.values.is_floating_point():
        return replace(held, values=held.values.to(dtype))
    return held


def _check_finite(values: Tensor, rows: Tensor, place: Callable[[int], str], dtype: torch.dtype) -> None:
    if values.is_floating_point() and not (fine := values.isfinite().flatten(1).all(dim=1)).all():
        raise DataError(
            f"{place(int(rows[int(fine.int().argmin())]))}: a value is no number, or so far from the training rows' that it does "
            f"not fit into {str(dtype).removeprefix('torch.')}.",
            key=("data",),
            suggestion="Mend the value, leave the row out, or use `preprocess: {scaling: standard}`.",
        )
