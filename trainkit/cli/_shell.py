"""What all commands share: running a job, saying what went wrong, JSON, exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from trainkit.errors import Problem, TrainkitError, dotted, printable


def usage(app: Any, arguments: list[str]) -> int:
    """Run the app; its complaints about the command line itself end with 2, in JSON where that was asked for."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, standalone_mode=False, prog_name="trainkit")
        return code if isinstance(code, int) else 0
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own errors have it, and typer shows no class to catch
            if type(error).__name__ == "Abort":
                return 130
            return unexpected(error, as_json, "--debug" in arguments)
        message = str(error.format_message())
        if as_json:
            print(json.dumps({"error": {"code": 2, "message": message, "file": None, "line": None, "column": None}}))
        elif message:
            from trainkit.cli import commands

            command = " ".join(["trainkit", *(word for word in arguments[:1] if word in commands())])
            print(message if "Usage:" in message else f"{message}\nHelp: {command} --help", file=sys.stderr)
        return 2


def run(work: Callable[[], Any], *, as_json: bool, debug: bool) -> Any:
    """The work's result; an expected failure is told in words and ends with its exit code."""
    try:
        result = work()
        sys.stdout.flush()  # here, where a reader that has gone is known what to do with
        return result
    except TrainkitError as error:
        fail(error, as_json, debug)
    except KeyboardInterrupt:
        words = "Stopped at once. Where a training had begun, its last checkpoint is whole: `trainkit resume` goes on from there."
        tell([Problem(words)], 130, as_json)
    except RecursionError as error:
        leave(unexpected(error, as_json, debug))
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `trainkit list | head -1` is no failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            leave(0)
        if debug:
            traceback.print_exc()
        words = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        tell([Problem(f"the disk said no: {words}.")], 7, as_json)
    except RuntimeError as error:
        if not _is_memory(error):
            leave(unexpected(error, as_json, debug))
        tell([Problem(_OUT_OF_MEMORY)], 5, as_json)
    except MemoryError:
        tell([Problem(_OUT_OF_MEMORY)], 5, as_json)


_OUT_OF_MEMORY = "the memory is not enough. Try a smaller training.batch_size, or training.accumulate=4 with the same one."


def _is_memory(error: RuntimeError) -> bool:
    return "out of memory" in str(error) or "DefaultCPUAllocator" in str(error)


def fail(error: TrainkitError, as_json: bool, debug: bool) -> NoReturn:
    """Say what was wrong and leave with the error's code."""
    if debug:
        traceback.print_exception(error)
    tell(list(error.problems), error.exit_code, as_json)


def tell(problems: list[Problem], code: int, as_json: bool) -> NoReturn:
    """Every problem with its place, the line quoted with a caret; or the first as JSON, all of them beside it."""
    if as_json:
        first = problems[0]
        error = {"code": code, "message": _sentence(first), "file": first.file, "line": first.line, "column": first.column}
        if len(problems) > 1:
            error["others"] = [record(problem) for problem in problems[1:]]
        print(json.dumps({"error": error}))
    else:
        for problem in problems:
            print(shown(problem), file=sys.stderr)
        if len(problems) > 1:
            print(f"{len(problems)} mistakes.", file=sys.stderr)
    leave(code)


def leave(code: int) -> NoReturn:
    """Exit now."""
    raise SystemExit(code)


def record(problem: Problem) -> dict[str, Any]:
    """A problem as `validate --json` lists it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": dotted(problem.key),
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def _sentence(problem: Problem) -> str:
    return f"{problem.message} {problem.suggestion}" if problem.suggestion else problem.message


def shown(problem: Problem) -> str:
    """The problem as a person reads it; whatever a file smuggles into it cannot move the cursor."""
    lines = [str(problem)]
    if problem.quoted is not None and problem.line is not None and problem.column is not None and len(problem.quoted) <= 500:
        margin = f"{problem.line:5} | "
        quoted = problem.quoted.replace("\t", " ")
        lines += [f"{margin}{quoted}", f"{'| ':>{len(margin)}}{' ' * (problem.column - 1)}^"]
    return printable("\n".join(lines))


def unexpected(error: BaseException, as_json: bool, debug: bool) -> int:
    """A failure that nobody foresaw keeps its traceback: it is a bug, of trainkit or of a plugin."""
    if as_json:
        print(
            json.dumps(
                {"error": {"code": 1, "message": f"{type(error).__name__}: {error}", "file": None, "line": None, "column": None}}
            )
        )
    else:
        traceback.print_exception(error)
        print(f"\nThis was not foreseen: {_blame(error)}.", file=sys.stderr)
    return 1


def again(config: str, changes: Sequence[str] = (), reset: Sequence[str] | None = (), plugin: Sequence[str] | None = ()) -> str:
    """The same config with the same arguments, for a next command."""
    words = [config, *changes]
    for option, values in (("--reset", reset), ("--plugin", plugin)):
        words += [word for value in values or () for word in (option, value)]
    return " ".join(map(quoted, words))


def _blame(error: BaseException) -> str:
    """The line of a part from outside that the failure went through last, if it did."""
    from trainkit.parts import families

    outside = {file for family in families().values() for file in family.plugin_of.values()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in outside]
    if frames:
        return f"it comes from a part of your own, {frames[-1].filename}, line {frames[-1].lineno}"
    return "a bug in trainkit, or in a part of your own"


def quoted(path: str) -> str:
    """A path as a shell takes it."""
    import shlex

    return shlex.quote(path)
