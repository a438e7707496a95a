"""Model: densenet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel

if TYPE_CHECKING:
    from torch import Tensor


@models.register
class DenseNet(TorchvisionModel):
    """DenseNet, each layer sees all before it, pretrained (Huang et al. 2016, arXiv 1608.06993)."""

    name: Literal["densenet"] = "densenet"
    variant: Literal[121, 161, 169, 201] = 121
    """Layers; 161 is the widest."""
    smallest: ClassVar[int] = 29

    @property
    def known_as(self) -> str:
        return f"densenet{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        return {
            "stem": ("features.conv0", "features.norm0"),
            **{f"denseblock{n}": (f"features.denseblock{n}", f"features.transition{n}") for n in (1, 2, 3)},
            "denseblock4": ("features.denseblock4", "features.norm5"),
        }

    def adapted(self, state: Mapping[str, Tensor], channels: int, size: tuple[int, int]) -> Mapping[str, Tensor]:
        import re

        # torchvision's files are older than its names: norm.1 became norm1
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): tensor for name, tensor in state.items()}
