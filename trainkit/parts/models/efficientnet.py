"""Model: efficientnet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class EfficientNet(TorchvisionModel):
    """EfficientNet, much accuracy for its size, pretrained (Tan & Le 2019, arXiv 1905.11946)."""

    name: Literal["efficientnet"] = "efficientnet"
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l"] = "b0"
    """b0 to b7: larger, for larger pictures (224 to 600 a side); v2: faster to train (Tan & Le 2021, arXiv 2104.00298)."""

    @property
    def known_as(self) -> str:
        return f"efficientnet_{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        return {f"features.{n}": (f"features.{n}",) for n in range(len(network.features))}
