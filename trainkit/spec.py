"""The few words that rooms say to each other: Rows, Spec, Data, Batch, Event. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from torch import Tensor

Kind = Literal["table", "image", "sequence"]
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """All rows of a source as they were read: nothing split, nothing fitted.

    ``inputs`` is either numbers, float (rows, features), (rows, channels, height, width) or (rows, steps, features),
    or a frame of text columns whose kinds are still to be found.
    ``targets`` is an array of class names (dtype object) for labels, float (rows, targets) for numbers.
    ``kinds`` are the user's words on columns: number, category or ignore.
    """

    inputs: np.ndarray[Any, Any] | pl.DataFrame
    targets: np.ndarray[Any, Any]
    kind: Kind
    target_kind: Literal["class", "number"]
    target_names: tuple[str, ...] = ("target",)
    kinds: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    """The file that messages about a row name; None for data that no user can mend."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Spec:
    """What the data tells the network and the task about shapes, so that no YAML repeats them."""

    kind: Kind
    shape: tuple[int, ...]
    """Shape of one row as the network gets it: (features,), (channels, height, width) or (steps, features)."""
    outputs: int
    """Numbers that the network answers with: one a class, or one a target."""
    target: Literal["class", "number"]
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    """Rows of each class in the training split."""
    target_names: tuple[str, ...] = ("target",)
    center: tuple[float, ...] = ()
    """Mean of each numeric target on the training split, in its own unit: targets are trained standardised."""
    scale: tuple[float, ...] = ()
    """Standard deviation of each numeric target on the training split."""

    @property
    def input_size(self) -> int:
        """Numbers in one row."""
        return prod(self.shape)

    def content(self) -> dict[str, Any]:
        """Plain values, for the checkpoint."""
        return asdict(self)

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> Spec:
        """The Spec whose `content` this is."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
        return cls(**values)


class Batch(NamedTuple):
    """Rows on their way through the network."""

    inputs: Tensor
    """(rows, *spec.shape), floating point."""
    targets: Tensor
    """(rows,) int64 class numbers, or (rows, targets) floating point, standardised."""
    rows: Tensor
    """(rows,) int64, on the CPU: which rows of the source these are."""


@dataclass(frozen=True)
class Data:
    """Rows split, preprocessed and ready: each split's tensors, and what was fitted to make them."""

    spec: Spec
    splits: Mapping[SplitName, Batch]
    fitted: Mapping[str, Any]
    """Scaling and categories, fitted on the training split: plain values and tensors, for the checkpoint."""
    fingerprint: str
    """sha256 over all splits: tells whether this is the data that a checkpoint was trained on."""

    def __getitem__(self, split: SplitName) -> Batch:
        return self.splits[split]

    def __contains__(self, split: SplitName) -> bool:
        return split in self.splits


@dataclass
class Event:
    """One optimizer step, with nothing of that step left to do. Tensors stay on the device until somebody reads them."""

    step: int
    epoch: int
    loss: Tensor
    """Mean loss of this step's batch, a detached scalar."""
    rate: float
    norm: Tensor | None = None
    """Norm of the gradient before clipping; known at log points, and always when clipping."""
    train: dict[str, float] | None = None
    """Means since the last evaluation, when one is due at this step."""
    validation: dict[str, float] | None = None
    improved: bool = False
