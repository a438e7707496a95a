"""The few words that rooms say to each other: Rows, Spec, Data, Batch, Event. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import torch
    from torch import Tensor, nn

Kind = Literal["table", "image", "sequence", "tokens"]
Target = Literal["class", "number", "labels"]
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """All rows of a source as they were read: nothing split, nothing fitted.

    ``inputs`` is either numbers, float (rows, features), (rows, channels, height, width) or (rows, steps, features),
    or token ids, int64 (rows, steps), or a frame of text columns whose kinds are still to be found.
    ``targets`` is an array of class names (dtype object) for classes, float (rows, targets) for numbers,
    0 or 1 (rows, labels) for labels, any of which a row may have.
    ``kinds`` are the user's words on columns: number, category or ignore.
    """

    inputs: np.ndarray[Any, Any] | pl.DataFrame
    targets: np.ndarray[Any, Any]
    kind: Kind
    target_kind: Target
    target_names: tuple[str, ...] = ("target",)
    """Names of the numbers, or of the labels."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    """The file that messages about a row name; None for data that no user can mend."""
    lengths: np.ndarray[Any, Any] | None = None
    """int64 (rows,), at least 1: the steps of each sequence that are real, the rest being padding; None: all of them."""
    vocabulary: int = 0
    """Token ids are smaller than this."""
    splits: Mapping[SplitName, np.ndarray[Any, Any]] | None = None
    """Row numbers of the splits that the source makes itself; None: split by shares."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Spec:
    """What the data tells the network and the task about shapes, so that no YAML repeats them."""

    kind: Kind
    shape: tuple[int, ...]
    """Shape of one row as the network gets it: (features,), (channels, height, width), (steps, features), or (steps,) of tokens."""
    outputs: int
    """Numbers that the network answers with: one a class, a label or a target, unless the loss asks for another count."""
    target: Target
    classes: tuple[str, ...] = ()
    """Names of the classes, or of the labels."""
    counts: tuple[int, ...] = ()
    """Rows of each class, or with each label, in the training split."""
    rows: int = 0
    """Rows of the training split."""
    target_names: tuple[str, ...] = ("target",)
    center: tuple[float, ...] = ()
    """Mean of each numeric target on the training split, in its own unit: targets are trained standardised."""
    scale: tuple[float, ...] = ()
    """Standard deviation of each numeric target on the training split."""
    vocabulary: int = 0
    """Token ids are smaller than this."""
    varying: bool = False
    """Do the rows differ in length? Then the network is called with the lengths too."""

    @property
    def input_size(self) -> int:
        """Numbers in one row."""
        return prod(self.shape)

    def example(self) -> Batch:
        """Two rows as the network gets them, all zeros; the second is shorter where rows differ in length. No targets."""
        import torch

        inputs = torch.zeros(2, *self.shape, dtype=torch.int64 if self.kind == "tokens" else None)
        lengths = torch.tensor([self.shape[0], max(1, self.shape[0] // 2)]) if self.varying else None
        return Batch(inputs, torch.zeros(2, 0), torch.arange(2), lengths)

    def content(self) -> dict[str, Any]:
        """Plain values, for the checkpoint."""
        return asdict(self)

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> Spec:
        """The Spec whose `content` this is."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows on their way through the network."""

    inputs: Tensor
    """(rows, *spec.shape), floating point; tokens are int64. Sequences may be cut behind the longest row."""
    targets: Tensor
    """(rows,) int64 class numbers, or floating point: (rows, targets) standardised, (rows, labels) 0 and 1."""
    rows: Tensor
    """(rows,) int64, on the CPU: which rows of the source these are."""
    lengths: Tensor | None = None
    """(rows,) int64, on the CPU: the steps of each row that are real; None: all."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """What a network is called with: the inputs, and the lengths where rows differ in length."""
        return (self.inputs,) if self.lengths is None else (self.inputs, self.lengths)

    def through(self, network: nn.Module) -> Tensor:
        """What the network answers: ``network(inputs)``, or ``network(inputs, lengths)`` where rows differ in length."""
        outputs: Tensor = network(*self.arguments)
        return outputs

    def part(self, first: int, end: int) -> Batch:
        """The rows from ``first`` to ``end``, without it: views, nothing is copied."""
        lengths = None if self.lengths is None else self.lengths[first:end]
        return Batch(self.inputs[first:end], self.targets[first:end], self.rows[first:end], lengths)._trimmed()

    def take(self, index: Tensor, there: Tensor) -> Batch:
        """The rows numbered ``index``, which is on the CPU; ``there`` is the same on the inputs' device."""
        # index_select: a tie with permuting the whole epoch (2 % slower), and half the memory.
        inputs, targets = self.inputs.index_select(0, there), self.targets.index_select(0, there)
        return Batch(inputs, targets, self.rows[index], None if self.lengths is None else self.lengths[index])._trimmed()

    def to(self, device: torch.device) -> Batch:
        """Inputs and targets on the device."""
        return Batch(self.inputs.to(device), self.targets.to(device), self.rows, self.lengths)

    def _trimmed(self) -> Batch:
        """Without the steps that are padding in every row."""
        if self.lengths is None:
            return self
        return Batch(self.inputs[:, : int(self.lengths.max())], self.targets, self.rows, self.lengths)


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
