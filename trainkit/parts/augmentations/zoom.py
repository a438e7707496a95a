"""Augmentation: zoom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from trainkit.parts.augmentations import augmentations
from trainkit.parts.augmentations._areas import InArea
from trainkit.parts.augmentations._limits import Positive
from trainkit.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Zoom(InArea):
    """Cuts a part out of each picture and draws it as large as the whole (Szegedy et al. 2014, arXiv 1409.4842, section 6)."""

    name: Literal["zoom"] = "zoom"
    min_area: Positive = 0.8
    """The smallest part, as a share of the picture's area; 0.08 is usual for large photographs."""
    max_area: Positive = 1.0
    """The largest part."""
    ratio: Positive = 0.75

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import enlarged

        def zoom(values: Tensor, draws: Draws) -> Tensor:
            height, width = values.shape[2:]
            high, wide = self.sides(draws)
            high, wide = high * height, wide * width
            return enlarged(values, draws.uniform() * (height - high), draws.uniform() * (width - wide), high, wide)

        return zoom
