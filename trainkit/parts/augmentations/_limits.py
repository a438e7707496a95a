"""Limits that augmentations share."""

from typing import Annotated

from pydantic import Field

Chance = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1)]
Fill = Annotated[float, Field(ge=0, le=1)]
"""Brightness of pixels that come from outside the picture: 0 is black, 1 white."""
