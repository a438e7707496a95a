"""What the networks that read step by step share: steps of any kind of row, what of them is padding, and pooling over the rest."""

from __future__ import annotations

from math import inf
from typing import Literal

import torch
from torch import Tensor, nn

Pooling = Literal["last", "mean", "max"]


def embedding(vocabulary: int, width: int) -> nn.Embedding:
    """A table of (vocabulary, width) vectors of length 1, nearly: normal with deviation 1 / √width, as the authors of the
    transformer have it (tensor2tensor, after Vaswani et al. 2017, arXiv 1706.03762, section 3.4)."""
    table = nn.Embedding(vocabulary, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table


def stepwise(inputs: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The steps of each row, and (rows, steps), true where they are real; None where all are.

    An image's steps are its rows: (rows, channels, height, width) → (rows, height, channels × width). Padding is cut where
    it is padding in every row, and zero elsewhere: there may have been anything, NaN too.
    """
    if inputs.ndim == 4:
        inputs = inputs.transpose(1, 2).flatten(2)
    if lengths is None:
        return inputs, None
    inputs = inputs[:, : int(lengths.max())]
    real = torch.arange(inputs.shape[1], device=inputs.device) < lengths.to(inputs.device)[:, None]
    return inputs.masked_fill(~(real[..., None] if inputs.ndim == 3 else real), 0), real


def pooled(steps: Tensor, real: Tensor | None, pooling: Pooling) -> Tensor:
    """The last, the mean or the largest of the real steps. (rows, steps, width) → (rows, width)."""
    if pooling == "last":
        return steps[:, -1] if real is None else steps[torch.arange(len(steps), device=steps.device), real.sum(dim=1) - 1]
    if pooling == "max":
        return (steps if real is None else steps.masked_fill(~real[..., None], -inf)).amax(dim=1)
    return steps.mean(dim=1) if real is None else steps.masked_fill(~real[..., None], 0).sum(dim=1) / real.sum(dim=1, keepdim=True)
