"""Preprocessing of texts: a vocabulary, and texts as numbers of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainkit.parts.preprocessing import Fitted, Preprocess, preprocessing
from trainkit.spec import Kind, Rows

if TYPE_CHECKING:
    import numpy as np

    from trainkit.data.texts import Wording


@preprocessing.register
class Text(Preprocess):
    """Texts as numbers of tokens, of a vocabulary learnt on the training texts; token ids that a source gives stay so."""

    name: Literal["text"] = "text"
    kind: ClassVar[Kind] = "tokens"
    tokens: Literal["word", "bpe", "wordpiece"] = "word"
    """What a token is. word: a word, a punctuation mark or a Chinese or Japanese character; bpe, wordpiece: pieces of words,
    learnt from which characters often stand together, so that rare words are still spelt (Sennrich et al. 2016,
    arXiv 1508.07909; Schuster & Nakajima 2012). Matters for texts only, as do all settings below."""
    vocabulary: Annotated[int, Field(ge=10, le=200_000)] = 10_000
    """Most tokens there may be: the most frequent ones, padding and the unknown token included."""
    min_count: Annotated[int, Field(ge=1, le=10**9)] = 2
    """A word (for pieces: a character, and a pair that is joined) that the training texts hold less often becomes unknown.
    With a few hundred short texts, 1 keeps more."""
    max_length: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Most tokens of a text; what follows is cut off. A text is also cut to the length of the longest training text."""
    lowercase: bool = True
    """Make no difference between `The` and `the`."""
    unicode: Literal["NFKC", "NFC", "none"] = "NFKC"
    """How one character written in different ways becomes the same (Unicode Standard Annex 15). NFKC: ﬁ is fi, ２ is 2; NFC: only
    accents are joined with their letters; none: as written."""
    strip_accents: bool = False
    """Make no difference between `é` and `e`."""

    def fit(self, rows: Rows, train: np.ndarray[Any, Any]) -> Fitted:
        from trainkit.data.texts import FittedIds, FittedText

        if rows.vocabulary:
            return FittedIds.fit(rows)
        most = {"vocabulary": self.vocabulary, "min_count": self.min_count, "max_length": self.max_length}
        return FittedText.fit(rows, train, self._wording(), **most)

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        from trainkit.data.texts import FittedIds, FittedText

        return FittedText.restore(content, self._wording()) if "tokenizer" in content else FittedIds.restore(content)

    def _wording(self) -> Wording:
        from trainkit.data.texts import Wording

        return Wording(self.tokens, self.lowercase, self.unicode, self.strip_accents)
