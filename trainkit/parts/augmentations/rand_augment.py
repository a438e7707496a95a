"""Augmentation: RandAugment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class RandAugment(Augmentation):
    """A few of 14 operations on each picture, all of one strength (Cubuk et al. 2019, arXiv 1909.13719)."""

    name: Literal["rand_augment"] = "rand_augment"
    count: int = Field(default=2, ge=0, le=20)
    """Operations on each picture, one after another."""
    magnitude: int = Field(default=9, ge=0, le=30)
    """Their strength; 30 is the most."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import OPERATIONS, Reach, operated

        down, right = (side * 150 / 331 for side in spec.shape[1:])
        reach = Reach(shear=0.3, down=down, right=right, degrees=30, factor=0.9, bits=4)

        def change(values: Tensor, draws: Draws) -> Tensor:
            for _ in range(self.count):
                operation, upwards = draws.below(len(OPERATIONS)), draws.chance(0.5)
                strength = operation.new_full(operation.shape, self.magnitude) / 30
                values = operated(values, operation, strength, upwards, reach)
            return values

        return change
