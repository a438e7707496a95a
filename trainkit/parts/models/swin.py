"""Model: swin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class Swin(TorchvisionModel):
    """Swin transformer, attention within shifted windows, pretrained (Liu et al. 2021, arXiv 2103.14030)."""

    name: Literal["swin"] = "swin"
    variant: Literal["t", "s", "b", "v2_t", "v2_s", "v2_b"] = "t"
    """Tiny, small or base; v2: Liu et al. 2021, arXiv 2111.09883."""
    smallest: ClassVar[int] = 4

    @property
    def known_as(self) -> str:
        return f"swin_{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        return {
            "stem": ("features.0",),
            "stage1": ("features.1",),
            "stage2": ("features.2", "features.3"),
            "stage3": ("features.4", "features.5"),
            "stage4": ("features.6", "features.7", "norm"),
        }
