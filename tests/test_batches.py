"""Batches: every row once an epoch, step N always the same rows, nobody alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainkit.data.batches import Batches, balanced, bucketed, seen_before
from trainkit.data.cutting import bounds, pieces, slices
from trainkit.data.randomness import Draws, order
from trainkit.data.splits import Split
from trainkit.spec import Batch, Held


def rows_of(count: int) -> Split:
    numbers = torch.arange(count)
    return ready(Batch(numbers[:, None].float() * 2, numbers % 3, numbers + 1000))


def ready(batch: Batch) -> Split:
    held = Held(batch.inputs, batch.lengths)
    return Split(held, batch.targets, batch.rows, None, torch.float32, str)


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
    assert [len(part.rows) for part in rows_of(rows).slices(size)] == sizes


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
    batch = rows_of(rows).part(0, rows)
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
    (third,) = list(Batches(ready(batch), 3, 0).between(1, 2))
    assert third.lengths is not None and torch.equal(third.lengths, lengths[third.rows])
    assert third.inputs.shape == (2, int(third.lengths.max()))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 8))
def test_smallest_is_the_smallest_piece_ever_seen(rows: int, size: int, accumulate: int) -> None:
    batches = Batches(rows_of(rows), size, 0)
    seen = [len(piece.rows) for batch in batches.between(0, batches.per_epoch) for piece in pieces(batch, accumulate)]
    assert batches.smallest(accumulate) == min(seen)


def test_balanced_shows_every_class_equally_often_and_its_rows_evenly() -> None:
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    for epoch in range(3):
        rows = balanced(4, epoch, labels)
        counts = labels[rows].bincount().tolist()
        assert sum(counts) == 100 and sorted(counts) == [33, 33, 34]
        of_one = rows[labels[rows] == 1].bincount(minlength=100)[90:99]
        assert of_one.min() >= 3 and of_one.max() <= 4  # 33 or 34 draws of nine rows
    assert not torch.equal(balanced(4, 0, labels), balanced(4, 1, labels))
    assert torch.equal(balanced(4, 1, labels), balanced(4, 1, labels))


def test_a_row_that_comes_again_has_another_turn() -> None:
    assert seen_before(torch.tensor([7, 2, 7, 7, 2])).tolist() == [0, 0, 1, 2, 1]
    assert seen_before(torch.tensor([3])).tolist() == [0]


@pytest.mark.parametrize(("rows", "size"), [(1000, 8), (1003, 8), (5, 8), (17, 16)])
def test_buckets_hold_every_row_once_and_pad_little(rows: int, size: int) -> None:
    lengths = torch.arange(rows) % 37 + 1
    shuffled = order(0, 0, rows)
    found = bucketed(shuffled, lengths, size, 7)
    assert sorted(found.tolist()) == list(range(rows))

    def padding(numbers: torch.Tensor) -> int:
        return sum(int((lengths[part].max() - lengths[part]).sum()) for part in torch.split(numbers, size))

    if rows >= 1000:
        assert padding(found) < padding(shuffled) / 5
        first = [int(lengths[part].max()) for part in torch.split(found, size)]
        assert first != sorted(first) and first != sorted(first, reverse=True)  # short and long come in turn


def test_draws_are_a_function_of_seed_epoch_row_and_place_alone() -> None:
    rows = torch.tensor([5, 900, 7, 2**40])
    whole = Draws(1, 2, 3, rows).uniform(4)
    for n in range(4):
        assert torch.equal(Draws(1, 2, 99, rows[[n]]).uniform(4)[0], whole[n])
    one_by_one = Draws(1, 2, 3, rows)
    assert torch.equal(torch.stack([one_by_one.uniform() for _ in range(4)], dim=1), whole)
    other = [Draws(0, 2, 3, rows), Draws(1, 3, 3, rows), Draws(1, 2, 3, rows).apart("flip"), Draws(1, 2, 3, rows + 1)]
    assert not any((draws.uniform(4) == whole).any() for draws in other)
    many = Draws(0, 0, 0, torch.arange(20_000)).uniform(2)
    assert many.min() >= 0 and many.max() < 1 and abs(many.mean() - 0.5) < 0.01 and abs(many.std() - 12**-0.5) < 0.01
    assert abs(torch.corrcoef(many.T)[0, 1]) < 0.03 and abs(torch.corrcoef(torch.stack([many[1:, 0], many[:-1, 0]]))[0, 1]) < 0.03


def test_what_is_drawn_for_a_batch_is_a_function_of_the_step() -> None:
    one, again, other = (Draws(1, 0, step, torch.arange(3)).shared().rand() for step in (5, 5, 6))
    assert one == again != other
