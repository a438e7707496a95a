"""A network layer by layer: names, output shapes, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from trainkit.engine.evaluation import evaluating
from trainkit.spec import Batch


class Layer(NamedTuple):
    """A line of the summary. ``shape`` is of one row; ``trainable`` counts those of its parameters that train."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    trainable: int


def summary(network: nn.Module, batch: Batch) -> list[Layer]:
    """One line for each module without children, in the order in which the batch passes through."""
    layers: list[Layer] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
            if isinstance(first, PackedSequence):  # steps that are no padding: as many as the longest row has
                shape = (len(first.batch_sizes), *first.data.shape[1:])
            layers.append(Layer(name, type(module).__name__, shape, *count(module)))

        return hook

    for name, module in network.named_modules():
        own = [(f"{name}.{n}" if name else n, p) for n, p in module.named_parameters(recurse=False) if list(module.children())]
        layers += [Layer(n, "Parameter", tuple(p.shape), p.numel(), p.numel() * p.requires_grad) for n, p in own]
    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(note(name)) for name, module in leaves]
    try:
        with evaluating(network):
            batch.through(network)
    finally:
        for hook in hooks:
            hook.remove()
    return layers


_NO_PRODUCT = ("Embedding", "Parameter")
"""The one looks up, the other is mostly added."""


def multiply_adds(layers: Iterable[Layer]) -> int:
    """Multiplications of one row's forward pass, nearly: each layer's parameters times the places where it applies them."""
    return sum(layer.parameters * _places(layer.shape) for layer in layers if layer.kind not in _NO_PRODUCT)


def _places(shape: tuple[int, ...]) -> int:
    """1 for features, steps for (steps, features), pixels for (channels, height, width)."""
    return shape[0] if len(shape) == 2 else prod(shape[1:])


def count(module: nn.Module) -> tuple[int, int]:
    """Parameters in all, and those that train."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)
