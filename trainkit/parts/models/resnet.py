"""Model: resnet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class ResNet(TorchvisionModel):
    """Residual network, with wide and ResNeXt variants, pretrained (He et al. 2015, arXiv 1512.03385)."""

    name: Literal["resnet"] = "resnet"
    variant: Literal[18, 34, 50, 101, 152, "wide_50", "wide_101", "resnext_50", "resnext_101", "resnext_101_64"] = 18
    """Layers. wide: twice the channels within a block (Zagoruyko & Komodakis 2016, arXiv 1605.07146); resnext: in groups, 32 of 4
    channels at first, 32 of 8 or, _64, 64 of 4 (Xie et al. 2016, arXiv 1611.05431)."""

    @property
    def known_as(self) -> str:
        return {
            "wide_50": "wide_resnet50_2",
            "wide_101": "wide_resnet101_2",
            "resnext_50": "resnext50_32x4d",
            "resnext_101": "resnext101_32x8d",
            "resnext_101_64": "resnext101_64x4d",
        }.get(str(self.variant), f"resnet{self.variant}")

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        layers = [f"layer{n}" for n in range(1, 5)]
        return {"stem": ("conv1", "bn1")} | {layer: (layer,) for layer in layers}
