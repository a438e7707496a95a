"""The house keeps its floors: imports go down, only the command line prints, settings load no torch, nothing unsafe is called."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainkit

ROOT = Path(trainkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
FLOORS = ["errors", "packages", "spec", "part", "networks", "data", "parts", "config", "store", "engine", "report", "jobs", "cli"]
"""From the ground up: a module imports from its own room and from floors below."""
HEAVY = {"torch", "torchvision", "sklearn", "polars", "matplotlib", "tensorboard", "numpy", "PIL"}


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room(module: str) -> str | None:
    """The room of ``trainkit.parts.models.mlp`` is parts; None for other packages and the front door."""
    words = module.split(".")
    return words[1] if words[0] == "trainkit" and len(words) > 1 and words[1] in FLOORS else None


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(node: ast.AST, *, only_top: bool = False) -> Iterator[tuple[int, str]]:
    """Line and module of every import that runs, in functions too unless ``only_top``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, f"line {child.lineno}: write the whole name of the module"
            names = (
                [f"{child.module}.{alias.name}" for alias in child.names] if child.module == "trainkit" else [child.module or ""]
            )
            yield from ((child.lineno, name) for name in names)
        elif not (isinstance(child, ast.stmt) and is_for_types(child)) and not (
            only_top and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            yield from imports(child, only_top=only_top)


def calls(path: Path) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func), node


def test_every_room_is_on_a_floor() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders | {path.stem for path in ROOT.glob("[!_]*.py")} == set(FLOORS)


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent != ROOT or not path.stem.startswith("__")], ids=label)
def test_imports_go_down_the_floors(path: Path) -> None:
    mine = room("trainkit." + label(path).removesuffix(".py").replace("/", "."))
    assert mine is not None
    for line, module in imports(tree(path)):
        theirs = room(module)
        assert theirs is None or FLOORS.index(theirs) <= FLOORS.index(mine), (
            f"{label(path)}:{line} imports {module}: {mine} stands below {theirs}, and a floor knows only "
            "itself and those beneath. "
            "(What is imported under TYPE_CHECKING never runs and is free.)"
        )


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    if label(path).startswith("cli/"):
        return
    for line, name, _ in calls(path):
        assert name not in ("print", "exit", "quit", "sys.exit", "os._exit", "input", "sys.stdout.write", "sys.stderr.write"), (
            f"{label(path)}:{line} calls {name}: the library raises and returns; only cli/ talks and exits."
        )
    raised = [node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.Raise) and "SystemExit" in ast.unparse(node)]
    assert not raised, f"{label(path)}:{raised} raises SystemExit"


def test_no_module_bears_the_name_of_an_exported_function() -> None:
    for name in trainkit.__all__:
        assert importlib.util.find_spec(f"trainkit.{name}") is None, f"importing trainkit.{name} would replace the function"


LIGHT = [path for path in MODULES if label(path).split("/")[0] in ("parts", "config")]


@pytest.mark.parametrize("path", LIGHT, ids=label)
def test_settings_import_nothing_heavy_at_their_top(path: Path) -> None:
    mine = "trainkit." + label(path).removesuffix(".py").replace("/", ".")
    if path.stem.startswith("_") and all(mine != module for other in LIGHT for _, module in imports(tree(other), only_top=True)):
        return  # imported within `build` alone
    for line, module in imports(tree(path), only_top=True):
        assert module.split(".")[0] not in HEAVY, (
            f"{label(path)}:{line} imports {module}: import it in `build`, or commands turn slow."
        )


def test_networks_know_no_settings() -> None:
    for path in (ROOT / "networks").glob("*.py"):
        for line, module in imports(tree(path)):
            assert room(module) in (None, "networks", "errors"), (
                f"{label(path)}:{line} imports {module}: networks take flat values."
            )


def test_fit_is_short_enough_to_read_aloud() -> None:
    (fit,) = [n for n in ast.walk(tree(ROOT / "engine" / "loop.py")) if isinstance(n, ast.FunctionDef) and n.name == "fit"]
    assert fit.end_lineno is not None and fit.end_lineno - fit.lineno + 1 < 30


UNSAFE = re.compile(
    r"eval|exec|os\.system|tempfile\.mktemp|shelve\.open|yaml\.(unsafe_|full_)?load|(joblib|np|numpy|pickle|marshal)\.loads?"
    r"|pickle\.Unpickler|.*\.(extractall|unsafe_load)"
)


READ_TENSORS = ("store/", "parts/sources/arrays", "parts/models/_weights")


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_nothing_unsafe_is_called(path: Path) -> None:
    for line, name, call in calls(path):
        where = f"{label(path)}:{line}"
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if (name, options.get("allow_pickle")) == ("np.load", "False"):
            continue
        assert not UNSAFE.fullmatch(name), f"{where} calls {name}"
        assert options.get("weights_only", "True") == "True", f"{where}: a checkpoint may hold code"
        assert options.get("shell", "False") == "False", f"{where}: no shell"
        if name == "torch.load":
            assert label(path).startswith(READ_TENSORS) and options.get("weights_only") == "True", (
                f"{where}: only the store reads checkpoints, a source of arrays tensors, and a pretrained model weights"
            )
    names = {module.split(".")[0] for _, module in imports(tree(path))}
    assert not names & {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}, f"{label(path)} imports {names}"


def test_the_front_door_loads_nothing() -> None:
    assert {module for _, module in imports(tree(ROOT / "__init__.py"), only_top=True)} <= {"importlib", "os", "typing"}
