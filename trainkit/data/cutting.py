"""Where rows are cut into batches, and batches into pieces."""

from collections.abc import Iterator

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
