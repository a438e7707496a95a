"""Augmentation: colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws

Change = Annotated[float, Field(ge=0, le=10)]


@augmentations.register
class Colour(Augmentation):
    """Changes brightness, contrast, saturation and hue, in this order (Howard 2013, arXiv 1312.5402).

    Each is drawn for each picture. Saturation and hue leave pictures that have not three channels as they are.
    """

    name: Literal["colour"] = "colour"
    brightness: Change = 0.2
    """How far its factor goes from 1, either way but not below 0; 0 leaves it."""
    contrast: Change = 0.2
    """The same for the distance from the picture's mean brightness."""
    saturation: Change = 0.2
    """The same for the distance from grey."""
    hue: float = Field(default=0.0, ge=0, le=0.5)
    """How far colours move along their circle, either way: 0.5 is half of it. It takes longer than the others together."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import brightened, contrasted, saturated, shifted_hue

        factors = ((self.brightness, brightened), (self.contrast, contrasted), (self.saturation, saturated))

        def recolour(values: Tensor, draws: Draws) -> Tensor:
            for change, apply in factors:
                if change:
                    values = apply(values, draws.uniform(low=max(0.0, 1 - change), high=1 + change))
            return shifted_hue(values, draws.uniform(low=-self.hue, high=self.hue)) if self.hue else values

        return recolour
