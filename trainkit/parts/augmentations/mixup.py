"""Augmentation: mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.parts.augmentations import augmentations
from trainkit.parts.augmentations._mixing import Alpha, Mixing
from trainkit.spec import Kind

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@augmentations.register
class Mixup(Mixing):
    """Weighted means of two rows, targets too (Zhang et al. 2018, arXiv 1710.09412)."""

    name: Literal["mixup"] = "mixup"
    alpha: Alpha = 0.2
    kinds: ClassVar[tuple[Kind, ...]] = ("image", "table", "sequence")

    def mix(self, inputs: Tensor, others: Tensor, share: float, generator: np.random.RandomState) -> tuple[Tensor, float]:
        return others.lerp(inputs, share), share
