"""Augmentation: synonyms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.errors import DataError
from trainkit.part import PathSetting
from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.parts.augmentations._words import WORD, lines, need_texts, word_by_word
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    import numpy as np

    from trainkit.data.randomness import Draws

    Array = np.ndarray[Any, Any]


@augmentations.register
class Synonyms(Augmentation):
    """Puts synonyms from a file of yours in the place of words (Zhang et al. 2015, arXiv 1509.01626, section 2.4)."""

    name: Literal["synonyms"] = "synonyms"
    file: PathSetting
    """Lines of a word and its synonyms: `big,large,huge`, or a tab behind the word, or `{"word": "big", "synonyms": ["large"]}`."""
    share: Chance = 0.1
    """Chance that a word is replaced, for each word that has synonyms. Capital letters stay capital letters."""
    kinds: ClassVar[tuple[Kind, ...]] = ("tokens",)

    def build(self, spec: Spec) -> Callable[[Array, Draws], Array]:
        """Raises ConfigError for a file that is not there, DataError naming a line that says no synonym."""
        need_texts(self.name, spec)
        known = self._read()

        def replaced(words: list[str], chances: Array) -> list[str]:
            words = words.copy()
            for place in (chances[:, 0] < self.share).nonzero()[0].tolist():
                if others := known.get(words[place].casefold()):
                    words[place] = _written_as(words[place], others[int(chances[place, 1] * len(others))])
            return words

        return word_by_word(replaced)

    def _read(self) -> dict[str, list[str]]:
        from pathlib import Path

        found: dict[str, list[str]] = {}
        for number, line in enumerate(lines(Path(self.file)), 1):
            if not line.strip():
                continue
            word, others = _parsed(line)
            if not WORD.fullmatch(word) or not others:
                raise DataError(
                    f"{self.file}: line {number} is not a word and its synonyms: {line[:60]!r}.",
                    key=("file",),
                    suggestion='Write `big,large,huge`, or {"word": "big", "synonyms": ["large", "huge"]}.',
                )
            held = found.setdefault(word.casefold(), [])
            held += [other for other in others if other not in held]
        if not found:
            raise DataError(f"{self.file} holds no synonyms.", key=("file",))
        return found


def _parsed(line: str) -> tuple[str, list[str]]:
    """The word and its synonyms; no synonyms where the line is written otherwise."""
    import json

    if line.lstrip().startswith("{"):
        try:
            held = json.loads(line)
            word, others = held["word"], held["synonyms"]
            if not isinstance(word, str) or not all(isinstance(other, str) for other in others):
                return "", []
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", []
    else:
        word, _, rest = line.partition("\t" if "\t" in line else ",")
        others = rest.split(",")
    return word.strip(), [other.strip() for other in others if other.strip()]


def _written_as(word: str, other: str) -> str:
    """The other word with the capital letters of the first."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() else other
