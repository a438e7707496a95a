"""Batches with an exact position: step N is always the same rows, and any step is reached at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

import torch
from torch import Tensor

from trainkit.data.cutting import bounds
from trainkit.data.randomness import key, order
from trainkit.data.splits import Drawn, Split
from trainkit.spec import Batch

Sampler = Literal["shuffle", "balanced", "buckets"]
_POOL = 50
"""Batches whose rows are sorted by length together: enough for little padding, few enough to leave chance its say."""


class Drawable(Protocol):
    """What batches come from."""

    def drawn(self, steps: Iterable[Drawn], size: int) -> Iterator[Batch]:
        """The batches of these training steps, each of about ``size`` rows."""


class Batches:
    """The training split, in a new order each epoch, by a function of the seed and the epoch."""

    def __init__(self, rows: Split, size: int, seed: int, sampler: Sampler = "shuffle") -> None:
        self.rows, self.size, self.seed = rows, size, seed
        self._bounds = bounds(len(rows), size)
        self._repeats = sampler == "balanced"
        self._order: Callable[[int], Tensor] = lambda epoch: order(seed, epoch, len(rows))
        if sampler == "balanced":
            labels = rows.targets.cpu()
            self._order = lambda epoch: balanced(seed, epoch, labels)
        elif sampler == "buckets" and (lengths := rows.lengths) is not None:
            self._order = lambda epoch: bucketed(order(seed, epoch, len(rows)), lengths, size, key(seed, "buckets", epoch))

    @property
    def per_epoch(self) -> int:
        """Steps in one epoch."""
        return len(self._bounds)

    def smallest(self, accumulate: int) -> int:
        """Rows in the smallest piece that the network will ever see."""
        sizes = {end - first for first, end in self._bounds}
        return min(end - first for size in sizes for first, end in bounds(size, max(1, -(-size // accumulate))))

    def between(self, start: int, stop: int, rows: Drawable | None = None) -> Iterator[Batch]:
        """The batches of the steps ``start`` (from 0) to ``stop``, without it; of the same ``rows`` in another shape, if given."""
        return (rows or self.rows).drawn(self._steps(start, stop), self.size)

    def _steps(self, start: int, stop: int) -> Iterator[Drawn]:
        epoch = -1
        for step in range(start, stop):
            if step // self.per_epoch != epoch:
                epoch = step // self.per_epoch
                shuffled = self._order(epoch)
                there = shuffled.to(self.rows.device)
                turns = seen_before(shuffled) if self._repeats else None
            first, end = self._bounds[step % self.per_epoch]
            yield Drawn(epoch, step, shuffled[first:end], there[first:end], None if turns is None else turns[first:end])


def balanced(seed: int, epoch: int, labels: Tensor) -> Tensor:
    """As many rows as there are, every class equally often; a class's rows come round as evenly as they can."""
    random = torch.Generator().manual_seed(key(seed, "balanced", epoch))
    classes = [(labels == label).nonzero()[:, 0] for label in labels.unique()]  # type: ignore[no-untyped-call]
    share, rest = divmod(len(labels), len(classes))
    lucky = torch.randperm(len(classes), generator=random)[:rest].tolist()
    chosen = []
    for n, rows in enumerate(classes):
        wanted = share + (n in lucky)
        rounds = [rows[torch.randperm(len(rows), generator=random)] for _ in range(-(-wanted // len(rows)))]
        chosen += [torch.cat(rounds)[:wanted]] if rounds else []
    return torch.cat(chosen)[torch.randperm(len(labels), generator=random)]


def seen_before(rows: Tensor) -> Tensor:
    """How often each of the numbers stands before itself: ``[7, 2, 7, 7]`` gives ``[0, 0, 1, 2]``."""
    ordered, places = rows.sort(stable=True)
    fresh = torch.cat([torch.tensor([True]), ordered[1:] != ordered[:-1]])
    numbers = torch.arange(len(rows))
    found = torch.empty_like(rows)
    found[places] = numbers - numbers.where(fresh, 0).cummax(dim=0).values
    return found


def bucketed(shuffled: Tensor, lengths: Tensor, size: int, seed: int) -> Tensor:
    """Batches of rows of about one length, so that little is padded: pools of 50 batches are sorted by length, and the
    batches come in any order. What does not fill a batch comes last."""
    pools = [pool[lengths[pool].sort(stable=True).indices] for pool in torch.split(shuffled, _POOL * size)]
    ordered = torch.cat(pools)
    full = len(ordered) // size
    turn = torch.randperm(full, generator=torch.Generator().manual_seed(seed))
    return torch.cat([ordered[: full * size].view(full, size)[turn].flatten(), ordered[full * size :]])
