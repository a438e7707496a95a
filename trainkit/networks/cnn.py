"""The convolutional network, and how large its pictures are after each block."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

from torch import Tensor, nn

from trainkit.errors import ConfigError
from trainkit.networks._layers import dense, initialise, named, nonlinearity

Size = tuple[int, int, int]
"""Channels, height, width."""


class Block(NamedTuple):
    """Convolution, then (batch norm,) activation and pool."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int | Literal["same"] = "same"
    """Zeros around the picture; same: half the kernel, rounded down, which keeps the size for odd kernels and stride 1."""
    pool: Literal["max", "avg", "none"] = "max"
    pool_size: int = 2
    """Side of the squares that pool, and the step between them; a picture smaller than one square is not pooled."""

    @property
    def zeros(self) -> int:
        """The padding as a number."""
        return self.kernel // 2 if self.padding == "same" else self.padding


# Squares that pool don't overlap, and adaptive pools are left out: what overlaps is summed in any order on a GPU.
_POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class CNNNetwork(nn.Module):
    """Blocks of convolution, flattened, then fully connected layers with dropout.

    ``shape`` is (channels, height, width). Raises ConfigError when a kernel does not fit into what arrives at it.
    """

    def __init__(
        self,
        shape: Size,
        blocks: Sequence[Block],
        hidden: Sequence[int],
        outputs: int,
        *,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        arriving = [shape, *sizes(shape, blocks)]
        built = [_built(block, size, activation, batch_norm) for block, size in zip(blocks, arriving, strict=False)]
        self.blocks = nn.Sequential(*built)
        self.head = dense(prod(arriving[-1]), hidden, outputs, activation=activation, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """(rows, channels, height, width) → (rows, outputs)."""
        outputs: Tensor = self.head(self.blocks(inputs).flatten(1))
        return outputs


def sizes(shape: Size, blocks: Sequence[Block]) -> list[Size]:
    """Channels, height and width after each block. Raises ConfigError when a kernel does not fit."""
    found: list[Size] = []
    for n, block in enumerate(blocks):
        _, height, width = shape
        room = min(height, width) + 2 * block.zeros
        if block.kernel > room:
            raise ConfigError(
                f"block {n + 1} gets pictures of {height} × {width}, too small for its kernel of {block.kernel} × {block.kernel} "
                f"with padding {block.zeros}.",
                key=("model", "blocks", n, "kernel"),
                suggestion=f"Use a kernel of {room} at most, `padding: same`, or fewer pools and strides before it.",
            )
        shape = _convolved(shape, block)
        if _pools(shape, block):
            shape = (shape[0], shape[1] // block.pool_size, shape[2] // block.pool_size)
        found.append(shape)
    return found


def _built(block: Block, size: Size, activation: str, batch_norm: bool) -> nn.Sequential:
    # Batch norm takes the mean away: a bias before it would do nothing.
    conv = nn.Conv2d(size[0], block.channels, block.kernel, block.stride, block.zeros, bias=not batch_norm)
    return named(
        conv=initialise(conv, activation),
        norm=nn.BatchNorm2d(block.channels) if batch_norm else None,
        activation=nonlinearity(activation),
        pool=_POOLS[block.pool](block.pool_size) if _pools(_convolved(size, block), block) else None,
    )


def _convolved(size: Size, block: Block) -> Size:
    height, width = ((side + 2 * block.zeros - block.kernel) // block.stride + 1 for side in size[1:])
    return block.channels, height, width


def _pools(size: Size, block: Block) -> bool:
    return block.pool != "none" and min(size[1:]) >= block.pool_size
