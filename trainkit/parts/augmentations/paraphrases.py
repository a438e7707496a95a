"""Augmentation: paraphrases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainkit.errors import DataError
from trainkit.part import PathSetting
from trainkit.parts.augmentations import Augmentation, augmentations
from trainkit.parts.augmentations._limits import Chance
from trainkit.parts.augmentations._words import need_texts
from trainkit.spec import Kind, Spec

if TYPE_CHECKING:
    import numpy as np

    from trainkit.data.randomness import Draws

    Array = np.ndarray[Any, Any]


@augmentations.register
class Paraphrases(Augmentation):
    """Puts paraphrases from a file of yours in the place of texts: translations there and back, say (arXiv 1904.12848).

    Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training".
    """

    name: Literal["paraphrases"] = "paraphrases"
    file: PathSetting
    """A table (CSV, Parquet or NDJSON) with the columns `text` and `paraphrase`; a text may have several, a line for each."""
    chance: Chance = 0.5
    """Chance that a text is replaced, for each text that has paraphrases: all of them are then as likely."""
    kinds: ClassVar[tuple[Kind, ...]] = ("tokens",)

    def build(self, spec: Spec) -> Callable[[Array, Draws], Array]:
        """Raises ConfigError for a file that is not there, DataError naming a row without text or paraphrase."""
        need_texts(self.name, spec)
        known = self._read()

        def rephrased(values: Array, draws: Draws) -> Array:
            texts, chances = values.tolist(), draws.uniform(2).cpu().tolist()
            changed = values.copy()
            for row, (text, (chance, which)) in enumerate(zip(texts, chances, strict=True)):
                others = known.get(text.strip(), []) if chance < self.chance else []
                if others:
                    changed[row] = others[int(which * len(others))]
            return changed

        return rephrased

    def _read(self) -> dict[str, list[str]]:
        from trainkit.parts.sources._columns import check_columns
        from trainkit.parts.sources._tables import TableFormat, read_table

        table = read_table(self.file, TableFormat(), key=("file",))
        check_columns(table, ("text", "paraphrase"), key=("file",))
        found: dict[str, list[str]] = {}
        for row, pair in enumerate(table.frame.select("text", "paraphrase").iter_rows()):
            if None in pair:
                gap = "text" if pair[0] is None else "paraphrase"
                raise DataError(f"{table.place(row)}, column {gap!r} has no value.", key=("file",), suggestion="Drop the row.")
            text, other = map(str, pair)
            found.setdefault(text.strip(), []).append(other)
        return found
