"""Models: the networks that a YAML can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainkit.errors import ConfigError
from trainkit.part import Part, Registry
from trainkit.spec import Kind

if TYPE_CHECKING:
    from torch import nn

    from trainkit.spec import Spec

Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]
Chance = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(gt=0, le=100_000)]

_PLURALS: dict[Kind, str] = {"table": "table rows", "image": "images", "sequence": "sequences", "tokens": "token sequences"}


class Model(Part):
    """The settings of a network; the data says its shapes."""

    inputs: ClassVar[tuple[Kind, ...]] = ("table", "image", "sequence")
    """The kinds of data it takes."""
    varying: ClassVar[bool] = False
    """Does it take rows of different lengths? Then its network is called with the lengths too: ``network(inputs, lengths)``."""

    def build(self, spec: Spec) -> nn.Module:
        """The network, (rows, *spec.shape) → (rows, spec.outputs), for data that passes `check`.

        Where ``spec.varying``, its forward also gets ``lengths``, int64 (rows,) on the CPU, at least 1: the steps of each row
        that are real. What lies behind them, whatever it is, must not change an answer; the inputs end with the longest row.
        """
        raise NotImplementedError

    def check(self, spec: Spec) -> None:
        """Raises ConfigError when the data is of a kind, or of lengths, that this model does not take."""
        if spec.kind not in self.inputs:
            *others, last = (_PLURALS[kind] for kind in self.inputs)
            takes = f"{', '.join(others)} and {last}" if others else last
        elif spec.varying and not self.varying:
            takes = "rows of one length"
        else:
            return
        fitting = [name for name in models.names() if (model := models.find(name)) and model._fits(spec)]
        lengths = " of different lengths" if spec.varying else ""
        raise ConfigError(
            f"model {self.name} takes {takes}; the data is {_described(spec)}.",
            key=("model",),
            suggestion=f"Models that take {_PLURALS[spec.kind]}{lengths}: {', '.join(fitting)}.",
        )

    def asked(self) -> Mapping[str, Any]:
        """What its weights ask of pictures, where the config says nothing: ``channels``; ``size``, (height, width); ``mean`` and
        ``std``, a number for each channel. Empty where it begins from random ones."""
        return {}

    def begin(self, network: nn.Module, spec: Spec) -> list[str]:
        """Load the weights that a new training begins with, where these are not random, into what `build` gave; what a person
        should know of them, a line each. Not called where a checkpoint's are loaded. Raises ConfigError."""
        return []

    @classmethod
    def _fits(cls, spec: Spec) -> bool:
        return spec.kind in cls.inputs and (cls.varying or not spec.varying)


def _described(spec: Spec) -> str:
    """``images of 1 × 8 × 8 numbers``; ``token sequences, 12 steps at most, of 30 tokens``."""
    if spec.kind != "tokens" and not spec.varying:
        return f"{_PLURALS[spec.kind]} of {' × '.join(map(str, spec.shape))} numbers"
    step = f"{spec.vocabulary} tokens" if spec.kind == "tokens" else f"{' × '.join(map(str, spec.shape[1:]))} numbers"
    return f"{_PLURALS[spec.kind]}, {spec.shape[0]} steps at most, of {step}"


models = Registry("models", "model", Model)
AnyModel = Annotated[Model, models]
