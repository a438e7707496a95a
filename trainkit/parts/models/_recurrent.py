"""What rnn, gru and lstm share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainkit.part import Settings
from trainkit.parts.models import Chance, Width
from trainkit.parts.models._stepwise import Stepwise, step_size

if TYPE_CHECKING:
    from torch import nn

    from trainkit.networks.recurrent import Cell
    from trainkit.spec import Spec


class Head(Settings):
    """Fully connected layers between the recurrent layers and the output, with relu."""

    hidden: tuple[Width, ...] = (64,)
    """Width of each layer."""
    dropout: Chance = 0.0
    """Chance of silencing a unit of these layers during training."""


class Recurrent(Stepwise):
    """The settings of a recurrent network, whatever its cell."""

    hidden: Width = 64
    """Width of each layer, in each direction."""
    layers: Annotated[int, Field(gt=0, le=100)] = 1
    """Recurrent layers, one upon the other."""
    bidirectional: bool = False
    """Read backward too, and put both directions beside each other."""
    embedding: Width = 64
    """Width of the learned vector that stands for a token; numbers are read as they are."""
    dropout: Chance = 0.0
    """Chance of silencing a unit during training, on tokens' vectors, between layers and on what the last layer hands on."""
    pooling: Literal["last", "mean", "max"] = "last"
    """What the last layer hands on: its last step (read backward, the first), or the mean or the largest of all steps."""
    head: Head | None = None
    """Fully connected layers before the output; null: none."""

    def cell(self) -> Cell:
        """What the layers are made of."""
        raise NotImplementedError

    def build(self, spec: Spec) -> nn.Module:
        from trainkit.networks.recurrent import RecurrentNetwork

        head = self.head or Head(hidden=())
        return RecurrentNetwork(
            self.cell(),
            self.embedding if spec.kind == "tokens" else step_size(spec),
            self.hidden,
            self.layers,
            spec.outputs,
            vocabulary=spec.vocabulary,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            pooling=self.pooling,
            head=head.hidden,
            head_dropout=head.dropout,
        )
