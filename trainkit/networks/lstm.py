"""The LSTM: reads sequences step by step, and images row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from trainkit.networks._layers import dense

Pooling = Literal["last", "mean", "max"]


class LSTMNetwork(nn.Module):
    """Layers of LSTM (Hochreiter & Schmidhuber 1997), pooled over the steps, then fully connected layers.

    ``inputs`` is how many numbers a step has: the features, or an image's channels × width, its steps being its height.
    ``dropout`` stands between the layers and on the pooled output, ``head_dropout`` after each hidden layer of the head.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        layers: int,
        outputs: int,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        head: Sequence[int] = (),
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = hidden * (2 if bidirectional else 1)
        # One module a layer: the dropout inside of nn.LSTM ignores reseeding on CUDA (github.com/pytorch/pytorch/issues/104697).
        below = [inputs, *[width] * (layers - 1)]
        self.layers = nn.ModuleList(
            _initialised(nn.LSTM(size, hidden, batch_first=True, bidirectional=bidirectional)) for size in below
        )
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.head = dense(width, head, outputs, dropout=head_dropout)
        self.hidden, self.pooling = hidden, pooling

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, steps, inputs) or (rows, channels, height, width) → (rows, outputs)."""
        steps = inputs.transpose(1, 2).flatten(2) if inputs.ndim == 4 else inputs
        for n, layer in enumerate(self.layers):
            steps, _ = layer(self.dropout(steps) if n else steps)
        outputs: Tensor = self.head(self.dropout(self._pooled(steps)))
        return outputs

    def _pooled(self, steps: Tensor) -> Tensor:
        """(rows, steps, width) → (rows, width)."""
        if self.pooling == "mean":
            return steps.mean(dim=1)
        if self.pooling == "max":
            return steps.amax(dim=1)
        # Each direction's own last step has read everything: the backward one ends at the first.
        return torch.cat([steps[:, -1, : self.hidden], steps[:, 0, self.hidden :]], dim=1)


def _initialised(lstm: nn.LSTM) -> nn.LSTM:
    """Gate by gate: Xavier for what comes from below, orthogonal for what comes from the step before (Saxe et al. 2014,
    arXiv 1312.6120), zero biases but 1 for the forget gate, so that it forgets little at first (Jozefowicz et al. 2015,
    "An Empirical Exploration of Recurrent Network Architectures")."""
    for name, weight in lstm.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):  # of two biases that are added, one
                nn.init.ones_(weight.chunk(4)[1])  # gates stand in the order input, forget, cell, output
        else:
            fill = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
            for gate in weight.chunk(4):
                fill(gate)
    return lstm
