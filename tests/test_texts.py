"""Texts: read from tables and folders, learnt from the training texts alone, the same numbers everywhere, and never a crash."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from tests.helpers import make_run
from trainkit import evaluate, predict, train
from trainkit.data.randomness import Draws
from trainkit.engine.loop import fit
from trainkit.errors import ConfigError, DataError, TrainkitError
from trainkit.parts.augmentations import augmentations
from trainkit.parts.augmentations._words import WORD
from trainkit.parts.preprocessing import preprocessing
from trainkit.parts.sources import sources
from trainkit.spec import Rows, Spec

ALL = pytest.mark.parametrize("tokens", ["word", "bpe", "wordpiece"])
STRANGE = [
    "", " \n\t", "日本語です", "👩‍👩‍👧 great 😀", "a\0b", "<pad> <unk> ##a", "x" * 5000, "e\u0301te\u0301", "\u200b\ufeff", "मैं",
    "\u202eabc", "ﷺ" * 50, "a" + "\u0301" * 500,
]  # fmt: skip


def rows_of(texts: list[Any], **settings: Any) -> Rows:
    targets = np.array(["a", "b"] * len(texts), dtype=object)[: len(texts)]
    return Rows(pl.DataFrame({"text": texts}, schema={"text": pl.String}), targets, "tokens", "class", **settings)


def learnt(texts: list[Any], rows: list[int] | None = None, **settings: Any) -> Any:
    train = np.arange(len(texts)) if rows is None else np.array(rows)
    return preprocessing.read({"name": "text", **settings}).fit(rows_of(texts), train)


def ids(fitted: Any, texts: list[Any]) -> list[list[int]]:
    """The real tokens of each text; behind them all is 0."""
    done = fitted.finished(fitted.opened(fitted.held(rows_of(texts), np.arange(len(texts)))))
    assert done.values.dtype == done.lengths.dtype == torch.int64 and bool((done.lengths >= 1).all())
    assert done.values.shape == (len(texts), int(done.lengths.max()))
    assert not any(row[n:].any() for row, n in zip(done.values, done.lengths, strict=True))
    return [row[:n].tolist() for row, n in zip(done.values, done.lengths, strict=True)]


# --- the vocabulary


def test_words_by_hand() -> None:
    """The most frequent first, then by letter; 0 is padding, 1 a word that the training texts hold once or never."""
    fitted = learnt(["The cat, the DOG!", "a cat's life: the cat", "dog, dog"])
    assert fitted.tokenizer.get_vocab() == {"<pad>": 0, "<unk>": 1, "dog": 2, "the": 3, ",": 4, "cat": 5}
    assert ids(fitted, ["the cat, the mouse", "DOG", "?", None]) == [[3, 5, 4, 3, 1], [2], [1], [1]]
    assert fitted.spec() == {"shape": (6,), "vocabulary": 6, "varying": True, "texts": True}
    assert fitted.unknown == 5 / 15 and fitted.cut == 0
    assert fitted.told() == ["33.3% of the training texts' tokens are unknown"]


def test_pieces_spell_words_that_were_never_seen() -> None:
    texts = ["low lower lowest low"] * 2 + ["new newer"]
    for tokens, pieces in (("bpe", [" lower", " new", "e", "st"]), ("wordpiece", ["lower", "new", "##e", "##st"])):
        found = learnt(texts, tokens=tokens)
        assert found.tokenizer.encode("lower newest").tokens == pieces
        assert ids(found, ["lower newest"])[0] == [found.tokenizer.get_vocab()[piece] for piece in pieces]


@pytest.mark.parametrize(("settings", "same", "apart"), [
    ({}, ("The", "the"), ("é", "e")), ({"lowercase": False}, ("the", "the"), ("The", "the")),
    ({"strip_accents": True}, ("é", "e"), ("e", "a")), ({}, ("ﬁ", "fi"), ("fa", "fi")),
    ({"unicode": "NFC"}, ("e\u0301", "é"), ("ﬁ", "fi")), ({"unicode": "none"}, ("fi", "fi"), ("e\u0301", "é")),
])  # fmt: skip
def test_what_makes_no_difference(settings: Any, same: tuple[str, str], apart: tuple[str, str]) -> None:
    fitted = learnt(["The the é e e\u0301 ﬁ fi fa a"], min_count=1, **settings)
    (first,), (second,) = ids(fitted, list(same))
    assert first == second != 1
    (first,), (second,) = ids(fitted, list(apart))
    assert first != second and 1 not in (first, second)


def test_words_marks_and_signs_stand_alone() -> None:
    texts = ["don't stop!!! 你好 w2 😀😀 x_y 3.14 हिन्दी"]
    words = ["don't", "stop", "!", "!", "!", "你", "好", "w2", "😀", "😀", "x_y", "3", ".", "14", "हिन्दी"]
    assert learnt(texts, min_count=1).tokenizer.encode(texts[0]).tokens == words


@ALL
def test_sizes_and_counts_are_kept(tokens: str) -> None:
    texts = [" ".join(f"{a}{b}" for b in "abcdefghij") for a in "abcdefghijklmnop"] * 3
    assert learnt(texts, tokens=tokens, vocabulary=30).spec()["vocabulary"] <= 30
    assert learnt([*texts, "qqqq zzzz"], tokens=tokens, min_count=3, vocabulary=5000).tokenizer.token_to_id("qqqq") is None


@ALL
def test_nothing_is_learnt_from_texts_that_don_t_train(tokens: str) -> None:
    texts = [f"the {word} sat on the mat" for word in ("cat", "dog", "cow", "cat", "dog", "cow")]
    train = [0, 1, 3, 4]
    before = learnt(texts, train, tokens=tokens).content()
    for row in (2, 5):
        texts[row] = "quite other words, much longer than any of the others are: the cat the cat the cat"
    assert learnt(texts, train, tokens=tokens).content() == before
    assert learnt(texts, tokens=tokens).content() != before


LEARN = """
import hashlib, sys
sys.path.insert(0, {root!r})
from tests.test_texts import learnt, STRANGE
texts = [f"word{{n % 97}} {{chr(97 + n % 26) * (n % 5)}}q{{n % 13}} größe naïve" for n in range(3000)] + STRANGE
print([hashlib.md5(repr(learnt(texts, tokens=tokens).content()).encode()).hexdigest() for tokens in ("word", "bpe", "wordpiece")])
"""


def test_every_process_learns_the_same_on_any_number_of_threads() -> None:
    code = LEARN.format(root=str(Path(__file__).parents[1]))
    found = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, text=True, check=True).stdout
        for more in ({}, {"RAYON_NUM_THREADS": "1"}, {"TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "7"})
    }
    assert len(found) == 1


def test_a_fork_after_learning_prints_no_warning() -> None:
    code = LEARN.format(root=str(Path(__file__).parents[1])) + "\nimport os\nif not os.fork(): os._exit(0)\nos.wait()"
    env = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stderr == ""


# --- texts as numbers


@ALL
def test_any_text_gets_numbers(tokens: str) -> None:
    fitted = learnt(["the cat", "the dog", *STRANGE] * 2, tokens=tokens, max_length=50)
    size = fitted.spec()["vocabulary"]
    for given in (fitted, learnt(["the cat sat", "the dog"], tokens=tokens, min_count=1)):
        assert all(0 <= number < size for text in ids(given, STRANGE) for number in text)
    assert ids(fitted, ["", " \n"]) == [[1], [1]]


@ALL
def test_long_texts_are_cut_and_counted(tokens: str) -> None:
    texts = ["a b"] * 6 + ["a b " * 10, "b a " * 20]
    fitted = learnt(texts, tokens=tokens, max_length=8)
    assert fitted.spec()["shape"] == (8,) and fitted.cut == 0.25 and set(map(len, ids(fitted, texts))) == {2, 8}
    seen = fitted.report(rows_of(texts), np.arange(2, 8))
    assert (seen.texts, seen.longest, seen.cut) == (6, 40, 2 / 6) and seen.mean == (4 * 2 + 20 + 40) / 6
    assert fitted.told() == ["25.0% of the training texts are cut to 8 tokens"]
    short = learnt(texts[:6], tokens=tokens)
    assert short.steps == 2 and [len(text) for text in ids(short, texts[5:])] == [2, 2, 2]


def test_unknown_and_empty_texts_are_counted() -> None:
    seen = learnt(["a b a b"]).report(rows_of(["a x", "", "y b b", " "]), np.arange(4))
    assert seen.unknown == 2 / 5 and seen.empty == 2 and seen.mean == 5 / 4
    assert learnt(["a a"]).report(rows_of([]), np.arange(0)).mean == 0


@ALL
def test_what_is_kept_gives_the_same_numbers(tokens: str, tmp_path: Path) -> None:
    part = preprocessing.read({"name": "text", "tokens": tokens, "strip_accents": True})
    texts = ["The cât sat", "the cat", *STRANGE]
    fitted = part.fit(rows_of(texts), np.arange(len(texts)))
    torch.save(fitted.content(), tmp_path / "a.pth")
    kept = part.restore(torch.load(tmp_path / "a.pth", weights_only=True))
    assert ids(kept, texts) == ids(fitted, texts) and kept.content() == fitted.content() and kept.spec() == fitted.spec()


def hostile(content: dict[str, Any], **model: Any) -> dict[str, Any]:
    state = json.loads(content["tokenizer"])
    return {**content, "tokenizer": json.dumps({**state, "model": {**state["model"], **model}})}


@ALL
def test_a_vocabulary_that_was_tampered_with(tokens: str) -> None:
    part = preprocessing.read({"name": "text", "tokens": tokens})
    content = part.fit(rows_of(["low lower low"] * 2), np.arange(2)).content()
    bad: list[Any] = [
        {**content, "tokenizer": text}
        for text in ("", "{", "[]", "7", "null", "{}", '{"model": {}}', '{"model": {"vocab": 7}}', "[" * 100_000, 7, None)
    ]
    vocabularies: list[Any] = [
        {}, [], {"a": 0}, {"<pad>": 0, "<unk>": 1, "a": 7}, {"<unk>": 0, "<pad>": 1}, {"<pad>": 0, "<unk>": 1, "a": "2"},
        {"<pad>": 0, "<unk>": 1, "\ud800": 2}, {"<pad>": 0, "<unk>": 1, "a": 2.0}, {"<pad>": 0, "<unk>": 1, "a": None},
    ]  # fmt: skip
    bad += [hostile(content, vocab=vocabulary) for vocabulary in vocabularies]
    bad += [{**content, "steps": steps} for steps in (0, -1, "8", 1e9, None)] + [{**content, "cut": "much"}, {}]
    if tokens == "bpe":
        bad += [hostile(content, merges=merges) for merges in ([["no", "such"]], [["a"]], ["ab"], 7, [7])]
    for wrong in bad:
        with pytest.raises((ValueError, KeyError, TypeError)):
            part.restore(wrong)
    # Whatever else it says is not read.
    state = json.loads(content["tokenizer"])
    extra = {**state, "normalizer": {"type": "Evil"}, "pre_tokenizer": None, "added_tokens": [{"id": 9}]}
    assert part.restore({**content, "tokenizer": json.dumps(extra)}).content() == content


def test_nothing_to_learn_from() -> None:
    for texts, words in (
        (
            ["a", "b"],
            "no word occurs 2 times in the 2 training texts: there is no vocabulary to learn. Say preprocess.min_count=1.",
        ),
        (["", None, " "], "no word occurs 2 times in the 3 training texts"),
    ):
        with pytest.raises(DataError) as caught:
            learnt(texts)
        assert words in str(caught.value)
    with pytest.raises(DataError, match="no text of the 2 training texts holds a word"):
        learnt(["", None], min_count=1)


def test_limits_of_the_settings() -> None:
    for wrong in (
        {"tokens": "char"},
        {"vocabulary": 3},
        {"vocabulary": 10**7},
        {"min_count": 0},
        {"max_length": 0},
        {"unicode": "NFD"},
    ):
        with pytest.raises(ValidationError):
            preprocessing.read({"name": "text", **wrong})


# --- token ids that a source gives


def id_rows(inputs: Any, lengths: Any = None, vocabulary: int = 10) -> Rows:
    inputs = np.array(inputs)
    held = None if lengths is None else np.array(lengths)
    return Rows(inputs, np.array(["a"] * len(inputs), dtype=object), "tokens", "class", lengths=held, vocabulary=vocabulary)


def test_given_ids_stay_and_padding_becomes_0() -> None:
    part, rows = preprocessing.read("text"), id_rows([[3, 4, 99], [9, 0, 1], [5, 6, 7]], [2, 1, 3])
    fitted: Any = part.fit(rows, np.array([0, 1]))
    assert fitted.spec() == {"shape": (3,), "vocabulary": 10, "varying": True}
    held = fitted.held(rows, np.array([2, 0]))
    assert held.values.tolist() == [[5, 6, 7], [3, 4, 0]] and held.lengths.tolist() == [3, 2]
    assert held.values.dtype == held.lengths.dtype == torch.int64 and fitted.finished(fitted.opened(held)) is held
    assert part.restore(fitted.content()) == fitted and rows.inputs[0, 2] == 99
    plain: Any = part.fit(id_rows([[1, 2]]), np.array([0]))
    assert plain.held(id_rows([[1, 2]]), np.array([0])).lengths is None and not plain.spec()["varying"]


@pytest.mark.parametrize(("rows", "words"), [
    (id_rows([[1, 2, 3], [4, 10, 0]]), "row 2, token 10 at step 2 is not in the vocabulary of 10: its tokens are 0 to 9."),
    (id_rows([[1, -1, 3]]), "row 1, token -1 at step 2"),
    (id_rows([[1, 2, 3, 4]]), "its rows have 4 tokens, the training rows had 3."),
    (id_rows([[1, 2]]), "its rows have 2 tokens"),
])  # fmt: skip
def test_ids_that_do_not_fit(rows: Rows, words: str) -> None:
    fitted = preprocessing.read("text").fit(id_rows([[1, 2, 3]]), np.array([0]))
    with pytest.raises(DataError) as caught:
        fitted.held(rows, np.arange(len(rows)))
    assert words in str(caught.value)
    for wrong in ({"vocabulary": 0, "steps": 3, "varying": True}, {"vocabulary": 9, "steps": "3", "varying": True}, {}):
        with pytest.raises((ValueError, KeyError)):
            preprocessing.read("text").restore(wrong)


# --- the source


TABLE = "text,kind,other\n" + "".join(
    f"{'good nice' if n % 2 else 'bad sad'} film {n % 3},{'pos' if n % 2 else 'neg'},{n}\n" for n in range(60)
)


def read(path: Path | dict[str, str], task: Any = None, **settings: Any) -> Rows:
    where = path if isinstance(path, dict) else str(path)
    return sources.read({"name": "text", "path": where, **settings}).build(task)


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    rows = read(tmp_path / "a.csv", target="kind")
    assert rows.inputs.columns == ["text"] and rows.inputs.row(1) == ("good nice film 1",) and rows.kind == "tokens"
    assert rows.targets.tolist()[:2] == ["neg", "pos"] and rows.target_kind == "class" and rows.target_names == ("kind",)
    assert rows.extra is not None and rows.extra.columns == ["other"] and rows.place(2) == f"{tmp_path / 'a.csv'}: row 3"


def test_other_formats_hold_the_same_texts(tmp_path: Path) -> None:
    frame = pl.DataFrame({"kind": ["a", "b"] * 2, "words": ["größe, “x”", "日本\nb", None, "😀"]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.ndjson")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    for name in ("a.parquet", "a.ndjson", "a.tsv"):
        rows = read(tmp_path / name, text="words", target="kind")
        assert rows.inputs["words"].to_list() == ["größe, “x”", "日本\nb", "", "😀"] and rows.targets.tolist() == ["a", "b"] * 2


def test_half_a_character_in_json_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"text": "a \\ud800 b", "kind": "x"}\n{"text": "\\ud83d\\ude00", "kind": "y"}\n')
    first, second = read(tmp_path / "a.ndjson", target="kind").inputs["text"].to_list()
    assert (first[0], first[-1], second) == ("a", "b", "😀") and first.encode()


@pytest.mark.parametrize(("column", "task", "kind", "targets"), [
    ("1.5", None, "number", [1.5]), ("3", "number", "number", [3.0]), ("3", "class", "class", "3"), ("true", None, "class", "true"),
])  # fmt: skip
def test_kinds_of_target(tmp_path: Path, column: str, task: Any, kind: str, targets: Any) -> None:
    (tmp_path / "a.csv").write_text(f"text,y\na,{column}\nb,{column}\n")
    rows = read(tmp_path / "a.csv", task, target="y")
    assert rows.target_kind == kind and rows.targets.tolist()[0] == targets


def test_several_targets(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,p,q,r\na,no,1,0.5\nb,yes,0,2\n")
    rows = read(tmp_path / "a.csv", target=["p", "q"])
    assert rows.target_kind == "labels" and rows.targets.tolist() == [[0, 1], [1, 0]] and rows.target_names == ("p", "q")
    assert read(tmp_path / "a.csv", target=["q", "r"]).targets.tolist() == [[1, 0.5], [0, 2]]


def test_a_file_for_each_split(tmp_path: Path) -> None:
    for name, lines in (("train", "a,x\nb,y\n"), ("test", "c,x\n")):
        (tmp_path / f"{name}.csv").write_text(f"text,kind\n{lines}")
    files = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    rows = read(files, target="kind")
    assert rows.splits is not None and {name: index.tolist() for name, index in rows.splits.items()} == {
        "train": [0, 1],
        "test": [2],
    }
    assert sources.read({"name": "text", "path": files, "target": "kind"}).given == ("test",)


def folder(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "pos/b.txt": "good\nday",
        "pos/deep/a.TXT": "nice",
        "neg/1.txt": "\ufeffbad",
        "neg/2.txt": "é".encode("utf-16"),
    }
    rows = read(folder(tmp_path / "a", {**files, ".git/x.txt": "no", "neg/.x.txt": "no", "neg/x.md": "no", "README.txt": "no"}))
    assert rows.inputs["text"].to_list() == ["bad", "é", "good\nday", "nice"] and rows.splits is None
    assert rows.targets.tolist() == ["neg", "neg", "pos", "pos"] and rows.place(1) == str(tmp_path / "a/neg/2.txt")


def test_folders_for_splits_and_classes(tmp_path: Path) -> None:
    rows = read(folder(tmp_path, {"train/a/1.txt": "x", "train/b/1.txt": "y", "val/a/2.txt": "z"}))
    assert rows.splits is not None and {name: index.tolist() for name, index in rows.splits.items()} == {
        "train": [0, 1], "validation": [2],
    }  # fmt: skip
    assert rows.targets.tolist() == ["a", "b", "a"] and rows.inputs["text"].to_list() == ["x", "y", "z"]


@pytest.mark.parametrize(("files", "settings", "words"), [
    ({"a.csv": TABLE}, {}, "which column holds the answers? Name it: data.target=label, say."),
    ({"a.csv": TABLE}, {"target": "kinds"}, "has no column 'kinds'. Did you mean 'kind'?"),
    ({"a.csv": TABLE}, {"target": "text"}, "'text' cannot be both text and target."),
    ({"a.csv": TABLE}, {"target": "kind", "text": "txet"}, "has no column 'txet'. Did you mean 'text'?"),
    ({"a.csv": TABLE}, {"target": "other"}, "holds whole numbers: are they classes or amounts?"),
    ({"a.csv": "text,p,q\na,0,1\nb,1,0\n"}, {"target": ["p", "q"]}, "'p', 'q' hold 0 and 1: are they labels or amounts?"),
    ({"a.csv": TABLE}, {"target": ["kind", "other"]}, "the targets 'kind', 'other' are neither all numbers nor all 0 and 1"),
    ({"a.csv": TABLE}, {"target": ["kind", "other"], "task": "class"}, "kind, other are 2 targets, and a text is of one class."),
    ({"a.csv": "text,kind\na,x\nb,\n"}, {"target": "kind"}, "row 2, column 'kind' has no value"),
    ({"b.csv": TABLE}, {"target": "kind"}, "a.csv is not there."),
    ({"a.csv/x.txt": "a"}, {}, "a.csv holds no folder with .txt files."),
    ({"a.csv/b/x.txt": "a"}, {"target": "kind"}, "is a folder: the names of the folders in it are the classes. Leave target out."),
    ({"a.csv/b/x.txt": "a"}, {"task": "number"}, "the task wants something else than classes."),
    ({"a.csv/b/x.txt": b"a\nb\xff\n"}, {}, "x.txt: line 1 or one soon after is not text in utf-8-sig. Save it in UTF-8"),
    ({"a.csv/train/b/x.txt": "a", "a.csv/val/b/x.txt": "a", "a.csv/valid/b/x.txt": "a"}, {}, "two folders for one split"),
])  # fmt: skip
def test_what_is_said_of_texts_that_cannot_be_used(tmp_path: Path, files: Any, settings: dict[str, Any], words: str) -> None:
    folder(tmp_path, files)
    with pytest.raises(TrainkitError) as caught:
        read(tmp_path / "a.csv", settings.pop("task", None), **settings)
    assert words in str(caught.value) and caught.value.problems[0].key[0] == "data" and caught.value.exit_code in (2, 3)


# --- new texts


def fresh(inputs: list[Path | str], size: int = 2, target: str | None = "kind") -> list[tuple[str, str]]:
    """Where each text stands, and the text."""
    part = sources.read({"name": "text", "path": "a", "target": target})
    found = []
    for rows in part.fresh([str(path) for path in inputs], size):
        assert 0 < len(rows) <= size and rows.inputs.columns == ["text"] and rows.targets.shape == (len(rows), 0)
        found += [(rows.file or rows.place(n), text) for n, text in enumerate(rows.inputs["text"])]
    return found


def test_fresh_texts_from_files(tmp_path: Path) -> None:
    folder(tmp_path, {"a.csv": "n,text\n1,x\n2,y\n3,\n", "b.txt": "one\n\nthree, text\r\nfour", "c/2.txt": "p\nq", "c/1.txt": "r"})
    a, b, c = tmp_path / "a.csv", tmp_path / "b.txt", tmp_path / "c"
    assert [text for _, text in fresh([a, b])] == ["x", "y", "", "one", "", "three, text", "four"]
    assert fresh([c]) == [(str(c / "1.txt"), "r"), (str(c / "2.txt"), "p\nq")]
    assert fresh([b], target=None) == [(str(b), "one\n\nthree, text\nfour")]
    for missing, words in (("x.txt", "is not there"), ("x.csv", "is not there")):
        with pytest.raises(ConfigError, match=words):
            fresh([tmp_path / missing])
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column 'text'"):
        fresh([tmp_path / "d.csv"])


@pytest.mark.parametrize(("given", "texts"), [
    ("one\ntwo, text three\n\nfour", ["one", "two, text three", "", "four"]),
    ("n;text\n1;x\n2;y\n", ["x", "y"]), ("text\nx\ny\n", ["x", "y"]), ('{"text": "x"}\n{"text": "y"}\n', ["x", "y"]),
    ("größe\n", ["größe"]),
])  # fmt: skip
def test_fresh_texts_from_the_standard_input(given: str, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(given.encode()))))
    assert [text for _, text in fresh(["-"])] == texts


# --- augmentations


TEXTS = [
    "The quick brown fox, it's said, jumps over the lazy dog!",
    "one",
    "",
    "?! 😀",
    "big 日本 Big BIG end",
    "a b c d e f g h",
] * 3


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    """Each augmentation of texts, built, changing a lot."""
    (tmp_path / "s.txt").write_text("big,large,huge\nquick\tfast, very fast\n\nBIG,great\n日,月\n")
    (tmp_path / "p.csv").write_text("text,paraphrase\none,1\none,uno\none,eins\nno such text,x\n")
    settings: dict[str, dict[str, Any]] = {
        "word_dropout": {"share": 0.5}, "word_swap": {"share": 0.5}, "synonyms": {"file": str(tmp_path / "s.txt"), "share": 0.7},
        "paraphrases": {"file": str(tmp_path / "p.csv"), "chance": 0.7},
    }  # fmt: skip
    return {name: augmentations.read({"name": name, **more}).build(SPEC) for name, more in settings.items()}


SPEC = Spec("tokens", (9,), 2, "class", vocabulary=50, varying=True, texts=True)
EACH = pytest.mark.parametrize("name", ["word_dropout", "word_swap", "synonyms", "paraphrases"])


def changed(apply: Any, rows: list[int], epoch: int = 0, texts: list[str] = TEXTS) -> list[str]:
    values = np.array([texts[row] for row in rows], dtype=object)
    before = values.copy()
    found = apply(values, Draws(0, epoch, 0, torch.tensor(rows, dtype=torch.int64)))
    assert found.dtype == object and found.shape == values.shape and (values == before).all()
    return list(found)


@EACH
def test_a_row_changes_by_itself_whatever_its_batch(parts: dict[str, Any], name: str) -> None:
    everything = list(range(len(TEXTS)))
    whole = changed(parts[name], everything)
    assert whole != TEXTS and whole == changed(parts[name], everything) != changed(parts[name], everything, epoch=1)
    assert changed(parts[name], everything[::-1]) == whole[::-1]
    assert [changed(parts[name], [row])[0] for row in everything] == whole and changed(parts[name], []) == []


@EACH
def test_no_text_becomes_empty_that_was_not(parts: dict[str, Any], name: str) -> None:
    for epoch in range(30):
        for text, found in zip(TEXTS, changed(parts[name], list(range(len(TEXTS))), epoch), strict=True):
            assert bool(WORD.search(found)) == bool(WORD.search(text)) and (found == text or WORD.search(text))


def test_what_word_dropout_drops() -> None:
    drop = augmentations.read({"name": "word_dropout", "share": 0.25}).build(SPEC)
    text = " ".join(f"w{n}" for n in range(2000))
    kept = changed(drop, [0], texts=[text])[0].split()
    assert [word for word in text.split() if word in set(kept)] == kept and 1400 < len(kept) < 1600
    every = augmentations.read({"name": "word_dropout", "share": 1.0}).build(SPEC)
    assert all(len(WORD.findall(found)) == 1 for found in changed(every, [0, 5]))
    assert changed(every, [0])[0].count(",") == 2


def test_what_word_swap_swaps() -> None:
    text = " ".join(f"{n}" for n in range(2000))
    for distance in (1, 3):
        swap = augmentations.read({"name": "word_swap", "share": 0.1, "distance": distance}).build(SPEC)
        places = [int(word) for word in changed(swap, [0], texts=[text])[0].split()]
        moved = [abs(place - n) for n, place in enumerate(places) if place != n]
        assert sorted(places) == list(range(2000)) and 200 < len(moved) < 500 and max(moved) >= distance
    assert changed(swap, [1]) == ["one"]


def test_synonyms_are_written_as_the_word_was(parts: dict[str, Any]) -> None:
    found = {changed(parts["synonyms"], [4], epoch)[0] for epoch in range(200)}
    words = [{text.split()[place] for text in found} for place in (0, 1, 2, 3, 4)]
    assert words[0] == {"big", "large", "huge", "great"} and words[1] == {"日本", "月本"}
    assert words[2] == {"Big", "Large", "Huge", "Great"} and words[3] == {"BIG", "LARGE", "HUGE", "GREAT"} and words[4] == {"end"}
    assert any("very fast brown fox, it's" in changed(parts["synonyms"], [0], epoch)[0] for epoch in range(50))


def test_synonyms_from_ndjson(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text('{"word": "one", "synonyms": ["a, b"]}\n')
    part = augmentations.read({"name": "synonyms", "file": str(tmp_path / "s.jsonl"), "share": 1.0}).build(SPEC)
    assert changed(part, [1, 2]) == ["a, b", ""]


def test_paraphrases_are_of_the_text_and_all_as_likely(parts: dict[str, Any]) -> None:
    found = [changed(parts["paraphrases"], [1], epoch)[0] for epoch in range(600)]
    shares = {text: found.count(text) / 600 for text in set(found)}
    assert shares == pytest.approx({"one": 0.3, "1": 0.7 / 3, "uno": 0.7 / 3, "eins": 0.7 / 3}, abs=0.06)


@pytest.mark.parametrize(("name", "text", "error", "words"), [
    ("synonyms", None, ConfigError, "is not there."), ("synonyms", b"\xff\xfe\xff", DataError, "is not text in UTF-8."),
    ("synonyms", b"big,large\nsmall\n", DataError, "line 2 is not a word and its synonyms: 'small'."),
    ("synonyms", b"big,,\n", DataError, "line 1 is not"), ("synonyms", b"two words,x\n", DataError, "line 1 is not"),
    ("synonyms", b'{"word": "a"}\n', DataError, "line 1"), ("synonyms", b'{"word": "a", "synonyms": [1]}', DataError, "line 1"),
    ("synonyms", b"\n\n", DataError, "holds no synonyms."), ("paraphrases", None, ConfigError, "is not there."),
    ("paraphrases", b"text,other\na,b\n", DataError, "has no column 'paraphrase'."),
    ("paraphrases", b"text,paraphrase\na,b\nc,\n", DataError, "row 2, column 'paraphrase' has no value."),
])  # fmt: skip
def test_files_of_words_that_cannot_be_used(tmp_path: Path, name: str, text: bytes | None, error: Any, words: str) -> None:
    path = tmp_path / "a.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(error) as caught:
        augmentations.read({"name": name, "file": str(path)}).build(SPEC)
    assert words in str(caught.value) and caught.value.problems[0].key == ("file",)


@EACH
def test_token_ids_have_no_words(name: str) -> None:
    settings = {"file": "a.csv"} if name in ("synonyms", "paraphrases") else {}
    with pytest.raises(ConfigError, match=f"{name} changes the words of texts, and this source gives token ids"):
        augmentations.read({"name": name, **settings}).build(replace(SPEC, texts=False))


# --- from a file to answers


@ALL
def test_from_a_table_to_a_trained_network(tmp_path: Path, tokens: str) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    run = make_run([
        f"data={{name: text, path: {tmp_path / 'a.csv'}, target: kind}}", f"preprocess.tokens={tokens}",
        "model={name: gru, hidden: 16}",
        "augment=[{name: word_dropout}, {name: word_swap}]", "optimizer.lr=0.02", "training.epochs=8", "training.batch_size=8",
    ])  # fmt: skip
    list(fit(run))
    assert run.evaluator(run.data["test"]).metrics["accuracy"] == 1.0 and run.data.spec.varying


def test_answers_of_new_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "a.yaml").write_text(
        "trainkit: 1\ndata: {name: text, path: a.csv, target: kind}\nmodel: {name: gru, hidden: 16}\n"
        "optimizer: {name: adam, lr: 0.02}\ntraining: {epochs: 8, batch_size: 8}\nloggers: []\n"
    )
    best = train(tmp_path / "a.yaml", runs=tmp_path / "runs").best
    assert best is not None
    (tmp_path / "new.txt").write_text("good nice film\n\nbad sad film 1\n" + "nice " * 300 + "\n")
    answers = predict(best["checkpoint"], tmp_path / "new.txt")["answers"]
    assert [answer["row"] for answer in answers] == [1, 2, 3, 4]
    assert [answers[n]["answer"] for n in (0, 2, 3)] == ["pos", "neg", "pos"]
    again = predict(best["checkpoint"], tmp_path / "a.csv")["answers"]
    right = [answer["answer"] == ("pos" if n % 2 else "neg") for n, answer in enumerate(again)]
    measured = evaluate(best["checkpoint"], data=tmp_path / "a.csv")
    assert sum(right) / 60 == measured["metrics"]["accuracy"] and measured["rows"] == 60
