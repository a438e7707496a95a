"""Show the settings of a config, and where each comes from."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Overrides, Plugin, Reset

if TYPE_CHECKING:
    from trainkit.config.tree import Config

COLUMNS, ROWS = 60, 10
DOTS = 2 * COLUMNS
BRAILLE = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The dots of a cell (Unicode, block U+2800): left and right, from the top down."""
UNKNOWN = 1000
"""So many steps are drawn where only the data could tell how many there are."""


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file.")],
    overrides: Overrides = None,
    full: Annotated[bool, typer.Option("--full", help="Every setting, defaults too.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
    schedule: Annotated[bool, typer.Option("--schedule", help="Draw the learning rate over the training.")] = False,
    reset: Reset = None,
    plugin: Plugin = None,
    device: Device = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a config says in the end, as YAML that trains the same, and where each value comes from."""
    from trainkit.config.loading import load
    from trainkit.config.showing import origins, text
    from trainkit.errors import ConfigError

    changes = [*(overrides or []), *([f"device={device}"] if device else [])]

    def work() -> None:
        if full + changed + schedule > 1 or (as_json and (changed or schedule)):
            raise ConfigError(
                "--full, --changed and --schedule each show something else, and --json is --full.",
                suggestion="Ask for one of them.",
            )
        loaded = load(config, changes, reset=reset or [], plugins=plugin or [])
        if as_json:
            print(json.dumps({"config": loaded.config.model_dump(mode="json"), "origins": origins(loaded)}))
            return
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as a config must be, also where the console's is another
        print(_curve(loaded.config) if schedule else text(loaded, "full" if full else "changed" if changed else "written"), end="")
        print(f"next      trainkit train {_shell.again(config, changes, reset, plugin)}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)


def _curve(config: Config) -> str:
    """The learning rate over the training, drawn in dots; or a sentence on why its curve is not known ahead."""
    schedule, training = config.schedule, config.training
    if schedule.reacts:
        return f"The schedule {schedule.name} follows the evaluations: its curve is not known ahead.\n"
    counts = [
        name
        for name, field in type(schedule).model_fields.items()
        if get_args(field.annotation) and type(getattr(schedule, name)) is int
    ]
    if counts and not training.steps:
        words = " and ".join(f"schedule.{name}" for name in counts)
        why = f"{words}: given in steps, and how many there are follows from the data."
        return f"{why} Say it for a look: training.epochs=null training.steps=2000.\n"
    total = training.steps or UNKNOWN
    strips = [_some(range(n * total // DOTS, max((n + 1) * total // DOTS, n * total // DOTS + 1))) for n in range(DOTS)]
    rates = [[config.optimizer.lr * schedule.factor(step, total) for step in strip] for strip in strips]
    top = max(map(max, rates)) or 1.0
    cells, before = [[0] * COLUMNS for _ in range(ROWS)], rates[0][0]
    for n, strip in enumerate(rates):
        low, high = (round(rate / top * (4 * ROWS - 1)) for rate in (min(before, *strip), max(before, *strip)))
        for height in range(low, high + 1):
            up = 4 * ROWS - 1 - height
            cells[up // 4][n // 2] |= BRAILLE[n % 2][up % 4]
        before = strip[-1]
    length, unit = (training.steps, "steps") if training.steps else (training.epochs or 0, "epochs")
    labels = [f"{top:.3g}", *[""] * (ROWS - 2), "0"]
    wide = max(map(len, labels))
    lines = [f"The learning rate with the schedule {schedule.name}: first {rates[0][0]:.3g}, highest {top:.3g}, last {before:.3g}."]
    lines += [f"{label:>{wide}} │{''.join(chr(0x2800 + cell) for cell in row)}" for label, row in zip(labels, cells, strict=True)]
    lines.append(f"{'':{wide}} └{'─' * COLUMNS}")
    for left, middle, right in (("0 %", "50 %", "100 %"), ("0", f"{length / 2:,.1f}".removesuffix(".0"), f"{length:,} {unit}")):
        lines.append(f"{'':{wide}}  {left:<{COLUMNS // 4}}{middle:^{COLUMNS // 2}}{right:>{COLUMNS // 4}}")
    return "\n".join(lines) + "\n"


def _some(steps: range) -> list[int]:
    """Twenty of these steps at most, the last among them."""
    return [*steps[: -1 : max(1, len(steps) // 20)], steps[-1]]
