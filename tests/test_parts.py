"""Parts and their registry: what ships is documented and whole, what users bring is found, and nothing of it loads torch."""

import importlib
import importlib.metadata
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trainkit import evaluate, train
from trainkit.config import plugins
from trainkit.config.loading import load
from trainkit.config.plugins import load_plugin
from trainkit.config.tree import Config
from trainkit.errors import ConfigError, SetupError, TrainkitError
from trainkit.packages import torchvision_fault
from trainkit.part import Part, Registry, Settings, field_help, load_installed, unusable
from trainkit.parts import families

ROOT = Path(__file__).parents[1]
ORIGINAL = list(sys.path)
PARTS = [(family, name) for family, registry in families().items() for name in registry.names() if registry.find(name)]
REQUIRED: dict[tuple[str, str], dict[str, Any]] = {
    ("sources", "csv"): {"path": "a.csv", "target": "y"},
    ("sources", "idx"): {"path": "folder"},
    ("sources", "text"): {"path": "folder"},
    ("sources", "series"): {"path": "a.csv"},
    ("sources", "torchvision"): {"set": "MNIST", "root": "folder"},
    ("models", "timm"): {"variant": "resnet18"},
    ("augmentations", "synonyms"): {"file": "a.csv"},
    ("augmentations", "paraphrases"): {"file": "a.csv"},
}
ONE_OF: dict[tuple[str, str], dict[str, Any]] = {
    ("sources", "images"): {"path": "folder"},
    ("sources", "arrays"): {"path": "a.npz"},
    ("sources", "series"): {"target": "y", "window": 3},
}
"""What must be said too: this, or something else."""

PLUGIN = '''
from typing import ClassVar, Literal
from torch import nn
from pydantic import Field
from trainkit.parts.{family} import {base}, {family}

@{family}.register
class Mine({base}):
    """Mine, for a test."""
    name: Literal["{name}"] = "{name}"
    gain: float = Field(default=1.0, gt=0)
    """How much."""
    def build(self, *given):
        """Nothing yet."""
    {extra}

class Network(nn.Module):
    """What it builds."""
'''
IMPORT = "from trainkit.parts.models import Model, models\n"
IMPORT_LOSS = "from trainkit.parts.losses import Loss, losses\n"
BASES = {"models": "Model", "losses": "Loss", "optimizers": "Optimizer", "sources": "Source", "schedules": "Schedule"}


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """What a test's plugins registered, the next test does not see."""
    before = {name: (dict(registry._parts), dict(registry.plugin_of)) for name, registry in families().items()}
    loaded, modules = dict(plugins._loaded), set(sys.modules)
    yield
    for name, registry in families().items():
        registry._parts, registry.plugin_of = before[name]
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
    load_installed.cache_clear()
    unusable.clear()
    for name in {name for name in sys.modules if name.startswith("trainkit_plugin_")} - modules:
        del sys.modules[name]


def plugin(folder: Path, family: str = "models", name: str = "mine", extra: str = "", file: str = "mine.py") -> Path:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLUGIN.format(family=family, base=BASES[family], name=name, extra=extra), encoding="utf-8")
    return path


def config(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, kind: type[TrainkitError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        load_plugin(path)
    assert str(caught.value).count("Traceback") == 0
    return str(caught.value)


# --- what ships


def all_settings(base: type[Settings] = Settings) -> set[type[Settings]]:
    below = set(base.__subclasses__())
    return below | {deeper for one in below for deeper in all_settings(one)}


def test_every_section_and_every_setting_is_documented() -> None:
    shipped = {one for one in all_settings() if one.__module__.startswith("trainkit.")}
    assert {Config, *(families()[family].find(name) for family, name in PARTS)} <= shipped
    for section in shipped:
        assert section.__doc__ and section.__doc__.strip(), section
        silent = {*section.model_fields} - {*field_help(section)} - ({"name"} if issubclass(section, Part) else set())
        assert not silent, f"{section.__module__}.{section.__name__}: no docstring under {silent}"


def test_help_is_the_docstring_of_the_nearest_class() -> None:
    adamw, adam = (field_help(type(families()["optimizers"].read(name))) for name in ("adamw", "adam"))
    assert adamw["lr"] == adam["lr"] == "Learning rate; the schedule multiplies it."
    assert adamw["weight_decay"] != adam["weight_decay"]


@pytest.mark.parametrize(("family", "name"), PARTS)
def test_a_shipped_part_has_one_line_and_stands_with_its_defaults(family: str, name: str) -> None:
    registry: Registry[Any] = families()[family]
    found = registry.find(name)
    assert found is not None and name == found.model_fields["name"].default
    assert found.__doc__ and found.__doc__.splitlines()[0].endswith(".") and len(found.__doc__.splitlines()[0]) < 132
    needed = {field for field, info in found.model_fields.items() if info.is_required()}
    settings = REQUIRED.get((family, name), {})
    some = ONE_OF.get((family, name), {})
    assert needed == set(settings) - set(some)
    settings = settings | some
    part = registry.read({"name": name, **settings})
    assert isinstance(part, registry.base) and registry.read(part) is part and registry.read(part.model_dump()) == part
    if not settings:
        assert registry.read(name) == part


@pytest.mark.parametrize("family", families())
def test_a_family_is_its_folder(family: str) -> None:
    files = {path.stem for path in (ROOT / "trainkit" / "parts" / family).glob("*.py") if not path.stem.startswith("_")}
    assert set(families()[family].names()) == files and files


# --- what users bring


@pytest.mark.parametrize("family", BASES)
def test_one_file_of_the_user_s_brings_a_part(family: str, tmp_path: Path) -> None:
    registry = families()[family]
    load_plugin(plugin(tmp_path, family, extra='targets: ClassVar[tuple[str, ...]] = ("class",)'))
    assert "mine" in registry.names() and registry.read({"name": "mine", "gain": 2.0}).gain == 2.0
    assert registry.plugin_of == {"mine": str(tmp_path / "mine.py")}
    assert field_help(type(registry.read("mine")))["gain"] == "How much."
    with pytest.raises(ValidationError):
        registry.read({"name": "mine", "gain": -1.0})


def test_a_plugin_s_settings_get_did_you_mean(tmp_path: Path) -> None:
    plugin(tmp_path)
    path = config(tmp_path, "data: digits\nplugins: [mine.py]\nmodel:\n  name: mine\n  gian: 2.0\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:5:3: model.gian is not a setting of mine. Did you mean gain? There are: name, gain."
    with pytest.raises(ConfigError, match=r"'min' is not a model\. Did you mean mine\?"):
        load(config(tmp_path, "data: digits\nplugins: [mine.py]\nmodel: min\n"))


def test_plugins_come_from_the_config_s_folder_and_from_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path / "x")
    plugin(tmp_path / "y", "losses", "ours", extra='targets: ClassVar[tuple[str, ...]] = ("number",)')
    monkeypatch.chdir(tmp_path / "y")
    path = config(tmp_path / "x", "data: digits\nplugins: [mine.py]\nmodel: mine\ntask: {name: regression, loss: ours}\n")
    with pytest.raises(ConfigError, match="'ours' is not a loss"):
        load(path)
    loaded = load(path, plugins=["mine.py"]).config
    assert loaded.plugins == (str(tmp_path / "x" / "mine.py"),)
    assert loaded.plugin_parts() == {"models/mine": "mine.py", "losses/ours": "mine.py"}


def test_an_override_brings_a_plugin_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path / "x")
    monkeypatch.chdir(tmp_path / "x")
    loaded = load(config(tmp_path, "data: digits\nmodel: mlp\n"), ["model.gain=3.0", "model=mine", "plugins=[mine.py]"])
    assert loaded.config.model.model_dump() == {"name": "mine", "gain": 3.0}


def test_a_plugin_may_be_named_twice_and_runs_once(tmp_path: Path) -> None:
    path = plugin(tmp_path, extra="pass\n\nimport builtins\nbuiltins.times = getattr(builtins, 'times', 0) + 1")
    import builtins

    load_plugin(path)
    load_plugin(str(path))
    times = builtins.times  # type: ignore[attr-defined]
    del builtins.times  # type: ignore[attr-defined]
    assert times == 1


def test_plugins_of_one_name_from_two_folders_do_not_mix(tmp_path: Path) -> None:
    first = plugin(
        tmp_path / "x", extra='kin: "Kin | None" = None\n    """Another."""\n\nclass Kin(Model):\n    """X."""\n    a: int = 1'
    )
    second = plugin(
        tmp_path / "y", name="other", extra='kin: "Kin | None" = None\n    """Another."""\n\nclass Kin(Model):\n    """Y."""'
    )
    load_plugin(first)
    load_plugin(second)
    assert families()["models"].read({"name": "mine", "kin": {"name": "k", "a": 2}}).kin.a == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "registers no part. Decorate a class with, say, @models.register."),
        ("\nimport nowhere_to_be_found\n", "line 2: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError"),
        ("x = (\n", "line 1: SyntaxError"),
        ("raise SystemExit\n", "line 1: SystemExit"),
        (f"{IMPORT_LOSS}@losses.register\nclass A(Loss): ...\n", "A does not say its targets: write"),
        (f"{IMPORT}@models.register\nclass A: ...\n", "A is not a Model: write `class A(Model)`."),
        (f"{IMPORT}@models.register\nclass A(Model): name = 'a'\n", "line 3: PydanticUserError: Field 'name' "),
        (f"{IMPORT}@models.register\nclass A(Model): ...\n", "A needs a name: write `name: Literal"),
        (f"{IMPORT}@models.register\nclass A(Model): name: str = 'a'\n", "A does not say how it works: write `def build(self"),
        (f"{IMPORT_LOSS}from typing import ClassVar\n@losses.register\nclass A(Loss):\n    name: str = 'a'\n"
            "    targets: ClassVar[tuple[str, ...]] = ('numbers',)\n    def build(self, weights): ...\n",
            "A says targets = ('numbers',): it should be 'class', 'number' or 'labels'."),
    ],
)  # fmt: skip
def test_a_plugin_that_fails_says_where(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    assert words in refusal(path)
    with pytest.raises(ConfigError) as caught:
        load(config(tmp_path, "data: digits\nplugins:\n  - mine.py\nmodel: mlp\n"))
    assert str(caught.value).startswith(f"{tmp_path / 'a.yaml'}:3:5: ") and words in str(caught.value)


def test_a_plugin_that_is_not_there_is_a_folder_or_no_python(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert refusal(tmp_path / "no.py") == f"the plugin {tmp_path / 'no.py'} is not there."
    assert refusal(tmp_path) == f"the plugin {tmp_path} is a folder."
    assert "is not a Python file" in refusal(tmp_path / "notes.txt")


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    assert "registers model 'mlp', but that name is taken (by trainkit)" in refusal(plugin(tmp_path, name="mlp"))
    load_plugin(plugin(tmp_path))
    again = plugin(tmp_path, file="again.py")
    assert f"registers model 'mine', but that name is taken (by {tmp_path / 'mine.py'})" in refusal(again)
    with pytest.raises(ConfigError) as caught:
        load(config(tmp_path, "data: digits\nplugins: [mine.py, again.py]\nmodel: mlp\n"))
    assert str(caught.value).startswith(f"{tmp_path / 'a.yaml'}:2:20: {again} registers model 'mine', but ")


def test_a_plugin_may_build_on_a_part_that_was_not_imported_before(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from typing import Literal\nfrom trainkit.parts.models import models\nfrom trainkit.parts.models.mlp import MLP\n"
        '@models.register\nclass Mine(MLP):\n    """Mine."""\n    name: Literal["mine"] = "mine"\n'
    )
    config(tmp_path, "data: digits\nplugins: [mine.py]\nmodel: mine\n")
    done = run(tmp_path, tmp_path, "list", "models", "mlp", "--plugin", "mine.py", "--json")
    assert done.returncode == 0 and "from" not in json.loads(done.stdout), done.stderr
    assert run(tmp_path, tmp_path, "validate", "a.yaml").stdout.startswith("a.yaml is valid: digits, mine,")


def test_a_mended_plugin_is_read_again(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    load_plugin(path)
    path.write_text(path.read_text().replace("default=1.0", "default=5.0"))
    os.utime(path, (1, 1))
    load_plugin(path)
    assert families()["models"].read("mine").gain == 5.0


def test_a_plugin_with_a_torchvision_that_does_not_fit_says_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    versions = {"torchvision": "0.30.0", "torch": "9.9.9"}
    monkeypatch.setattr("trainkit.packages.version", versions.__getitem__)
    monkeypatch.setattr("trainkit.packages.requires", lambda name: ["torch==9.8.0", "numpy"])
    assert importlib.metadata.version("torch") != "9.9.9"
    said = refusal(path, SetupError)
    assert SetupError.exit_code == 5
    assert "torchvision 0.30.0 is built for torch 9.8.0, and torch 9.9.9 is installed." in said
    assert "pip install torch==9.8.0 torchvision==0.30.0" in said


# --- what installed packages bring

EXTRA = """
import sys
from typing import Literal
from pydantic import Field
from trainkit.parts.models import Model, models

print("extra_parts is imported", file=sys.stderr)

@models.register
class Tiny(Model):
    \"\"\"One linear layer, from a package.\"\"\"
    name: Literal["tiny"] = "tiny"
    scale: float = Field(default=1.0, gt=0)
    \"\"\"What the inputs are multiplied by.\"\"\"

    def build(self, spec):
        from torch import nn
        return nn.Sequential(nn.Flatten(), nn.Linear(spec.input_size, spec.outputs))
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "extra-parts"
version = "1.0"
[project.entry-points."trainkit.parts"]
extra = "extra_parts"
[tool.hatch.build.targets.wheel]
only-include = ["extra_parts.py"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with one that brings a part, built and installed by pip."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("packages")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "extra_parts.py").write_text(EXTRA)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--target"]
    subprocess.run([*pip, str(target), str(source)], check=True, timeout=120)
    return target


def broken(folder: Path, code: str) -> Path:
    """A folder of packages with one whose module holds this code."""
    (folder / "packages" / "broken_parts-1.0.dist-info").mkdir(parents=True)
    (folder / "packages" / "broken_parts.py").write_text(code)
    (folder / "packages" / "broken_parts-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-parts\n")
    (folder / "packages" / "broken_parts-1.0.dist-info" / "entry_points.txt").write_text("[trainkit.parts]\nx = broken_parts\n")
    return folder / "packages"


def run(packages: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainkit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_an_installed_package_brings_a_part_to_every_command_about_configs(installed: Path, tmp_path: Path) -> None:
    config(tmp_path, "data: digits\nmodel: {name: tiny, scael: 2.0}\n")
    assert (
        "a.yaml:2:21: model.scael is not a setting of tiny. Did you mean scale?"
        in run(installed, tmp_path, "validate", "a.yaml").stderr
    )
    assert "  tiny             One linear layer, from a package.\n" in run(installed, tmp_path, "list", "models").stdout
    in_full = run(installed, tmp_path, "list", "models", "tiny").stdout
    assert "  from       extra-parts\n" in in_full and "a number greater than 0; default 1.0" in in_full
    assert in_full == run(installed, tmp_path, "explain", "tiny").stdout
    schema = json.loads(run(installed, tmp_path, "schema").stdout)
    assert schema["definitions"]["models.tiny"]["properties"]["scale"]["exclusiveMinimum"] == 0


def see(packages: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process finds the packages in that folder, and has looked for none yet."""
    load_installed.cache_clear()
    unusable.clear()
    for registry in families().values():
        for name in list(registry.plugin_of):
            del registry.plugin_of[name], registry._parts[name]
    for module in ("extra_parts", "broken_parts"):
        sys.modules.pop(module, None)
    monkeypatch.setattr(sys, "path", [*([str(packages)] if packages else []), *ORIGINAL])
    importlib.invalidate_caches()


def test_an_installed_package_is_imported_only_when_a_name_is_not_known_otherwise(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(installed, monkeypatch)
    load(ROOT / "configs" / "digits-mlp.yaml")
    load(config(tmp_path, "data: digits\nmodel: mlp\n"))
    assert "extra_parts" not in sys.modules
    loaded = load(config(tmp_path, "data: digits\nmodel: tiny\n")).config
    assert "extra_parts" in sys.modules and loaded.plugin_parts() == {"models/tiny": "extra-parts"}


def test_a_checkpoint_with_an_installed_part_is_measured_without_naming_a_plugin(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    see(installed, monkeypatch)
    path = config(tmp_path, "data: digits\nmodel: tiny\ntraining: {epochs: 1}\nloggers: []\ndevice: cpu\n")
    checkpoint = Path(train(path).run) / "checkpoints" / "best.pth"
    see(installed, monkeypatch)
    assert evaluate(checkpoint)["metrics"]["accuracy"] > 0
    see(None, monkeypatch)
    with pytest.raises(ConfigError, match=r"models/tiny.*extra-parts"):
        evaluate(checkpoint)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        (EXTRA.replace("tiny", "mlp"), "broken-parts registers model 'mlp', but that name is taken (by trainkit)"),
        (f"{IMPORT}@models.register\nclass A: ...\n", "A is not a Model: write `class A(Model)`"),
    ],
)
def test_a_package_that_fails_is_named_where_it_was_needed_and_harms_nothing_else(
    code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = broken(tmp_path, code)
    see(packages, monkeypatch)
    load(config(tmp_path, "data: digits\nmodel: mlp\n"))
    assert not unusable
    with pytest.raises(ConfigError) as caught:
        load(config(tmp_path, "data: digits\nmodel: tiny\n"))
    why = f"and the installed package broken-parts, which might bring it, fails ({words})"
    assert str(caught.value).startswith(f"{tmp_path / 'a.yaml'}:2:8: model: 'tiny' is not a model, {why}. ")
    load(config(tmp_path, "data: digits\nmodel: mlp\n"))


def test_list_goes_on_without_a_package_that_fails(tmp_path: Path) -> None:
    listed = run(broken(tmp_path, "import nowhere_to_be_found\n"), tmp_path, "list", "models")
    assert listed.returncode == 0 and "  mlp " in listed.stdout
    assert "The installed package broken-parts brings no parts: ModuleNotFoundError: No module named " in listed.stderr


# --- no torch

HEAVY = ("torch", "torchvision", "sklearn", "polars", "matplotlib", "tensorboard", "numpy", "rich")


def test_configs_and_the_commands_about_them_load_no_torch() -> None:
    commands = [
        ["list"],
        ["list", "--json"],
        ["list", "models", "mlp"],
        ["schema"],
        ["explain", "huber"],
        ["explain", "lr"],
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["resume", "-h"],
        ["eval", "-h"],
    ]
    commands += [["validate", str(path)] for path in sorted((ROOT / "configs").glob("*.yaml"))]
    program = f"""
import contextlib, io, json, sys
from trainkit.cli import main
codes = []
for arguments in {commands!r}:
    sys.argv = ["trainkit", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
        except SystemExit as exit:
            codes.append(exit.code)
print(json.dumps([codes, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    codes, loaded = json.loads(done.stdout)
    assert set(codes) == {0} and len(codes) == len(commands), done.stderr
    assert loaded == []


def test_settings_are_found_without_importing_other_parts() -> None:
    program = "import sys, trainkit.parts.models as m; m.models.find('mlp'); print('trainkit.parts.models.cnn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stdout == "False\n"


def test_no_two_families_share_a_word() -> None:
    for one, other in itertools.combinations(families().values(), 2):
        assert one.family != other.family and one.singular != other.singular


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("operator torchvision::nms does not exist"), True),
        (ModuleNotFoundError("No module named 'torchvision'", name="torchvision"), True),
        (ImportError("torchvision/_C.so: undefined symbol: _ZN3c10"), True),
        (ImportError("cannot import name 'resnet19' from 'torchvision.models'"), False),
        (ModuleNotFoundError("No module named 'torchvision.modles'", name="torchvision.modles"), False),
    ],
)
def test_only_a_torchvision_that_does_not_fit_is_explained_so(error: Exception, told: bool) -> None:
    assert (torchvision_fault(error) is not None) == told
