"""What the families of torchvision share: the network without its last layer, and the weights that torchvision knows for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trainkit.errors import ConfigError
from trainkit.parts.models._transfer import WEIGHTS, Body, Transfer

if TYPE_CHECKING:
    from torch import Tensor


def library() -> Any:
    """`torchvision.models`. Raises SetupError where torchvision is missing or does not fit torch."""
    from trainkit.packages import torchvision_fault

    try:
        from torchvision import models  # type: ignore[import-untyped]
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        if fault := torchvision_fault(error):
            raise fault from error
        raise
    return models


class TorchvisionModel(Transfer):
    """A family of networks that torchvision has, with the names that it gives to layers: its files of weights fit as they are."""

    smallest: ClassVar[int] = 1
    """Side of the smallest pictures of which something is left at the end of the network."""

    @property
    def known_as(self) -> str:
        """torchvision's name for this variant."""
        raise NotImplementedError

    def stages(self, network: Any) -> Mapping[str, tuple[str, ...]]:
        """The stages of torchvision's network, as `Body` has them."""
        raise NotImplementedError

    def options(self, size: tuple[int, int]) -> dict[str, Any]:
        """What torchvision must know to make the network for pictures of this height and width.
        Raises ConfigError at ("model",) for a size that it cannot take."""
        if min(size) < self.smallest:
            raise size_fault(f"{self.name} takes pictures of {self.smallest} × {self.smallest} and larger", size)
        return {}

    def body(self, channels: int, size: tuple[int, int]) -> Body:
        from torch import nn

        from trainkit.networks._layers import initialise

        network = library().get_model(self.known_as, weights=None, **self.options(size))
        layers = list(network.named_modules())
        first, old = next((name, layer) for name, layer in layers if isinstance(layer, nn.Conv2d))
        place = max(n for n, (_, layer) in enumerate(layers) if isinstance(layer, nn.Linear))
        (before, dropout), (last, output) = layers[place - 1 : place + 1]
        network.set_submodule(last, nn.Identity())
        if isinstance(dropout, nn.Dropout):  # the head has its own
            network.set_submodule(before, nn.Identity())
        if channels != 3:
            same = {name: getattr(old, name) for name in ("out_channels", "kernel_size", "stride", "padding")}
            new = nn.Conv2d(channels, **same, bias=old.bias is not None)
            network.set_submodule(first, initialise(new, "relu"))
        return Body(network, output.in_features, self.stages(network), first, last)

    def made_for(self) -> Mapping[str, Any]:
        if self.weights == "none":
            return {}
        wants = self._known(self.weights if re.fullmatch(WEIGHTS, self.weights) else "imagenet").transforms()
        (side,) = wants.crop_size
        return {"channels": 3, "size": (side, side), "mean": tuple(wants.mean), "std": tuple(wants.std)}

    def named(self, weights: str) -> Mapping[str, Tensor]:
        from torch import hub

        from trainkit.parts.models import _weights

        entry = self._known(weights)
        file = Path(hub.get_dir(), "checkpoints", entry.url.rpartition("/")[2])
        if not file.exists():
            _fetch(entry.url, file, f"the weights {entry.name} of {self.known_as}")
        try:
            return _weights._plain(_weights._read(file), str(file))
        except ConfigError as error:
            mend = f"Remove it, and it is fetched again, from {entry.url}."
            raise ConfigError(error.problems[0].message, key=("model", "weights"), suggestion=mend) from error

    def _known(self, weights: str) -> Any:
        """torchvision's entry of these weights."""
        entries = library().get_model_weights(self.known_as)
        # vgg16 has one of its convolutions alone, which answers no categories
        whole = {entry.name: entry for entry in entries if entry.meta["categories"]}
        if weights == "imagenet":
            return entries.DEFAULT
        if weights not in whole:
            raise ConfigError(
                f"torchvision has no weights {weights} for {self.known_as}.",
                key=("model", "weights"),
                suggestion=f"It has: {', '.join(whole)}. A file in this folder is written ./{weights}.",
            )
        return whole[weights]


def _fetch(url: str, file: Path, what: str) -> None:
    """Download a file that bears the beginning of its SHA-256 in its name, which is compared: ``resnet18-f37072fd.pth``."""
    from http.client import HTTPException

    from torch import hub

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(url, str(file), file.stem.rpartition("-")[2], progress=sys.stderr.isatty())
    except (OSError, HTTPException, RuntimeError) as error:  # no network, no such folder; the last is the hash
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"{what} cannot be fetched ({why}).",
            key=("model", "weights"),
            suggestion=f"Fetch {url} where there is a network, and put it at {file}; or say where it lies: weights: PATH.",
        ) from error


def size_fault(takes: str, size: tuple[int, int]) -> ConfigError:
    """What to say of pictures that a network cannot take; ``takes`` are the words for those that it can."""
    height, width = size
    return ConfigError(
        f"{takes}; these are {height} × {width}.", key=("model",), suggestion="Have them resized: preprocess: {size: 224}."
    )
