"""Models: the networks that a YAML can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

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

_PLURALS: dict[Kind, str] = {"table": "table rows", "image": "images", "sequence": "sequences"}


class Model(Part):
    """The settings of a network; the data says its shapes."""

    inputs: ClassVar[tuple[Kind, ...]] = ("table", "image", "sequence")
    """The kinds of data it takes."""

    def build(self, spec: Spec) -> nn.Module:
        """The network, (rows, *spec.shape) → (rows, spec.outputs). Raises ConfigError for data that it cannot take."""
        raise NotImplementedError

    def check(self, spec: Spec) -> None:
        """Raises ConfigError when the data is of a kind that this model does not take."""
        if spec.kind in self.inputs:
            return
        fitting = [name for name in models.names() if (model := models.find(name)) and spec.kind in model.inputs]
        raise ConfigError(
            f"model {self.name} takes {' and '.join(_PLURALS[kind] for kind in self.inputs)}; "
            f"the data is {_PLURALS[spec.kind]} of {' × '.join(map(str, spec.shape))} numbers.",
            key=("model",),
            suggestion=f"Models that take {_PLURALS[spec.kind]}: {', '.join(fitting)}.",
        )


models = Registry("models", "model", Model)
AnyModel = Annotated[Model, models]
