"""Model: transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from trainkit.part import fault
from trainkit.parts.models import Chance, Width, models
from trainkit.parts.models._stepwise import Stepwise, step_size

if TYPE_CHECKING:
    from torch import nn

    from trainkit.spec import Spec


@models.register
class Transformer(Stepwise):
    """Transformer encoder for sequences, texts, and images row by row: every step looks at every other."""

    name: Literal["transformer"] = "transformer"
    width: Width = 64
    """Numbers that stand for a step, from layer to layer; a multiple of `heads`."""
    layers: Annotated[int, Field(gt=0, le=100)] = 2
    """Layers, one upon the other: each is self-attention and a feed-forward network."""
    heads: Annotated[int, Field(gt=0, le=1_000)] = 4
    """Attentions side by side in a layer, each on its share of the width."""
    feedforward: Width | None = None
    """Width inside of the feed-forward network; null: four times `width`."""
    activation: Literal["relu", "gelu"] = "gelu"
    """What is between the two linear layers of the feed-forward network."""
    norm: Literal["pre", "post"] = "pre"
    """Layer norm before attention and feed-forward network, which trains steadily, or after them, as first published."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """How a step knows its place: from fixed waves, for any length, or from learned vectors, for the lengths of the data."""
    pooling: Literal["mean", "max", "last", "cls"] = "mean"
    """What the last layer hands on: the mean, the largest or the last of all steps, or an additional learned step in front."""
    dropout: Chance = 0.1
    """Chance of silencing a unit during training, on what enters the first layer and on what each half of a layer adds."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Transformer:
        if self.width % self.heads:
            raise fault(("heads",), f"{self.heads} heads cannot share a width of {self.width} evenly: choose a divisor of it")
        return self

    def build(self, spec: Spec) -> nn.Module:
        from trainkit.networks.transformer import TransformerNetwork

        return TransformerNetwork(
            step_size(spec),
            self.width,
            self.layers,
            self.heads,
            spec.outputs,
            feedforward=self.feedforward or 4 * self.width,
            longest=spec.shape[1] if spec.kind == "image" else spec.shape[0],
            vocabulary=spec.vocabulary,
            activation=self.activation,
            norm=self.norm,
            positions=self.positions,
            pooling=self.pooling,
            dropout=self.dropout,
        )
