"""Model: timm."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from trainkit.errors import ConfigError, SetupError
from trainkit.parts.models import models
from trainkit.parts.models._transfer import WEIGHTS, Body, Transfer

if TYPE_CHECKING:
    from torch import Tensor


@models.register
class Timm(Transfer):
    """Any network of the package timm, pretrained (Wightman, github.com/huggingface/pytorch-image-models)."""

    name: Literal["timm"] = "timm"
    variant: str
    """timm's name for it, with or without the name of its weights: tf_efficientnet_lite0, resnet18.a1_in1k. Written in capitals,
    the name of weights may also stand in `weights: A1_IN1K`."""

    def body(self, channels: int, size: tuple[int, int]) -> Body:
        import torch

        self._known()
        try:
            with torch.device("meta"), torch.no_grad():
                outline = self._made(channels, size)
                width = outline.eval()(torch.empty(1, channels, *size)).flatten(1).shape[1]
                whole = self._made(channels, size, head=True)
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
            asked = self._cfg().input_size
            raise ConfigError(
                f"{self.variant} does not take pictures of {channels} × {size[0]} × {size[1]} ({why}).",
                key=("model",),
                suggestion=f"Its weights were made for {asked[1]} × {asked[2]}: preprocess: {{size: {asked[1]}}}.",
            ) from error
        network = self._made(channels, size)
        own, first = outline.state_dict().keys(), network.pretrained_cfg.get("first_conv")
        left = dict.fromkeys(name.rpartition(".")[0] for name in whole.state_dict() if name not in own)
        return Body(network, width, _stages(network), _several(first), tuple(left))

    def made_for(self) -> Mapping[str, Any]:
        if self.weights == "none":
            return {}
        cfg = self._cfg(self._tagged(self.weights) if re.fullmatch(WEIGHTS, self.weights) else self._known())
        channels, *size = cfg.input_size
        return {"channels": channels, "size": tuple(size), "mean": tuple(cfg.mean), "std": tuple(cfg.std)}

    def named(self, weights: str) -> Mapping[str, Tensor]:
        import torch

        name = self._tagged(weights)
        cfg = self._cfg(name)
        if not cfg.has_weights:
            fix = "Say `weights: none`, or name a file of them."
            raise ConfigError(f"timm has no weights for {name}.", key=("model", "weights"), suggestion=fix)
        repository, file = cfg.hf_hub_id, cfg.hf_hub_filename or "model.safetensors"
        link = f"https://huggingface.co/{repository}/resolve/main/{file}" if repository else cfg.url
        try:
            kept = _kept(repository, file) if repository else None
            overlay = {"file": kept} if kept and cfg.custom_load != "hf" else {}
            with torch.random.fork_rng([]):
                network = _timm().create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
        except Exception as error:  # timm, Hugging Face's client and what it stands on complain in many ways
            why = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
            raise ConfigError(
                f"the weights of {name} cannot be fetched ({why}).",
                key=("model", "weights"),
                suggestion=f"Fetch {link} where there is a network, and say where it lies: weights: PATH.",
            ) from error
        state: Mapping[str, Tensor] = network.state_dict()
        return state

    def adapted(self, state: Mapping[str, Tensor], channels: int, size: tuple[int, int]) -> Mapping[str, Tensor]:
        """Where only shapes differ, timm may know how to resample what hangs on the size of pictures, such as positions."""
        import torch

        with torch.device("meta"):
            wanted = self._made(3, size).state_dict()
        strange = [name for name, value in wanted.items() if name in state and state[name].shape != value.shape]
        if not strange or not wanted.keys() <= state.keys():
            return state
        overlay = {"state_dict": {name: state[name] for name in wanted}, "custom_load": False}
        try:
            with torch.random.fork_rng([]):
                fitting = self._made(3, size, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
        except (RuntimeError, AssertionError, ValueError, TypeError):  # for the one who compares shapes to tell
            return state
        return {**state, **{name: fitting[name] for name in strange}}

    def _made(self, channels: int, size: tuple[int, int], head: bool = False, **options: Any) -> Any:
        """timm's network, random unless told otherwise, without its last layer."""
        if self._cfg().fixed_input_size:
            options["img_size"] = size
        if not head:
            options["num_classes"] = 0
        return _timm().create_model(self.variant, in_chans=channels, **options)

    def _known(self) -> str:
        """The variant, if timm has it. Raises ConfigError otherwise."""
        library = _timm()
        name, tag = library.models.split_model_name_tag(self.variant)
        names = library.list_models()
        if name not in names:
            from difflib import get_close_matches

            renamed = library.models.get_deprecated_models().get(name)
            near = [renamed] if renamed else get_close_matches(name, names, 3)
            fix = f"Did you mean {' or '.join(near)}?" if near else f"It has {len(names)}, which timm.list_models() names."
            raise ConfigError(f"timm has no network {name!r}.", key=("model", "variant"), suggestion=fix)
        if tag and tag not in (tags := self._tags()):
            what = f"timm has no weights {tag!r} for {name}."
            raise ConfigError(what, key=("model", "variant"), suggestion=f"It has: {', '.join(tags)}.")
        return self.variant

    def _tags(self) -> list[str]:
        """timm's names for the weights that it has of this network."""
        found = _timm().models.get_arch_pretrained_cfgs(self.variant.partition(".")[0])
        return [tag for name in found if (tag := name.partition(".")[2])]

    def _tagged(self, weights: str) -> str:
        """timm's name for the network with these weights: a name of ours is theirs in capitals."""
        name = self._known()
        if weights == "imagenet":
            return name
        if weights.lower() in (tags := self._tags()):
            return f"{name.partition('.')[0]}.{weights.lower()}"
        known = ", ".join(tag.upper() for tag in tags)
        raise ConfigError(
            f"timm has no weights {weights} for {name}.",
            key=("model", "weights"),
            suggestion=f"It has: {known}. A file in this folder is written ./{weights}.",
        )

    def _cfg(self, name: str | None = None) -> Any:
        """What timm says of a network and its weights."""
        library = _timm()
        return library.models.get_pretrained_cfg(name or self._known()) or library.models.PretrainedCfg()


def _timm() -> Any:
    """The package. Raises SetupError where it is missing."""
    from trainkit.packages import torchvision_fault

    try:
        import timm
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            fix = 'Run: pip install "trainkit-cli[timm]".'
            raise SetupError("model timm needs the package timm, which is not installed.", key=("model",), suggestion=fix) from None
        if fault := torchvision_fault(error):
            raise fault from error
        raise
    return timm


def _kept(repository: str, file: str) -> str | None:
    """Where Hugging Face's client keeps the file, or None where it has yet to be fetched and can be.

    Raises OSError where there is no way to it: the client would try for a minute.
    """
    import huggingface_hub
    from huggingface_hub import constants

    found = huggingface_hub.try_to_load_from_cache(repository, file)
    if isinstance(found, str):
        return found
    if not constants.HF_HUB_OFFLINE:
        request = urllib.request.Request(huggingface_hub.hf_hub_url(repository, file), method="HEAD")
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):  # an answer of any kind will do
            pass
    return None


def _stages(network: Any) -> dict[str, tuple[str, ...]]:
    """The network's stages as timm groups them for rates by layer: of each, the beginnings of names that are its own alone."""
    from timm.models._manipulate import group_with_matcher

    names = [name for name, _ in chain(network.named_parameters(), network.named_buffers())]
    if hasattr(network, "group_matcher"):
        groups = [*group_with_matcher(((name, None) for name in names), network.group_matcher(coarse=True)).values()]
    else:
        tops = dict.fromkeys(name.partition(".")[0] for name in names)
        groups = [[name for name in names if name.partition(".")[0] == top] for top in tops]
    owners: dict[str, set[int]] = {}
    for number, group in enumerate(groups):
        for name in group:
            for way in _ways(name):
                owners.setdefault(way, set()).add(number)
    stages: dict[str, tuple[str, ...]] = {}
    for group in groups:
        begins = tuple(dict.fromkeys(next(way for way in _ways(name) if len(owners[way]) == 1) for name in group))
        stages["stem" if not stages and len(begins) > 1 else begins[0]] = begins
    return stages


def _ways(name: str) -> list[str]:
    """``a.b.c`` → ``a``, ``a.b``, ``a.b.c``."""
    words = name.split(".")
    return [".".join(words[:n]) for n in range(1, len(words) + 1)]


def _several(names: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
