"""Learnt vectors in the place of codes, before a network that takes numbers (Guo & Berkhahn 2016, arXiv 1604.06737)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn


def width(codes: int) -> int:
    """How long the vectors of so many codes are: 6 times the fourth root (Wang et al. 2017, arXiv 1708.05123, "Implementation
    details"), and not longer than there are codes."""
    return min(codes, round(6 * sqrt(sqrt(codes))))


class Embedded(nn.Module):
    """A network whose inputs are widened: some columns hold codes, and a vector is learnt for each code.

    ``columns`` are (index, codes, width) each, ``inputs`` is how many numbers a row has, codes included. The vector of code 0,
    an unknown value, begins as zeros, the mean of the others, and stays so unless training rows have it.
    """

    def __init__(self, network: nn.Module, columns: Sequence[tuple[int, int, int]], inputs: int) -> None:
        super().__init__()
        self.network = network
        self.vectors = nn.ModuleList(_vectors(codes, length) for _, codes, length in columns)
        self.codes = [codes for _, codes, _ in columns]
        self.places = [index for index, _, _ in columns]
        kept = [n for n in range(inputs) if n not in set(self.places)]
        self.register_buffer("kept", torch.tensor(kept, dtype=torch.int64), persistent=False)
        self.kept: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, inputs) → (rows, outputs). What is no known code counts as 0."""
        parts = [inputs.index_select(1, self.kept)]
        for place, codes, vectors in zip(self.places, self.codes, self.vectors, strict=True):
            found = inputs[:, place].long()
            parts.append(vectors(found.where((found >= 0) & (found < codes), 0)))
        outputs: Tensor = self.network(torch.cat(parts, dim=1))
        return outputs


def _vectors(codes: int, length: int) -> nn.Embedding:
    vectors = nn.Embedding(codes, length)
    nn.init.normal_(vectors.weight, std=length**-0.5)  # each of length 1, about
    nn.init.zeros_(vectors.weight[0].detach())
    return vectors
