"""Preprocessing: what happens to the inputs on their way to the network, fitted on the training split alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from trainkit.part import Part, Registry
from trainkit.spec import Held, Kind, Rows

if TYPE_CHECKING:
    import numpy as np


class Fitted(Protocol):
    """What was learnt from the training rows. Rows go through `held`, `opened`, augmentation (training only), `finished`."""

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


class Preprocess(Part):
    """What happens to the inputs. Its name follows from the kind of data, and may be left out."""

    kind: ClassVar[Kind]
    """The kind of data it prepares."""

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        """Learn from the rows numbered ``train``, and from no other. Raises DataError for rows that nothing can be learnt from."""
        raise NotImplementedError

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        """What `Fitted.content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        raise NotImplementedError


preprocessing = Registry("preprocessing", "preprocessing", Preprocess, must="fit", implied=True)
AnyPreprocess = Annotated[Preprocess, preprocessing]
NAMES: Mapping[Kind, str] = {"table": "table", "image": "image", "sequence": "series", "tokens": "text"}
"""What prepares each kind of data, where the config does not say."""
