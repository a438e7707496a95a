"""Model: vit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel, library, size_fault

if TYPE_CHECKING:
    from torch import Tensor


@models.register
class ViT(TorchvisionModel):
    """Vision transformer on patches of square pictures, pretrained (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

    name: Literal["vit"] = "vit"
    variant: Literal["b_16", "b_32", "l_16", "l_32", "h_14"] = "b_16"
    """Base, large or huge, and the side of a patch."""

    @property
    def known_as(self) -> str:
        return f"vit_{self.variant}"

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        layers = [f"encoder_layer_{n}" for n in range(len(network.encoder.layers))]
        return {
            "embedding": ("conv_proj", "class_token", "encoder.pos_embedding", "encoder.dropout"),
            **{layer: (f"encoder.layers.{layer}",) for layer in layers},
            "norm": ("encoder.ln",),
        }

    def options(self, size: tuple[int, int]) -> dict[str, Any]:
        side, patch = size[0], self._patch
        if side != size[1] or side % patch:
            raise size_fault(f"{self.name} {self.variant} takes square pictures whose side is a multiple of {patch}", size)
        return {"image_size": side}

    def adapted(self, state: Mapping[str, Tensor], channels: int, size: tuple[int, int]) -> Mapping[str, Tensor]:
        # torchvision's files are older than its names: mlp.linear_1 became mlp.0
        new = {"linear_1": "0", "linear_2": "3"}
        state = {re.sub(r"(?<=\.mlp\.)linear_[12]", lambda old: new[old[0]], name): tensor for name, tensor in state.items()}
        try:
            fitting: Mapping[str, Tensor] = library().vision_transformer.interpolate_embeddings(size[0], self._patch, state)
        except (KeyError, ValueError, RuntimeError):  # no positions of a square: for the one who compares shapes to tell
            return state
        return fitting

    @property
    def _patch(self) -> int:
        return int(self.variant.partition("_")[2])
