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
    parameter by its name, or a pattern of names. Of several that fit, the first counts. The schedule multiplies them too."""
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
        norms, all of one dimension. A group whose rate is not ``lr`` has its ``lr_factor``, which the loop multiplies in.

        Raises ConfigError where nothing trains, and at the name of a group that fits nothing that does.
        """
        from trainkit.networks.transfer import called, parts

        found: dict[tuple[float, bool], list[nn.Parameter]] = {}
        unused = dict.fromkeys(self.groups)
        for part in parts(network):
            if not part.parameter.requires_grad:
                continue
            name = next((name for name in self.groups if called(part, name)), None)
            factor = (self.layer_decay or 1.0) ** part.depth if name is None else self.groups[name] / self.lr
            unused.pop(name or "", None)
            decays = self.decay_all or part.parameter.ndim > 1
            found.setdefault((factor, decays), []).append(part.parameter)
        for name in unused:
            names = ", ".join(dict.fromkeys(name for part in parts(network) for name in part.names if part.parameter.requires_grad))
            there = f"What trains is called {names}." if names else "Its parameters have names such as layers.*, see `--dry-run`."
            raise ConfigError(f"nothing that trains is called {name!r}.", key=("optimizer", "groups", name), suggestion=there)
        if not found:
            raise ConfigError("the model has no weights that train.", key=("model",), suggestion="Give it some, or unfreeze them.")
        order = sorted(found, key=lambda group: (group[0] != 1, not group[1]))  # the rate that is told is the first one's
        decay = {True: self.weight_decay, False: 0.0}
        return [
            {"params": found[factor, decays], "weight_decay": decay[decays], **({} if factor == 1 else {"lr_factor": factor})}
            for factor, decays in order
        ]


optimizers = Registry("optimizers", "optimizer", Optimizer, default="adamw")
AnyOptimizer = Annotated[Optimizer, optimizers]
