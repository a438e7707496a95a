"""A pretrained model small enough for tests: five stages of convolutions with batch norm and dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainkit.errors import ConfigError
from trainkit.parts.models._transfer import Body, Transfer


class TinyBody(nn.Module):
    """(rows, channels, height, width) → (rows, 12)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
        for n, (inputs, outputs) in enumerate([(4, 6), (6, 8), (8, 10), (10, 12)], 1):
            block = [nn.Conv2d(inputs, outputs, 3, stride=1 + n % 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            setattr(self, f"layer{n}", nn.Sequential(*block, nn.Dropout(0.2)))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, pictures: Tensor) -> Tensor:
        for module in self.children():
            pictures = module(pictures)
        return pictures


class Tiny(Transfer):
    """A tiny body for tests."""

    name: Literal["tiny"] = "tiny"

    def body(self, channels: int, size: tuple[int, int]) -> Body:
        stages = {name: (name,) for name in ("stem", "layer1", "layer2", "layer3", "layer4")}
        return Body(TinyBody(channels), 12, stages, "stem", "last")

    def made_for(self) -> Mapping[str, Any]:
        return {"channels": 3, "size": (16, 16), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}

    def named(self, weights: str) -> Mapping[str, Tensor]:
        """``SEED_3`` are those of that seed."""
        if not weights.startswith("SEED_"):
            raise ConfigError(f"tiny knows no weights {weights}.", key=("model", "weights"))
        torch.manual_seed(int(weights[5:]))
        return TinyBody(3).state_dict()
