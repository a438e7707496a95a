"""Batches: every row once an epoch, step N always the same rows, nobody alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainkit.data.batches import Batches, bounds, pieces, slices
from trainkit.data.randomness import order
from trainkit.spec import Batch


def rows_of(count: int) -> Batch:
    numbers = torch.arange(count)
    return Batch(numbers[:, None].float() * 2, numbers % 3, numbers + 1000)


@given(st.integers(1, 300), st.integers(1, 300))
def test_bounds_hold_every_row_once_and_no_left_over_row_alone(rows: int, size: int) -> None:
    found = bounds(rows, size)
    assert [row for first, end in found for row in range(first, end)] == list(range(rows))
    assert all(end - first == size for first, end in found[:-1])
    assert 1 <= found[-1][1] - found[-1][0] <= size + (size > 1)
    assert size == 1 or rows == 1 or all(end - first > 1 for first, end in found)


@pytest.mark.parametrize(("rows", "size", "sizes"), [
    (10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 4, [3]), (1, 4, [1]), (5, 4, [5]), (4, 1, [1, 1, 1, 1]), (3, 2, [3]),
])  # fmt: skip
def test_sizes(rows: int, size: int, sizes: list[int]) -> None:
    assert [end - first for first, end in bounds(rows, size)] == sizes
    assert Batches(rows_of(rows), size, 0).per_epoch == len(sizes)
    assert Batches(rows_of(rows), size, 0).smallest(1) == min(sizes)
    assert [len(part.rows) for part in slices(rows_of(rows), size)] == sizes


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_an_epoch_holds_every_row_once_its_columns_together(size: int) -> None:
    batches = Batches(rows_of(23), size, seed=5)
    for epoch in range(3):
        seen = list(batches.between(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch))
        assert sorted(torch.cat([batch.rows for batch in seen]).tolist()) == list(range(1000, 1023))
        for inputs, targets, rows in ((b.inputs, b.targets, b.rows) for b in seen):
            assert torch.equal(inputs[:, 0], (rows - 1000) * 2.0) and torch.equal(targets, (rows - 1000) % 3)


def test_step_n_is_the_same_whatever_the_start() -> None:
    batches = Batches(rows_of(23), 4, seed=5)
    whole = [batch.rows.tolist() for batch in batches.between(0, 20)]
    for start in range(20):
        assert [batch.rows.tolist() for batch in batches.between(start, 20)] == whole[start:]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        batches = Batches(rows_of(23), 4, seed)
        n = batches.per_epoch
        return [int(row) for batch in batches.between(number * n, number * n + n) for row in batch.rows]

    assert epoch(1, 0) == epoch(1, 0) == (order(1, 0, 23) + 1000).tolist()
    assert len({tuple(epoch(seed, number)) for seed in (1, 2) for number in (0, 1, 2)}) == 6
    assert order(0, 0, 8).tolist() == [1, 2, 4, 3, 0, 7, 5, 6]


@pytest.mark.parametrize(("rows", "count", "sizes"), [
    (8, 1, [8]), (8, 2, [4, 4]), (9, 2, [5, 4]), (8, 3, [3, 3, 2]), (7, 3, [3, 4]), (5, 4, [2, 3]), (3, 3, [1, 1, 1]),
    (2, 4, [1, 1]),
])  # fmt: skip
def test_pieces(rows: int, count: int, sizes: list[int]) -> None:
    batch = rows_of(rows)
    parts = pieces(batch, count)
    assert [len(part.rows) for part in parts] == sizes
    for column in ("inputs", "targets", "rows"):
        assert torch.equal(torch.cat([getattr(part, column) for part in parts]), getattr(batch, column))


def test_sequences_keep_their_lengths_and_lose_the_padding_of_all() -> None:
    lengths = torch.tensor([1, 4, 2, 3, 1])
    inputs = torch.arange(5)[:, None].expand(5, 6) + 10
    batch = Batch(inputs, torch.arange(5), torch.arange(5), lengths)
    index = torch.tensor([4, 2])
    for few in (batch.take(index, index), next(iter(slices(batch.take(index, index), 2)))):
        assert few.inputs.tolist() == [[14, 14], [12, 12]] and few.lengths is not None and few.lengths.tolist() == [1, 2]
    assert [part.inputs.shape[1] for part in slices(batch, 2)] == [4, 3] and len(batch) == 5
    (third,) = list(Batches(batch, 3, 0).between(1, 2))
    assert third.lengths is not None and torch.equal(third.lengths, lengths[third.rows])
    assert third.inputs.shape == (2, int(third.lengths.max()))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 8))
def test_smallest_is_the_smallest_piece_ever_seen(rows: int, size: int, accumulate: int) -> None:
    batches = Batches(rows_of(rows), size, 0)
    seen = [len(piece.rows) for batch in batches.between(0, batches.per_epoch) for piece in pieces(batch, accumulate)]
    assert batches.smallest(accumulate) == min(seen)
