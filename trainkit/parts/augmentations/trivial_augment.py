"""Augmentation: TrivialAugment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class TrivialAugment(Augmentation):
    """One of 14 operations on each picture, at one of 31 strengths (Müller & Hutter 2021, arXiv 2103.10158, the wide space)."""

    name: Literal["trivial_augment"] = "trivial_augment"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import OPERATIONS, Reach, operated

        down, right = (min(32, side) for side in spec.shape[1:])  # the paper's 32 pixels, on smaller pictures the whole side
        reach = Reach(shear=0.99, down=down, right=right, degrees=135, factor=0.99, bits=2)

        def change(values: Tensor, draws: Draws) -> Tensor:
            operation, strength = draws.below(len(OPERATIONS)), draws.below(31) / 30
            return operated(values, operation, strength, draws.chance(0.5), reach)

        return change
