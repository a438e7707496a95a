"""What the augmentations of texts share: a text's words, changed one by one, everything between them left as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from trainkit.data.randomness import Draws
    from trainkit.spec import Spec

    Array = np.ndarray[Any, Any]

_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
WORD = re.compile(rf"([{_SIGNS}]|[^\W{_SIGNS}]+(?:['’][^\W{_SIGNS}]+)*)")
"""A word with its apostrophes, or a Chinese or Japanese character."""


def word_by_word(change: Callable[[list[str], Array], list[str]]) -> Callable[[Array, Draws], Array]:
    """An augmentation of texts. ``change(words, chances)`` gives as many words; ``chances`` (words, 2) lie between 0 and 1.

    A text's chances are its row's own, however many words the batch's other texts have.
    """

    def changed(values: Array, draws: Draws) -> Array:
        import numpy as np

        pieces = [WORD.split(text) for text in values.tolist()]  # words stand at 1, 3, 5 …
        chances = draws.uniform(max(map(len, pieces), default=0) // 2, 2).cpu().numpy()
        for row, own in zip(pieces, chances, strict=True):
            words = row[1::2]
            row[1::2] = change(words, own[: len(words)])
        return np.array([*map("".join, pieces), ""], dtype=object)[:-1]  # NumPy takes no empty list for texts

    return changed


def need_texts(name: str, spec: Spec) -> None:
    """Raises ConfigError for token ids."""
    if not spec.texts:
        raise ConfigError(
            f"{name} changes the words of texts, and this source gives token ids.",
            key=("name",),
            suggestion=f"Leave {name} out, or read the texts themselves (data: {{name: text}}).",
        )


def lines(path: Path, key: str = "file") -> list[str]:
    """The lines of a text file in UTF-8. Raises ConfigError at ``key`` if it is not there, DataError if it is something else."""
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        why = "is a folder" if path.is_dir() else "is not there" if not path.exists() else "may not be read"
        raise ConfigError(f"the file {path} {why}.", key=(key,)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8.", key=(key,), suggestion="Save it in UTF-8.") from error
