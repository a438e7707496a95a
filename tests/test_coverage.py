"""docs/coverage.md: its snippets are valid, its commands and files exist, its statuses are those that it explains."""

import re
import shlex
from pathlib import Path

import pytest

from trainkit.config.loading import build, load
from trainkit.config.reader import read_text

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
SNIPPETS = [span for span in SPANS if re.match(r"(?!plugins)\w+: ", span)]  # a plugin needs a file: tests/test_readme.py has one
OVERRIDES = [span for span in SPANS if re.match(r"\w+\.[\w.]+=", span)]
COMMANDS = [shlex.split(span)[1:] for span in SPANS if span.startswith("trainkit ")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_is_valid_in_a_config(snippet: str) -> None:
    base = [line for line in ("data: digits", "model: mlp") if line.split(":")[0] != snippet.split(":")[0]]
    assert build(read_text("\n".join([*base, snippet]), "a.yaml"), folder=ROOT, name="a")


@pytest.mark.parametrize("override", OVERRIDES)
def test_an_override_is_valid(override: str) -> None:
    file = "overfit-polynomial" if override.startswith("data.") else "digits-mlp"
    assert load(ROOT / "configs" / f"{file}.yaml", [override])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_exists_and_its_config_is_valid(words: list[str]) -> None:
    command, *arguments = words
    assert (ROOT / "trainkit" / "cli" / f"{command.replace('list', 'list_')}.py").exists()
    if arguments and arguments[0].startswith("configs/"):
        assert load(ROOT / arguments[0], [word for word in arguments[1:] if "=" in word])


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"\b(?:configs|docs|tests|trainkit)/(?:[\w./-]*\w)?", PAGE)
    assert len(named) > 30 and not [path for path in named if not (ROOT / path).exists()]


def test_every_status_is_one_of_those_explained() -> None:
    themes = {row[0] for row in ROWS if len(row) == 2 and row[0].startswith("later: ")}
    statuses = [row[2] for row in ROWS if len(row) == 3 and row[2] not in ("status", "---") and any(row[1:])]  # else a heading
    assert len(statuses) > 100 and {len(row) for row in ROWS} == {2, 3}
    assert {word for status in statuses for word in status.split(" · ")} == {"works", "explained"} | themes
    assert len(SNIPPETS) > 60 and OVERRIDES and COMMANDS
