"""Every command and every piece of Python in the README and in the guide, run in order in a copy of the configs."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": {"init", "data", "train", "predict", "eval", "resume", "validate", "show", "explain", "list"},
    "docs/adding-parts.md": {"train"},
}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainkit.cli import main

    blocks = re.findall(r"```(sh|python)\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINKIT_RUNS", "runs")
    ran = []
    for kind, text in blocks:
        if kind == "python" and (named := re.match(r"# (\w+\.py)\n", text)):
            (tmp_path / named[1]).write_text(text)
        elif kind == "python":
            exec(compile(text, page, "exec"), {})
        for line in text.splitlines() if kind == "sh" else []:
            words = shlex.split(line, comments=True)
            if words[0] != "trainkit":
                assert words[0] == "make" and words[1] in ("train", "test")
                continue
            if words[1] == "resume":
                Path("runs/penguins-1/metrics.jsonl").write_text("")  # as if it had been stopped before its end
            monkeypatch.setattr(sys, "argv", words)
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code == 0, (line, capsys.readouterr().err)
            ran.append(words[1])
    assert PAGES[page] <= set(ran)


def test_the_page_on_parts_is_short() -> None:
    assert len((ROOT / "docs" / "adding-parts.md").read_text(encoding="utf-8").splitlines()) < 60


def test_the_readmes_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from trainkit.cli import main

    shown = re.search(r"```\n(wrong\.yaml:.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("data: digits\n\nmodel: {name: mlp, hiden: [64]}\n")
    monkeypatch.setattr(sys, "argv", ["trainkit", "validate", "wrong.yaml"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == shown[1]


GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
WHOLE = [
    pytest.param(text, id=f"{page.stem}-{n}")
    for page in GUIDE
    for n, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    if re.search(r"^data:", text, re.MULTILINE) and re.search(r"^model:", text, re.MULTILINE)
]


@pytest.mark.parametrize("text", WHOLE)
def test_every_config_of_the_guide_is_one(text: str) -> None:
    from trainkit.config.loading import build
    from trainkit.config.reader import read_text

    assert build(read_text(text, "guide.yaml"), folder=ROOT, name="guide").config


def test_every_source_that_reads_files_has_its_page() -> None:
    from trainkit.parts.sources import sources

    pages, shown = {page.stem for page in GUIDE}, "\n".join(str(param.values[0]) for param in WHOLE)
    files = {"csv", "images", "idx", "torchvision", "text", "series", "arrays"}
    assert files <= pages and all(f"name: {name}" in shown for name in files) and files <= set(sources.names())
