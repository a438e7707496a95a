"""Choose: the settings that suit somebody's data, each with its reason. A function of the data alone."""

from __future__ import annotations

import os
from dataclasses import replace
from math import ceil, log2
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from trainkit.errors import ConfigError, DataError
from trainkit.spec import Rows

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
CLASSES, EACH = 20, 10
"""Whole numbers are classes where there are so few different ones, and so many rows for each; else amounts."""
FEW = 5
"""A column that is the same in all but fewer rows teaches nothing, and some training split would miss these rows."""
WORDS = 8
"""Texts of so many words on average are there to be read."""
SIDES = (32, 64, 96, 128)
"""Pictures of different sizes, or larger ones, become the largest of these squares that most of them fill."""
SECTIONS = ("data", "split", "preprocess", "augment", "model", "task", "optimizer", "schedule", "training")
_TABLES = (".csv", ".tsv", ".parquet", ".ndjson", ".jsonl")
_ARRAYS = (".npy", ".npz", ".safetensors", ".pt", ".pth")
_LIKELY = ("target", "label", "labels", "class", "y", "outcome", "answer", "result", "price")


class Choice(NamedTuple):
    """A setting, and why it has this value."""

    key: tuple[str, ...]
    value: Any
    why: str


def choose(data: Path, target: str | None, text: str | None, *, folder: Path) -> list[Choice]:
    """The settings for a table in a file, or for a folder of pictures or texts. Paths are written relative to ``folder``.

    Raises ConfigError for a path that is not there and where ``target`` is missing, DataError for what is wrong inside.
    """
    if not data.exists():
        from trainkit.parts.sources._tables import nearest

        beside = [other.name for other in data.parent.glob("*")] if data.parent.is_dir() else []
        raise ConfigError(f"{data} is not there.", suggestion=nearest(data.name, beside))
    try:
        path = Path(os.path.relpath(data.absolute(), folder)).as_posix()
    except ValueError:  # another drive of Windows
        path = data.absolute().as_posix()
    if data.is_dir():
        found = _folder(data, path, target or text)
    elif (arrays := data.suffix.lower() in _ARRAYS) or "-idx" in data.name:
        fill_in = f"trainkit init {'arrays' if arrays else 'mnist'}"
        raise ConfigError(f"{data} holds numbers, and does not say what they are.", suggestion=f"Fill in a template: {fill_in}")
    else:
        found = _table(data, path, target, text)
    settled = {choice.key: choice for choice in found}  # of two for one setting, the last
    return sorted(settled.values(), key=lambda choice: SECTIONS.index(choice.key[0]))


# --- tables


def _table(data: Path, path: str, target: str | None, text: str | None) -> list[Choice]:
    import polars as pl

    from trainkit.parts.sources import sources
    from trainkit.parts.sources._tables import TableFormat, check_columns, read_table

    frame = (table := read_table(str(data), TableFormat(), key=())).frame
    if target is None:
        _ask_for_the_target(data, frame)
    check_columns(table, (target, *([text] if text else [])), key=())
    kind, task = _task(frame[target])
    text = text or _only_text(frame.drop(target))
    name, inputs = ("text", "") if text else ("csv", "; every other column is an input")
    named = [Choice(("data", "target"), target, f"what is predicted{inputs}")]
    first: dict[str, str] = {}
    classes = sorted(frame[target].drop_nulls().cast(pl.String).unique()) if kind == "class" else []
    if alike := [(name, first[name.lower()]) for name in classes if first.setdefault(name.lower(), name) != name]:
        named.append(Choice(("data", "label_case"), "lower", f"{alike[0][0]!r} and {alike[0][1]!r} are one"))
    if (gaps := frame[target].null_count()) and not text:
        named.append(Choice(("data", "drop_missing_targets"), True, f"{_counted(gaps, 'row')} without a target"))
    refused = {column: why for column in frame.drop(target).columns if (why := _refused(frame[column]))}
    plain = {"name": name, "path": str(data), **({"text": text} if text else {"kinds": dict.fromkeys(refused, "ignore")})}
    rows = sources.read(plain | {choice.key[-1]: choice.value for choice in named}).build(kind)
    found = [
        Choice(("data", "name"), name, "a table in a file"),
        Choice(("data", "path"), path, f"{_counted(frame.height, 'row')}, {_counted(frame.width, 'column')}"),
    ]
    if text:
        left = ", ".join(other for other in frame.columns if other not in (text, target))
        found.append(Choice(("data", "text"), text, f"what is read; left out: {left}" if left else "what is read"))
        return [*found, *named, *task, *_for_texts(rows), *_balance(rows)]
    split, train = _shares(rows)
    ignored, inputs_of = _columns(rows, train)
    left_out = {column: (refused | ignored)[column] for column in frame.columns if column in refused | ignored}
    found += [*named, *(Choice(("data", "kinds", column), "ignore", why) for column, why in left_out.items()), *split]
    return [*found, *task, *_for_tables(len(train), sum(inputs_of.values())), *_balance(rows)]


def _task(values: pl.Series) -> tuple[Any, list[Choice]]:
    """The kind of target, and the task with its reason. Raises DataError where all values are the same."""
    import polars as pl

    from trainkit.data.tables import MOSTLY, parsed

    known, key = values.drop_nulls(), ("task", "name")
    numbers, different = parsed(known), known.n_unique()
    if different < 2:
        raise DataError(f"the target {values.name!r} {_looks(values)[0]}: there is nothing to tell apart.")
    if values.dtype == pl.Boolean or numbers.null_count() > (1 - MOSTLY) * len(known):
        return "class", [Choice(key, "classification", f"{values.name!r} holds {_some(known)}")]
    if (numbers != numbers.round()).any():
        return "number", [Choice(key, "regression", f"{values.name!r} holds numbers with decimals")]
    whole = f"{values.name!r} holds {different} different whole numbers"
    rarest = int(known.alias("value").value_counts()["count"].sort()[0])
    if different == 2 or (different <= CLASSES and different * EACH <= len(known) and rarest > 2):
        return "class", [Choice(key, "classification", f"{whole}; if they are amounts: regression")]
    return "number", [Choice(key, "regression", f"{whole}: amounts")]


def _refused(values: pl.Series) -> str:
    """Why the column cannot be read at all; nothing if it can."""
    from trainkit.parts.sources._tables import usable

    if values.null_count() == len(values):
        return "holds no value at all"
    return "" if usable(values) else f"holds {values.dtype}"


def _columns(rows: Rows, train: Array) -> tuple[dict[str, str], dict[str, int]]:
    """The columns to leave out, each with the reason; and how many inputs each of the others makes."""
    from trainkit.data.findings import Look, columns
    from trainkit.parts.preprocessing import preprocessing

    table, ignored, inputs = preprocessing.read("table"), {}, {}
    for name in rows.inputs.columns:
        counts = rows.inputs[name].alias("value").value_counts(sort=True)
        if (others := len(rows) - counts["count"][0]) < FEW and len(rows) >= 20 * FEW:
            most = counts["value"][0]
            ignored[name] = f"is {most!r} in all rows" + (f" but {others}" if others else "")
            continue
        try:
            inputs[name] = table.fit(replace(rows, inputs=rows.inputs.select(name)), train).spec()["shape"][0]
        except DataError as error:
            ignored[name] = error.problems[0].message.partition(f"column {name!r} ")[2]
    look = Look(replace(rows, inputs=rows.inputs.drop(ignored)), {"train": train})
    for finding in (*columns.identifiers(look), *columns.target_copies(look)):
        if inputs.keys() - {finding.column} and inputs.pop(finding.column, None):  # the only column stays, whatever it is
            ignored[finding.column] = finding.message.partition(f"column {finding.column!r} ")[2]
    return ignored, inputs


def _only_text(frame: pl.DataFrame) -> str | None:
    """The column of texts to be read, where hardly anything else could be an input."""
    import polars as pl

    texts: dict[str, float] = {}
    others = 0
    for name in frame.columns:
        known = frame[name].drop_nulls()
        words = float(np.mean(known.str.count_matches(r"\S+").to_numpy())) if known.dtype == pl.String and len(known) else 0.0
        if words >= WORDS and known.n_unique() > len(known) / 2:
            texts[name] = words
        elif 1 < known.n_unique() < len(known):  # neither constant nor a name for each row
            others += 1
    return max(texts, key=texts.__getitem__) if texts and others <= 2 else None


def _ask_for_the_target(data: Path, frame: pl.DataFrame) -> NoReturn:
    """Say what each column looks like, and which would do."""
    looks = {name: _looks(frame[name]) for name in frame.columns}
    ends = (frame.columns[0], frame.columns[-1])

    def likely(name: str) -> tuple[bool, ...]:
        words, task = looks[name]
        return bool(task), name.lower() in _LIKELY, "words" in words, name in ends

    width = max(map(len, looks))
    lines = [f"  {name:<{width}}  {look}{f' → {task}' if task else ''}" for name, (look, task) in looks.items()]
    raise ConfigError(
        "\n".join([f"which column of {data} is to be predicted?", *lines, "Say which:"]),
        suggestion=f"trainkit init --data {quote(str(data))} --target {quote(max(frame.columns, key=likely))}",
    )


def _looks(values: pl.Series) -> tuple[str, str]:
    """What a column holds, in words, and the task that it would make as a target; none where it would do badly."""
    import polars as pl

    from trainkit.data.tables import parsed

    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        return "holds lists or bytes", ""
    known = values.drop_nulls()
    different, numbers = known.n_unique(), parsed(known)
    if different < 2:
        return f"is always {known[0]!r}" if different else "holds no value at all", ""
    gaps = f", {_counted(len(values) - len(known), 'gap')}" if len(known) < len(values) else ""
    if known.dtype.is_temporal():
        return f"{different} different dates{gaps}", ""
    if known.dtype == pl.Boolean or numbers.null_count():
        if different > CLASSES and different * 3 > len(known):
            return f"{different} different texts{gaps}", ""
        return f"{_some(known)}{gaps}", "classification"
    low, high = numbers.to_numpy().min(), numbers.to_numpy().max()
    whole = bool((numbers == numbers.round()).all())
    counts = whole and different == len(known) == high - low + 1
    spread = f"{different} different {'whole ' * whole}numbers, {low:g} to {high:g}{gaps}"
    return spread, "" if counts else _task(known)[1][0].value


def _some(values: pl.Series) -> str:
    """``3 different words: Adelie, Chinstrap, Gentoo``"""
    words = sorted(map(str, values.unique()))
    return f"{len(words)} different words: {_first(words)}"


# --- folders


def _folder(data: Path, path: str, column: str | None) -> list[Choice]:
    from trainkit.data.pictures import SUFFIXES
    from trainkit.parts.sources import sources

    if column is not None:
        raise ConfigError(f"{data} is a folder, and has no columns.", suggestion="Name the file: --data FILE --target COLUMN.")
    names = [Path(name) for _, _, files in os.walk(data) for name in files]
    endings = {name.suffix.lower() for name in names}
    pictures = bool(endings & set(SUFFIXES))
    if (tables := sorted(file for file in data.iterdir() if file.suffix.lower() in _TABLES)) and not pictures:
        raise ConfigError(f"{data} holds tables.", suggestion=f"Name one: trainkit init --data {quote(str(tables[0]))}")
    if any("-idx" in name.name for name in names) and not pictures:
        name, what, each = "idx", "MNIST's file format", "picture"
    elif ".txt" in endings and not pictures:
        name, what, each = "text", "a folder of texts for each class", "text"
    else:
        name, what, each = "images", "a folder of pictures for each class", "picture"
    rows = sources.read({"name": name, "path": str(data)}).build("class")
    classes = sorted(set(map(str, rows.targets)))
    return [
        Choice(("data", "name"), name, what),
        Choice(("data", "path"), path, _counted(len(rows), each)),
        Choice(("task", "name"), "classification", f"{_counted(len(classes), 'class')}: {_first(classes)}"),
        *(_for_texts(rows) if name == "text" else _for_pictures(rows)),
        *_balance(rows),
    ]


# --- what suits


def _shares(rows: Rows) -> tuple[list[Choice], Array]:
    """The split, where the usual shares would not do, and the rows that then train. Raises DataError where none does."""
    from trainkit.data.splitting import Shares, assign

    for shares, why in (
        (Shares(), ""),
        (Shares(0.25, 0.25), "smaller shares would miss classes that have few rows"),
        (Shares(0.3, 0.0), "too few rows to set any aside for a test"),
    ):
        try:
            train = assign(rows, shares, 0)["train"]
        except DataError as error:
            failed = error
            continue
        told = [Choice(("split", name), getattr(shares, name), why) for name in ("validation", "test") if why]
        return told, train
    raise failed


def _balance(rows: Rows) -> list[Choice]:
    """What helps rare classes or rare amounts, and what two classes are measured by besides."""
    from trainkit.data.findings.targets import UNEVEN, far

    if rows.target_kind != "class":
        extreme = _counted(len(far(rows.targets[:, 0])), "row")
        return [Choice(("task", "loss"), "huber", f"{extreme} far from all others: they pull less")] if extreme[0] != "0" else []
    counted = sorted(zip(*np.unique(rows.targets.astype(str), return_counts=True), strict=True), key=lambda pair: pair[1])
    (rarest, few), *_, (_, most) = counted
    found = []
    if most >= UNEVEN * few:
        why = f"{str(rarest)!r} has {_counted(few, 'row')}, another {most:,}: each class counts the same"
        found.append(Choice(("task", "class_weights"), "balanced", why))
        why = "its highest value decides which weights are best: rare classes count the same in it"
        found.append(Choice(("training", "early_stopping", "monitor"), "val_macro_f1", why))
    if len(counted) == 2:
        found.append(Choice(("task", "metrics"), ["accuracy", "roc_auc"], "two classes: also how well the answers rank rows"))
    return found


def _training(rows: int, *, steps: int, parts: int, batches: tuple[int, int], epochs: tuple[int, int]) -> list[Choice]:
    """How long and in which batches: about ``steps`` steps, of about a ``parts``-th of the rows each."""
    size = min(batches[1], max(batches[0], 2 ** round(log2(max(1, rows / parts)))))
    each = ceil(rows / size)
    length = min(epochs[1], max(epochs[0], 5 * round(steps / each / 5)))
    return [
        Choice(("training", "epochs"), length, f"at most; {_counted(each, 'step')} each, {each * length:,} in all"),
        Choice(("training", "batch_size"), size, f"{_counted(rows, 'row')} to train on"),
        Choice(("training", "early_stopping", "monitor"), "val_loss", "its lowest value decides which weights are best"),
        Choice(("training", "early_stopping", "patience"), max(5, length // 5), "so many epochs without a better one end it"),
    ]


def _for_tables(rows: int, inputs: int) -> list[Choice]:
    wide = 256 if rows >= 20_000 else 128 if rows >= 2_000 or inputs > 50 else 64
    dropout, why = (0.2, "few rows are soon learnt by heart: this hinders it") if rows < 2_000 else (0.1, "many rows: a little")
    return [
        Choice(("model", "name"), "mlp", "columns stand in no order: a fully connected network"),
        Choice(("model", "hidden"), [wide, wide // 2], f"{_counted(rows, 'row')} of {_counted(inputs, 'input')}"),
        Choice(("model", "dropout"), dropout, why),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 3e-3, "the best of 0.001, 0.003 and 0.01 on seven small tables"),
        *_training(rows, steps=2_000, parts=20, batches=(16, 1024), epochs=(10, 200)),
    ]


def _for_pictures(rows: Rows) -> list[Choice]:
    split, train = _shares(rows)
    if isinstance(rows.inputs, np.ndarray):
        sizes, grey = [rows.inputs.shape[2:]], rows.inputs.shape[1] == 1
    else:
        sizes, grey = [(one.height, one.width) for one in rows.inputs.looks], all(one.grey for one in rows.inputs.looks)
    height, width = (int(np.median(side)) for side in zip(*sizes, strict=True))
    side, found = min(height, width), list(split)
    if (different := len(set(sizes))) > 1 or max(height, width) > SIDES[-1]:
        side = max((size for size in SIDES if size <= side), default=SIDES[0])
        why = f"{different:,} different sizes, {height} × {width} in the middle" if different > 1 else f"all are {height} × {width}"
        found.append(Choice(("preprocess", "size"), side, f"{why}; small ones train faster"))
        found.append(Choice(("preprocess", "resize"), "crop", "the middle of each, in its own proportions"))
    shift, halvings = {"name": "crop", "padding": max(1, side // 8)}, min(5, max(2, round(log2(side / 4))))
    blocks = [min(256, 32 << n) for n in range(halvings)]
    changes = [shift] if grey else [{"name": "flip"}, shift]
    why = "" if grey else "; no flip where left and right matter"
    return [
        *found,
        Choice(("augment",), changes, f"a little different in each epoch, as if there were more{why}"),
        Choice(("model", "name"), "cnn", "finds the same thing anywhere in a picture"),
        Choice(("model", "blocks"), blocks, f"each halves it: {side} pixels to {side >> halvings}"),
        Choice(("model", "dropout"), 0.5 if len(train) < 5_000 else 0.3, f"{_counted(len(train), 'picture')} to train on"),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 1e-3, "first to try for a network of this size"),
        Choice(("schedule", "name"), "cosine", "large steps first, small ones at the end"),
        *_training(len(train), steps=3_000, parts=50, batches=(16, 64), epochs=(15, 60)),
    ]


def _for_texts(rows: Rows) -> list[Choice]:
    split, train = _shares(rows)
    words = np.array([len(str(text).split()) for text in rows.inputs.to_series()])
    longest = min(400, max(16, 16 * ceil(1.2 * float(np.quantile(words, 0.95)) / 16)))  # punctuation marks are tokens too
    width = 128 if len(train) >= 10_000 else 64
    few = [Choice(("preprocess", "min_count"), 1, "so few texts that rare words count too")] if len(train) < 1_000 else []
    return [
        *split,
        Choice(("augment",), [{"name": "word_dropout", "share": 0.1}], "a tenth of the words is hidden, others in each epoch"),
        Choice(("preprocess", "max_length"), longest, f"tokens; the texts have {int(np.median(words))} words in the middle"),
        *few,
        Choice(("model", "name"), "lstm", "reads word after word"),
        Choice(("model", "hidden"), width, f"{_counted(len(train), 'text')} to train on"),
        Choice(("model", "embedding"), width, "so many numbers stand for a word"),
        Choice(("model", "bidirectional"), True, "forward and backward"),
        Choice(("model", "pooling"), "max", "the clearest sign counts, wherever it stands"),
        Choice(("model", "dropout"), 0.4, "words are soon learnt by heart: this hinders it"),
        Choice(("optimizer", "name"), "adamw", "needs little tuning"),
        Choice(("optimizer", "lr"), 2e-3, "first to try for a network of this size"),
        *_training(len(train), steps=1_500, parts=50, batches=(16, 64), epochs=(10, 40)),
        Choice(("training", "clip"), 1.0, "now and then a gradient is huge: no larger than this"),
    ]


def _first(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 'es' if word.endswith('s') else 's'}"
