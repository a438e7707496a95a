"""Augmentation: erasing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from trainkit.parts.augmentations import augmentations
from trainkit.parts.augmentations._areas import InArea
from trainkit.parts.augmentations._limits import Chance, Fill, Positive
from trainkit.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Erasing(InArea):
    """Hides a random rectangle of some pictures (Zhong et al. 2017, arXiv 1708.04896)."""

    name: Literal["erasing"] = "erasing"
    chance: Chance = 0.5
    """Chance that a picture loses a rectangle."""
    min_area: Positive = 0.02
    max_area: Positive = 0.33
    ratio: Positive = 0.3
    fill: Fill | Literal["noise"] = 0.5
    """What the rectangle holds: 0 is black, 1 white; noise: another number for every pixel, as the paper does best with."""

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        import torch

        def within(size: int, share: Tensor, place: Tensor) -> Tensor:
            """(rows, size): a stretch of that share, at least a pixel, at that place between the first and the last possible."""
            length = (share * size).round().clamp(1, size)
            start = (place * (size - length + 1)).floor()
            pixels = torch.arange(size, device=share.device)
            return (pixels >= start[:, None]) & (pixels < (start + length)[:, None])

        def erase(values: Tensor, draws: Draws) -> Tensor:
            height, width = values.shape[2:]
            chosen = draws.chance(self.chance)
            high, wide = self.sides(draws)
            down, across = within(height, high, draws.uniform()), within(width, wide, draws.uniform())
            hidden = (down & chosen[:, None])[:, None, :, None] & across[:, None, None, :]
            if self.fill == "noise":
                return torch.where(hidden, draws.uniform(*values.shape[1:]).to(values.dtype), values)
            return values.masked_fill(hidden, self.fill)

        return erase
