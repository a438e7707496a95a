"""Model: mlp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from trainkit.part import fault
from trainkit.parts.models import Activation, Chance, Model, Width, models

if TYPE_CHECKING:
    from torch import nn

    from trainkit.spec import Spec


@models.register
class MLP(Model):
    """Fully connected network over flattened inputs; with `hidden: []` a perceptron."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = (128, 64)
    """Width of each hidden layer, first to last."""
    activation: Activation = "relu"
    """What follows each hidden layer."""
    batch_norm: bool = False
    """Normalise each hidden layer over the batch, before its activation (Ioffe & Szegedy 2015, arXiv 1502.03167)."""
    dropout: Chance | tuple[Chance, ...] = 0.0
    """Chance of silencing a hidden unit during training: one for all hidden layers, or a list with one for each."""

    @model_validator(mode="after")
    def _one_dropout_a_layer(self) -> MLP:
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.hidden):
            words = f"the list has {len(self.dropout)}, and the hidden layers are {len(self.hidden)}"
            raise fault(("dropout",), f"{words}: write one chance for each layer, or one number for all")
        return self

    def build(self, spec: Spec) -> nn.Module:
        from trainkit.networks.mlp import MLPNetwork

        return MLPNetwork(
            spec.input_size, self.hidden, spec.outputs, activation=self.activation, batch_norm=self.batch_norm, dropout=self.dropout
        )
