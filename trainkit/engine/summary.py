"""A network layer by layer: names, output shapes, parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Layer(NamedTuple):
    """A line of the summary. ``shape`` is of one row; ``trainable`` counts those of its parameters that train."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    trainable: int


def summary(network: nn.Module, inputs: Tensor) -> list[Layer]:
    """One line for each module without children, in the order in which ``inputs`` (rows, …) pass through."""
    layers: list[Layer] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
            layers.append(Layer(name, type(module).__name__, shape, *count(module)))

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(note(name)) for name, module in leaves]
    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return layers


def count(module: nn.Module) -> tuple[int, int]:
    """Parameters in all, and those that train."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)
