"""AdamZ: Adam with a rate of its own. This imports torch: the part's `build` imports this."""

from collections.abc import Callable
from math import fsum, isfinite, sqrt
from typing import Any

import torch
from torch import Tensor


class AdamZ(torch.optim.Adam):
    """Adam whose rate reacts to the losses (Zaznov, Badii, Dufour and Kunkel 2024, arXiv 2411.15375).

    Its reaction is a factor beside the rate that a schedule writes into the groups: a step is taken with ``lr × factor``.
    Once it remembers ``patience`` losses, a loss that none of them exceeds multiplies the factor by ``overshoot_factor``,
    and a deviation of the last ``stagnation_period`` losses below ``stagnation_threshold`` times the deviation of all
    multiplies it by ``stagnation_factor``; both may happen at one step. The ``lr`` given here times the factor stays
    within ``min_lr`` and ``max_lr``. The first group holds ``factor`` and ``losses``, plain values, so that a checkpoint has them.
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        *,
        overshoot_factor: float = 0.5,
        stagnation_factor: float = 1.2,
        stagnation_threshold: float = 0.2,
        patience: int = 100,
        stagnation_period: int = 10,
        min_lr: float = 1e-7,
        max_lr: float = 1.0,
        **adam: Any,
    ) -> None:
        super().__init__(params, lr, **adam)
        self.overshoot_factor, self.stagnation_factor = overshoot_factor, stagnation_factor
        self.stagnation_threshold, self.stagnation_period = stagnation_threshold, stagnation_period
        self.patience, self.smallest, self.largest = patience, min_lr / lr, max_lr / lr
        self.param_groups[0].update(factor=1.0, losses=[])

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """Hear the loss that ``closure`` returns, if there is one, then step as Adam does with ``lr × factor``."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
            self._hear(loss.item())  # waits for a GPU, at every step: the rate depends on it
        rates, factor = [group["lr"] for group in self.param_groups], self.param_groups[0]["factor"]
        try:
            for group in self.param_groups:
                group["lr"] *= factor
            super().step()
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate
        return loss

    def _hear(self, loss: float) -> None:
        if not isfinite(loss):
            return
        first = self.param_groups[0]
        losses = first["losses"] = [*first["losses"], loss][-self.patience :]
        if len(losses) < self.patience:
            return
        factor = first["factor"]
        if loss >= max(losses):
            factor *= self.overshoot_factor
        if _deviation(losses[-self.stagnation_period :]) < self.stagnation_threshold * _deviation(losses):
            factor *= self.stagnation_factor
        first["factor"] = min(max(factor, self.smallest), self.largest)


def _deviation(values: list[float]) -> float:
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / len(values))
