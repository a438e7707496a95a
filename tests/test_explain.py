"""`explain` and `list FAMILY NAME`: every setting and part is found, in words, with an example that is a config."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainkit.cli import main
from trainkit.cli.explain import shown
from trainkit.config.describing import in_words, settings_schema
from trainkit.config.loading import build
from trainkit.config.lookup import describe_family, describe_part, explain
from trainkit.config.reader import dump, read_text
from trainkit.config.tree import Config
from trainkit.config.ways import all_ways, path_of
from trainkit.errors import ConfigError
from trainkit.parts import families
from trainkit.parts.models import models

SETTINGS = sorted({path_of(way) for way in all_ways()})
PARTS = [(family, name) for family, registry in families().items() for name in registry.names()]


def loads(facts: dict[str, Any]) -> bool:
    """Is the example a config with some source and a model, and is the override one of that config?"""
    return any(loads_with(source, facts) for source in SOURCES[:-1]) or loads_with(SOURCES[-1], facts)


SOURCES: list[Any] = [
    "digits", "iris", {"name": "synthetic", "kind": "sequences"}, {"name": "text", "path": "a.csv", "target": "b"},
]  # fmt: skip


def loads_with(source: Any, facts: dict[str, Any]) -> bool:
    tree = {"data": source, "model": "mlp", **yaml.safe_load(facts["yaml"])}
    tree = {key: value for key, value in tree.items() if key != "plugins"}  # its file is not there
    (override,) = shlex.split(facts["override"])
    given = [] if override.startswith("plugins=") else [override]
    try:
        return bool(build(read_text(dump(tree), "a.yaml"), given, folder=Path.cwd(), name="a").config)
    except ConfigError:
        if source is SOURCES[-1]:
            raise
        return False


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_explained_with_an_example_that_loads(key: str) -> None:
    found = [facts for facts in explain(key) if facts["kind"] == "setting"]
    assert found and {facts["key"] for facts in found} == {key}
    for facts in found:
        assert facts["help"] and facts["type"] and facts["default"] and loads(facts)
        assert "None" not in shown(facts)


@pytest.mark.parametrize(("family", "name"), PARTS)
def test_every_part_is_explained_with_an_example_that_loads(family: str, name: str) -> None:
    facts = describe_part(families()[family], name)
    part = families()[family].find(name)
    assert part is not None and set(facts["settings"]) == set(part.model_fields) - {"name"}
    assert facts["help"] and facts["stands_at"] and loads(facts)
    assert facts in explain(f"{family}.{name}") and facts in explain(name)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("optimizer.lr", "Learning rate; the schedule multiplies it.\n  type       a number greater than 0, at most 1,000\n"),
        ("optimizer.lr", "default    0.001 (adam, adamw, "),
        ("optimizer.lr", "\n  YAML       optimizer: {name: adamw, lr: 0.001}\n  override   optimizer.lr=0.001"),
        ("training.early_stopping.patience", "YAML       training: {early_stopping: {patience: 10}}"),
        ("training", "    epochs           Passes over the training split.\n"),
        ("model", "    mlp              Fully connected network over flattened inputs"),
        ("model", "default    none: it must be given"),
        ("model.mlp.hidden", "used by    mlp"),
        ("mlp.hidden", "override   'model.hidden=[128, 64]'"),
        ("models", "stands at  model\n"),
        ("losses", "stands at  task.loss\n"),
        ("huber", "YAML       task: {name: regression, loss: {name: huber, delta: 1.0}}"),  # a task that it goes with
        ("loggers[0].graph", "override   'loggers=[{name: tensorboard, graph: true}]'"),
        ("val_accuracy", "accuracy (metric)\n  val_accuracy is this on the validation split."),
        ("train_loss", "train_loss is this on the training split."),
        ("l1", "\n\ntraining.l1\n"),  # a loss, and a setting
        ("precision", "\n\nprecision (metric)\n"),  # a setting, and a metric
        ("evaluate_every", "type       epoch, or a whole number greater than 0"),
        ("mlp.dropout", "a number at least 0, less than 1, or a list, each item a number at least 0, less than 1"),
    ],
)  # fmt: skip
def test_words(word: str, words: str) -> None:
    assert words in "\n\n".join(map(shown, explain(word)))


def test_a_setting_of_many_parts_is_told_once_for_those_that_say_the_same() -> None:
    found = explain("model.hidden")
    assert len(found) > 1 and len({(facts["help"], facts["type"]) for facts in found}) == len(found)
    users = [name for facts in found for name in facts["used_by"]]
    assert sorted(users) == [name for name in models.names() if "hidden" in models.find(name).model_fields]  # type: ignore[union-attr]
    assert [facts["key"] for facts in explain("hidden") if facts["key"] == "model.hidden"] == ["model.hidden"] * len(found)


@pytest.mark.parametrize(
    ("word", "mend"),
    [
        ("optimizer.lrr", "Did you mean optimizer.lr"),
        ("momentm", "Did you mean momentum"),
        ("adamm", "Did you mean adam"),
        ("learning_rate", "Did you mean optimizer.lr"),  # its help says so
        ("models.nothing", ""),
        ("optimizer.lr.more", ""),
        ("", ""),
        ("..", "`trainkit list` names the parts"),
        ("zzzz", "`trainkit list` names the parts"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest(word: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain(word)
    assert f"{word!r} is not a setting, a part or a family of parts. " in str(caught.value) and mend in str(caught.value)
    with pytest.raises(ConfigError, match=r"'mpl' is not a model\. Did you mean mlp\? There are: "):
        describe_part(models, "mpl")


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["explain", "optimizer.lr"], 0, "optimizer.lr\n  Learning rate", "next      trainkit train CONFIG optimizer.lr=0.001\n"),
        (["explain", "models"], 0, "models\n", "next      trainkit explain models.cnn\n"),
        (["explain", "lrr"], 2, "", "'lrr' is not a setting, a part or a family of parts. Did you mean lr"),
        (["list", "models", "mlp"], 0, "mlp (model)\n  Fully connected", "next      trainkit list models\n"),
        (["list", "models", "mpl"], 2, "", "'mpl' is not a model. Did you mean mlp?"),
    ],
)
def test_the_commands(
    arguments: list[str], code: int, out: str, err: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["trainkit", *arguments, *more])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert left.value.code == code
        if more:
            assert said.out.count("\n") == 1 and ("error" in json.loads(said.out)) == (code != 0)
        else:
            assert said.out.startswith(out) and said.err.startswith(err) and max(map(len, said.out.splitlines()), default=0) <= 100


def test_facts_are_plain_and_families_list_their_parts() -> None:
    assert json.loads(json.dumps(explain("optimizer"))) == explain("optimizer")
    for family, registry in families().items():
        assert sorted(describe_family(registry)["inside"]) == registry.names()
        assert sorted(explain(family)[0]["inside"]) == registry.names()


def test_words_of_kinds_that_no_shipped_setting_has() -> None:
    kinds: dict[str, dict[str, Any]] = {
        "a list of at least 2, each item text": {"type": "array", "minItems": 2, "items": {"type": "string"}},
        "text such as auto or cpu": {"type": "string", "pattern": "x", "examples": ["auto", "cpu"]},
        "text that matches ^x$": {"type": "string", "pattern": "^x$"},
        "any value": {},
    }
    assert {in_words(schema): schema for schema in kinds.values()} == kinds
    assert in_words(settings_schema(Config)["properties"]["task"]).startswith("a task (classification, ")


def test_extends_is_explained_though_it_is_no_setting() -> None:
    (facts,) = explain("extends")
    assert facts["yaml"] == "extends: base.yaml" and "which this one changes" in facts["help"]
