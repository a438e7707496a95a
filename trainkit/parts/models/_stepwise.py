"""What the models share that read a row step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainkit.parts.models import Model
from trainkit.spec import Kind

if TYPE_CHECKING:
    from trainkit.spec import Spec


class Stepwise(Model):
    """A model that reads sequences and texts step by step, and images row by row."""

    inputs: ClassVar[tuple[Kind, ...]] = ("image", "sequence", "tokens")
    varying: ClassVar[bool] = True


def step_size(spec: Spec) -> int:
    """Numbers in one step: features, or an image's channels × width, its rows being the steps; 1 for tokens."""
    return spec.shape[0] * spec.shape[2] if spec.kind == "image" else spec.shape[1] if spec.kind == "sequence" else 1
