"""Parts of the user's own: Python files, imported because the user named them, never because a checkpoint did."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

from trainkit.errors import ConfigError, Key
from trainkit.packages import torchvision_fault
from trainkit.part import registering_for
from trainkit.parts import families

_loaded: dict[str, float] = {}


def load_plugin(path: str | Path, key: Key = ()) -> None:
    """Import the file once; what it registers is known from then on.

    Raises ConfigError, at ``key``, for a file that is not there, that fails to import, or that registers nothing.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise ConfigError(f"the plugin {path} is {'a folder' if path.is_dir() else 'not there'}.", key=key)
    stamp = path.stat().st_mtime
    if _loaded.get(str(path)) == stamp:
        return
    name = f"trainkit_plugin_{len(_loaded)}_{path.stem}"  # two folders may hold files of one name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"the plugin {path} is not a Python file.", key=key, suggestion="Name it with .py at its end.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up there
    try:
        with registering_for(str(path)):
            spec.loader.exec_module(module)
    except ConfigError as error:
        raise ConfigError([replace(problem, key=key, message=_of(path, problem.message)) for problem in error.problems]) from error
    except (Exception, SystemExit) as error:  # a user's file may fail in any way
        if fault := torchvision_fault(error):
            raise fault from error
        line, words = _line(error, path), str(error).partition("\n")[0]
        raise ConfigError(
            f"the plugin {path}{f', line {line}' if line else ''}: {type(error).__name__}: {words}", key=key
        ) from error
    if str(path) not in {file for family in families().values() for file in family.plugin_of.values()}:
        raise ConfigError(
            f"the plugin {path} registers no part.", key=key, suggestion="Decorate a class with, say, @models.register."
        )
    _loaded[str(path)] = stamp


def _of(path: Path, message: str) -> str:
    return message if str(path) in message else f"the plugin {path}: {message}"


def _line(error: BaseException, path: Path) -> int | None:
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else getattr(error, "lineno", None)
