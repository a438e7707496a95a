"""Options that several commands take."""

from typing import Annotated, TypeAlias

import typer

Overrides: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings that override the file's.")]
Plugin: TypeAlias = Annotated[
    list[str] | None, typer.Option("--plugin", metavar="FILE", help="A Python file that brings parts of your own.")
]
Device: TypeAlias = Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]
Runs: TypeAlias = Annotated[
    str | None, typer.Option("--runs", metavar="DIR", help="Where runs lie (else TRAINKIT_RUNS, else ./runs).")
]
Reset: TypeAlias = Annotated[list[str] | None, typer.Option("--reset", metavar="KEY", help="Put a setting back to its default.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("-q", "--quiet", help="Say only the result.")]
