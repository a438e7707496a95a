"""Augmentation: word dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.parts.augmentations._words import need_texts, word_by_word
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    import numpy as np

    from trainkit.data.randomness import Draws

    Array = np.ndarray[Any, Any]


@augmentations.register
class WordDropout(Augmentation):
    """Takes words out of texts, never the last one that is left.

    Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", section 3.1.
    """

    name: Literal["word_dropout"] = "word_dropout"
    share: Chance = 0.1
    """Chance that a word goes, for each word."""
    kinds: ClassVar[tuple[Kind, ...]] = ("tokens",)

    def build(self, spec: Spec) -> Callable[[Array, Draws], Array]:
        need_texts(self.name, spec)

        def dropped(words: list[str], chances: Array) -> list[str]:
            if not words:
                return words
            stays = chances[:, 0] >= self.share
            stays[chances[:, 0].argmax()] = True
            return [word if stay else "" for word, stay in zip(words, stays, strict=True)]

        return word_by_word(dropped)
