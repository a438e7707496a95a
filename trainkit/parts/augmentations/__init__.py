"""Augmentations: rows of the training split changed a little each time they are seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from trainkit.part import Part, Registry
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    from trainkit.data.randomness import Draws


class Augmentation(Part):
    """Changes training rows at random, as a function of the seed, the epoch, the row and the draw."""

    kinds: ClassVar[tuple[Kind, ...]]
    """The kinds of data it changes."""
    mixes: ClassVar[bool] = False
    """Does it mix rows of a batch, targets and all? Then `build` gives a function from Batch to Batch."""

    def build(self, spec: Spec) -> Callable[[Any, Draws], Any]:
        """``(values, draws) -> values`` of the same shape, which leaves ``values`` themselves as they are.

        Pictures are floating point (rows, channels, height, width) from 0 to 1, tables and series scaled, (rows, features)
        and (rows, steps, features), all on the device of ``draws``; texts are a NumPy array (rows,) of str. One that
        ``mixes`` gets and gives a whole `Batch` instead, as the network gets it. Raises ConfigError where it does not fit.
        """
        raise NotImplementedError


augmentations = Registry("augmentations", "augmentation", Augmentation)
AnyAugmentation = Annotated[Augmentation, augmentations]
