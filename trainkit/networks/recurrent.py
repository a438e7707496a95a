"""The recurrent networks, RNN, GRU and LSTM: they read sequences and texts step by step, and images row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainkit.networks._layers import dense
from trainkit.networks._steps import Pooling, embedding, pooled, stepwise

Cell = Literal["rnn_tanh", "rnn_relu", "gru", "lstm"]
_CELLS: dict[Cell, partial[nn.RNNBase]] = {
    "rnn_tanh": partial(nn.RNN, nonlinearity="tanh"),
    "rnn_relu": partial(nn.RNN, nonlinearity="relu"),
    "gru": partial(nn.GRU),
    "lstm": partial(nn.LSTM),
}


class RecurrentNetwork(nn.Module):
    """Recurrent layers, pooled over the steps, then fully connected layers.

    ``cell`` is a simple recurrent unit (Elman 1990, "Finding structure in time"), a GRU (Cho et al. 2014, arXiv 1406.1078)
    or an LSTM (Hochreiter & Schmidhuber 1997). ``inputs`` is how many numbers a step has: the features, an image's
    channels × width, its steps being its height, or, with a ``vocabulary``, the width of the learnt vector that stands for a
    token. ``dropout`` stands on those vectors, between the layers and on the pooled output, ``head_dropout`` after each
    hidden layer of the head.
    """

    def __init__(
        self,
        cell: Cell,
        inputs: int,
        hidden: int,
        layers: int,
        outputs: int,
        *,
        vocabulary: int = 0,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        head: Sequence[int] = (),
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding(vocabulary, inputs) if vocabulary else None
        width = hidden * (2 if bidirectional else 1)
        # One module a layer: the dropout inside of nn.LSTM ignores reseeding on CUDA (github.com/pytorch/pytorch/issues/104697).
        below = [inputs, *[width] * (layers - 1)]
        self.layers = nn.ModuleList(
            _initialised(_CELLS[cell](size, hidden, batch_first=True, bidirectional=bidirectional)) for size in below
        )
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.head = dense(width, head, outputs, dropout=head_dropout)
        self.hidden, self.bidirectional, self.pooling = hidden, bidirectional, pooling

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(rows, steps, inputs), (rows, channels, height, width) or int64 (rows, steps) of tokens → (rows, outputs).

        ``lengths``, int64 (rows,) and at least 1, are the steps of each row that are real; None: all.
        """
        steps, real = stepwise(inputs, lengths)
        if self.embedding is not None:
            steps = self.dropout(self.embedding(steps))
        for n, layer in enumerate(self.layers):
            steps = self._read(layer, self.dropout(steps) if n else steps, real)
        outputs: Tensor = self.head(self.dropout(self._pooled(steps, real)))
        return outputs

    def _read(self, layer: nn.Module, steps: Tensor, real: Tensor | None) -> Tensor:
        """(rows, steps, size) → (rows, steps, width), right at the real steps.

        Padding comes last: who reads forward has not seen it yet. Who reads backward would begin with it, so for that
        direction each row is moved to the end of its padding. On a CPU, PackedSequence takes as long or longer, and three
        times as long for one direction alone, which needs none of this (github.com/pytorch/pytorch/issues/149194).
        """
        if real is not None and getattr(layer, "nonlinearity", "") == "relu":
            return _packed(layer, steps, real)
        if real is None or not self.bidirectional:
            return _run(layer, steps)
        rows, places = torch.arange(len(steps), device=steps.device)[:, None], torch.arange(steps.shape[1], device=steps.device)
        lengths, count = real.sum(dim=1, keepdim=True), len(places)
        forward, backward = _run(layer, torch.cat([steps, steps[rows, (places + lengths) % count]])).chunk(2)
        return torch.cat([forward[..., : self.hidden], backward[rows, (places - lengths) % count, self.hidden :]], dim=2)

    def _pooled(self, steps: Tensor, real: Tensor | None) -> Tensor:
        """(rows, steps, width) → (rows, width)."""
        found = pooled(steps, real, self.pooling)
        if self.pooling != "last" or not self.bidirectional:
            return found
        # Each direction's own last step has read everything: the backward one ends at the first.
        return torch.cat([found[:, : self.hidden], steps[:, 0, self.hidden :]], dim=1)


def _run(layer: nn.Module, steps: Tensor) -> Tensor:
    """Under autocast cuDNN's recurrent layers always take fp16, whose range is small, also where bf16 was asked for: then fp32."""
    if steps.is_cuda and torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.bfloat16:
        with torch.autocast("cuda", enabled=False):
            full: Tensor = layer(steps.float())[0]
        return full
    found: Tensor = layer(steps)[0]
    return found


def _packed(layer: nn.Module, steps: Tensor, real: Tensor) -> Tensor:
    """Without computing the padding: unbounded relu states may overflow there, and 0 × infinity is a gradient of NaN."""
    lengths = real.sum(dim=1).cpu()
    packed = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=steps.shape[1])[0]


def _initialised(layer: nn.RNNBase) -> nn.RNNBase:
    """Gate by gate: Xavier for what comes from below, orthogonal for what comes from the step before (Saxe et al. 2014,
    arXiv 1312.6120), zero biases but 1 for an LSTM's forget gate, so that it forgets little at first (Jozefowicz et al.
    2015, "An Empirical Exploration of Recurrent Network Architectures")."""
    for name, weight in layer.named_parameters():
        gates = weight.chunk(len(weight) // layer.hidden_size)
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):  # of two biases that are added, one
                nn.init.ones_(gates[1])  # gates stand in the order input, forget, cell, output
        else:
            fill = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
            for gate in gates:
                fill(gate)
    return layer
