"""Randomness as a function of a position, never a stream: the same words give the same numbers, today and after any resume."""

from collections.abc import Callable
from hashlib import blake2b
from math import prod, tau

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
        return self._filled(prod(shape), lambda found: found.mul_(high - low).add_(low)).reshape(len(self), *shape)

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape) float32 of mean 0 and deviation 1 (Box & Muller 1958). Other devices may differ in last digits."""

        def turn(found: Tensor) -> None:
            one, two = found.chunk(2, dim=1)
            length, angle = (-2 * (1 - one).log()).sqrt(), two * tau
            torch.mul(length, angle.cos(), out=one)
            torch.mul(length, angle.sin(), out=two)

        count = prod(shape)
        return self._filled(count + count % 2, turn)[:, :count].reshape(len(self), *shape)

    def chance(self, share: float) -> Tensor:
        """(rows,) bool, true with that chance."""
        return self.uniform() < share

    def below(self, end: int, *shape: int) -> Tensor:
        """(rows, *shape) int64, from 0 to ``end``, without it."""
        return (self.uniform(*shape) * end).long().clamp(max=end - 1)

    def shared(self) -> np.random.RandomState:
        """A generator for the batch as a whole: a function of the seed and the step."""
        return np.random.RandomState(key(*self._words, "step", self._step) % 2**32)  # type: ignore[arg-type]

    def _filled(self, count: int, change: Callable[[Tensor], object]) -> Tensor:
        """(rows, count), from 0 to 1, without it, and changed in place: block by block, as a block stays in the cache."""
        large = self.device.type == "cuda" and len(self) * count > 2**16  # of small draws a copy costs less than the kernels
        there, block = (self.device, 2**24) if large else (torch.device("cpu"), 2**18)
        starts = _mixed(self._rows.to(there) * _ODD + key(*self._words), 3)[:, None]  # type: ignore[arg-type]
        places = torch.arange(self._drawn, self._drawn + count, device=there) * _STRIDE
        self._drawn += count
        found, rows = torch.empty(len(self), count, device=there), max(1, block // max(1, count))
        for start, some in zip(torch.split(starts, rows), torch.split(found, rows), strict=True):
            bits = _mixed(start + places, 2).bitwise_right_shift_(40).bitwise_and_(0xFFFFFF)
            change(some.copy_(bits).div_(2**24))  # 24 bits: as many as a float32 holds exactly
        return found.to(self.device)


_ODD, _STRIDE = 0x9E3779B97F4A7C15 - 2**64, 0xD1342543DE82EF95 - 2**64
"""Odd numbers without a pattern: products with different rows and places fall everywhere."""


def _mixed(bits: Tensor, rounds: int) -> Tensor:
    """Each bit made to depend on all, in place (splitmix64's last steps: Steele et al. 2014, "Fast splittable pseudorandom
    number generators", doi 10.1145/2660193.2660195). The third round changes the lower half alone. int64 wraps around as
    uint64 would; shifts need a mask, being signed."""
    spare = torch.empty_like(bits)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))[:rounds]:
        torch.bitwise_right_shift(bits, shift, out=spare)
        bits.bitwise_xor_(spare.bitwise_and_((1 << 64 - shift) - 1)).mul_(factor)
    return bits
