"""The transformer's encoder: every step looks at every other. It reads sequences and texts, and images row by row."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainkit.errors import DataError
from trainkit.networks._layers import initialise, named, nonlinearity
from trainkit.networks._steps import Pooling, embedding, pooled, stepwise


class TransformerNetwork(nn.Module):
    """Layers of self-attention (Vaswani et al. 2017, arXiv 1706.03762), pooled over the steps, then a linear layer.

    ``inputs`` is how many numbers a step has, unless there is a ``vocabulary``: then a step is a token. ``longest`` bounds
    the steps that learned positions know. ``dropout`` stands where the paper has it (section 5.4): on what enters the first
    layer, and on what each half of a layer adds. There is none on the attention's weights, so no fused kernel draws random
    numbers of its own.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        layers: int,
        heads: int,
        outputs: int,
        *,
        feedforward: int,
        longest: int,
        vocabulary: int = 0,
        activation: str = "gelu",
        norm: Literal["pre", "post"] = "pre",
        positions: Literal["sinusoidal", "learned"] = "sinusoidal",
        pooling: Pooling | Literal["cls"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding(vocabulary, width) if vocabulary else initialise(nn.Linear(inputs, width))
        self.scale = width**0.5 if vocabulary else None  # to variance 1, as section 3.4 of the paper has it
        # Learned positions begin small, as BERT's (Devlin et al. 2019, arXiv 1810.04805): first comes what stands there.
        self.positions = nn.Parameter(torch.randn(longest, width) * 0.02) if positions == "learned" else None
        self.cls = nn.Parameter(torch.randn(width)) if pooling == "cls" else None
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, feedforward, activation=activation, norm=norm, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()  # pre-norm layers leave their sum as it is
        self.output = initialise(nn.Linear(width, outputs))
        self.pooling = pooling

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(rows, steps, inputs), (rows, channels, height, width) or int64 (rows, steps) of tokens → (rows, outputs).

        ``lengths``, int64 (rows,) and at least 1, are the steps of each row that are real; None: all. Raises DataError for
        more steps than learned positions know.
        """
        steps, real = stepwise(inputs, lengths)
        steps = self.embedding(steps)
        steps = steps if self.scale is None else steps * self.scale
        steps = steps + self._positions(steps)
        if self.cls is not None:
            steps = torch.cat([self.cls.expand(len(steps), 1, -1), steps], dim=1)
            real = real if real is None else F.pad(real, (1, 0), value=True)
        steps = self.dropout(steps)
        for layer in self.layers:
            steps = layer(steps, real)
        steps = self.norm(steps)
        outputs: Tensor = self.output(steps[:, 0] if self.pooling == "cls" else pooled(steps, real, self.pooling))
        return outputs

    def _positions(self, steps: Tensor) -> Tensor:
        """What is added to (rows, steps, width) so that a step knows its place: (steps, width)."""
        count, width = steps.shape[1:]
        if self.positions is None:
            return sinusoids(count, width, torch.promote_types(steps.dtype, torch.float32), steps.device)  # in bf16, 257 is 256
        if count > len(self.positions):
            raise DataError(
                f"a row has {count} steps, and this transformer learned positions for {len(self.positions)}.",
                suggestion="Cut the rows, or train with `positions: sinusoidal`, which know any length.",
            )
        return self.positions[:count]


class EncoderLayer(nn.Module):
    """Self-attention, then two linear layers at each step; each half is added to what it was given.

    ``norm`` stands where it is steadier without a warm-up, ``pre``, before each half (Xiong et al. 2020, arXiv 2002.04745),
    or as in the paper, ``post``, after each sum.
    """

    def __init__(self, width: int, heads: int, feedforward: int, *, activation: str, norm: str, dropout: float) -> None:
        super().__init__()
        self.attention, self.attention_norm = SelfAttention(width, heads), nn.LayerNorm(width)
        self.feedforward = named(
            wide=initialise(nn.Linear(width, feedforward), activation),
            activation=nonlinearity(activation),
            narrow=initialise(nn.Linear(feedforward, width)),
        )
        self.feedforward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.pre = norm == "pre"

    def forward(self, steps: Tensor, real: Tensor | None = None) -> Tensor:
        """(rows, steps, width) → the same; ``real`` (rows, steps) is true for the steps to look at, None: all."""
        if self.pre:
            steps = steps + self.dropout(self.attention(self.attention_norm(steps), real))
            steps = steps + self.dropout(self.feedforward(self.feedforward_norm(steps)))
        else:
            steps = self.attention_norm(steps + self.dropout(self.attention(steps, real)))
            steps = self.feedforward_norm(steps + self.dropout(self.feedforward(steps)))
        return steps


class SelfAttention(nn.Module):
    """Attention of each step to all real ones, in several heads side by side (section 3.2 of the paper).

    ``width`` is a multiple of ``heads``. No biases, as in the paper: a key's would add the same to all that the softmax
    compares, so its true gradient is zero.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query_key_value = initialise(nn.Linear(width, 3 * width, bias=False))
        self.output = initialise(nn.Linear(width, width, bias=False))
        self.heads = heads

    def forward(self, steps: Tensor, real: Tensor | None) -> Tensor:
        """(rows, steps, width) → the same."""
        rows, count, width = steps.shape
        split = self.query_key_value(steps).view(rows, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (rows, heads, steps, width / heads)
        # Which kernel is torch's choice: where deterministic algorithms are asked for, it takes only one that is.
        mask = None if real is None else real[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        outputs: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return outputs


@lru_cache(maxsize=16)  # some six small kernels at each call otherwise
def sinusoids(count: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Sines and cosines of wavelengths from 2π to 10 000 · 2π in turn, (count, width) (section 3.5 of the paper)."""
    places, even = torch.arange(count, dtype=dtype, device=device), torch.arange(0, width, 2, dtype=dtype, device=device)
    angles = torch.outer(places, torch.pow(10_000, -even / width))
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]
