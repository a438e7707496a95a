"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from trainkit.networks._layers import dense


class MLPNetwork(nn.Module):
    """Fully connected layers over flattened inputs; without hidden layers, a perceptron.

    ``inputs`` is how many numbers a row has; ``dropout`` is one chance for all hidden layers, or one for each.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        activation: str = "relu",
        batch_norm: bool = False,
        dropout: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        self.layers = dense(inputs, hidden, outputs, activation=activation, batch_norm=batch_norm, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, *anything) → (rows, outputs)."""
        outputs: Tensor = self.layers(inputs.flatten(1))
        return outputs
