"""Train what a config says, and test the best weights."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Overrides, Plugin, Quiet, Reset, Runs

if TYPE_CHECKING:
    from trainkit.jobs.result import Result


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file.")],
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option("--name", help="Names the run's folder.")] = None,
    runs: Runs = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same as seed=N.")] = None,
    device: Device = None,
    reset: Reset = None,
    plugin: Plugin = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One batch through everything; nothing is written.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Train on at most N rows.")] = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the network layer by layer first.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train what a config says, and measure the best weights on the test split."""
    given = {"seed": seed, "device": device, "training.limit": limit}
    changes = [*(overrides or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    _shell.run(
        lambda: _validate(config, changes, reset or [], name, plugin or []), as_json=as_json, debug=debug
    )  # before torch loads

    def work() -> None:
        from trainkit.cli._screen import TerminalScreen
        from trainkit.jobs.training import rehearse, train

        screen = TerminalScreen(quiet)
        if dry_run or verbose:
            facts, lines, layers = rehearse(config, changes, reset=reset or [], name=name, plugins=plugin or [])
            for line in [*lines, *table(layers)]:
                screen.say(line)
            if dry_run:
                screen.say("One batch went through training and evaluation. Nothing was written.")
                print(json.dumps(facts) if as_json else f"loss of the first batch: {facts['loss']:.4f}")
                screen.say(f"next      trainkit train {_shell.again(config, changes, reset, plugin)}")
                return
        result = train(config, changes, reset=reset or [], name=name, runs=runs, plugins=plugin or [], screen=screen)
        finish(result, as_json, screen, plugin or [])

    _shell.run(work, as_json=as_json, debug=debug)


def _validate(config: str, changes: list[str], reset: list[str], name: str | None, plugins: list[str]) -> Any:
    """A typo costs a fraction of a second, not the import of torch."""
    from trainkit.config.loading import as_arguments, load

    return load(config, as_arguments(changes, name), reset=reset, plugins=plugins)


def finish(result: Result, as_json: bool, screen: Any, plugins: list[str]) -> None:
    """The result on stdout, the next commands on stderr, the exit code."""
    run = " ".join([_shell.quoted(result.run), *(f"--plugin {_shell.quoted(plugin)}" for plugin in plugins)])
    if as_json:
        print(json.dumps(result.facts()))
    else:
        print(result.run)
    if result.status == "interrupted":
        screen.say(f"next      trainkit resume {run}")
        sys.stdout.flush()
        _shell.leave(128 + (result.signal or 2))
    if result.seconds is not None:
        speed = f", {result.samples_per_second:,.0f} rows/s" if result.samples_per_second else ""
        screen.say(f"took      {result.seconds['total']:.1f} s ({result.seconds['train']:.1f} s training{speed})")
    runs = _shell.quoted(os.path.dirname(result.run) or ".")
    split = "" if result.test else " --split validation" if result.validation else " --split train"
    lines = (f"trainkit eval {run}{split}", f"tensorboard --logdir {runs}", f"trainkit resume {run} {result.longer}")
    for n, line in enumerate(lines):
        screen.say(f"{'' if n else 'next':<10}{line}")


def table(layers: list[Any]) -> list[str]:
    """The network as aligned lines: layer, output of one row, parameters."""
    cells = [("layer", "kind", "output", "parameters")]
    cells += [
        (layer.name, layer.kind, " × ".join(map(str, layer.shape)), f"{layer.parameters:,}" + _frozen(layer)) for layer in layers
    ]
    total = sum(layer.parameters for layer in layers)
    cells.append(("total", "", "", f"{total:,}"))
    widths = [max(len(row[n]) for row in cells) for n in range(4)]
    return [
        "  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3].rjust(widths[3])])
        for row in cells
    ]


def _frozen(layer: Any) -> str:
    return "" if layer.trainable == layer.parameters else " frozen"
