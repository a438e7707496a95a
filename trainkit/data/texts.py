"""Texts as token ids: a vocabulary learnt on the training texts alone, and kept in the checkpoint as text; ids already given."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainkit.errors import ConfigError, DataError
from trainkit.spec import Fitted, Held, Rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Model

Array = np.ndarray[Any, Any]
SPECIAL = ["<pad>", "<unk>"]
"""Token 0 is padding, token 1 any unknown word. No text spells them: tokens never hold ``<`` beside other characters."""
UNKNOWN = 1
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # unset, the library prints a warning when another process is forked
_LETTER, _SIGN = r"[\w&&[^\p{Han}\p{Hiragana}\p{Katakana}]]", r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_WORDS = rf"{_SIGN}|{_LETTER}+(?:['’]{_LETTER}+)*|[^\w\s]"
"""Words with their apostrophes; a punctuation mark, an emoji, a Chinese or Japanese character each stands alone."""
_SPACED = r" ?\w+(?:['’]\w+)*| ?[^\w\s]"
"""The same with the space before it: BPE learns from it where words begin, and may join characters without spaces."""


@dataclass(frozen=True)
class Wording:
    """How texts are made alike and cut into tokens: `trainkit.parts.preprocessing.text.Text` says what each value means."""

    tokens: str = "word"
    lowercase: bool = True
    unicode: str = "NFKC"
    strip_accents: bool = False

    def tokenizer(self, model: Model) -> Tokenizer:
        """A tokenizer around a vocabulary. It looks for no special tokens: a text that holds ``<pad>`` is a text."""
        from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

        steps = [] if self.unicode == "none" else [getattr(normalizers, self.unicode)()]
        if self.strip_accents:
            steps += [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
        if self.lowercase:
            steps.append(normalizers.Lowercase())
        if self.tokens == "bpe":
            steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(), normalizers.Prepend(" ")]
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Sequence(steps)
        words = Regex(_SPACED if self.tokens == "bpe" else _WORDS)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(words, "removed", invert=True)
        return tokenizer

    def learnt(self, texts: Sequence[str], vocabulary: int, min_count: int) -> Tokenizer:
        """A vocabulary from these texts: the same from the same texts, on any number of threads."""
        from tokenizers import trainers

        tokenizer = self.tokenizer(self._model({word: number for number, word in enumerate(SPECIAL)}))
        limits: dict[str, Any] = {"vocab_size": vocabulary, "min_frequency": min_count, "show_progress": False}
        trainer: trainers.Trainer
        if self.tokens == "word":
            trainer = trainers.WordLevelTrainer(special_tokens=SPECIAL, **limits)
        else:
            # Left to itself, the library numbers letters in the order of a hash table, another in each process.
            letters = self._letters(tokenizer, texts, min_count, (vocabulary - len(SPECIAL)) // 2)
            limits |= {"initial_alphabet": letters, "limit_alphabet": len(letters)}
            if self.tokens == "bpe":
                trainer = trainers.BpeTrainer(special_tokens=SPECIAL, **limits)
            else:
                trainer = trainers.WordPieceTrainer(special_tokens=[*SPECIAL, *(f"##{letter}" for letter in letters)], **limits)
        tokenizer.train_from_iterator(texts, trainer)
        return self.restored(tokenizer.to_str())

    def restored(self, text: str) -> Tokenizer:
        """From what `Tokenizer.to_str` gave, of which only words and merges are read. Raises KeyError, TypeError, ValueError."""
        try:
            state = json.loads(text)["model"]
            words, merges = state["vocab"], state.get("merges", [])
            numbers = sorted(words.values())
            if numbers != list(range(len(words))) or [words[word] for word in SPECIAL] != [0, UNKNOWN]:
                raise ValueError("the numbers of a vocabulary's words run from 0, padding and the unknown word first")
            return self.tokenizer(self._model(words, [(first, second) for first, second in merges]))
        except (RecursionError, AttributeError) as error:
            raise ValueError(f"this is no vocabulary: {error}") from error

    def _letters(self, tokenizer: Tokenizer, texts: Sequence[str], min_count: int, most: int) -> list[str]:
        """The characters that the texts hold at least so often, the most frequent ones if there are more than ``most``."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(tokenizer.normalizer.normalize_str(text))
        frequent = ((-count, letter) for letter, count in counts.items() if count >= min_count)
        found = sorted(pair for pair in frequent if self.tokens == "bpe" or not pair[1].isspace())
        return sorted(letter for _, letter in found[:most])

    def _model(self, words: dict[str, int], merges: Sequence[tuple[str, str]] = ()) -> Model:
        """Raises ValueError where words and merges don't fit together."""
        from tokenizers import models

        unknown = SPECIAL[UNKNOWN]
        try:
            if self.tokens == "bpe":
                return models.BPE(words, list(merges), unk_token=unknown, fuse_unk=True)
            return (models.WordLevel if self.tokens == "word" else models.WordPiece)(words, unk_token=unknown)
        except Exception as error:  # the library has no type of its own
            raise ValueError(f"this is no vocabulary: {error}") from error


def _ids(tokenizer: Tokenizer, texts: Array) -> Iterator[list[int]]:
    """The tokens of each text, not cut. 100,000 texts of 30 words take 4 s of one core, shared between all of them."""
    for first in range(0, len(texts), 10_000):  # what the library gives for a text is far larger than its ids
        for encoding in tokenizer.encode_batch_fast(texts[first : first + 10_000].tolist()):
            yield encoding.ids


@dataclass(frozen=True)
class Report:
    """What a vocabulary makes of some texts."""

    texts: int
    empty: int
    """Texts without any token."""
    longest: int
    """Tokens in the longest text, before it is cut."""
    mean: float
    """Tokens in a text, before it is cut."""
    cut: float
    """Share of the texts that are cut."""
    unknown: float
    """Share of the tokens that are unknown."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Array, steps: int) -> Report:
        """Of these texts, cut to ``steps`` tokens."""
        counts = np.array([(len(ids), ids.count(UNKNOWN)) for ids in _ids(tokenizer, texts)], dtype=np.int64).reshape(-1, 2)
        (lengths, unknown), many = counts.T, max(1, len(texts))
        return cls(
            len(texts),
            int((lengths == 0).sum()),
            int(lengths.max(initial=0)),
            float(lengths.sum() / many),
            float((lengths > steps).sum() / many),
            float(unknown.sum() / max(1, lengths.sum())),
        )


@dataclass(frozen=True)
class FittedText(Fitted):
    """Texts as token ids. A text without any token becomes one unknown token, so that it too gets an answer."""

    tokenizer: Tokenizer
    wording: Wording
    steps: int
    """Tokens in the longest training text once it is cut: other texts are cut to these."""
    cut: float
    """Share of the training texts that are cut."""
    unknown: float
    """Share of the training texts' tokens that are unknown."""

    @classmethod
    def fit(cls, rows: Rows, train: Array, wording: Wording, *, vocabulary: int, min_count: int, max_length: int) -> FittedText:
        """Learn the vocabulary from the rows numbered ``train``. Raises DataError where no word is frequent enough."""
        if not rows.inputs.width:
            raise ConfigError("no column of texts is left: the rows are split by it.", key=("split",))
        texts = _texts(rows, train)
        tokenizer = wording.learnt(texts.tolist(), vocabulary, min_count)
        if tokenizer.get_vocab_size() == len(SPECIAL):
            raise DataError(
                f"no word occurs {min_count} times in the {len(texts)} training texts: there is no vocabulary to learn."
                if min_count > 1
                else f"no text of the {len(texts)} training texts holds a word.",
                key=("data",),
                suggestion="Say preprocess.min_count=1." if min_count > 1 else "Is this the right column?",
            )
        seen = Report.of(tokenizer, texts, max_length)
        return cls(tokenizer, wording, min(seen.longest, max_length), seen.cut, seen.unknown)

    def held(self, rows: Rows, index: Array) -> Held:
        """The texts themselves."""
        return Held(_texts(rows, index))

    def opened(self, held: Held) -> Held:
        """The texts themselves: augmentations change words."""
        return held

    def finished(self, opened: Held) -> Held:
        """int64 (rows, tokens of the longest), 0 behind a text's end, and how many tokens each has."""
        found = [ids[: self.steps] or [UNKNOWN] for ids in _ids(self.tokenizer, opened.values)]
        lengths = np.array([len(ids) for ids in found], dtype=np.int64)
        values = np.zeros((len(found), lengths.max(initial=1)), dtype=np.int64)
        values[np.arange(values.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(found), np.int64, lengths.sum())
        return Held(torch.from_numpy(values), torch.from_numpy(lengths))

    def spec(self) -> Mapping[str, Any]:
        return {"shape": (self.steps,), "vocabulary": self.tokenizer.get_vocab_size(), "varying": True, "texts": True}

    def report(self, rows: Rows, index: Array) -> Report:
        """What the vocabulary makes of the rows numbered ``index``."""
        return Report.of(self.tokenizer, _texts(rows, index), self.steps)

    def told(self) -> list[str]:
        """What is lost of the training texts."""
        cut = f"of the training texts are cut to {self.steps} tokens"
        lost = [(self.cut, cut), (self.unknown, "of the training texts' tokens are unknown")]
        return [f"{share:.1%} {words}" for share, words in lost if share >= 0.001]

    def content(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.to_str(), "steps": self.steps, "cut": self.cut, "unknown": self.unknown}

    @classmethod
    def restore(cls, content: Mapping[str, Any], wording: Wording) -> FittedText:
        """What `content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        tokenizer = wording.restored(content["tokenizer"])
        return cls(tokenizer, wording, _whole(content["steps"]), float(content["cut"]), float(content["unknown"]))


@dataclass(frozen=True)
class FittedIds(Fitted):
    """Token ids that the source gives: nothing is learnt, and each is checked. Padding becomes 0."""

    vocabulary: int
    """Tokens are smaller than this."""
    steps: int
    """Most tokens in a row."""
    varying: bool
    """Do rows differ in length?"""

    @classmethod
    def fit(cls, rows: Rows) -> FittedIds:
        """What the source says of its tokens."""
        return cls(rows.vocabulary, rows.inputs.shape[1], rows.lengths is not None)

    def held(self, rows: Rows, index: Array) -> Held:
        """int64 (rows, steps). Raises DataError naming a token that the vocabulary lacks, and for rows of more steps."""
        if rows.inputs.shape[1] > self.steps or (rows.inputs.shape[1] < self.steps and not self.varying):
            raise DataError(
                f"{rows.file or 'the data'}: its rows have {rows.inputs.shape[1]} tokens, the training rows had {self.steps}.",
                key=("data",),
                suggestion="Cut or pad them as the training rows were.",
            )
        read = rows.inputs[index] if isinstance(rows.inputs, np.ndarray) else rows.inputs.read(index)
        tokens = read.astype(np.int64)
        real = np.ones(tokens.shape, dtype=bool)
        if rows.lengths is not None:
            real = np.arange(tokens.shape[1]) < rows.lengths[index, None]
        wrong = real & ((tokens < 0) | (tokens >= self.vocabulary))
        if wrong.any():
            row, step = (int(axis[0]) for axis in wrong.nonzero())
            raise DataError(
                f"{rows.place(int(index[row]))}, token {tokens[row, step]} at step {step + 1} is not in the vocabulary of "
                f"{self.vocabulary:,}: its tokens are 0 to {self.vocabulary - 1:,}.",
                key=("data",),
            )
        tokens[~real] = 0
        return Held(torch.from_numpy(tokens), torch.from_numpy(real.sum(axis=1)) if self.varying else None)

    def opened(self, held: Held) -> Held:
        """The ids themselves."""
        return held

    def finished(self, opened: Held) -> Held:
        """The ids themselves."""
        return opened

    def spec(self) -> Mapping[str, Any]:
        return {"shape": (self.steps,), "vocabulary": self.vocabulary, "varying": self.varying}

    def told(self) -> list[str]:
        """Nothing."""
        return []

    def content(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restore(cls, content: Mapping[str, Any]) -> FittedIds:
        """What `content` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(_whole(content["vocabulary"]), _whole(content["steps"]), bool(content["varying"]))


def _whole(number: Any) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{number!r} is no count")
    return number


def _texts(rows: Rows, index: Array) -> Array:
    """(rows,) the texts numbered ``index``; a missing one is empty."""
    texts: Array = rows.inputs.to_series(0)[index].fill_null("").to_numpy().astype(object)
    return texts
