"""Preprocessing: image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainkit.part import fault
from trainkit.parts.preprocessing import Fitted, Preprocess, preprocessing
from trainkit.spec import Kind, Rows

if TYPE_CHECKING:
    import numpy as np

Side = Annotated[int, Field(gt=0, le=8192)]
Deviation = Annotated[float, Field(gt=0)]


@preprocessing.register
class ImagePreprocess(Preprocess):
    """Pictures of one size, their colours from 0 to 1 and then scaled."""

    name: Literal["image"] = "image"
    kind: ClassVar[Kind] = "image"
    size: Side | Annotated[tuple[Side, ...], Field(min_length=2, max_length=2)] | None = Field(default=None, examples=[[32, 48]])
    """Height and width in pixels, one number for both. Left out: the size of the training pictures if all have one, of 512 at
    most; else their median height and width, 224 at most."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How a picture of another size gets there: stretched; cut to the middle; or whole, with black beside it."""
    channels: Literal["auto", "grey", "rgb"] = "auto"
    """What pixels are made of. `auto`: grey if every training picture is stored so; arrays keep what they have."""
    scaling: Literal["standard", "imagenet", "none"] = "standard"
    """`standard`: mean 0 and deviation 1 of each channel on the training split; `imagenet`: ImageNet's mean and deviation, for
    networks trained on it; `none`: colours from 0 to 1."""
    mean: float | tuple[float, ...] | None = Field(default=None, examples=[0.5])
    """Taken off each channel, in colours from 0 to 1, instead of what scaling says: a number each, or one for all."""
    std: Deviation | tuple[Deviation, ...] | None = Field(default=None, examples=[0.5])
    """What each channel is then divided by."""

    @model_validator(mode="after")
    def _both(self) -> ImagePreprocess:
        if (self.mean is None) != (self.std is None):
            given, other = ("mean", "std") if self.std is None else ("std", "mean")
            raise fault((given,), f"needs {other} beside it")
        if self.mean is not None and self.scaling != "standard":
            raise fault(("scaling",), "means nothing where mean and std are given: leave it out")
        means, stds = _several(self.mean), _several(self.std)
        if means is not None and stds is not None and 1 != len(means) != len(stds) != 1:
            raise fault(("std",), f"has {len(stds)} numbers, and mean has {len(means)}")
        for name, numbers in (("mean", means), ("std", stds)):
            if numbers == ():
                raise fault((name,), "is empty")
        return self

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        from trainkit.data import pictures

        size = (self.size, self.size) if isinstance(self.size, int) else None if self.size is None else (self.size[0], self.size[1])
        mean, std = _several(self.mean), _several(self.std)
        return pictures.fit(
            rows, train, size=size, resize=self.resize, channels=self.channels, scaling=self.scaling, mean=mean, std=std
        )

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        from trainkit.data.pictures import FittedPictures

        return FittedPictures.restore(content)


def _several(numbers: float | tuple[float, ...] | None) -> tuple[float, ...] | None:
    return (numbers,) if isinstance(numbers, float | int) else numbers
