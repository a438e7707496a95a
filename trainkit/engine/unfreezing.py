"""Which parts of a pretrained body train, from which step on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from trainkit.config.tree import Config
from trainkit.errors import ConfigError
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.models._transfer import fitting


@dataclass(frozen=True)
class Unfreezing:
    """A function of the step: a run that is resumed trains what it would have trained."""

    phases: tuple[tuple[int, frozenset[str]], ...] = ()
    """The step, from 0, with which each begins, and the body's parameters that train in it. Empty: the network has no body."""

    @classmethod
    def plan(cls, config: Config, network: nn.Module, per_epoch: int) -> Unfreezing:
        """From what trains at first, and ``training.unfreeze``. Raises ConfigError for parts that are not there."""
        asked = {int(epoch): names for epoch, names in config.training.unfreeze.items()}
        if not isinstance(network, TransferNetwork):
            if asked:
                words = f"the model {config.model.name} has no stages that could be frozen at first."
                raise ConfigError(words, key=("training", "unfreeze"), suggestion="Leave it out, or use a pretrained model.")
            return cls()
        trained = frozenset(network.trained)
        phases = [(0, trained)]
        for epoch, names in sorted(asked.items()):
            key = ("training", "unfreeze", str(epoch))
            several = [names] if isinstance(names, str) else names
            more = frozenset(name for pattern in several for name in fitting(network, pattern, key))
            if more <= trained:
                words = f"{', '.join(several)} train already when epoch {epoch} begins."
                raise ConfigError(words, key=key, suggestion="Leave it out, or freeze more at first: see model.train.")
            trained |= more
            phases.append(((epoch - 1) * per_epoch, trained))
        return cls(tuple(phases))

    @property
    def frozen_until(self) -> int:
        """The step, from 0, with which something in the body begins to train; beyond any step where nothing ever does."""
        return next((start for start, trained in self.phases if trained), 2**62)

    def all(self, network: nn.Module) -> None:
        """Let train all that ever trains."""
        self(network, 2**62)

    def __call__(self, network: nn.Module, step: int) -> None:
        """Let train what trains in this step."""
        if isinstance(network, TransferNetwork):
            network.settle(self._at(step))

    def _at(self, step: int) -> Collection[str]:
        return [trained for start, trained in self.phases if start <= step][-1]
