"""Answer new rows with a checkpoint."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from trainkit.data.splits import Split, one_ahead
from trainkit.engine.assembling import assemble, check_sizes, load_weights, trained_weights
from trainkit.engine.evaluation import evaluating
from trainkit.engine.hardware import prepared
from trainkit.errors import ConfigError, DataError
from trainkit.jobs.building import workers
from trainkit.jobs.evaluation import check_content, config_of, hardware_of
from trainkit.parts.metrics import Judged
from trainkit.parts.sources import Source
from trainkit.parts.tasks import BuiltTask
from trainkit.spec import Rows, Spec
from trainkit.store import checkpoint as checkpoints
from trainkit.store.platform import replacing
from trainkit.store.runs import find_checkpoint, runs_root

if TYPE_CHECKING:
    import polars as pl

_AT_ONCE = 2**24
"""Numbers that are in memory at a time, of rows that are read chunk by chunk: 64 MB in float32."""
FORMATS = (".csv", ".jsonl", ".ndjson", ".parquet")


def predict(
    checkpoint: str | Path,
    inputs: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    top: int | None = None,
    runs: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    step: Callable[[int], None] = lambda rows: None,
) -> dict[str, Any]:
    """Answer the rows of files or folders (``-``: the standard input): checkpoint, rows, ``notes`` on what was odd about them,
    and ``answers``, a mapping a row, or the ``output`` file they were written to.

    An answer has ``file``, ``row`` (from 1, where a file holds several), then ``answer`` and ``probability`` of a class, with
    ``top`` also the next ones (``answer_2`` …); a column of 0 or 1 and one of the probability for each label; or the amounts by
    the names of the targets. ``step`` hears how many rows are done. Raises the errors of `trainkit.errors`.
    """
    written = None if output is None else Path(output)
    if written is not None and written.suffix not in FORMATS:
        raise ConfigError(f"{written} is no file for answers.", suggestion=f"End its name with one of {', '.join(FORMATS)}.")
    sources = [str(inputs)] if isinstance(inputs, str | Path) else [str(path) for path in inputs]
    if written is not None and written.exists() and any(Path(source).exists() and written.samefile(source) for source in sources):
        raise ConfigError(f"{written} holds the rows to be answered.", suggestion="Choose another file for the answers.")
    path = find_checkpoint(str(checkpoint), runs_root(runs))
    facts: dict[str, Any] = {"checkpoint": str(path), "rows": 0, "notes": []}
    frames = answers(path, sources, top=top, plugins=plugins, device=device, note=facts["notes"].append)
    if written is None:
        found = []
        for frame in frames:
            found += frame.to_dicts()
            step(frame.height)
        return {**facts, "rows": len(found), "answers": found}
    with replacing(written) as file:
        for frame in write(frames, file, written.suffix):
            facts["rows"] += frame.height
            step(frame.height)
    return {**facts, "output": str(written)}


def write(frames: Iterator[pl.DataFrame], file: BinaryIO, suffix: str) -> Iterator[pl.DataFrame]:
    """Write frames of answers as they come, and hand each on. Parquet, which has its table of contents at the end, comes whole."""
    import polars as pl

    kept = []
    for n, frame in enumerate(frames):
        if suffix == ".parquet":
            kept.append(frame)
        elif suffix == ".csv":
            frame.write_csv(buffer := BytesIO(), include_header=n == 0)
            file.write(buffer.getbuffer())
        else:
            file.write(frame.write_ndjson().encode())
        yield frame
    if kept:
        pl.concat(kept).write_parquet(file)


def answers(
    checkpoint: str | Path,
    inputs: Sequence[str],
    *,
    top: int | None = None,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    note: Callable[[str], None] = lambda words: None,
) -> Iterator[pl.DataFrame]:
    """The answers, a frame for every few thousand rows, in order; at the end ``note`` hears what was odd about the rows.
    Nothing named inside the checkpoint is opened."""
    import polars  # noqa: F401

    if "-" in inputs:
        signal.siginterrupt(signal.SIGINT, True)  # Polars has a read go on after Ctrl-C: it would never end
    path = Path(checkpoint)
    content = check_content(checkpoints.load(path), path)
    config = config_of(content, path, plugins=plugins, reads=False)
    hardware = hardware_of(content, device)
    spec = Spec.restore(content["spec"])
    _check_top(spec, top)
    fitted = config.preprocess.restore(content["fitted"]["inputs"])
    strange: dict[str, Counter[str]] = {}

    def prepared_rows(coming: tuple[Rows, int]) -> tuple[Rows, int, Split]:
        rows, first = coming
        index = np.arange(len(rows))
        held, numbers, nothing = fitted.held(rows, index), torch.from_numpy(index), torch.zeros(len(rows), 0)
        for column, words in fitted.strange(rows).items():
            strange.setdefault(column, Counter()).update(words.to_list())
        split = Split(held, nothing, numbers, fitted, hardware.dtype, rows.place, workers=workers(config))
        return rows, first, (split if split.streams or not len(rows) else split.settled()).to(hardware.device)

    with prepared(content["hardware"]["threads"], config.deterministic):
        check_sizes(config, spec, trained_weights(content))
        network, task = assemble(config, spec, hardware)
        load_weights(network, trained_weights(content))
        batch = content["evaluation_batch"]
        size = max(batch, min(2**16, _AT_ONCE // max(1, prod(spec.shape))) // batch * batch)
        count, source = 0, config.data.knowing(fitted.kinds)
        with evaluating(network), ExitStack() as stack:
            stack.enter_context(hardware.autocast())
            # Reading, preparing and the network each on a thread: of a million rows of CSV the network takes a fifth of the time.
            # The standard input is read here: a thread that waits for it could not be stopped.
            early = one_ahead if "-" not in inputs else iter
            for rows, first, split in early(map(prepared_rows, early(_numbered(source, inputs, size)))):
                if not len(rows):
                    continue
                outputs = torch.cat([part.through(network).to(hardware.dtype) for part in split.slices(batch)])
                count += len(rows)
                yield _frame(rows, first, spec, task, outputs, top or 1)
    for column, seen in strange.items():
        words = ", ".join(repr(word) for word, _ in seen.most_common(3)) + (", …" if len(seen) > 3 else "")
        values = f"{seen.total():,} of {count:,} values"
        note(f"column {column!r}: {values} are not among the training rows' ({words}): they count as unknown")
    if not count:
        raise DataError(f"there is no row to answer in {', '.join(inputs)}.")


def _numbered(source: Source, inputs: Sequence[str], size: int) -> Iterator[tuple[Rows, int]]:
    """The rows of the inputs, ``size`` at a time, and the number of the first of them: each file's count from 1."""
    together: list[list[str]] = [[]]
    for path in inputs:  # one that comes again begins anew
        together += [[]] if path in together[-1] else []
        together[-1].append(path)
    for paths in together:
        file, above = None, 0
        for rows in source.fresh(paths, size):
            above = above if rows.file == file else 0
            yield rows, above + 1
            file, above = rows.file, above + len(rows)


def _frame(rows: Rows, first: int, spec: Spec, task: BuiltTask, outputs: torch.Tensor, top: int) -> pl.DataFrame:
    """The answers to some rows, a line each; ``first`` is the number of the first."""
    import polars as pl

    answered = task.answers(outputs).cpu()
    judged = Judged(spec, outputs, answered, answered)
    columns: dict[str, Any] = {}
    if rows.file is None and rows.places is not None:  # each row is a file of its own
        columns["file"] = [rows.place(row) for row in range(len(rows))]
    else:
        columns["file"] = pl.repeat(rows.file or "-", len(rows), eager=True)
        columns["row"] = np.arange(first, first + len(rows))
    if spec.kind == "sequence" and rows.extra is not None:  # whose series it is, and when it ends
        taken = columns | dict.fromkeys(("answer", "probability"))
        columns |= {_free(column.name, taken): column for column in rows.extra}
    if spec.target == "number":
        columns |= {_free(name, columns): answered[:, n].numpy() for n, name in enumerate(spec.target_names)}
    elif spec.target == "labels":
        for n, name in enumerate(spec.classes):
            columns[_free(name, columns)] = answered[:, n].numpy()
            columns[_free(f"{name} probability", columns)] = judged.scores[:, n].numpy()
    else:
        chances, names = judged.scores, pl.Series(spec.classes)
        others = chances.scatter(1, answered[:, None], -1).topk(min(top, len(names)) - 1, dim=1).indices
        best = [answered, *others.T]  # the answer comes first also where another class is as likely
        for n, chosen in enumerate(best):
            suffix = f"_{n + 1}" if n else ""
            columns[f"answer{suffix}"] = names.gather(chosen.numpy())
            columns[f"probability{suffix}"] = chances.gather(1, chosen[:, None])[:, 0].to(outputs.dtype).numpy()
    return pl.DataFrame(columns)


def _free(name: str, columns: dict[str, Any]) -> str:
    return f"{name} answer" if name in columns else name


def _check_top(spec: Spec, top: int | None) -> None:
    if top is None:
        return
    if spec.target != "class":
        raise ConfigError("--top: only classes have a second best.", suggestion="Leave --top out.")
    if top < 1:
        raise ConfigError(f"--top: {top} answers are none.", suggestion="Ask for 1 at least.")
