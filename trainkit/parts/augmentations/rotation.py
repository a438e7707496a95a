"""Augmentation: rotation."""

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
class Rotation(Augmentation):
    """Turns pictures about their middle (Simard et al. 2003, doi 10.1109/ICDAR.2003.1227801)."""

    name: Literal["rotation"] = "rotation"
    degrees: float = Field(default=10.0, gt=0, le=180)
    """The furthest turn, either way; every angle up to it is as likely."""
    fill: Fill = 0.0
    """What stands in the corners that come free: 0 is black, 1 white."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        from trainkit.parts.augmentations._pixels import turned, warped

        def rotate(values: Tensor, draws: Draws) -> Tensor:
            return warped(values, turned(draws.uniform(low=-self.degrees, high=self.degrees)), self.fill)

        return rotate
