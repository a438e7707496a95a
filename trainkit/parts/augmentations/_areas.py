"""What zoom and erasing share: the size of a rectangle in a picture."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from trainkit.part import fault
from trainkit.parts.augmentations import Augmentation
from trainkit.parts.augmentations._limits import Positive
from trainkit.spec import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


class InArea(Augmentation):
    """Takes a rectangle of each picture."""

    min_area: Positive
    """The smallest rectangle, as a share of the picture's area."""
    max_area: Positive
    """The largest rectangle."""
    ratio: Positive
    """How much narrower than the picture's a rectangle's shape may be, and its inverse how much wider; 1 keeps the shape."""
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)

    @model_validator(mode="after")
    def _areas_in_order(self) -> InArea:
        if self.min_area > self.max_area:
            raise fault(("min_area",), f"min_area {self.min_area:g} is above max_area {self.max_area:g}")
        return self

    def sides(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Shares of the height and of the width, (rows,) each, above 0 and at most 1. A shape that would not fit is not drawn."""
        area = draws.uniform(low=self.min_area, high=self.max_area)
        shape = (draws.uniform(low=-1, high=1) * -area.log().clamp(min=log(self.ratio))).exp()
        return (area / shape).sqrt().clamp(max=1), (area * shape).sqrt().clamp(max=1)
