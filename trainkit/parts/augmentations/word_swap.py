"""Augmentation: word swap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.parts.augmentations._words import need_texts, word_by_word
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    import numpy as np

    from trainkit.data.randomness import Draws

    Array = np.ndarray[Any, Any]


@augmentations.register
class WordSwap(Augmentation):
    """Lets words of a text change places with a word nearby (after Wei & Zou 2019, arXiv 1901.11196, where it may be any)."""

    name: Literal["word_swap"] = "word_swap"
    share: Chance = 0.1
    """Chance that a word changes places with a later one, for each word."""
    distance: Annotated[int, Field(ge=1, le=1000)] = 2
    """How far away that word may be: 1 is the next."""
    kinds: ClassVar[tuple[Kind, ...]] = ("tokens",)

    def build(self, spec: Spec) -> Callable[[Array, Draws], Array]:
        need_texts(self.name, spec)

        def swapped(words: list[str], chances: Array) -> list[str]:
            words = words.copy()
            for place in (chances[:-1, 0] < self.share).nonzero()[0].tolist():
                reach = min(self.distance, len(words) - 1 - place)
                other = place + 1 + int(chances[place, 1] * reach)
                words[place], words[other] = words[other], words[place]
            return words

        return word_by_word(swapped)
