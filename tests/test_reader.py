"""The strict YAML reader: what it takes, what it refuses and where it says so, and that it reads what it writes."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainkit.config.reader import SIZE_BYTES, Mark, dump, read_file, read_text
from trainkit.errors import ConfigError, Problem

CONFIG = """\
# a comment
model:
  name: mlp
  hidden: [64, 32]
loggers:
  - csv
  - name: tensorboard
"""


def refusal(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read_text(text, "a.yaml")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("1.", 1.0), ("-1.5e+2", -150.0), (".inf", math.inf), ("-.inf", -math.inf)],
        *[("17", 17), ("+3", 3), ("-3", -3), ("017", 17), ("0o17", 15), ("0x1F", 31), ("9223372036854775807", 2**63 - 1)],
        *[("true", True), ("True", True), ("FALSE", False), ("null", None), ("Null", None), ("~", None), ("", None), ("# c", None)],
        *[(word, word) for word in ["no", "on", "off", "yes", "y", "1_000", "1:30", "2024-01-01", "nan", "NaN", "inf", "None"]],
        *[(word, word) for word in ["0b1", "-0x1F", "+.nan", "1e", "tRue", "=", "٣", "C:\\a", "http://x", "lr:1e-3", "<<"]],
        *[('"1"', "1"), ("'true'", "true"), ('""', ""), ('"\\x00"', "\0"), ("|\n a\n b\n", "a\nb\n")],
        *[("[64, 3e-4, no]", [64, 3e-4, "no"]), ("a: {b: [], c: }", {"a": {"b": [], "c": None}}), ("- 1\n- a: 2", [1, {"a": 2}])],
        *[("no: 1", {"no": 1}), ("'1': 2", {"1": 2}), ("'<<': 1", {"<<": 1}), ("? a\n: 1", {"a": 1})],
        *[("0: 1\n17: a", {"0": 1, "17": "a"}), ("{3: [4], '03': 5}", {"3": [4], "03": 5}), ("9" * 99 + ": 1", {"9" * 99: 1})],
        *[("\ufeffa: 1", {"a": 1}), ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}), ("---\na: 1\n...\n", {"a": 1})],
        *[("%YAML 1.1\n---\nno", "no"), ("%YAML 1.2\n---\n1", 1), ("[" * 50 + "]" * 50, json.loads("[" * 50 + "]" * 50))],
    ],
)
def test_reads_yaml_1_2(text: str, value: Any) -> None:
    read = read_text(text, "a.yaml").value
    assert read == value and type(read) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(read_text(".nan", "a.yaml").value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        # more than YAML refuses
        ("a: 1\nb: 2\na: 3", "3:1", "a is written on line 1 and again on line 3. Keep one"),
        ("a:\n  b: 1\n  b: 2", "3:3", "a.b is written on line 2 and again on line 3"),
        ("[{a: 1, a: 2}]", "1:9", "[0].a is written"),
        ("a: &x 1", "1:4", "anchor"),
        ("a: *x", "1:4", "alias"),
        ("path: *.csv", "1:7", "in quotes"),
        ("a: !!str 1", "1:4", "tag"),
        ("a: ! 1", "1:4", "tag"),
        ("a: !e!x 1", "1:4", "tag"),
        ("&x a: 1", "1:1", "anchor"),
        ("%TAG ! tag:x,2000:\n---\n1", "1:1", "tag"),
        ("<<: {a: 1}", "1:1", "merges"),
        ("a: 1\n01: b", "2:1", 'The key 01 is read as a number. Write it in quotes: "01"'),
        ("0x1: b", "1:1", 'The key 0x1 is read as a number. Write it in quotes: "0x1"'),
        ("-1: b", "1:1", 'The key -1 is read as a number. Write it in quotes: "-1"'),
        ("1.0: b", "1:1", "The key 1.0 is read as a number"),
        ('{3: a, "3": b}', "1:8", "3 is written on line 1 and again on line 1. Keep one"),
        ("true: b", "1:1", "The key true is read as true or false. Write it in quotes"),
        ("~: b", "1:1", "The key ~ is read as nothing. Write it in quotes"),
        ("1e5: b", "1:1", "The key 1e5 is read as a number"),
        (": b", "1:1", "no key before the colon"),
        ("?", "1:2", "no key before the colon"),
        ("? [a]\n: b", "1:3", "must be a word"),
        ("[" * 51 + "]" * 51, "1:51", "more than 50 deep"),
        ("{a: " * 51 + "}" * 51, "1:201", "more than 50 deep"),
        ("- " * 51 + "1", "1:101", "more than 50 deep"),
        ("a: 1\n---\nb: 2", "2:1", "second document"),
        ("a: 9223372036854775808", "1:4", "64 bits"),
        ("a: -0009223372036854775809", "1:4", "64 bits"),
        ("a: 0xFFFFFFFFFFFFFFFFF", "1:4", "64 bits"),
        ("a: " + "9" * 9000, "1:4", "64 bits"),
        ("a: b\0", "1:5", "U+0000"),
        ("a: 1\r\nb: \x1b[0m", "2:4", "U+001B"),
        ("a: x\ufeff", "1:5", "U+FEFF"),
        ("a: \ud800", "1:4", "U+D800"),
        ("a: \udcff", "1:4", "0xFF here is not UTF-8"),
        ('a: "\\ud800"', "1:4", "no character"),
        # a student's slips
        ("a:\n\tb: 1", "2:1", "A tab stands here. Replace it with spaces."),
        ("a: 1\t# c", "1:5", "tab"),
        ("model: mlp\nlr:1e-3", "2:4", "no space after the colon"),
        ("lr:1e-3\nmodel: mlp", "1:4", "no space after the colon"),
        ("train:\n  lr:1e-3\n  epochs: 3", "2:6", "no space after the colon"),
        ("{lr:1e-3}", "1:2", "no space after the colon"),
        ("model: mlp\nepochs 3\nlr: 1", "2:1", "lacks a colon"),
        ("a: b: c", "1:5", "put text that holds a colon in quotes"),
        ("a: 1\n  b: 2", "2:4", "indentation"),
        ("a:\n    b: 1\n  c: 2", "3:3", "indentation"),
        ("a: 1\n- b", "2:1", "indentation"),
        ("a: - 1", "1:4", "A list item cannot begin here"),
        ("a: 'x\nb: 1", "1:4", "quote that opens here is never closed"),
        ("a: [1, 2", "1:4", "bracket is never closed"),
        ("\na: [1, 2\nb: 1\nc: 2", "3:2", "closing bracket is missing before this. It opens on line 2."),
        ("a: ['b' 'c']", "1:9", "comma or a closing bracket"),
        ("a: [1,, 2]", "1:7", "A value is missing"),
        ("a: @b", "1:4", "quotes"),
        ("a: %b", "1:4", "quotes"),
        ("a: |b", "1:4", "quotes"),
        ('a: "b" c', "1:8", "quotes"),
        ("[1] [2]", "1:5", "does not belong"),
        ('a: "C:\\data"', "1:8", "backslash"),
        ('a: "\\UFFFFFFFF"', "1:7", "too large"),
        ("%YAML 1." + "1" * 9000, "1:9", "too large"),
        ("%YAML 2.0\n---\n1", "1:1", "directive"),
        ("%a", "1:3", "directive"),
    ],
)
def test_refuses_with_a_place_and_a_mend(text: str, place: str, words: str) -> None:
    problem = refusal(text)
    assert problem.where == f"a.yaml:{place}"
    assert words in str(problem)
    assert problem.suggestion and problem.quoted is not None
    assert problem.quoted.replace("\t", " ").isprintable()  # a terminal shows it as it is, with the caret below the right character


def test_the_key_of_a_refusal_is_known() -> None:
    assert refusal("a:\n  b: 1\n  b: 2").key == ("a", "b")
    assert refusal("a: [1, *x]").key == ("a", 1)


@pytest.mark.parametrize("bomb", ["[" * 99_999, "{" * 99_999, "{a: " * 24_999, "- " * 49_999, "? " * 49_999])
def test_a_bomb_of_brackets_ends_soon(bomb: str) -> None:
    assert refusal(bomb)


def test_size_is_counted_in_bytes() -> None:
    assert read_text("é" * (SIZE_BYTES // 2), "a.yaml").value
    assert "larger than 100 kB" in refusal("é" * (SIZE_BYTES // 2) + "a").message


def test_marks() -> None:
    document = read_text(CONFIG, "a.yaml")
    assert document.values[()] == Mark(2, 1)
    assert document.keys["model", "hidden"] == Mark(4, 3)
    assert document.values["model", "hidden"] == Mark(4, 11)
    assert document.keys["model", "hidden", 1] == document.values["model", "hidden", 1] == Mark(4, 16)
    assert document.keys["loggers", 1, "name"] == Mark(7, 5)
    assert document.values["loggers", 1, "name"] == Mark(7, 11)


@pytest.mark.parametrize(
    ("key", "at", "place"),
    [
        (("model", "name"), "value", "3:9"),
        (("model", "name"), "key", "3:3"),
        (("model", "dropout"), "value", "2:1"),  # not written: the section's key
        (("model", "dropout", "rate"), "key", "2:1"),
        (("model", "hidden", 2), "value", "4:3"),
        (("train", "lr"), "value", "2:1"),  # no parent was written either: the root
        ((), "key", "2:1"),
    ],
)
def test_a_problem_stands_at_its_key(key: Any, at: Any, place: str) -> None:
    problem = read_text(CONFIG, "a.yaml").problem("Wrong.", key, at=at, suggestion="Mend it.")
    assert str(problem) == f"a.yaml:{place}: Wrong. Mend it."
    assert problem.key == key and problem.quoted == CONFIG.splitlines()[int(place.split(":")[0]) - 1]


def test_an_empty_text_has_a_place() -> None:
    assert read_text("", "argument 2").problem("Wrong.", ("lr",)).where == "argument 2:1:1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"# nothing\n", "empty"),
        (b"- 1\n", ":1:1: The file holds a list in place of settings. Write lines such as `model: mlp`."),
        (b"mlp", "holds text"),
        (b"3", "holds a number"),
        (b"lr:1e-3\nepochs:3\n", ":1:1: There is no space after the colon."),
        (b"a: 1\nb: caf\xe9 x", ":2:7: The byte 0xE9 here is not UTF-8. Save the text as UTF-8."),
        ("a: 1".encode("utf-16"), "not UTF-8"),
        (b"a: " + b"x" * SIZE_BYTES, "larger than 100 kB"),
    ],
)
def test_refuses_files_that_hold_no_settings(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    assert str(caught.value).startswith(str(path)) and words in str(caught.value)


def test_reads_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_bytes(b"\xef\xbb\xbfmodel: mlp\r\n")
    document = read_file("./a.yaml")
    assert (document.file, document.value, document.keys["model",]) == ("./a.yaml", {"model": "mlp"}, Mark(1, 1))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("folder/digit.yaml", f"folder/digit.yaml: There is no such file. Did you mean {Path('folder', 'digits.yaml')}?"),
        ("folder/x.yaml", "Look at the path."),
        ("nowhere/a.yaml", "nor a folder nowhere"),
        ("folder", "folder: This is a folder."),
        ("", "'': There is no such file."),
        ("folder/digits.yaml/a", "folder/digits.yaml/a: "),
        ("a" * 5000, "cannot be read"),
        ("a\0b", "cannot be read"),
    ],
)
def test_refuses_paths_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder/digits.yaml").write_text("model: mlp")
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    assert words in str(caught.value)


def test_dump_is_readable() -> None:
    shared = [64, 32]
    value = {"name": "mlp", "lr": 1e-05, "hidden": shared, "same": shared, "loggers": [{"name": "csv"}], "é": "no", "old": "1e-3"}
    assert dump(value) == "name: mlp\nlr: 1e-05\nhidden: [64, 32]\nsame: [64, 32]\nloggers:\n- name: csv\né: no\nold: '1e-3'\n"
    assert dump("a") == "a\n"
    assert dump(list(range(100))).count("\n") == 1


TRICKY = ["1e-3", "no", "null", "~", "0x1F", "0o7", "1_000", "2024-01-01", ".nan", "", "<<", "a: b", "- a", "#", "a #b", "lr:1e-3"]
TRICKY += ["\x85", "a\x85b", "\u2028", "\r", "\r\n", " a ", "a\n\n b", "\n...\n", "...", "\ufeff", "\0", "\x1b", "\U0010ffff"]
TRICKY += ["3", "03", "'\"", "?", "x" * 2000, "x " * 200]
PIECES = ["a", ": ", "- ", "? ", "\n", "  ", "[", "]", "{", "}", ", ", "'", '"', "---\n", "...\n", "|\n", "1", "%", "#", "\\"]


@pytest.mark.parametrize("text", TRICKY)
def test_a_string_stays_that_string(text: str) -> None:
    for value in (text, [text, [text]], {text: text}, {"a": {text: [{text: text}]}}):
        assert read_text(dump(value), "a.yaml").value == value


words = st.text() | st.sampled_from(TRICKY)
scalars = words | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans() | st.none()
plain = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12)


@settings(max_examples=100, deadline=None)
@given(plain)
def test_what_is_written_is_read_back(value: Any) -> None:
    read = read_text(dump(value), "a.yaml").value
    assert repr(read) == repr(value)  # with types, signs of zero and the order of keys


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(), max_size=60)
    | st.text(st.sampled_from("\t\n\r\0 -?:,[]{}#&*!|>'\"%@`<.~0x1ea\\U\ufeff\ud800\x85"), max_size=60)
    | st.lists(st.sampled_from(PIECES)).map("".join)
)
def test_any_text_gives_a_result_or_a_config_error(text: str) -> None:
    try:
        document = read_text(text, "a.yaml")
    except ConfigError as error:
        (problem,) = error.problems
        assert problem.line and problem.column and problem.quoted is not None and problem.suggestion
        assert problem.column <= len(problem.quoted) + 1
    else:
        assert document.problem("", ("a", 0)).line


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.just(0), lambda inner: st.dictionaries(st.text("abcé", min_size=1), inner, max_size=4), max_leaves=12))
def test_every_key_is_where_its_mark_says(value: Any) -> None:
    document = read_text(dump(value), "a.yaml")
    for key, mark in document.keys.items():
        assert document.lines[mark.line - 1][mark.column - 1 :].startswith(f"{key[-1]}:")


def test_reading_is_light() -> None:
    code = "import sys, trainkit.config.reader; print([name for name in ('torch', 'pydantic', 'difflib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
