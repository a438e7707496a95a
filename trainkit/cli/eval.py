"""Measure a checkpoint."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Plugin, Runs
from trainkit.errors import ConfigError


def command(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A .pth file, a run's folder or name, or `last`.")],
    split: Annotated[str | None, typer.Option("--split", help="test, validation or train.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="PATH", help="Another file for the source; all of its rows are measured, unless --split is given."
        ),
    ] = None,
    minimum: Annotated[
        list[str] | None, typer.Option("--min", metavar="METRIC=VALUE", help="Exit 9 when a metric is below this.")
    ] = None,
    runs: Runs = None,
    device: Device = None,
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a checkpoint on its test split, another split, or new data."""

    def work() -> None:
        if split not in (None, "test", "validation", "train"):
            raise ConfigError(f"--split: {split!r} is not a split.", suggestion="There are: train, validation, test.")
        wanted = dict(_minimum(text) for text in minimum or [])
        from trainkit.jobs.evaluation import evaluate

        facts = evaluate(checkpoint, split=split, data=data, minimum=wanted, runs=runs, plugins=plugin or [], device=device)  # type: ignore[arg-type]
        from trainkit.report import story

        for difference in facts["differences"]:
            print(f"Last digits may differ from the training's: {difference}.", file=sys.stderr)
        if as_json:
            print(json.dumps(facts))
        else:
            width = max(10, *map(len, facts["metrics"]))
            print(
                "\n".join(
                    [
                        f"{facts['checkpoint']}: {facts['rows']:,} rows ({facts['split']})",
                        *(
                            f"  {name:<{width}} {value:.4f}" if value is not None else f"  {name:<{width}} not a number"
                            for name, value in facts["metrics"].items()
                        ),
                        *story.details(facts["details"]),
                    ]
                )
            )

    _shell.run(work, as_json=as_json, debug=debug)


def _minimum(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    try:
        if not equals:
            raise ValueError
        return name.strip(), float(number)
    except ValueError:
        raise ConfigError(f"--min: {text!r} is not METRIC=VALUE.", suggestion="Write, say, --min accuracy=0.9.") from None
