"""Folders that stand for splits."""

from __future__ import annotations

from collections.abc import Sequence

from trainkit.errors import DataError
from trainkit.spec import SPLITS, SplitName


def split_folders(root: str, names: Sequence[str]) -> dict[SplitName, str]:
    """The folder of each split, of those called ``names`` in ``root``; none where no name is a split's: then all are classes.

    Raises DataError for two folders of one split, for splits without train, and for some that are called like splits beside
    others that are not: these would become classes unnoticed.
    """
    from trainkit.data.splitting import SPLIT_WORDS

    found: dict[SplitName, str] = {}
    split = [name for name in names if name.lower() in SPLIT_WORDS]
    fix = "Call them train, val and test, with the folders of the classes in each; or give classes other names."
    if split and (others := [name for name in names if name not in split]):
        words = f"{root} has the folder {split[0]!r}, which a split is called, beside {others[0]!r}: is it a split or a class?"
        raise DataError(words, key=("data", "path"), suggestion=fix)
    for name in split:
        if (first := found.setdefault(SPLIT_WORDS[name.lower()], name)) != name:
            raise DataError(f"{root} has two folders for one split: {first} and {name}.", key=("data", "path"), suggestion=fix)
    if found and "train" not in found:
        raise DataError(
            f"{root} has folders for splits, {', '.join(split)}, and none for train.", key=("data", "path"), suggestion=fix
        )
    return {name: found[name] for name in SPLITS if name in found}
