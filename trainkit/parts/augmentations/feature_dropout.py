"""Augmentation: feature dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from trainkit.data.randomness import Draws


@augmentations.register
class FeatureDropout(Augmentation):
    """Sets some features of a row to 0, so that the network leans on none alone (Srivastava et al. 2014, JMLR 15, appendix A.4).

    0 is the mean of an amount with standard scaling, no category of a one-hot column, and an unknown code of an embedded one.
    In a sequence a feature goes at all steps. What stays is not made larger.
    """

    name: Literal["feature_dropout"] = "feature_dropout"
    share: Chance = 0.1
    """Chance that a feature is set to 0, for each row and feature."""
    kinds: ClassVar[tuple[Kind, ...]] = ("table", "sequence")

    def build(self, spec: Spec) -> Callable[[Tensor, Draws], Tensor]:
        def drop(values: Tensor, draws: Draws) -> Tensor:
            dropped = draws.uniform(values.shape[-1]) < self.share
            return values.masked_fill(dropped if values.ndim == 2 else dropped[:, None], 0.0)

        return drop
