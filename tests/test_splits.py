"""Splits: the same batches whether rows are held or read, with any number of threads; changes are for training alone."""

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from trainkit.data.batches import Batches
from trainkit.data.splits import Change, Split, ahead
from trainkit.errors import DataError
from trainkit.spec import Batch, Held

PIXELS = np.random.RandomState(0).randint(0, 256, (50, 1, 4, 4)).astype(np.uint8)


class Reading:
    """A Reader that remembers who read what, and takes its time."""

    shape, dtype = PIXELS.shape, PIXELS.dtype

    def __init__(self, wait: float = 0.0) -> None:
        self.wait, self.rows, self.threads = wait, 0, set[str]()
        self.lock = threading.Lock()

    def read(self, index: Any) -> Any:
        with self.lock:
            self.rows += len(index)
            self.threads.add(threading.current_thread().name)
        time.sleep(self.wait * ((int(index[0]) * 7) % 3))  # out of order, if anybody waited for nobody
        return PIXELS[index]

    def digest(self, index: Any) -> bytes:
        return bytes(PIXELS[index].tobytes())


class Opening:
    """Pictures from 0 to 1, then around 0."""

    def opened(self, held: Held) -> Held:
        return replace(held, values=held.values.float() / 255)

    def finished(self, opened: Held) -> Held:
        return replace(opened, values=opened.values * 2 - 1)


def brighter(values: Any, draws: Any) -> Any:
    return (values + draws.uniform(1, 1, 1)).clamp(max=1)


def upside_down(batch: Batch, draws: Any) -> Batch:
    return replace(batch, others=batch.targets.flip(0), share=float(draws.shared().beta(1, 1)))


CHANGES = (Change("brighter", brighter, False), Change("mix", upside_down, True), Change("mix", upside_down, True))


def split(values: Any = None, workers: int = 0, changes: tuple[Change, ...] = CHANGES) -> Split:
    values = torch.from_numpy(PIXELS) if values is None else values
    rows = torch.arange(50)
    opening: Any = Opening()
    return Split(Held(values), rows % 3, rows + 100, opening, torch.float32, str, changes, seed=5, workers=workers)


def trained(rows: Split, start: int = 0, stop: int = 21) -> list[Any]:
    return [(b.inputs, b.targets, b.rows, b.others, b.share) for b in Batches(rows, 8, seed=3).between(start, stop)]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(x, y, strict=True))
        for x, y in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_read_or_held_with_any_number_of_threads_the_batches_are_equal(workers: int) -> None:
    reader = Reading(wait=0.002)
    found = trained(split(reader, workers))
    assert same(found, trained(split()))
    assert same(trained(split(reader, workers), 9), found[9:])  # from the middle, too
    assert all(("reader" in name) == (workers > 0) for name in reader.threads) and len(reader.threads) <= 2 * max(1, workers)


def test_changes_differ_by_epoch_and_row_and_only_the_first_mixes() -> None:
    found = trained(split())
    assert found[0][3] is not None and torch.equal(found[0][3], found[0][1].flip(0))
    plain = trained(split(changes=()))
    assert not any(torch.equal(one[0], other[0]) for one, other in zip(found, plain, strict=True))
    by_row = [
        {int(row): picture for b in epoch for row, picture in zip(b[2], b[0], strict=True)} for epoch in (found[:7], found[7:14])
    ]
    assert by_row[0].keys() == by_row[1].keys() and not any(torch.equal(by_row[0][row], by_row[1][row]) for row in by_row[0])


def test_what_is_evaluated_is_never_changed() -> None:
    wanted = torch.from_numpy(PIXELS).float() / 255 * 2 - 1
    for held in (split(), split(Reading()), split(Reading(), workers=2), split().settled()):
        assert torch.equal(torch.cat([batch.inputs for batch in held.slices(7)]), wanted)
        assert torch.equal(held.part(3, 5).inputs, wanted[3:5]) and held.part(0, 2).others is None
        assert torch.equal(next(held.first(4).slices(4)).inputs, wanted[:4])


def test_settled_rows_are_the_same_and_wait_for_nothing() -> None:
    assert same(trained(split(changes=())), trained(split(changes=()).settled()))


def test_digest_tells_rows_and_targets_apart() -> None:
    one = split()
    others = [replace(one, targets=one.targets + 1), replace(one, rows=one.rows + 1), replace(one, held=Held(one.held.values + 1))]
    assert one.digest() == split(workers=3).digest() and len({one.digest(), *(other.digest() for other in others)}) == 4


def test_threads_read_a_bounded_way_ahead_and_end_with_who_asks() -> None:
    reader = Reading()
    batches = Batches(split(reader, workers=2), 1, seed=0).between(0, 10_000)
    next(batches)
    time.sleep(0.05)
    assert reader.rows <= 5
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_goes_wrong_in_a_thread_comes_out_in_its_turn(workers: int) -> None:
    def read(item: int) -> Held:
        if item == 3:
            raise DataError("c.jpg is no picture.")
        return Held(torch.tensor([item]))

    found = []
    with pytest.raises(DataError, match="no picture"):
        for item, _ in ahead(read, range(10), workers):
            found.append(item)
    assert found == [0, 1, 2]


def test_a_read_row_that_is_no_number_is_named() -> None:
    class Broken(Reading):
        def read(self, index: Any) -> Any:
            return np.where(index[:, None] == 4, np.nan, 1.0)

    with pytest.raises(DataError, match=r"^104: a value is no number"):
        list(split(Broken()).slices(5))
