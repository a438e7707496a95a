"""What mixup and cutmix share: a partner for each row, and what becomes of the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.parts.augmentations import Augmentation
from trainkit.parts.augmentations._limits import Chance
from trainkit.spec import Batch, Spec

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from trainkit.data.randomness import Draws


Alpha = Annotated[float, Field(ge=0.01, le=100)]


class Mixing(Augmentation):
    """Mixes each row with another one of its batch, all by the same share. A batch is mixed once: by the first that does."""

    alpha: Alpha
    """The share is drawn from Beta(alpha, alpha): near 0 or 1 when small, any at 1, near a half when large."""
    chance: Chance = 1.0
    """Chance that a batch is mixed; with 0.5, one that is listed after this gets the other half."""
    mixes: ClassVar[bool] = True

    def mix(self, inputs: Tensor, others: Tensor, share: float, generator: np.random.RandomState) -> tuple[Tensor, float]:
        """The mixed inputs, and the share of each row that is its own, near the one that was drawn."""
        raise NotImplementedError

    def build(self, spec: Spec) -> Callable[[Batch, Draws], Batch]:
        """Raises ConfigError where inputs cannot be mixed."""
        if spec.varying or spec.embedded:
            words = "sequences of different lengths" if spec.varying else "codes of categories, which are embedded here"
            advice = f"Leave {self.name} out" + (" or use `preprocess: {categories: onehot}`" if spec.embedded else "")
            raise ConfigError(f"{self.name} cannot mix {words}.", key=("name",), suggestion=f"{advice}.")
        import torch

        def mixed(batch: Batch, draws: Draws) -> Batch:
            generator = draws.shared()
            if batch.share < 1 or generator.random_sample() >= self.chance:
                return batch
            partner = torch.from_numpy(generator.permutation(len(batch))).to(batch.inputs.device)
            others, share = batch.targets[partner], generator.beta(self.alpha, self.alpha)
            inputs, share = self.mix(batch.inputs, batch.inputs[partner], share, generator)
            if not others.is_floating_point():
                return replace(batch, inputs=inputs, others=others, share=share)
            return replace(batch, inputs=inputs, targets=batch.targets * share + others * (1 - share), share=share)

        return mixed
