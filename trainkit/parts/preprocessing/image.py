"""Preprocessing: image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, model_validator

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
    """Height and width in pixels, one number for both. Left out: the size that pretrained weights were made for; else the size of
    the training pictures if all have one, of 512 at most; else their median height and width, 224 at most."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How a picture of another size gets there: stretched; cut to the middle; or whole, with black beside it."""
    channels: Literal["auto", "grey", "rgb"] = "auto"
    """What pixels are made of. `auto`: grey if every training picture is stored so, unless pretrained weights are made for
    colours; arrays keep what they have."""
    scaling: Literal["auto", "standard", "imagenet", "none"] = "auto"
    """`standard`: mean 0 and deviation 1 of each channel on the training split; `imagenet`: ImageNet's mean and deviation;
    `none`: colours from 0 to 1. `auto`: what pretrained weights were made for, else standard."""
    mean: float | tuple[float, ...] | None = Field(default=None, examples=[0.5])
    """Taken off each channel, in colours from 0 to 1, instead of what scaling says: a number each, or one for all."""
    std: Deviation | tuple[Deviation, ...] | None = Field(default=None, examples=[0.5])
    """What each channel is then divided by."""

    _asked: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _both(self) -> ImagePreprocess:
        if (self.mean is None) != (self.std is None):
            given, other = ("mean", "std") if self.std is None else ("std", "mean")
            raise fault((given,), f"needs {other} beside it")
        if self.mean is not None and self.scaling not in ("auto", "standard"):
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
        scaling: pictures.Scaling = "standard" if self.scaling == "auto" else self.scaling
        if self._asked and self.scaling == "auto" and mean is None:
            mean, std, scaling = self._asked["mean"], self._asked["std"], "asked"
        return pictures.fit(
            rows,
            train,
            size=size or self._asked.get("size"),
            resize=self.resize,
            channels=self._channels,
            scaling=scaling,
            mean=mean,
            std=std,
        )

    @property
    def _channels(self) -> Literal["auto", "colour", "grey", "rgb"]:
        """As the weights ask it, where the config does not say."""
        if self.channels != "auto" or not self._asked:
            return self.channels
        return {1: "grey", 3: "colour"}.get(self._asked["channels"], "auto")  # type: ignore[return-value]

    def following(self, asked: Mapping[str, Any]) -> ImagePreprocess:
        made = self.model_copy()
        made._asked = asked
        return made

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        from trainkit.data.pictures import FittedPictures

        return FittedPictures.restore(content)


def _several(numbers: float | tuple[float, ...] | None) -> tuple[float, ...] | None:
    return (numbers,) if isinstance(numbers, float | int) else numbers
