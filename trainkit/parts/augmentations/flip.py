"""Augmentation: flip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Flip(Augmentation):
    """Mirrors pictures: left becomes right, or top becomes bottom (Krizhevsky et al. 2012, doi 10.1145/3065386)."""

    name: Literal["flip"] = "flip"
    horizontal: Chance = 0.5
    """Chance that left and right change places; 0 where they mean something, as in digits and letters."""
    vertical: Chance = 0.0
    """Chance that top and bottom change places."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        import torch

        def flip(values: Tensor, draws: Draws) -> Tensor:
            for chance, dim in ((self.horizontal, 3), (self.vertical, 2)):
                if chance:
                    mirrored = draws.chance(chance).reshape(-1, 1, 1, 1)
                    values = torch.where(mirrored, values.flip(dim), values)
            return values

        return flip
