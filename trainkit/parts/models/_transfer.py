"""What models share that begin with weights trained before: settings, freezing, loading, and what the weights ask of pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from trainkit.errors import ConfigError
from trainkit.part import IsPath, Settings, fault
from trainkit.parts.models import Chance, Model, Width
from trainkit.spec import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainkit.networks.transfer import TransferNetwork
    from trainkit.spec import Spec

LAST = r"last ([1-9]\d{0,2}) stages?"
WEIGHTS = r"imagenet|none|[A-Z][A-Z0-9_]*"
"""Weights that are known by a name."""
PACKAGE = "package:"
"""Begins the name of a file that an installed package brings: ``package:weights_of_mine/files/resnet.pth``."""


class Head(Settings):
    """The layers that answer from the features."""

    hidden: tuple[Width, ...] = ()
    """Width of each fully connected layer before the last one."""
    dropout: Chance = 0.0
    """Chance of silencing a unit of these layers during training; without any, of silencing a feature."""
    new: bool = False
    """Begin it anew also where the weights are a checkpoint of trainkit, whose head is taken over otherwise."""


class Body(NamedTuple):
    """A family's network without its last layer."""

    network: nn.Module
    """(rows, channels, height, width) → (rows, width, …)"""
    width: int
    """Features of a row."""
    stages: Mapping[str, tuple[str, ...]]
    """See `trainkit.networks.transfer.TransferNetwork`: every parameter and buffer belongs to one."""
    first: str | tuple[str, ...]
    """The convolution that sees the pictures, by its name (or several): its weights are adapted to their channels."""
    last: str | tuple[str, ...]
    """The layer that was left out, by its name (or several): files of weights still hold it."""


class Transfer(Model):
    """A network trained on other pictures before, and a new head for these."""

    weights: Annotated[str, IsPath(unless=f"{WEIGHTS}|{PACKAGE}.+", once=True)] = "imagenet"
    """Where the network begins. `imagenet`: its family's best weights for ImageNet; a name of others, such as
    IMAGENET1K_V1; `none`: random ones; or a file: .pth or .safetensors of this network, or a checkpoint of trainkit. A file
    that an installed package brings is written `package:NAME/FILE`."""
    head: Head = Head()
    """The new layers at its end."""
    train: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default="head", examples=["head", "all", "last 2 stages", ["layer4", "layer3.*.bias"]]
    )
    """What trains besides the head, which always does: head (nothing else), all, `last 2 stages`, or names of stages, of modules
    or parameters, or patterns of them: `[layer4, "layer3.*.bias"]`. The rest is frozen."""
    cache: Literal["auto", "memory", "file", "none"] = "auto"
    """Features of a frozen network are computed once and kept: in memory; in a file beside the runs, which later runs with the
    same weights, preprocessing and data find again; none: computed in every epoch. auto: in memory up to a gigabyte, else in a
    file; none where augmentation changes the pictures in every epoch. The training is the same, bit for bit."""
    feature_batch: Annotated[int, Field(gt=0, le=4096)] = 32
    """Rows whose features are computed together while all of the network is frozen."""
    augment_copies: Annotated[int, Field(gt=0, le=1000)] | None = None
    """So many augmented views of each picture are made, and come round in turn, so that their features can be kept; null: every
    epoch makes its own."""
    inputs: ClassVar[tuple[Kind, ...]] = ("image",)

    @model_validator(mode="after")
    def _keeps_what_is_frozen(self) -> Transfer:
        if self.train != "head":
            for name in ("cache", "augment_copies"):
                if getattr(self, name) not in (None, "auto", "none"):
                    raise fault((name,), "needs `train: head`: features that change with the training cannot be kept")
        return self

    def body(self, channels: int, size: tuple[int, int]) -> Body:
        """The family's network without its last layer, its weights random, for pictures of so many channels and this height and
        width. Raises ConfigError at ("model",) for a size that it cannot take."""
        raise NotImplementedError

    def named(self, weights: str) -> Mapping[str, Tensor]:
        """The state dict, of the whole network, that the library knows by this name; `imagenet` is its best for ImageNet.
        Raises ConfigError at ("model", "weights") for a name that it does not know, and where it cannot be fetched."""
        raise NotImplementedError

    def made_for(self) -> Mapping[str, Any]:
        """What the library says of pictures for these weights, or, where they are in a file, for its best: see `Model.asked`."""
        return {}

    def asked(self) -> Mapping[str, Any]:
        if self.weights == "none":
            return {}
        from trainkit.parts.models import _weights

        return _weights.asked(self) or self.made_for()

    def adapted(self, state: Mapping[str, Tensor], channels: int, size: tuple[int, int]) -> Mapping[str, Tensor]:
        """A state dict as its file holds it → with the names, and the sizes, of this network for pictures of so many channels and
        this height and width. The first convolution's channels are as the file has them."""
        return state

    def begin(self, network: nn.Module, spec: Spec) -> list[str]:
        if self.weights == "none":
            return ["random, and frozen but for the head: `model.train: all` trains all of them"] if self.train == "head" else []
        from trainkit.networks.transfer import TransferNetwork
        from trainkit.parts.models import _weights

        assert isinstance(network, TransferNetwork), "what build gave"
        return _weights.begin(self, network, spec)

    def build(self, spec: Spec) -> TransferNetwork:
        from trainkit.networks.transfer import TransferNetwork

        channels, height, width = spec.shape
        body = self.body(channels, (height, width))
        network = TransferNetwork(
            body.network,
            body.stages,
            body.width,
            spec.outputs,
            hidden=self.head.hidden,
            dropout=self.head.dropout,
            feature_batch=self.feature_batch,
        )
        network.settle(self._trained(network))
        return network

    def _trained(self, network: TransferNetwork) -> list[str]:
        """The names of the body's parameters that train."""
        if self.train == "head":
            return []
        if isinstance(self.train, tuple):
            return [name for n, pattern in enumerate(self.train) for name in fitting(network, pattern, ("model", "train", n))]
        last, stages = re.fullmatch(LAST, self.train), list(network.stages)
        if not last and self.train != "all":
            return fitting(network, self.train, ("model", "train"))
        if last:
            number = int(last[1])
            if number > len(stages):
                raise ConfigError(
                    f"{self.name} has {len(stages)} stages: {', '.join(stages)}.", key=("model", "train"), suggestion="Use all."
                )
            stages = stages[-number:]
        return [name for stage in stages for name in network.fitting(stage)]


def fitting(network: TransferNetwork, pattern: str, key: tuple[str | int, ...]) -> list[str]:
    """The body's parameters that the name or pattern means. Raises ConfigError at ``key`` where there is none."""
    if found := network.fitting(pattern):
        return found
    from difflib import get_close_matches

    words = ("all", "head", "last 1 stage") if key == ("model", "train") else ()
    near = get_close_matches(pattern, [*words, *network.stages], 1, 0.5)
    raise ConfigError(
        f"no part of the network is called {pattern!r}.",
        key=key,
        suggestion=f"{f'Did you mean {near[0]}? ' if near else ''}Its stages: {', '.join(network.stages)}.",
    )
