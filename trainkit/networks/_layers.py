"""Pieces that the networks share: activations, initialisation, and a stack of dense layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip
ACTIVATIONS = tuple(_MODULES)
_SATURATING = ("tanh", "sigmoid")

L = TypeVar("L", nn.Linear, nn.Conv2d)


def nonlinearity(name: str) -> nn.Module:
    """One of `ACTIVATIONS`, as a module."""
    return _MODULES[name]()


def initialise(layer: L, then: str | None = None) -> L:
    """The same layer with new weights, chosen by the activation that comes ``then``, and zero biases.

    Before tanh and sigmoid: Xavier (Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks", equation 16). Before the others: He (He et al. 2015, arXiv 1502.01852, equation 10), which doubles
    the variance since relu silences half; with no activation then (None) there is nothing to make good, and it is 1 / fan-in.
    """
    if then in _SATURATING:
        nn.init.xavier_uniform_(layer.weight)
    else:
        slope = 0.01 if then == "leaky_relu" else 0.0
        nn.init.kaiming_normal_(layer.weight, a=slope, mode="fan_in", nonlinearity="leaky_relu" if then else "linear")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def named(**modules: nn.Module | None) -> nn.Sequential:
    """The modules in a row, None left out. A weight's name does not depend on what is left out: dropout may come and go."""
    return nn.Sequential(OrderedDict((name, module) for name, module in modules.items() if module is not None))


def dense(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float | Sequence[float] = 0.0,
) -> nn.Sequential:
    """Hidden layers linear(-batch norm)-activation(-dropout), then a linear layer. (rows, inputs) → (rows, outputs).

    ``dropout`` is one chance for all hidden layers, or one for each (else ValueError).
    """
    chances = [dropout] * len(hidden) if isinstance(dropout, int | float) else dropout
    if len(chances) != len(hidden):
        raise ValueError(f"{len(chances)} dropout chances for {len(hidden)} hidden layers")
    layers: dict[str, nn.Module] = {}
    for n, (width, chance) in enumerate(zip(hidden, chances, strict=True)):
        layers[f"hidden_{n}"] = named(
            linear=initialise(nn.Linear(inputs, width, bias=not batch_norm), activation),
            norm=nn.BatchNorm1d(width) if batch_norm else None,  # takes the mean away: a bias before it would do nothing
            activation=nonlinearity(activation),
            dropout=nn.Dropout(chance) if chance else None,
        )
        inputs = width
    return named(**layers, output=initialise(nn.Linear(inputs, outputs)))
