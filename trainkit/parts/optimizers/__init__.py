"""Optimizers: how gradients become steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.part import Part, Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


class Optimizer(Part):
    """How gradients become steps."""

    lr: float = Field(default=1e-3, gt=0, le=1e3)
    """Learning rate; the schedule multiplies it."""
    weight_decay: float = Field(default=0.0, ge=0, le=1e3)
    """How strongly weights are pulled to zero: so much of themselves is added to their gradient."""
    groups: dict[str, Annotated[float, Field(gt=0, le=1e3)]] = Field(default_factory=dict, examples=[{"backbone": 1e-4}])
    """Learning rates of parts of the network, where they differ from lr: `backbone`, `head`, a stage such as layer4, a module or
    parameter by its name, or a pattern of names. Of several that fit, the last counts. The schedule multiplies them too."""
    layer_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, examples=[0.75])
    """Each stage learns with so much of the rate of the one behind it; the head with lr (Clark et al. 2020, arXiv 2003.10555)."""
    decay_all: bool = False
    """Decay biases and the weights of norms too. They are left alone by default: they have one dimension and don't overfit."""

    fixed: ClassVar[tuple[str, ...]] = ()
    """Settings, besides name and decay_all, that a resumed run can't change: its state follows from them."""

    def rate_taken(self, optimizer: torch.optim.Optimizer) -> float:
        """The rate of the last step: the one that the loop gave, unless the optimizer makes another of it."""
        group = optimizer.param_groups[0]
        return float(group["lr"] / group.get("lr_factor", 1.0))

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """An optimizer over the network's trainable parameters."""
        raise NotImplementedError

    def grouped(self, network: nn.Module) -> list[dict[str, object]]:
        """The parameters that train, by their learning rate; of each those that decay apart from those that don't: biases and
        norms, all of one dimension. Each has its ``lr_factor``, with which the loop multiplies the rate.

        Raises ConfigError where nothing trains, and at the name of a group that fits nothing that does.
        """
        from trainkit.networks.transfer import called, parts

        found: dict[tuple[str | int, bool], list[nn.Parameter]] = {}  # by what was meant, whatever the rates are
        factors: dict[str | int, float] = {}
        trained = [part for part in parts(network) if part.parameter.requires_grad]
        for part in trained:
            name = next((name for name in reversed(self.groups) if called(part, name)), None)
            which: str | int = (part.depth if self.layer_decay else 0) if name is None else name
            factors[which] = (self.layer_decay or 1.0) ** part.depth if name is None else self.groups[name] / self.lr
            decays = self.decay_all or part.parameter.ndim > 1
            found.setdefault((which, decays), []).append(part.parameter)
        for name in self.groups:
            if not any(called(part, name) for part in trained):
                raise self._nothing(name, network)
        if not found:
            raise ConfigError("the model has no weights that train.", key=("model",), suggestion="Give it some, or unfreeze them.")
        decay = {True: self.weight_decay, False: 0.0}
        order = sorted(found, key=lambda group: (group[0] != 0, not group[1]))  # what learns with lr, the head as a rule, first
        return [
            {"params": found[which, decays], "weight_decay": decay[decays], "lr_factor": factors[which]} for which, decays in order
        ]

    def _nothing(self, name: str, network: nn.Module) -> ConfigError:
        """Why a group fits nothing that trains."""
        from trainkit.networks.transfer import called, parts

        key = ("optimizer", "groups", name)
        if any(called(part, name) for part in parts(network)):
            fix = f"Let it train: `model.train=[{name}]`, or later, `training.unfreeze={{3: {name}}}`."
            return ConfigError(f"{name!r} is frozen: it learns with no rate.", key=key, suggestion=fix)
        names = ", ".join(dict.fromkeys(own for part in parts(network) for own in part.names))
        there = f"Its parts: {names}." if names else "`--dry-run` shows the names of its layers."
        return ConfigError(f"no part of the network is called {name!r}.", key=key, suggestion=there)


optimizers = Registry("optimizers", "optimizer", Optimizer, default="adamw")
AnyOptimizer = Annotated[Optimizer, optimizers]
