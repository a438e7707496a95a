"""Model: lstm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainkit.part import Settings
from trainkit.parts.models import Chance, Model, Width, models
from trainkit.spec import Kind

if TYPE_CHECKING:
    from torch import nn

    from trainkit.spec import Spec


class LSTMHead(Settings):
    """Fully connected layers between the LSTM and the output, with relu."""

    hidden: tuple[Width, ...] = (64,)
    """Width of each layer."""
    dropout: Chance = 0.0
    """Chance of silencing a unit of these layers during training."""


@models.register
class LSTM(Model):
    """LSTM for sequences, step by step, and for images, row by row."""

    name: Literal["lstm"] = "lstm"
    hidden: Width = 64
    """Width of each layer, in each direction."""
    layers: Annotated[int, Field(gt=0, le=100)] = 1
    """LSTM layers, one upon the other."""
    bidirectional: bool = False
    """Read backward too, and put both directions beside each other."""
    dropout: Chance = 0.0
    """Chance of silencing a unit during training, between the layers and on what the last layer hands on."""
    pooling: Literal["last", "mean", "max"] = "last"
    """What the last layer hands on: its last step (read backward, the first), or the mean or the largest of all steps."""
    head: LSTMHead | None = None
    """Fully connected layers before the output; null: none."""
    inputs: ClassVar[tuple[Kind, ...]] = ("image", "sequence")

    def build(self, spec: Spec) -> nn.Module:
        from trainkit.networks.lstm import LSTMNetwork

        self.check(spec)
        # An image's rows are its steps: (channels, height, width); a sequence is (steps, features).
        inputs = spec.shape[0] * spec.shape[2] if spec.kind == "image" else spec.shape[1]
        head = self.head or LSTMHead(hidden=())
        return LSTMNetwork(
            inputs,
            self.hidden,
            self.layers,
            spec.outputs,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            pooling=self.pooling,
            head=head.hidden,
            head_dropout=head.dropout,
        )
