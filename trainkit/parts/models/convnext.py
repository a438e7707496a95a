"""Model: convnext."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel


@models.register
class ConvNeXt(TorchvisionModel):
    """ConvNeXt, convolutions arranged as transformers are, pretrained (Liu et al. 2022, arXiv 2201.03545)."""

    name: Literal["convnext"] = "convnext"
    variant: Literal["tiny", "small", "base", "large"] = "tiny"
    """Its size."""
    smallest: ClassVar[int] = 32

    @property
    def known_as(self) -> str:
        return f"convnext_{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        return {
            "stem": ("features.0",),
            "stage1": ("features.1",),
            "stage2": ("features.2", "features.3"),
            "stage3": ("features.4", "features.5"),
            "stage4": ("features.6", "features.7", "classifier"),
        }
