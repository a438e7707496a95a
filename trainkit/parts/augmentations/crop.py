"""Augmentation: crop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Fill
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Crop(Augmentation):
    """Pads pictures on all sides, then cuts the old size out somewhere (He et al. 2015, arXiv 1512.03385, section 4.2).

    A network gets pictures of one size, in training as later: so what is cut out has the size that went in.
    """

    name: Literal["crop"] = "crop"
    padding: int = Field(default=4, ge=0, le=10_000)
    """Pixels added on each side, which is how far a picture moves at most."""
    fill: Fill = 0.0
    """What the padding holds: 0 is black, 1 white."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        """Raises ConfigError for a padding that could push a picture out of sight."""
        from trainkit.parts.augmentations._pixels import windows

        height, width = spec.shape[1:]
        if self.padding >= min(height, width):
            words = f"a padding of {self.padding} can push a picture of {height} × {width} pixels out of sight."
            raise ConfigError(words, key=("padding",), suggestion=f"Use {max(1, min(height, width) // 8)}, say.")

        def crop(values: Tensor, draws: Draws) -> Tensor:
            ways = 2 * self.padding + 1
            return windows(values, draws.below(ways), draws.below(ways), (self.padding, self.padding), self.fill)

        return crop
