"""`trainkit show`: YAML that loads as the same config, and where each value comes from."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainkit.cli import main
from trainkit.config.loading import Loaded, build, load
from trainkit.config.reader import read_text
from trainkit.config.showing import Which, origins, text
from trainkit.config.tree import Config
from trainkit.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
WHICH: tuple[Which, ...] = ("written", "changed", "full")
BASE = """\
data: digits
model: mlp
optimizer: {name: sgd, lr: 0.5}
training:
  epochs: 40
"""
TOP = """\
extends: base.yaml
seed: ${env:SEED:-3}
model:
  hidden:
    - 8
    - 4
optimizer: {momentum: 0.9}
"""
WRITTEN = """\
name: top              # follows from the file's name
seed: 3                # top.yaml:2, ${env:SEED:-3}
data:
  name: digits         # base.yaml:1
model:
  name: mlp            # base.yaml:2
  hidden: [8, 5]       # top.yaml:4, argument 'model.hidden[1]=5'
optimizer:
  name: sgd            # base.yaml:3
  lr: 0.5              # base.yaml:3
  weight_decay: 0.01   # argument 'optimizer.weight_decay=1e-2'
  momentum: 0.9        # top.yaml:7
schedule:
  name: constant       # default
training:
  epochs: 10           # --reset
loggers:
  - name: tensorboard  # default
# task: left out, it follows from the data
"""
CHANGED = """\
name: top               # follows from the file's name
data:
  name: digits          # base.yaml:1
model:
  name: mlp             # base.yaml:2
  hidden: [8, 4]        # top.yaml:4
task:
  name: classification  # argument 'task=classification'
optimizer:
  name: sgd             # base.yaml:3
  lr: 0.5               # base.yaml:3
  momentum: 0.9         # top.yaml:7
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Show = Callable[..., Said]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """Runs the command beside base.yaml and top.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    Path("top.yaml").write_text(TOP)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["trainkit", "show", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return Said(left.value.code if isinstance(left.value.code, int) else 1, *capsys.readouterr())

    return run


def loaded(folder: Path, *overrides: str, top: str = TOP, **options: Any) -> Loaded:
    (folder / "base.yaml").write_text(BASE)
    (folder / "top.yaml").write_text(top)
    return load(folder / "top.yaml", overrides, **options)


def short(folder: Path, said: str) -> str:
    return said.replace(str(folder / "x")[:-1], "")


def again(shown: str) -> Config:
    """What the YAML loads as, from another place and without a file's name."""
    return build(read_text(shown, "shown"), folder=Path("/nowhere"), name="another").config


# --- what it shows


def test_what_was_written_is_shown_with_its_origin(show: Show) -> None:
    said = show("top.yaml", "model.hidden[1]=5", "optimizer.weight_decay=1e-2", "--reset", "training.epochs")
    assert said.code == 0
    assert said.out == WRITTEN
    assert said.err == (
        "next      trainkit train top.yaml 'model.hidden[1]=5' optimizer.weight_decay=1e-2 --reset training.epochs\n"
    )


def test_changed_shows_only_what_differs(show: Show) -> None:
    said = show("top.yaml", "training.epochs=10", "seed=0", "task=classification", "--changed")
    assert said.out == CHANGED


def test_full_shows_every_setting(tmp_path: Path) -> None:
    config = loaded(tmp_path, "task=classification").config
    assert read_text(text(loaded(tmp_path, "task=classification"), "full"), "shown").value == config.model_dump(mode="json")


@pytest.mark.parametrize("which", WHICH)
def test_every_value_has_an_aligned_origin(which: Which, tmp_path: Path) -> None:
    lines = text(loaded(tmp_path, "training.early_stopping={}", "loggers=[jsonl]"), which).splitlines()
    columns = {line.index("  # ") for line in lines if not line.endswith(":") and not line.startswith("#")}
    assert len(columns) == 1 and len(lines) > 10


def test_json_is_the_whole_config_and_every_origin(show: Show) -> None:
    said = show("top.yaml", "optimizer.lr=0.1", "--json")
    assert said.code == 0 and said.out.count("\n") == 1 and not said.err
    found = json.loads(said.out)
    assert set(found) == {"config", "origins"} and found["config"] == load("top.yaml", ["optimizer.lr=0.1"]).config.model_dump(
        mode="json"
    )
    assert found["origins"]["optimizer.lr"] == "argument 'optimizer.lr=0.1'" and found["origins"]["task"] == "follows from the data"
    assert found["origins"]["loggers[0].graph"] == "default" and found["origins"]["model.name"] == "base.yaml:2"


def test_device_is_an_override(show: Show) -> None:
    said = show("top.yaml", "--device", "cpu")
    assert "device: cpu            # argument 'device=cpu'\n" in said.out and said.err.endswith("train top.yaml device=cpu\n")


def test_a_part_from_a_plugin_is_shown(show: Show) -> None:
    Path("mine.py").write_text(
        "from typing import Literal\nfrom trainkit.parts.models import Model, models\n\n\n@models.register\nclass Mine(Model):\n"
        '    """Mine."""\n\n    name: Literal["mine"] = "mine"\n    def build(self, spec): ...\n    gain: float = 1.0\n'
    )
    said = show("top.yaml", "model=mine", "model.gain=2.0", "--plugin", "mine.py")
    assert "  gain: 2.0            # argument 'model.gain=2.0'\n" in said.out
    assert said.err == "next      trainkit train top.yaml model=mine model.gain=2.0 --plugin mine.py\n"
    named = show("top.yaml", "model=mine", "plugins=[mine.py]")
    assert f"\nplugins: [{Path.cwd() / 'mine.py'}]  # argument 'plugins=[mine.py]'\n" in named.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["top.yaml", "--full", "--changed"], "--full, --changed and --schedule each show something else"),
        (["top.yaml", "--schedule", "--json"], ""),
        (["top.yaml", "optimizer.lrr=1"], "argument 'optimizer.lrr=1':1:11: optimizer.lrr is not a setting of sgd."),
        (["tip.yaml"], "tip.yaml: There is no such file. Did you mean top.yaml?"),
    ],
)
def test_a_mistake_is_2(arguments: list[str], message: str, show: Show) -> None:
    said = show(*arguments)
    assert said.code == 2 and said.err.startswith(message)
    assert (json.loads(said.out)["error"]["code"] == 2) if "--json" in arguments else not said.out


# --- where values come from


@pytest.mark.parametrize(
    ("overrides", "key", "origin"),
    [
        ([], "optimizer.lr", "base.yaml:3"),
        ([], "optimizer.momentum", "top.yaml:7"),
        ([], "optimizer.weight_decay", "default"),
        ([], "model.name", "base.yaml:2"),  # written as a bare name
        ([], "model.hidden", "top.yaml:4"),
        ([], "model.dropout", "default"),
        ([], "schedule.name", "default"),
        ([], "training.epochs", "base.yaml:5"),
        ([], "name", "follows from the file's name"),
        ([], "task", "follows from the data"),
        ([], "seed", "top.yaml:2, ${env:SEED:-3}"),
        (["training={epochs: null, steps: 5}"], "training.epochs", "argument 'training={epochs: null, steps: 5}'"),
        (["name=x"], "name", "argument 'name=x'"),
        (["seed=1", "seed=2"], "seed", "argument 'seed=2'"),
        (["optimizer=adam"], "optimizer.name", "argument 'optimizer=adam'"),
        (["optimizer=adam"], "optimizer.lr", "default"),  # the sections that wrote it were replaced
        (["optimizer=sgd"], "optimizer.name", "base.yaml:3"),  # it changes nothing
        (["optimizer.name=adam", "optimizer.beta1=0.5"], "optimizer.beta1", "argument 'optimizer.beta1=0.5'"),
        (["model.hidden[0]=1"], "model.hidden", "top.yaml:4, argument 'model.hidden[0]=1'"),
        (["model.hidden=[1]"], "model.hidden", "argument 'model.hidden=[1]'"),
        (["loggers[0].graph=false"], "loggers[0].graph", "argument 'loggers[0].graph=false'"),
        (["loggers[0].graph=false"], "loggers[0].name", "default"),
        (["loggers=[jsonl]"], "loggers[0].name", "argument 'loggers=[jsonl]'"),
        (["loggers=[]"], "loggers", "argument 'loggers=[]'"),
        (["model={name: cnn, blocks: [3, {channels: 4}]}"], "model.blocks[0].channels",
            "argument 'model={name: cnn, blocks: [3, {channels: 4}]}'"),
        (["model={name: cnn, blocks: [3, {channels: 4}]}"], "model.blocks[1].kernel", "default"),
        (["task={name: classification, class_weights: {a: 2}}"], "task.class_weights.a",
            "argument 'task={name: classification, class_weights: {a: 2}}'"),
        (["optimizer={weight_decay: 0.1, lr: '${env:NO_SUCH:-0.25}'}"], "optimizer.lr",
            "argument \"optimizer={weight_decay: 0.1, lr: '${env:NO_SUCH:-0.25}'}\""),
        (["schedule.warmup=0.1"], "schedule.name", "default"),
        (["data=synthetic"], "data.rows", "follows from the rest of data"),
        (["training.early_stopping={}"], "training.early_stopping.patience", "default"),
        (["seed=" + " " * 80 + "5"], "seed", "argument 'seed=" + " " * 52 + "…'"),
    ],
)  # fmt: skip
def test_an_origin(overrides: list[str], key: str, origin: str, tmp_path: Path) -> None:
    assert short(tmp_path, origins(loaded(tmp_path, *overrides))[key]) == origin


@pytest.mark.parametrize(
    ("key", "origin"),
    [("model.name", "top.yaml:4, ${env:MODEL}"), ("model.dropout", "top.yaml:4, ${env:MODEL}"), ("model.hidden", "default")],
)
def test_what_the_environment_says_as_a_whole(key: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "{name: mlp, dropout: 0.5}")
    found = loaded(tmp_path, top="seed: 1\ndata: digits\n\nmodel: ${env:MODEL}\n")
    assert short(tmp_path, origins(found)[key]) == origin


def test_a_value_that_others_decide_follows_from_them(tmp_path: Path) -> None:
    found = origins(loaded(tmp_path, "data={name: synthetic, kind: blobs}", top="model: mlp\ndata: digits\ntraining: {steps: 9}\n"))
    assert found["training.epochs"] == "follows from training.steps"
    assert found["data.classes"] == "follows from the rest of data" and found["data.seed"] == "default"


def test_reset_is_an_origin_until_something_is_written(tmp_path: Path) -> None:
    found = origins(loaded(tmp_path, "optimizer.lr=0.1", reset=["optimizer", "seed"]))
    assert found["seed"] == found["optimizer.beta1"] == "--reset" and found["optimizer.lr"] == "argument 'optimizer.lr=0.1'"


def test_an_origin_cannot_break_out_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a\nseed: 5 #\x1b[2J.yaml"
    try:
        file.write_text("data: digits\nmodel: mlp\n")
    except OSError:
        pytest.skip("no such names on this disk")
    shown = text(load(file, ["optimizer.lr=\n0.5"]))
    assert "\x1b" not in shown and again(shown) == load(file, ["optimizer.lr=0.5"]).config


# --- it loads as the same config


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_shown_is_the_same_config(path: Path, which: Which, tmp_path: Path) -> None:
    original = load(path)
    shown = text(original, which)
    assert again(shown) == original.config
    (tmp_path / "again.yaml").write_text(shown, encoding="utf-8")
    assert load(tmp_path / "again.yaml").config == original.config
    assert text(load(tmp_path / "again.yaml"), which).count("\n") == shown.count("\n")


OVERRIDES = [
    "seed=7", "name=a-b", "name='1e-3'", "optimizer=sgd", "optimizer.lr=0.5", "optimizer={name: sgd, momentum: 0.9}",
    "schedule=cosine", "schedule={name: step, every: 0.2}", "schedule.warmup=5", "training={epochs: null, steps: 100}",
    "training.early_stopping={}", "training.early_stopping=null", "training.early_stopping.patience=3", "split={validation: 0.5}",
    "model={name: mlp, hidden: []}", "model={name: cnn, blocks: [8, {channels: 16, pool: avg}]}", "model.dropout=0.25",
    "data={name: synthetic, kind: blobs}", "data={name: synthetic, kind: tokens, classes: 3}", "data=iris",
    "data={name: csv, path: 'a # b.csv', target: 'y', kinds: {'no': ignore, 'a: b # c': category, \"\\n\": number, '': number}}",
    "data={name: csv, path: é.csv, target: \"\\xA0 é \"}", "task=classification", "task=null", "task=regression",
    "task={name: classification, class_weights: {'1': 2, 'é': 0.5}}", "task={name: classification, class_weights: balanced}",
    "task={name: classification, metrics: [accuracy, {name: top_k, k: 3}]}", "loggers=[]",
    "loggers=[jsonl, {name: tensorboard, graph: false}]",
    "loggers[0].graph=false", "device=cpu", "threads=2", "deterministic=false", "training.max_time=30m", "training.batch_size=all",
]  # fmt: skip


def loads(path: Path, overrides: list[str]) -> Loaded | None:
    try:
        return load(path, overrides)
    except ConfigError:
        return None


def test_every_override_of_the_hypothesis_below_is_valid_somewhere() -> None:
    assert not [override for override in OVERRIDES if not any(loads(path, [override]) for path in CONFIGS)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CONFIGS), st.lists(st.sampled_from(OVERRIDES), max_size=5), st.sampled_from(WHICH))
def test_whatever_is_overridden_is_shown_whole(path: Path, overrides: list[str], which: Which) -> None:
    original = loads(path, overrides)
    if original is not None:
        assert again(text(original, which)) == original.config


def test_what_is_shown_trains_to_the_same_weights(show: Show, tmp_path: Path) -> None:
    from tests.killing import digest
    from trainkit.engine.loop import fit
    from trainkit.jobs.building import build_run

    changes = ["model.hidden=[16]", "optimizer={name: adamz, lr: 3e-3}", "training.epochs=2", "training.ema=0.9", "device=cpu"]
    original, shown = Path(__file__).parents[1] / "configs" / "digits-mlp.yaml", tmp_path / "shown.yaml"
    shown.write_text(show(str(original), *changes).out, encoding="utf-8")
    found = []
    for path, overrides in ((original, changes), (shown, [])):
        run = build_run(load(path, overrides).config)
        list(fit(run))
        found.append(digest([run.network.state_dict(), run.content()]))
    assert found[0] == found[1]


def test_what_was_extended_is_shown_whole(tmp_path: Path) -> None:
    original = loaded(tmp_path, "model.hidden[0]=9")
    for which in WHICH:
        shown = text(original, which)
        assert again(shown) == original.config and "extends" not in shown


# --- the schedule


def heights(said: Said) -> list[int]:
    """For each column of dots the height of its lowest one, from 0 to 39; only the curve's rows have the axis."""
    rows = [line.partition("│")[2] for line in said.out.splitlines() if "│" in line]
    assert len(rows) == 10 and {len(row) for row in rows} == {60}
    bits = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
    found = []
    for column in range(120):
        lit = [39 - (4 * r + n) for r, row in enumerate(rows) for n in range(4) if ord(row[column // 2]) & bits[column % 2][n]]
        assert lit, "the curve has a gap"
        found.append(min(lit))
    return found


def test_the_schedule_is_drawn(show: Show) -> None:
    said = show("top.yaml", "schedule=cosine", "--schedule")
    assert said.code == 0 and said.err.startswith("next      trainkit train top.yaml schedule=cosine\n")
    first, *_, shares, epochs = said.out.splitlines()
    assert first == "The learning rate with the schedule cosine: first 0.5, highest 0.5, last 1.23e-06."
    assert shares.split() == ["0", "%", "50", "%", "100", "%"] and epochs.split() == ["0", "20", "40", "epochs"]
    drawn = heights(said)
    assert drawn[0] == 39 and drawn[59] == pytest.approx(39 / 2, abs=1) and drawn[-1] == 0
    assert all(left >= right for left, right in pairwise(drawn))
    assert [line.partition(" │")[0] for line in said.out.splitlines()[1:11]] == ["0.5", *["   "] * 8, "  0"]


def test_a_warm_up_climbs_and_steps_are_counted(show: Show) -> None:
    steps = ["training.epochs=null", "training.steps=1200"]
    said = show("top.yaml", "schedule={name: constant, warmup: 600}", *steps, "--schedule")
    drawn = heights(said)
    assert drawn[0] == 0 and drawn[30] == pytest.approx(39 / 2, abs=1) and drawn[61:] == [39] * 59
    assert said.out.splitlines()[-1].split() == ["0", "600", "1,200", "steps"]
    fall = heights(show("top.yaml", "schedule={name: step, every: 300, gamma: 0.5}", *steps, "--schedule"))
    assert [fall[15], fall[45], fall[75], fall[105]] == [39, 20, 10, 5]


@pytest.mark.parametrize("steps", [1, 7, 10**12])
def test_any_length_can_be_drawn(steps: int, show: Show) -> None:
    assert heights(show("top.yaml", "training.epochs=null", f"training.steps={steps}", "--schedule")) == [39] * 120


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ("schedule=plateau", "The schedule plateau follows the evaluations: its curve is not known ahead."),
        ("schedule.warmup=100", "schedule.warmup: given in steps, and how many there are follows from the data."),
    ],
)
def test_a_curve_that_is_not_known_ahead_is_not_drawn(schedule: str, sentence: str, show: Show) -> None:
    said = show("top.yaml", schedule, "--schedule")
    assert said.code == 0 and said.out.startswith(sentence) and "│" not in said.out


# --- no torch


def test_it_loads_nothing_heavy() -> None:
    program = f"""
import sys
from trainkit.cli import main
for arguments in (["{CONFIGS[0]}"], ["{CONFIGS[0]}", "--full"], ["{CONFIGS[0]}", "--schedule"], ["{CONFIGS[0]}", "--json"]):
    sys.argv = ["trainkit", "show", *arguments]
    try:
        main()
    except SystemExit as left:
        assert left.code == 0
print([name for name in ("torch", "numpy", "rich", "sklearn", "polars", "matplotlib") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.stderr.splitlines()[-1] == "[]"
    assert re.search(r"^data:$", done.stdout, re.MULTILINE)
