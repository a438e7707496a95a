"""A network that was trained before, the body, and a new head that answers from its features."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.jit._trace import is_tracing
from torch.nn import functional

from trainkit.networks._layers import dense, named


class TransferNetwork(nn.Module):
    """``body``, (rows, channels, height, width) → (rows, width, …) with `width` numbers a row, then a head of dense layers.

    ``stages`` cut the body, first to last: of each the beginnings of its parameters' names, such as ``("conv1", "bn1")``.
    Everything in the body is frozen until `settle` says otherwise; the head always trains. Frozen means frozen: no gradient,
    batch norm with the statistics that it came with, no dropout, in training too.

    While all of the body is frozen, and in evaluation always, features are computed ``feature_batch`` rows at a time, the last
    chunk filled up with zeros: then a row's features do not depend on the batch that it is in, and may be kept
    (`trainkit.engine.features`).
    """

    def __init__(
        self,
        body: nn.Module,
        stages: Mapping[str, Sequence[str]],
        width: int,
        outputs: int,
        *,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        feature_batch: int = 32,
    ) -> None:
        super().__init__()
        self.body, self.width, self.feature_batch = body, width, feature_batch
        self.stages = {name: tuple(beginnings) for name, beginnings in stages.items()}
        last = [p for name, p in body.named_parameters() if self.stage(name) == list(self.stages)[-1]]
        if len(self.stages) > 1 and all(p.ndim < 2 for p in last):  # a norm alone: it learns with the layers before it
            norm = self.stages.popitem()[1]
            before, beginnings = self.stages.popitem()
            self.stages[before] = (*beginnings, *norm)
        self.head = dense(width, hidden, outputs, dropout=dropout)
        if dropout and not hidden:
            self.head = named(dropout=nn.Dropout(dropout), output=self.head[-1])
        self._still: list[nn.Module] = []
        self._settled: Collection[str] | None = None
        self.settle([])

    def forward(self, inputs: Tensor) -> Tensor:
        """Pictures (rows, channels, height, width), or their features (rows, width), → (rows, outputs)."""
        features = self.features(inputs) if inputs.ndim == 4 else inputs
        answers: Tensor = self.head(features.to(self._dtype))  # kept features have it too, also where autocast's had another
        return answers

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.head.parameters()).dtype

    def features(self, pictures: Tensor) -> Tensor:
        """(rows, channels, height, width) → (rows, width)."""
        frozen = self.frozen
        if (self.training and not frozen) or is_tracing():  # type: ignore[no-untyped-call]  # the graph that is drawn has no chunks
            found: Tensor = self.body(pictures).flatten(1)
            return found
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return torch.cat([self._chunk(chunk) for chunk in torch.split(pictures, self.feature_batch)])

    def _chunk(self, pictures: Tensor) -> Tensor:
        lacking = self.feature_batch - len(pictures)
        found: Tensor = self.body(functional.pad(pictures, (0,) * 7 + (lacking,)) if lacking else pictures)
        return found.flatten(1)[: len(pictures)]

    @property
    def frozen(self) -> bool:
        """Does nothing in the body train?"""
        return not self.trained

    @property
    def trained(self) -> list[str]:
        """The body's parameters that train, by their names in it."""
        return [name for name, parameter in self.body.named_parameters() if parameter.requires_grad]

    def stage(self, name: str) -> str:
        """The stage that a parameter or module of the body belongs to, by its name in the body; "" for the body itself."""
        whole = f"{name}."
        return next((stage for stage, begins in self.stages.items() if any(whole.startswith(f"{b}.") for b in begins)), "")

    def fitting(self, pattern: str) -> list[str]:
        """The body's parameters that a name means: a stage, a module or parameter, or a pattern (``layer4.*.bias``) of them."""
        found = (part for part in parts(self) if part.depth)
        return [part.name.removeprefix("body.") for part in found if called(part, pattern)]

    def train(self, mode: bool = True) -> TransferNetwork:
        """As ever, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._still:
            module.training = False
        return self

    def settle(self, trained: Collection[str]) -> None:
        """Let exactly these parameters of the body train, by their names in it; batch norm and dropout around them wake."""
        if trained is self._settled:  # asked before every step
            return
        self._settled = trained
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(name in trained)
        awake = {self.stage(name) for name in trained}
        self._still = [module for name, module in self.body.named_modules() if not self._moves(name, module, awake)]
        self.train(self.training)

    def _moves(self, name: str, module: nn.Module, awake: set[str]) -> bool:
        """A module with parameters moves if one of them trains; one without, such as dropout, if something in its stage does."""
        own = list(module.parameters(recurse=False))
        return any(parameter.requires_grad for parameter in own) if own else self.stage(name) in awake


class Part(NamedTuple):
    """A parameter, and what it belongs to."""

    name: str
    parameter: nn.Parameter
    names: tuple[str, ...]
    """``head``; ``backbone`` and its stage; nothing in networks that have no parts."""
    depth: int
    """How many stages lie behind it: the head has none."""


def parts(network: nn.Module) -> Iterator[Part]:
    """Each parameter with what it belongs to. In a network without stages each module that holds parameters is one."""
    if isinstance(network, TransferNetwork):
        depths = {stage: depth for depth, stage in enumerate(reversed(network.stages), 1)}
        for name, parameter in network.named_parameters():
            stage = network.stage(name.removeprefix("body."))
            head = name.startswith("head.")
            yield Part(name, parameter, ("head",) if head else ("backbone", stage), 0 if head else depths[stage])
        return
    owners = list(dict.fromkeys(name.rpartition(".")[0] for name, _ in network.named_parameters()))
    depths = {owner: depth for depth, owner in enumerate(reversed(owners))}
    for name, parameter in network.named_parameters():
        yield Part(name, parameter, (), depths[name.rpartition(".")[0]])


def called(part: Part, name: str) -> bool:
    """Does the name mean this parameter: as a part, as itself or a module around it, or as a pattern of such names?"""
    names = {part.name, part.name.removeprefix("body.")}
    return name in part.names or any(f"{own}.".startswith(f"{name}.") or fnmatchcase(own, name) for own in names)
