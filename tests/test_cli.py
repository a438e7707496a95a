"""The command line as people and scripts meet it: words, exit codes, JSON, and nothing but text off a terminal."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from trainkit.cli import commands, main

ROOT = Path(__file__).parents[1]
DIGITS = str(ROOT / "configs" / "digits-mlp.yaml")
BASE = "data: digits\nmodel: {name: mlp, hidden: [8]}\n"


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Trainkit = Callable[..., Said]


@pytest.fixture
def trainkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Trainkit:
    """Runs the command in an empty folder, and sees that it leaves nothing there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("TRAINKIT_RUNS", raising=False)

    def run(*arguments: str, files: dict[str, str] | None = None) -> Said:
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["trainkit", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        said = Said(left.value.code if isinstance(left.value.code, int) else 1, *capsys.readouterr())
        assert "Traceback" not in said.err and "\x1b" not in said.out + said.err
        return said

    return run


# --- help


@pytest.mark.parametrize("command", commands())
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(command: str, option: str, trainkit: Trainkit) -> None:
    said = trainkit(command, option)
    assert said.code == 0 and not said.err
    assert said.out.startswith(f"Usage: trainkit {command} ") and "--json" in said.out
    assert ("--plugin FILE" in said.out) == (command != "init")  # which reads neither a config nor a checkpoint
    assert not re.search(r"<str>$|\[\[|…\.\.", said.out, re.MULTILINE)


def test_help_lists_every_command_in_a_whole_line(trainkit: Trainkit) -> None:
    said = trainkit("--help")
    assert said.code == 0
    for command in commands():
        (line,) = [line for line in said.out.splitlines() if line.startswith(f"  {command} ")]
        assert line.endswith(".") and not line.endswith("..")


def test_no_command_shows_the_help_and_is_a_mistake(trainkit: Trainkit) -> None:
    said = trainkit()
    assert said.code == 2 and not said.out and said.err.startswith("Usage: trainkit ") and said.err.count("--help") == 1


def test_version(trainkit: Trainkit) -> None:
    said = trainkit("--version")
    assert said.code == 0 and re.fullmatch(r"trainkit \d+\.\d+\.\d+\S*\n", said.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["valdate", "a.yaml"], "No such command 'valdate'. Did you mean 'validate'?\nHelp: trainkit --help\n"),
        (["validate", "a.yaml", "--jsn"], "No such option: --jsn"),
        (["validate"], "Missing argument 'CONFIG'.\nHelp: trainkit validate --help\n"),
        (["validate", "a.yaml", "--plugin"], "Option '--plugin' requires an argument.\nHelp: trainkit validate --help\n"),
        (["--bogus"], "No such option: --bogus"),
        (["list", "models", "mlp", "cnn"], "Got unexpected extra argument"),
        (["list", "models", "mpl"], "'mpl' is not a model. Did you mean mlp?"),
        (
            ["list", "modls"],
            "'modls' is not a family of parts. Did you mean models? There are: sources, preprocessing, augmentations,",
        ),
        (["train", "a.yaml", "--seed", "x"], "Invalid value for '--seed'"),
    ],
)
def test_a_mistake_in_the_command_line_is_2(arguments: list[str], message: str, trainkit: Trainkit) -> None:
    said = trainkit(*arguments)
    assert said.code == 2 and said.err.startswith(message) and not said.out
    as_json = trainkit(*arguments, *(["--json"] if arguments[-1] != "--plugin" else ["x", "--json"]))
    assert as_json.code == 2 and as_json.json
    if arguments[-1] != "--plugin" and arguments != ["--bogus"] and arguments != ["validate"]:
        assert as_json.json["error"]["message"].startswith(message.partition("\n")[0])


# --- bad configs

BAD: list[tuple[str, str, int | None, int | None, str]] = [
    ("no.yaml", "", None, None, "There is no such file."),
    ("digitsmlp.yaml", "", None, None, "There is no such file. Did you mean digits-mlp.yaml?"),
    (".", "", None, None, "This is a folder. Name a YAML file in it."),
    ("no/a.yaml", "", None, None, "There is no such file, nor a folder no."),
    ("a.yaml", "", 1, 1, "The file is empty, or all comments."),
    ("a.yaml", "# a comment\n", 1, 1, "The file is empty, or all comments."),
    ("a.yaml", "- digits\n", 1, 1, "The file holds a list in place of settings."),
    ("a.yaml", "mlp\n", 1, 1, "The file holds text in place of settings."),
    ("a.yaml", "data: digits\nmodle: mlp\nmodel: mlp\n", 2, 1, "modle is not a setting. Did you mean model?"),
    (
        "a.yaml",
        "data: digits\nmodel: mpl\n",
        2,
        8,
        "model: 'mpl' is not a model. Did you mean mlp? There are: cnn, convnext, densenet, ",
    ),
    ("a.yaml", BASE + "optimizer: {lr: -1}\n", 3, 17, "optimizer.lr should be greater than 0, not -1."),
    ("a.yaml", BASE + "optimizer: {lr: .nan}\n", 3, 17, "optimizer.lr should be a finite number, not .nan."),
    ("a.yaml", BASE + "training:\n  batch_size: true\n", 4, 15, "training.batch_size should be 'all' or a whole number, not true."),
    ("a.yaml", BASE + "training: {epochs: 3\n", 3, 11, "A bracket is never closed. Close it."),
    ("a.yaml", BASE + "plugins: [my.py]\n", 3, 11, "the plugin "),
]


@pytest.mark.parametrize(("file", "text", "line", "column", "message"), BAD)
@pytest.mark.parametrize("command", ["validate", "train"])
def test_a_bad_config_is_2_with_its_place(
    command: str, file: str, text: str, line: int | None, column: int | None, message: str, trainkit: Trainkit, tmp_path: Path
) -> None:
    (tmp_path / "digits-mlp.yaml").write_text(BASE)
    files = {file: text} if line else {}
    said = trainkit(command, file, files=files)
    where = f"{file}:{line}:{column}: " if line else f"{file}: "
    assert said.code == 2 and not said.out and said.err.startswith(where + message)
    if line and text.strip():
        told = said.err.splitlines()
        assert (
            column is not None
            and told[1].endswith(([*text.splitlines(), ""])[line - 1])
            and told[2].index("^") == column - 1 + len("    1 | ")
        )
    as_json = trainkit(command, file, "--json")
    assert as_json.code == 2 and not as_json.err
    if command == "train":
        error = as_json.json["error"]
        assert error["code"] == 2 and error["message"].startswith(message)
    else:
        (error,) = as_json.json["errors"]
        assert as_json.json["ok"] is False and message.startswith(error["message"][: len(message)])
        assert set(error) == {"file", "line", "column", "key", "message", "suggestion"}
    assert (error["file"], error["line"], error["column"]) == (file, line, column)


def test_a_failure_in_json_names_the_first_mistake_and_the_others(trainkit: Trainkit) -> None:
    said = trainkit("train", "a.yaml", "--json", "seed=x", files={"a.yaml": BASE + "device: gpu\n"})
    assert set(said.json) == {"error"} and set(said.json["error"]) == {"code", "message", "file", "line", "column", "others"}
    assert said.json["error"]["file"] == "a.yaml" and said.json["error"]["others"][0]["file"] == "argument 'seed=x'"


def test_several_mistakes_are_counted(trainkit: Trainkit) -> None:
    said = trainkit("validate", "a.yaml", "seed=x", files={"a.yaml": BASE + "device: gpu\n"})
    assert said.code == 2 and said.err.count("^\n") == 2 and said.err.endswith("2 mistakes.\n")


def test_what_a_file_smuggles_in_cannot_move_the_cursor(trainkit: Trainkit) -> None:
    said = trainkit("validate", "a.yaml", files={"a.yaml": BASE + 'device: "\\e[2J"\nna\u200bme: x\n'})
    assert said.code == 2  # the fixture has looked for escapes


def test_debug_shows_where_a_failure_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trainkit", "validate", str(tmp_path / "no.yaml"), "--debug"])
    with pytest.raises(SystemExit):
        main()
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["option", "override", "file"])
def test_a_device_that_is_not_there_is_5(form: str, trainkit: Trainkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    extra = {"option": ["--device", "cuda"], "override": ["device=cuda"], "file": []}[form]
    files = {"a.yaml": BASE + ("device: cuda\n" if form == "file" else "")}
    said = trainkit("train", "a.yaml", *extra, files=files)
    place = "a.yaml:3:9: " if form == "file" else "argument 'device=cuda':1:8: "
    assert said.code == 5 and said.err.startswith(f"{place}device cuda: ") and "Use `device: cpu`" in said.err
    as_json = trainkit("train", "a.yaml", *extra, "--json")
    assert as_json.code == as_json.json["error"]["code"] == 5 and as_json.json["error"]["line"] in (1, 3)
    assert trainkit("validate", "a.yaml", *extra).code == 0  # another machine may have it


# --- what good configs and parts say


def test_validate_says_what_it_read_and_what_comes_next(trainkit: Trainkit) -> None:
    said = trainkit("validate", "my a.yaml", files={"my a.yaml": BASE})
    assert said == (
        0,
        "my a.yaml is valid: digits, mlp, the task follows from the data.\n",
        "next      trainkit train 'my a.yaml'\n",
    )
    assert trainkit("validate", "my a.yaml", "--json").json == {"ok": True, "errors": []}


def test_overrides_reset_and_device_reach_the_config(trainkit: Trainkit) -> None:
    files = {"a.yaml": BASE + "optimizer: {lr: -1}\n"}
    assert trainkit("validate", "a.yaml", files=files).code == 2
    assert trainkit("validate", "a.yaml", "optimizer.lr=1e-2").code == 0
    assert trainkit("validate", "a.yaml", "--reset", "optimizer.lr").code == 0
    assert trainkit("validate", "a.yaml", "--reset", "optimizer.lr", "--device", "gpu").code == 2


def test_list_names_every_part_in_a_line(trainkit: Trainkit) -> None:
    said, as_json = trainkit("list"), trainkit("list", "--json").json
    assert said.code == 0 and list(as_json) == [
        "sources",
        "preprocessing",
        "augmentations",
        "models",
        "tasks",
        "losses",
        "metrics",
        "optimizers",
        "schedules",
        "loggers",
    ]
    for family, parts in as_json.items():
        assert f"{family}\n" in said.out and parts
        for name, line in parts.items():
            assert f"  {name:<17} {line}\n" in said.out and line.endswith(".")
    assert list(trainkit("list", "models", "--json").json) == ["models"]


def test_list_shows_the_parts_of_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from typing import Literal\nfrom trainkit.parts.models import Model, models\n\n\n@models.register\nclass Mine(Model):\n"
        '    """Mine alone."""\n\n    name: Literal["mine"] = "mine"\n    def build(self, spec): ...\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "trainkit", "list", "--plugin", "mine.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and "  mine              Mine alone.\n" in done.stdout and "  mlp " in done.stdout


# --- terminals


def test_a_closed_pipe_is_no_failure() -> None:
    done = subprocess.run(f"{sys.executable} -m trainkit list | head -1", shell=True, capture_output=True, text=True)
    assert done.stdout == "sources\n" and "Error" not in done.stderr


SCREEN = """
from trainkit.cli._screen import TerminalScreen
screen = TerminalScreen()
screen.say("model     mlp")
with screen.bar(9, 0):
    screen.step(3, 0.5, 9.0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
@pytest.mark.parametrize(
    ("environment", "escapes", "colours"),
    [
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_gets_a_bar_and_no_colour_where_it_wants_none(environment: dict[str, str], escapes: bool, colours: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM")}
    with subprocess.Popen([sys.executable, "-c", SCREEN], stderr=theirs, env={**clean, **environment}) as child:
        child.wait(60)
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (
        "mlp" in seen
        and ("\x1b" in seen) is escapes
        and bool(re.search(r"\x1b\[[\d;]*(3[0-7]|38;[\d;]+|9[0-7])m", seen)) is colours
    )
