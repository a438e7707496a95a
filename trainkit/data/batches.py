"""Batches with an exact position: step N is always the same rows, and any step is reached at once."""

from collections.abc import Iterator

from trainkit.data.randomness import order
from trainkit.spec import Batch


def bounds(rows: int, size: int) -> list[tuple[int, int]]:
    """First and last + 1 of each batch. No row is dropped; a single left-over row joins the batch before it,
    since batch norm fails on one row."""
    starts = list(range(0, rows, size))
    if len(starts) > 1 and size > 1 and rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], rows], strict=True))


def slices(batch: Batch, size: int) -> Iterator[Batch]:
    """A batch cut into smaller ones of ``size`` rows, in order: views, nothing is copied."""
    for first, end in bounds(len(batch), size):
        yield batch.part(first, end)


def pieces(batch: Batch, count: int) -> list[Batch]:
    """A batch cut into ``count`` pieces of nearly equal size, for gradient accumulation."""
    if count == 1:
        return [batch]
    return list(slices(batch, max(1, -(-len(batch) // count))))


class Batches:
    """The training split, shuffled anew each epoch by a function of the seed and the epoch."""

    def __init__(self, rows: Batch, size: int, seed: int) -> None:
        self.rows, self.size, self.seed = rows, size, seed
        self._bounds = bounds(len(rows), size)

    @property
    def per_epoch(self) -> int:
        """Steps in one epoch."""
        return len(self._bounds)

    def smallest(self, accumulate: int) -> int:
        """Rows in the smallest piece that the network will ever see."""
        sizes = {end - first for first, end in self._bounds}
        return min(end - first for size in sizes for first, end in bounds(size, max(1, -(-size // accumulate))))

    def between(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of the steps ``start`` (from 0) to ``stop``, without it."""
        epoch = -1
        for step in range(start, stop):
            if step // self.per_epoch != epoch:
                epoch = step // self.per_epoch
                shuffled = order(self.seed, epoch, len(self.rows))
                there = shuffled.to(self.rows.inputs.device)
            first, end = self._bounds[step % self.per_epoch]
            yield self.rows.take(shuffled[first:end], there[first:end])
