"""The schema for editors: it is valid, it is the one in the repository, and it agrees with `validate`."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from trainkit.cli import main
from trainkit.config.describing import branches, settings_schema
from trainkit.config.loading import build, load
from trainkit.config.reader import dump, read_file, read_text
from trainkit.config.schema import config_schema
from trainkit.config.tree import Config
from trainkit.errors import ConfigError
from trainkit.parts import families

ROOT = Path(__file__).parents[1]
SCHEMA = config_schema()
BASE = {"data": "digits", "model": "mlp"}
ONLY_VALIDATE = {"fault", "finite_number"}
"""What a schema cannot say: two settings that do not go together, and .inf, which JSON does not have."""


def marked(tree: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(tree)]


def refused(tree: Any) -> str:
    try:
        build(read_text(dump(tree), "a.yaml"), folder=ROOT, name="a")
    except ConfigError as error:
        return str(error)
    return ""


def test_the_schema_is_a_schema_of_draft_7_and_stands_alone() -> None:
    Draft7Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    assert SCHEMA["$schema"].endswith("draft-07/schema#") and "$defs" not in text and "prefixItems" not in text
    assert all(reference.startswith("#/definitions/") for reference in references(SCHEMA))


def references(schema: Any) -> Iterator[str]:
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
        assert set(schema) == {"$ref"}, "draft 7 does not read what stands beside a reference"
    for inner in inside:
        yield from references(inner)


def test_the_shipped_schema_is_the_one_that_the_command_prints() -> None:
    shipped = json.loads((ROOT / "configs" / "schema.json").read_text(encoding="utf-8"))
    assert shipped == SCHEMA, "write it anew: trainkit schema -o configs/schema.json"


def test_the_command_prints_it_or_writes_a_file_with_a_plugin_s_parts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from typing import Literal\nfrom trainkit.parts.models import Model, models\n@models.register\n"
        'class Mine(Model):\n    """Mine."""\n    name: Literal["mine"] = "mine"\n    def build(self, spec): ...\n'
        '    gain: int = 1\n    """How much."""\n'
    )
    monkeypatch.chdir(tmp_path)
    for arguments, code in ((["--plugin", "mine.py"], 0), (["--plugin", "mine.py", "-o", "a.json"], 0), (["-o", "no/a.json"], 2)):
        monkeypatch.setattr(sys, "argv", ["trainkit", "schema", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == code
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert json.loads(said.out)["definitions"]["models.mine"]["properties"]["gain"]["description"] == "How much."
    assert "$schema=a.json" in said.err and "-o: there is no folder no." in said.err


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_have_no_mark_and_name_the_schema(path: Path) -> None:
    assert marked(read_file(path).value) == [] and marked(load(path).config.model_dump(mode="json")) == []
    assert "# yaml-language-server: $schema=schema.json\n" in path.read_text(encoding="utf-8")


def test_every_part_and_every_setting_is_there_with_its_help() -> None:
    for family, registry in families().items():
        for name in registry.names():
            part = registry.find(name)
            assert part is not None and part.__doc__
            section = SCHEMA["definitions"][f"{family}.{name}"]
            assert section["description"].startswith(part.__doc__.splitlines()[0]) and not section["additionalProperties"]
            assert set(section["properties"]) == set(part.model_fields)
            assert all(inner.get("description") for key, inner in section["properties"].items() if key != "name")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"modle": "mlp"}, "'modle' was unexpected"),
        ({"model": "mpl"}, "'mpl' is not"),
        ({"model": {"name": "mpl"}}, "$.model.name: 'mpl' is not"),
        ({"model": {"name": "mlp", "dropuot": 0.1}}, "'dropuot' was unexpected"),
        ({"model": {"dropout": 0.1}}, "'name' is a required property"),
        ({"model": {"name": "mlp", "hidden": [32, -1]}}, "$.model.hidden[1]: -1 is less than or equal to the minimum of 0"),
        ({"model": {"name": "cnn", "blocks": [32, {"channels": 64, "pool": "avg"}]}}, ""),  # a number is short for a block
        ({"model": {"name": "cnn", "blocks": [0]}}, "$.model.blocks[0]: 0 is less than or equal to the minimum of 0"),
        ({"data": "csv"}, "'csv' is not"),
        ({"data": {"name": "csv", "path": "a.csv"}}, "'target' is a required property"),
        ({"optimizer": {"lr": 0.1}}, ""),  # without a name it is the default
        ({"optimizer": {"momentum": 0.1}}, "'momentum' was unexpected"),
        ({"optimizer": {"name": "sgd", "momentum": 0.1}}, ""),
        ({"training": {"early_stopping": None, "evaluate_every": 5, "batch_size": 8}}, ""),
        ({"training": {"batch_size": True}}, "$.training.batch_size: True is not"),
        ({"task": {"name": "regression", "loss": {"delta": 2.0}}}, "'name' is a required property"),
        ({"task": None, "loggers": ["jsonl", {"name": "tensorboard", "graph": False}]}, ""),
        ({"loggers": [{"graph": False}]}, "'name' is a required property"),
        ({"seed": "${env:SEED:-0}", "model": "${env:MODEL:-mlp}", "training": {"batch_size": "${env:B:-8}"}}, ""),
        ({"precision": "${env:P:-auto}", "device": "${env:D:-cpu}", "split": "${env:S:-{test: 0}}"}, ""),
        ({"seed": "${SEED}"}, "'${SEED}' does not match"),
    ],
)  # fmt: skip
def test_what_is_marked(change: dict[str, Any], words: str) -> None:
    found = marked({**BASE, **change})
    assert bool(found) == bool(words) and words in "\n".join(found)
    assert bool(refused({**BASE, **change})) == bool(words)


@pytest.mark.parametrize(
    ("tree", "sound"),
    [
        ({"extends": "base.yaml"}, True),
        ({"extends": "base.yaml", "model": {"dropout": 0.1}, "optimizer": {"momentum": 0.9}, "data": {"name": "csv"}}, True),
        ({"extends": "base.yaml", "model": {"name": "mlp", "dropuot": 0.1}}, False),
        ({"extends": "base.yaml", "loggers": [{"graph": False}]}, False),  # a list replaces: its items are whole
        ({"extends": 3}, False),
        ({"model": "mlp"}, False),
    ],
)
def test_with_extends_a_config_may_be_a_piece(tree: Any, sound: bool) -> None:
    assert (marked(tree) == []) == sound


# --- the schema and `validate` on generated configs


def sample(choose: random.Random, schema: Any) -> Any:
    """A value that pydantic's own schema allows."""
    kind = choose.choice(branches(schema))
    match kind:
        case {"family": family}:
            return part(choose, family)
        case {"enum": values}:
            return choose.choice(values)
        case {"const": value}:
            return value
        case {"type": "integer"}:
            least = kind.get("minimum", kind.get("exclusiveMinimum", -1) + 1)
            return choose.randint(least, min(kind.get("maximum", least + 9), least + 9))
        case {"type": "number"}:
            low: float = next((kind[key] for key in ("minimum", "exclusiveMinimum") if key in kind), 0)
            high: float = next((kind[key] for key in ("maximum", "exclusiveMaximum") if key in kind), 9)
            return low + choose.uniform(0.01, 0.4) * (min(high, 9) - low)
        case {"type": "boolean"}:
            return choose.random() < 0.5
        case {"type": "array"}:
            return [sample(choose, kind["items"]) for _ in range(choose.randint(kind.get("minItems", 0), 3))]
        case {"type": "object", "properties": _}:
            return section(choose, kind)
        case {"type": "object"}:
            return {"3": sample(choose, kind["additionalProperties"])}
        case {"type": "string"}:
            return schema.get("default") if isinstance(schema.get("default"), str) else "text"
    return None


def section(choose: random.Random, schema: Any) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        key: sample(choose, inner)
        for key, inner in schema["properties"].items()
        if key in required or (key not in ("plugins", "name") and choose.random() < 0.25)
    }


def part(choose: random.Random, family: str) -> Any:
    registry = families()[family]
    name = choose.choice(registry.names())
    settings = section(choose, settings_schema(registry.find(name)))  # type: ignore[arg-type]
    return {"name": name, **settings} if settings or choose.random() < 0.5 else name


def mappings(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from mappings(inner)


def spoil(choose: random.Random, tree: dict[str, Any]) -> None:
    """One slip, somewhere."""
    where = choose.choice(list(mappings(tree)))
    key = choose.choice(list(where)) if where else "nothing"
    match choose.choice(["new", "misspelt", "type", "limit", "name", "gone"]):
        case "new":
            where["zest"] = 1
        case "misspelt" if where:
            where[key[:-1] + "_"] = where.pop(key)
        case "type" if where:
            where[key] = choose.choice([True, "words", 3.5, [], {}, None, [True], {"a": 1}])
        case "limit" if numbers := [(m, k) for m in mappings(tree) for k, v in m.items() if isinstance(v, int | float)]:
            holder, key = choose.choice(numbers)
            holder[key] = choose.choice([-3, 10**16, 1.5, 0])
        case "name":
            named = choose.choice([m for m in mappings(tree) if "name" in m] or [tree])
            named["name" if "name" in named else "model"] = choose.choice(["mpl", "nothing", "adamm", 3])
        case _:
            where.pop(key, None)


def test_the_schema_and_validate_agree_on_200_generated_configs() -> None:
    choose, root = random.Random(0), settings_schema(Config)
    verdicts = {True: 0, False: 0}
    excepted = 0
    for n in range(200):
        tree = section(choose, root)
        if n % 4:  # these rarely fit the source that chance has chosen, which only validate knows
            tree.pop("augment", None)
            tree.pop("preprocess", None)
        if n % 2:
            spoil(choose, tree)
        marks, words = marked(tree), refused(tree)
        if words and not marks:
            with pytest.raises(ValidationError) as caught:
                Config.model_validate(read_text(dump(tree), "a.yaml").value)
            assert {error["type"] for error in caught.value.errors()} <= ONLY_VALIDATE, (
                f"{n}: only validate refuses\n{tree}\n{words}"
            )
            excepted += 1
            continue
        assert bool(marks) == bool(words), f"{n}: {tree}\n{marks}\n{words}"
        verdicts[not marks] += 1
    assert excepted < 70 and min(verdicts.values()) > 50, (excepted, verdicts)
