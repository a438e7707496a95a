"""Model: vgg."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class VGG(TorchvisionModel):
    """VGG, plain convolutions and two wide layers, pretrained (Simonyan & Zisserman 2014, arXiv 1409.1556)."""

    name: Literal["vgg"] = "vgg"
    variant: Literal[11, 13, 16, 19, "11_bn", "13_bn", "16_bn", "19_bn"] = 16
    """Layers; _bn: with batch norm."""
    smallest: ClassVar[int] = 32

    @property
    def known_as(self) -> str:
        return f"vgg{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        from torch import nn

        ends = [0, *(n + 1 for n, layer in enumerate(network.features) if isinstance(layer, nn.MaxPool2d))]
        cut = {f"stage{s}": tuple(f"features.{n}" for n in range(*places)) for s, places in enumerate(pairwise(ends), 1)}
        return {**cut, "classifier": ("classifier",)}
