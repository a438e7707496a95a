"""Randomness as a function of a position, never a stream: the same words give the same numbers, today and after any resume."""

from hashlib import blake2b
from math import tau

import numpy as np
import torch
from torch import Tensor


def key(seed: int, *words: str | int) -> int:
    """A number of 63 bits that these words always give, and that no other words are likely to."""
    digest = blake2b(repr((seed, *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order of an epoch: a permutation of ``rows``, int64 on the CPU. 2 million rows take 58 ms."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(key(seed, "order", epoch)))


class Draws:
    """Random numbers for the rows of a batch: each a function of the seed, the epoch, the row, and how many were drawn before.

    So a row gets the same ones whatever batch it is in. ``rows`` (rows,) int64 are on the CPU; what is drawn is on ``device``.
    """

    def __init__(self, seed: int, epoch: int, step: int, rows: Tensor, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._words: tuple[int | str, ...] = (seed, epoch)
        self._step, self._rows, self._drawn = step, rows, 0

    def __len__(self) -> int:
        return len(self._rows)

    def apart(self, word: str | int) -> "Draws":
        """Numbers of their own for whoever uses this word: another's draws don't shift them."""
        draws = Draws(0, 0, self._step, self._rows, self.device)
        draws._words = (*self._words, word)
        return draws

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(rows, *shape) float32, from ``low`` to ``high``, without it."""
        count = int(np.prod(shape)) if shape else 1
        places = torch.arange(self._drawn, self._drawn + count)
        self._drawn += count
        start = key(*self._words)  # type: ignore[arg-type]
        bits = _mixed(_mixed(self._rows * _ODD + start)[:, None] + places * _STRIDE)
        found = (bits >> 40 & 0xFFFFFF).to(torch.float32) / 2**24  # 24 bits: as many as a float32 holds exactly
        return (found * (high - low) + low).reshape(len(self), *shape).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape) float32 of mean 0 and deviation 1 (Box & Muller 1958)."""
        one, two = self.uniform(*shape), self.uniform(*shape)
        return (-2 * (1 - one).log()).sqrt() * (tau * two).cos()

    def chance(self, share: float) -> Tensor:
        """(rows,) bool, true with that chance."""
        return self.uniform() < share

    def below(self, end: int, *shape: int) -> Tensor:
        """(rows, *shape) int64, from 0 to ``end``, without it."""
        return (self.uniform(*shape) * end).long().clamp(max=end - 1)

    def shared(self) -> np.random.RandomState:
        """A generator for the batch as a whole: a function of the seed and the step."""
        return np.random.RandomState(key(*self._words, "step", self._step) % 2**32)  # type: ignore[arg-type]


_ODD, _STRIDE = 0x9E3779B97F4A7C15 - 2**64, 0xD1342543DE82EF95 - 2**64
"""Odd numbers without a pattern: products with different rows and places fall everywhere."""


def _mixed(bits: Tensor) -> Tensor:
    """Each bit made to depend on all (splitmix64's last steps: Steele et al. 2014, "Fast splittable pseudorandom number
    generators", doi 10.1145/2660193.2660195). int64 wraps around as uint64 would; shifts need a mask, being signed."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64)):
        bits = (bits ^ (bits >> shift & (1 << 64 - shift) - 1)) * factor
    return bits ^ (bits >> 31 & (1 << 33) - 1)
