"""The command line: one thin file a command, and the only room that prints or exits.

Only the module of the command that was called is imported: the others lend `--help` the first line of their docstring.
"""

import ast
import os
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def commands() -> dict[str, str]:
    """Every command's module by its name; ``list_`` is `list`, which Python needs for itself."""
    return {name.rstrip("_").replace("_", "-"): name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_")}


def main() -> None:
    """Run the command that the arguments name."""
    # Two OpenMP threads that spin for a busy neighbour made a step 100 × slower; read once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed by the caller: `2>&-`
            setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    from trainkit.cli._shell import usage

    code = usage(_app(sys.argv[1:]), sys.argv[1:])
    sys.exit(code)


def _app(arguments: list[str]) -> Any:
    import typer

    app = typer.Typer(
        name="trainkit",
        help=import_module("trainkit").__doc__,
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
        if version:
            from trainkit.store.environment import trainkit_version

            print(f"trainkit {trainkit_version()}")
            raise typer.Exit()

    called = next((word for word in arguments if not word.startswith("-")), None)
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    for name, module in commands().items():
        if name == called or completing:
            app.command(name)(import_module(f"trainkit.cli.{module}").command)
        else:
            app.command(name, help=_first_line(module) if called is None else None)(_absent)
    return app


def _absent() -> None:
    """Stands for a command that was not called."""


def _first_line(module: str) -> str:
    """The first line of a module's docstring, without importing it."""
    text = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
