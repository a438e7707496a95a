"""Model: mobilenet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class MobileNet(TorchvisionModel):
    """MobileNet, made for phones, pretrained (Howard et al. 2019, arXiv 1905.02244)."""

    name: Literal["mobilenet"] = "mobilenet"
    variant: Literal["v2", "v3_small", "v3_large"] = "v3_small"
    """Version and size; v2: Sandler et al. 2018, arXiv 1801.04381."""

    @property
    def known_as(self) -> str:
        return f"mobilenet_{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        cut = {f"features.{n}": (f"features.{n}",) for n in range(len(network.features))}
        return cut if self.variant == "v2" else {**cut, "classifier": ("classifier",)}
