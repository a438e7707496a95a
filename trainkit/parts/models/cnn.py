"""Model: cnn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainkit.part import Settings
from trainkit.parts.models import Activation, Chance, Model, Width, models
from trainkit.spec import Kind

if TYPE_CHECKING:
    from torch import nn

    from trainkit.spec import Spec

Side = Annotated[int, Field(gt=0, le=1_000)]


class ConvBlock(Settings):
    """Convolution, batch norm, activation, pool. A bare number stands for a block with so many channels."""

    channels: Width
    """Filters of the convolution."""
    kernel: Side = 3
    """Side of a filter."""
    stride: Side = 1
    """Step between two places of a filter."""
    padding: Literal["same"] | Annotated[int, Field(ge=0, le=1_000)] = "same"
    """Zeros around the picture; same: half the kernel, rounded down, which keeps the size for odd kernels and stride 1."""
    pool: Literal["max", "avg", "none"] = "max"
    """Keep the largest or the mean of each square."""
    pool_size: Annotated[int, Field(ge=2, le=1_000)] = 2
    """Side of the squares that pool; a picture smaller than one square is not pooled."""

    bare: ClassVar[str] = "channels"


@models.register
class CNN(Model):
    """Convolutional network for images: blocks of convolution and pool, then fully connected layers."""

    name: Literal["cnn"] = "cnn"
    blocks: Annotated[tuple[ConvBlock, ...], Field(min_length=1)] = (ConvBlock(channels=32), ConvBlock(channels=64))
    """Blocks, first to last; a number is short for a block with so many channels: `blocks: [32, 64]`."""
    hidden: tuple[Width, ...] = (128,)
    """Width of each fully connected layer after the blocks."""
    activation: Activation = "relu"
    """What follows each convolution and each fully connected layer."""
    batch_norm: bool = True
    """Normalise each convolution's channels over the batch, before the activation (Ioffe & Szegedy 2015, arXiv 1502.03167)."""
    dropout: Chance = 0.0
    """Chance of silencing a unit of the fully connected layers during training."""
    inputs: ClassVar[tuple[Kind, ...]] = ("image",)

    def build(self, spec: Spec) -> nn.Module:
        from trainkit.networks.cnn import Block, CNNNetwork

        channels, height, width = spec.shape
        blocks = [Block(**block.model_dump()) for block in self.blocks]
        return CNNNetwork(
            (channels, height, width),
            blocks,
            self.hidden,
            spec.outputs,
            activation=self.activation,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
        )
