"""Augmentation: cutmix."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.parts.augmentations import augmentations
from trainkit.parts.augmentations._mixing import Alpha, Mixing
from trainkit.spec import Kind

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@augmentations.register
class Cutmix(Mixing):
    """A rectangle of each picture from another one; targets are mixed by its area (Yun et al. 2019, arXiv 1905.04899)."""

    name: Literal["cutmix"] = "cutmix"
    alpha: Alpha = 1.0
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def mix(self, inputs: Tensor, others: Tensor, share: float, generator: np.random.RandomState) -> tuple[Tensor, float]:
        height, width = inputs.shape[2:]
        (top, bottom), (left, right) = (_stretch(side, sqrt(1 - share), generator) for side in (height, width))
        mixed = inputs.clone()
        mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _stretch(side: int, share: float, generator: np.random.RandomState) -> tuple[int, int]:
    """First pixel and the one after the last: that share of the side about any pixel, as much as lies within."""
    middle, half = generator.randint(side), int(side * share / 2)
    return max(0, middle - half), min(side, middle + half)
