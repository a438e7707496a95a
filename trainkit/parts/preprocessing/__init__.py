"""Preprocessing: what happens to the inputs on their way to the network, fitted on the training split alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from trainkit.part import Part, Registry
from trainkit.spec import Fitted, Kind, Rows

if TYPE_CHECKING:
    import numpy as np


class Preprocess(Part):
    """What happens to the inputs. Its name follows from the kind of data, and may be left out."""

    kind: ClassVar[Kind]
    """The kind of data it prepares."""

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        """Learn from the rows numbered ``train``, and from no other. Raises DataError for rows that nothing can be learnt from."""
        raise NotImplementedError

    def following(self, asked: Mapping[str, Any]) -> Preprocess:
        """The same, with what it leaves open as the model's weights ask it (`trainkit.parts.models.Model.asked`)."""
        return self

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        """What `Fitted.content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        raise NotImplementedError


preprocessing = Registry("preprocessing", "preprocessing", Preprocess, must="fit", implied=True)
AnyPreprocess = Annotated[Preprocess, preprocessing]
NAMES: Mapping[Kind, str] = {"table": "table", "image": "image", "sequence": "series", "tokens": "text"}
"""What prepares each kind of data, where the config does not say."""
__all__ = ["NAMES", "AnyPreprocess", "Fitted", "Preprocess", "preprocessing"]
