"""The few words that rooms say to each other: Rows, Reader, Held, Fitted, Spec, Batch, Event. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import torch
    from torch import Tensor, nn

Kind = Literal["table", "image", "sequence", "tokens"]
Target = Literal["class", "number", "labels"]
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
FORMAT = "trainkit-checkpoint"
"""What a checkpoint of trainkit says under ``format``."""


class Reader(Protocol):
    """Rows that are read when they are asked for: pictures in files, arrays too large for memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, …): how many there are, and the shape of each."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of their numbers."""

    def read(self, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(len(index), …): those rows, in that order. Called from several threads at once. Raises DataError naming a bad row."""

    def digest(self, index: np.ndarray[Any, Any]) -> bytes:
        """What tells those rows from others, without reading them whole if that takes long."""


@dataclass(frozen=True)
class Rows:
    """All rows of a source as they were read: nothing split, nothing fitted.

    ``inputs`` is one of: numbers, (rows, features), (rows, channels, height, width) or (rows, steps, features), pictures of
    uint8 running from 0 to 255; token ids, int64 (rows, steps); a frame of columns whose kinds are still to be found (table),
    or of one column of texts (tokens); a `Reader` of such numbers; or a list of picture files (`trainkit.data.pictures`).
    ``targets`` is an array of class names (dtype object) for classes, float (rows, targets) for numbers,
    0 or 1 (rows, labels) for labels, any of which a row may have; of no columns, (rows, 0), where answers are still sought.
    """

    inputs: Any
    targets: np.ndarray[Any, Any]
    kind: Kind
    target_kind: Target
    target_names: tuple[str, ...] = ("target",)
    """Names of the numbers, or of the labels."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The user's words on columns of a table: number, category, yes_no, date, text or ignore."""
    file: str | None = None
    """The file that messages about a row name; None for data that no user can mend."""
    places: Callable[[int], str] | None = None
    """How messages name a row, from 0, where `file` and its number would not do: the picture's own file, say."""
    lengths: np.ndarray[Any, Any] | None = None
    """int64 (rows,), at least 1: the steps of each sequence that are real, the rest being padding; None: all of them."""
    vocabulary: int = 0
    """Token ids are smaller than this; 0 where the inputs are texts."""
    splits: Mapping[SplitName, np.ndarray[Any, Any]] | None = None
    """Row numbers of the splits that the source makes itself; None: split by shares. Without validation or test,
    these are taken from train."""
    features: tuple[str, ...] = ()
    """What each number of a step is called (sequence); empty where the source gives numbers without names."""
    extra: pl.DataFrame | None = None
    """Columns that are neither inputs nor targets: a split may go by one of them."""
    moments: tuple[str, str] | None = None
    """Two columns of `extra`: the first and the last moment (int64) that each row's targets speak of. Then rows are split by
    time, and no row whose targets reach into a later split stays in an earlier one."""

    def __len__(self) -> int:
        return len(self.targets)

    def place(self, row: int) -> str:
        """How a message names the row, counted from 0: ``data.csv: row 3``."""
        return self.places(row) if self.places is not None else numbered(self.file, row)


def numbered(file: str | None, row: int) -> str:
    """``data.csv: row 3``, of the row counted from 0."""
    return f"{file}: row {row + 1}" if file else f"row {row + 1}"


@dataclass(frozen=True)
class Held:
    """Rows as a split keeps them, or on their way to a batch."""

    values: Any
    """A tensor (rows, …), a NumPy array of texts (dtype object), or a `Reader`."""
    lengths: Tensor | None = None
    """int64 (rows,) on the CPU: the steps of each row that are real; None: all."""


class Fitted(Protocol):
    """What was learnt from the training rows. Rows go through `held`, `opened`, augmentation (training only), `finished`.

    Inherit from it: what only tables need then has an answer.
    """

    def held(self, rows: Rows, index: np.ndarray[Any, Any]) -> Held:
        """The rows numbered ``index``, as a split keeps them. Raises DataError naming the row and the column of a wrong value."""

    def opened(self, held: Held) -> Held:
        """As augmentations see them: pictures from 0 to 1, tables scaled, texts as text. Cheap, on whole batches, on any device."""

    def finished(self, opened: Held) -> Held:
        """As the network gets them, but for the type of floating point numbers. Cheap, on whole batches, on any device."""

    def spec(self) -> Mapping[str, Any]:
        """What the `Spec` says of the inputs: ``shape`` and, where they apply, ``vocabulary``, ``varying``, ``features`` ….
        A shape may be left out: then it is that of the training rows."""

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""

    def told(self) -> Sequence[str]:
        """What a person should know of how the inputs are made, a line each; nothing where there is no choice."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each column of a table, as in `Rows.kinds`; of anything else, nothing."""
        return {}

    def strange(self, rows: Rows) -> Mapping[str, pl.Series]:
        """The categories, column by column, that training never saw; without those of columns that have none."""
        return {}


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
    texts: bool = False
    """Are the tokens made from texts? Then augmentations may change the words."""
    varying: bool = False
    """Do the rows differ in length? Then the network is called with the lengths too."""
    features: tuple[str, ...] = ()
    """Of a table: what each input is called; empty where the source gives numbers without names."""
    amounts: tuple[int, ...] = ()
    """Of a table: which inputs are amounts, and not 0 or 1 or codes."""
    embedded: tuple[tuple[int, int, int], ...] = ()
    """Of a table: inputs that are codes of categories, 0 being an unknown one; how many codes each has, and the length of the
    vector that is learnt for each, before the model (`trainkit.networks.embedded`)."""

    @property
    def input_size(self) -> int:
        """Numbers in one row."""
        return prod(self.shape)

    @property
    def widened(self) -> Spec:
        """With the vectors that are learnt for ``embedded`` codes in their place, after the other inputs: what the model gets."""
        gone = {index for index, _, _ in self.embedded}
        kept = [n for n in range(self.input_size) if n not in gone]
        size = len(kept) + sum(length for _, _, length in self.embedded)
        names = [self.features[n] for n in kept] if self.features else []
        if self.features:
            names += [f"{self.features[index]}: {n}" for index, _, length in self.embedded for n in range(1, length + 1)]
        amounts = tuple(place for place, n in enumerate(kept) if n in set(self.amounts))
        return replace(self, shape=(size,), features=tuple(names), amounts=amounts, embedded=())

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
        values: dict[str, Any] = {key: _tuples(value) for key, value in content.items()}
        return cls(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


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
    others: Tensor | None = None
    """(rows,) int64: the classes that were mixed into the rows (mixup, cutmix); None: no row is mixed."""
    share: float = 1.0
    """How much of a mixed row is still its own: ``targets`` count so much, ``others`` the rest."""

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
        others = None if self.others is None else self.others[first:end]
        held = Batch(self.inputs[first:end], self.targets[first:end], self.rows[first:end], lengths, others, self.share)
        return held._trimmed()

    def take(self, index: Tensor, there: Tensor) -> Batch:
        """The rows numbered ``index``, which is on the CPU; ``there`` is the same on the inputs' device."""
        # index_select: a tie with permuting the whole epoch (2 % slower), and half the memory.
        inputs, targets = self.inputs.index_select(0, there), self.targets.index_select(0, there)
        return Batch(inputs, targets, self.rows[index], None if self.lengths is None else self.lengths[index])._trimmed()

    def to(self, device: torch.device) -> Batch:
        """Inputs and targets on the device."""
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def _trimmed(self) -> Batch:
        """Without the steps that are padding in every row."""
        if self.lengths is None:
            return self
        return replace(self, inputs=self.inputs[:, : int(self.lengths.max())])


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
