"""What losses on numbers share: a class of torch.nn and its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from trainkit.parts.losses import Loss
from trainkit.spec import Target

if TYPE_CHECKING:
    from torch import Tensor, nn


class NumberLoss(Loss):
    """A loss on numeric targets, from torch.nn."""

    targets: ClassVar[tuple[Target, ...]] = ("number",)
    torch_name: ClassVar[str]

    def build(self, class_weights: Tensor | None) -> nn.Module:
        from torch import nn

        assert class_weights is None, "numbers have no classes"
        module: Any = getattr(nn, self.torch_name)
        made: nn.Module = module(**self.model_dump(exclude={"name"}))
        return made
