"""Augmentation: noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class Noise(Augmentation):
    """Adds normal noise to the numbers (Bishop 1995, doi 10.1162/neco.1995.7.1.108); in a table to the amounts alone."""

    name: Literal["noise"] = "noise"
    deviation: float = Field(default=0.1, ge=0, le=100)
    """Standard deviation of the noise. With standard scaling 0.1 is a tenth of an amount's own; pictures run from 0 to 1."""
    kinds: ClassVar[tuple[Kind, ...]] = ("table", "image", "sequence")

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        """Raises ConfigError for a table without amounts."""
        import torch

        if spec.features and not spec.amounts:
            words = "noise changes amounts, and this table has none: all its inputs are categories, yes or no, or codes."
            raise ConfigError(words, key=("name",), suggestion="Use feature_dropout instead.")

        def disturb(values: Tensor, draws: Draws) -> Tensor:
            noise = (draws.normal(*values.shape[1:]) * self.deviation).to(values.dtype)
            if spec.features:
                amounts = torch.zeros(values.shape[1], dtype=torch.bool, device=values.device)
                amounts[list(spec.amounts)] = True
                noise = noise.where(amounts, 0.0)
            return (values + noise).clamp(0, 1) if spec.kind == "image" else values + noise

        return disturb
