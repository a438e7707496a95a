"""Augmentation: translation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Fill
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Translation(Augmentation):
    """Shifts pictures by whole pixels, sideways and up or down (Simard et al. 2003, doi 10.1109/ICDAR.2003.1227801)."""

    name: Literal["translation"] = "translation"
    share: float = Field(default=0.1, ge=0, lt=1)
    """The furthest shift, as a share of the picture's width and of its height."""
    fill: Fill = 0.0
    """What stands where the picture has gone: 0 is black, 1 white."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import windows

        def translate(values: Tensor, draws: Draws) -> Tensor:
            high, wide = (round(self.share * side) for side in values.shape[2:])
            return windows(values, draws.below(2 * high + 1), draws.below(2 * wide + 1), (high, wide), self.fill)

        return translate
