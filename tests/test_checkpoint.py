"""Checkpoints survive kills, full disks and flipped bits, and a hostile file neither runs, nor grows, nor loads."""

import errno
import itertools
import os
import random
import re
import signal
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainkit.errors import CheckpointError, ConfigError, NumericError, StorageError
from trainkit.store import checkpoint, platform
from trainkit.store.checkpoint import load, newest, save, sweep

resource = pytest.importorskip("resource")  # Unix only, as is fork: children need not import torch again
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of fork, from Python 3.12 on


def forked(function: Callable[[], object]) -> str:
    """What ``function`` returns, as text, from a child process; its exception's name and words if it raises one."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
        signal.alarm(30)  # a child that hangs is killed and answers nothing
        try:
            answer = str(function())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


def same(a: Any, b: Any) -> bool:
    """Equal in type, shape and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        bits = [x.contiguous().reshape(-1).view(torch.uint8) for x in (a, b)]
        return (a.dtype, a.shape) == (b.dtype, b.shape) and torch.equal(*bits)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def without_header(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in content.items() if key not in ("format", "format_version", "trainkit_version", "torch_version")
    }


def small(step: int = 1) -> dict[str, Any]:
    return {
        "config": '{"name": "digits"}',
        "state": {"step": step, "best": 0.25, "history": [1.5, None, True]},
        "network": {"0.weight": torch.full((20, 10), float(step)), "0.bias": torch.arange(20.0)},
        "optimizer": {"state": {0: {"exp_avg": torch.linspace(0, 1, 200)}}, "groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]},
    }


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".tmp-*"))


# Round trip


@pytest.mark.parametrize("dtype", sorted(checkpoint.DTYPES, key=str), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensors_come_back_bit_by_bit(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.arange(60).reshape(5, 3, 4)[: shape[0] if shape else 1].sum() + torch.ones(shape)).to(dtype)
    save({"x": [tensor, tensor]}, tmp_path / "a.pth")
    assert same(load(tmp_path / "a.pth")["x"], [tensor, tensor])


integers = st.integers(-(2**63), 2**63 - 1)
leaves = (
    st.none() | st.booleans() | integers | st.floats() | st.text() | st.binary(min_size=1) | st.sampled_from([b"a", "a", "latin1"])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | integers, inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_plain_values_come_back_as_they_were(tmp_path: Path, value: object) -> None:
    save({"value": value}, tmp_path / "a.pth")
    assert same(without_header(load(tmp_path / "a.pth")), {"value": value})


def test_a_large_content_comes_back(tmp_path: Path) -> None:
    content = {
        "rows": list(range(3000)),
        "texts": [f"word {i}" for i in range(3000)],
        "network": {str(i): torch.ones(2) for i in range(500)},
    }
    save(content, tmp_path / "a.pth")
    assert same(without_header(load(tmp_path / "a.pth")), content)


def test_the_header_says_who_wrote_it_and_loaded_content_saves_again(tmp_path: Path) -> None:
    save({"format_version": 77, **small()}, tmp_path / "a.pth")
    first = load(tmp_path / "a.pth")
    assert (first["format"], first["format_version"]) == ("trainkit-checkpoint", 1)
    assert first["torch_version"] == str(torch.__version__) and type(first["torch_version"]) is str
    save(first, tmp_path / "b.pth")
    assert same(load(tmp_path / "b.pth"), first)


def test_modules_and_optimizers_become_plain(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    save(
        {"network": network.state_dict(), "parameters": list(network.parameters()), "optimizer": optimizer.state_dict()},
        tmp_path / "a.pth",
    )
    content = load(tmp_path / "a.pth")
    assert type(content["network"]) is dict and same(content["network"], dict(network.state_dict()))
    assert same(content["optimizer"], optimizer.state_dict())
    assert type(content["parameters"][0]) is torch.Tensor and not content["parameters"][0].requires_grad


def test_shared_tensors_are_written_once_and_views_without_the_rest(tmp_path: Path) -> None:
    secret = b"not to be seen" * 100
    view = torch.frombuffer(bytearray(b"public" + secret), dtype=torch.uint8)[:6]
    shared = torch.ones(50_000)
    save(
        {"view": view, "a": shared, "b": shared, "wide": torch.zeros(1).expand(7), "t": torch.arange(6).reshape(2, 3).t()},
        tmp_path / "a.pth",
    )
    data = (tmp_path / "a.pth").read_bytes()
    content = load(tmp_path / "a.pth")
    assert b"public" in data and b"not to be" not in data
    assert len(data) < 300_000
    assert same(content["wide"], torch.zeros(7)) and same(content["t"], torch.arange(6).reshape(2, 3).t())


# What save refuses


class Loss(float):
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Loss(0.5), "state.best is .*test_checkpoint.Loss"),
        (torch.tensor(1.0).numpy(), "state.best is numpy.ndarray"),
        (torch.__version__, "state.best is torch.torch_version.TorchVersion"),
        (torch.Size([1]), "state.best is torch.Size"),
        (Path("x"), "state.best is pathlib"),
        ({1, 2}, "state.best is set"),
        (b"", "state.best is empty bytes"),
        (2**63, "state.best is an int beyond 64 bits"),
        (1j, "state.best is complex"),
        ([1, {"a": print}], r"state.best\[1\].a is builtin_function"),
        ({1.5: 1}, "state.best has a key of type float"),
        ({True: 1}, "state.best has a key of type bool"),
        (torch.eye(2).to_sparse(), "state.best is torch.Tensor .*sparse"),
        (torch.empty(2, device="meta"), "state.best is torch.Tensor .*meta"),
        (torch.zeros(2, dtype=torch.uint16), "state.best is torch.Tensor .*uint16"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_a_value_that_cannot_come_back_is_refused_with_its_place(tmp_path: Path, value: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        save({"state": {"best": value}}, tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


def test_content_that_contains_itself_or_too_much_is_refused(tmp_path: Path) -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="too deep"):
        save({"loop": loop}, tmp_path / "a.pth")
    with pytest.raises(TypeError, match=r"list\[\d+\] .* too many values"):
        save({"list": [0] * 600_001}, tmp_path / "a.pth")
    with pytest.raises(StorageError, match="Keep long lists as tensors"):
        save({"list": [float(i).hex() for i in range(300_001)]}, tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("room", ["network", "ema"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64], ids=str)
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, room: str, bad: float, dtype: torch.dtype) -> None:
    save({room: {"0.weight": torch.ones(3, dtype=dtype)}, "state": {"best": bad, "seen": torch.tensor(bad)}}, tmp_path / "a.pth")
    before = (tmp_path / "a.pth").read_bytes()
    with pytest.raises(NumericError, match=rf"NaN or infinity: not saved \({room}.0.weight\)"):
        save({room: {"0.weight": torch.tensor([1, bad, 1], dtype=dtype)}}, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").read_bytes() == before


def test_large_weights_are_finite_though_their_sum_is_not(tmp_path: Path) -> None:
    save({"network": {"w": torch.full((9,), 3e38), "h": torch.full((9,), 6e4, dtype=torch.float16)}}, tmp_path / "a.pth")
    with pytest.raises(NumericError):
        save({"network": {"w": torch.tensor([float("inf"), -float("inf")])}}, tmp_path / "a.pth")


# Attacks: files as a stranger would forge them


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(function: str, *arguments: bytes) -> bytes:
    return b"c" + function.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def storage(kind: str = "FloatStorage", key: str = "0", numel: int = 4) -> bytes:
    return b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + whole(numel) + b"tQ"


def whole(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(size: int = 4, stride: int = 1, offset: int = 0, bytes_from: bytes = b"") -> bytes:
    empty = b"ccollections\nOrderedDict\n)R"
    shape = whole(size) + b"\x85" + whole(stride) + b"\x85"
    return call("torch._utils _rebuild_tensor_v2", bytes_from or storage(), whole(offset), shape, b"\x89", empty)


def pickled(payload: bytes, version: int = 1) -> bytes:
    """The pickle of a checkpoint whose ``x`` is ``payload``; memory place 90 and above are free."""
    header = text("format") + b"q\1" + text("trainkit-checkpoint") + b"q\2" + text("format_version") + b"q\3K" + bytes([version])
    return b"\x80\2}q\0(" + header + text("trainkit_version") + b"q\4" + text("9.0") + b"q\5" + text("x") + payload + b"u."


def forge(
    path: Path, payload: bytes = b"N", records: dict[str, bytes] | None = None, *, version: int = 1, deflate: bool = False
) -> Path:
    data = {
        "archive/data.pkl": pickled(payload, version),
        "archive/version": b"3\n",
        "archive/data/0": struct.pack("<4f", 1, 2, 3, 4),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for name, record in [*data.items(), *(records or {}).items()]:
            archive.writestr(name, record)
    return path


LAUGHS = (
    b"]q\x5a(NNNNNNNNNNe"
    + b"".join(b"]q" + bytes([91 + i]) + b"(" + (b"h" + bytes([90 + i])) * 10 + b"e" for i in range(40))
    + b"\x86" * 40
)
DOUBLED = b"c_codecs\nencode\nq\x5a" + text("a" * 100) + text("hex_codec") + b"\x86R"
REPEATED = text("a" * 1_000_000) + b"q\x5a]q\x5b(" + (b"c_codecs\nencode\nh\x5a" + text("latin1") + b"\x86R") * 500 + b"e\x86"
COPIED = b"]q\x5a(" + b"NN\x86" * 1000 + b"e](" + b"ccollections\nOrderedDict\nh\x5a\x85R" * 1000 + b"e\x86"
PAYLOADS = {
    "os.system": (call("os system", text("touch canary")), "asks for 'os system'"),
    "posix.system": (call("posix system", text("touch canary")), "asks for 'posix system'"),
    "eval": (call("builtins eval", text("open('canary', 'w')")), "asks for 'builtins eval'"),
    "open": (call("builtins open", text("canary"), text("w")), "asks for 'builtins open'"),
    "getattr": (call("builtins getattr", b"cos\nsystem\n", text("x")), "asks for 'builtins getattr'"),
    "import": (call("importlib import_module", text("antigravity")), "asks for 'importlib import_module'"),
    "torch.load": (call("torch load", text("other.pth")), "asks for 'torch load'"),
    "escape codes": (call("os \x1b[2Jsystem"), r"asks for 'os \\x1b\[2Jsystem'"),
    "instance": (b"(" + text("touch canary") + b"ios\nsystem\n", "instruction INST"),
    "new object": (b"ccollections\nOrderedDict\n)\x81", "instruction NEWOBJ|way of its own"),
    "build": (b"}}b", "instruction BUILD"),
    "protocol 4": (b"\x8c\2os\x8c\6system\x93" + text("touch canary") + b"\x85R", "instruction SHORT_BINUNICODE"),
    "frame": (b"\x95" + b"\xff" * 8, "instruction FRAME|does not read"),
    "second protocol": (b"\x80\4N", "instruction PROTO"),
    "bytearray": (call("builtins bytearray", whole(2**30)), "asks for 'builtins bytearray'"),
    "storage class": (call("torch.storage UntypedStorage", whole(2**40)), "asks for 'torch.storage UntypedStorage'"),
    "tensor class": (call("torch Tensor", whole(2**30)), "asks for 'torch Tensor'"),
    "bytes claimed": (b"X\xff\xff\xff\x7f", "does not read"),
    "memo laughs": (LAUGHS, "too many values"),
    "doubled text": (DOUBLED, "way of its own"),
    "repeated text": (REPEATED, "way of its own"),
    "copied dict": (COPIED, "way of its own"),
    "stored encode": (b"c_codecs\nencode\nq\x5a0h\x5a", "instruction POP|way of its own"),
    "deep nesting": (b"]" * 200_000 + b"a" * 199_999, "too deep"),
    "small things": (b"](" + b"}" * 1_000_000 + b"e", "more than a checkpoint may"),
    "long text": (text("a" * 33_000_000), "more than a checkpoint may"),
    "long integer": (b"\x8a\xff" + b"\x01" * 255, "of more than 64 bits"),
    "giant view": (tensor(2**40, 0), "larger than its bytes"),
    "huge stride": (tensor(4, 2**60), "does not read"),
    "negative offset": (tensor(offset=-1), "does not read"),
    "beyond its end": (tensor(offset=2), "does not read"),
    "storage lie": (tensor(2**28, bytes_from=storage(numel=2**28)), "size differs"),
    "storage elsewhere": (tensor(bytes_from=storage(key="../version")), "size differs"),
    "two dtypes": (b"](" + tensor() + tensor(bytes_from=storage("IntStorage")) + b"e", "in a way of its own"),
    "storage by parts": (b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"NtQ", "in a way"),
    "bare storage": (storage(), "TypedStorage"),
    "bare function": (b"ctorch._utils\n_rebuild_tensor_v2\n", "is function"),
    "gradient wanted": (tensor().replace(b"\x89", b"\x88"), "not a plain tensor"),
    "missing memory": (b"h\xee", "does not read"),
    "nothing on the stack": (b"tR", "does not read"),
}  # fmt: skip


def refusal(path: Path) -> str:
    """How `load` refuses a file, in a child process that must stay small and quick and must not run what the file says."""

    def attempt() -> str:
        before, started = peak_bytes(), time.perf_counter()
        try:
            load(path)
            answer = "loaded"
        except CheckpointError as error:
            answer = str(error)
        seconds, grown = time.perf_counter() - started, peak_bytes() - before
        fits = seconds < 4 and grown < 300e6  # the slowest takes 1.2 s on a quiet machine
        return answer if fits else f"{seconds:.1f} s, {grown / 1e6:.0f} MB"

    answer = forked(attempt)
    assert answer.startswith(f"{path}: "), answer
    assert "weights_only" not in answer and "\n" not in answer and "\x1b" not in answer
    return answer


def peak_bytes() -> int:
    """Address space at its largest so far: sees memory that was asked for but not touched."""
    status = Path("/proc/self/status")
    return int(status.read_text().split("VmPeak:")[1].split()[0]) * 1024 if status.exists() else 0


@pytest.fixture(autouse=True)
def no_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "canary").exists(), "a file ran code"


def test_a_harmless_forgery_loads(tmp_path: Path) -> None:  # else the attacks below might fail for a reason of the forger's
    assert same(load(forge(tmp_path / "a.pth", tensor()))["x"], torch.tensor([1.0, 2, 3, 4]))


@pytest.mark.parametrize("attack", PAYLOADS)
def test_hostile_pickles_are_refused(tmp_path: Path, attack: str) -> None:
    payload, words = PAYLOADS[attack]
    assert re.search(words, refusal(forge(tmp_path / "a.pth", payload)))


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"archive/data/../../../canary": b"x"}, "outside its folder"),
        ({"../canary": b"x"}, "outside its folder"),
        ({"/archive/canary": b"x"}, "outside its folder"),
        ({"archive/..\\canary": b"x"}, "outside its folder"),
        ({"other/data/1": b"x"}, "outside its folder"),
        ({"archive/DATA.pkl": pickled(LAUGHS)}, "two of its records bear one name"),
        ({"archive/constants.pkl": b"x"}, "TorchScript"),
        ({"archive/code/__torch__.py": b"x"}, "TorchScript"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_hostile_archives_are_refused(tmp_path: Path, records: dict[str, bytes], words: str) -> None:
    assert words in refusal(forge(tmp_path / "a.pth", tensor(), records))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "two of its records" in refusal(forge(tmp_path / "a.pth", tensor(), {"archive/data.pkl": pickled(LAUGHS)}))


def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    path = forge(
        tmp_path / "a.pth", tensor(2**24, bytes_from=storage(key="1", numel=2**24)), {"archive/data/1": bytes(2**26)}, deflate=True
    )
    assert path.stat().st_size < 1e5 and "compressed" in refusal(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data + b"x", "its end is missing"),
        (lambda data: b"x" + data, "some other kind of file"),
        (lambda data: data + data, "elsewhere than it says"),  # some readers take the first archive, some the second
        (lambda data: data[:-2] + b"\1\0x", "its end is missing"),
        (lambda data: data[:-6] + struct.pack("<I", 2**20) + data[-2:], "elsewhere than it says"),
        (lambda data: data[:-10] + struct.pack("<I", 2**31) + data[-6:], "elsewhere than it says"),
    ],
)
def test_archives_that_two_readers_read_differently_are_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    path = forge(tmp_path / "a.pth", tensor())
    path.write_bytes(change(path.read_bytes()))
    assert words in refusal(path)


def test_two_directories_that_disagree_are_refused(tmp_path: Path) -> None:
    save(small(), path := tmp_path / "a.pth")  # torch writes the place and length in 32 and in 64 bits
    data = path.read_bytes()
    path.write_bytes(data[:-10] + struct.pack("<L", 100) + data[-6:])
    assert "elsewhere than it says" in refusal(path)


def test_a_record_that_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(forge(tmp_path / "a.pth", tensor()).read_bytes())
    last = data.rfind(b"PK\1\2")
    data[last + 20 : last + 28] = struct.pack("<LL", 2**31, 2**31)
    (tmp_path / "a.pth").write_bytes(data)
    assert "claims to hold more" in refusal(tmp_path / "a.pth")


def test_a_directory_of_a_million_records_is_refused(tmp_path: Path) -> None:
    data = forge(tmp_path / "a.pth", tensor()).read_bytes()
    length, start = struct.unpack("<LL", data[-10:-2])
    entries = data[start : start + length]
    many = entries * (9_000_000 // length)
    (tmp_path / "a.pth").write_bytes(data[:start] + many + data[-22:-10] + struct.pack("<LL", len(many), start) + b"\0\0")
    assert "more than a checkpoint may" in refusal(tmp_path / "a.pth")


def old_style(path: Path) -> None:
    torch.save(small(), path, _use_new_zipfile_serialization=False)


def tar(path: Path) -> None:
    (path.parent / "x").write_text("x")
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "x", "x")


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.txt", b"x")


STRANGERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "zeros": (lambda path: path.write_bytes(bytes(10_000)), "only zeros"),
    "program": (lambda path: path.write_bytes(b"\x7fELF" + bytes(5000)), "a program"),
    "web page": (lambda path: path.write_bytes(b"<!DOCTYPE html><html>"), "a web page"),
    "yaml": (lambda path: path.write_text("model: mlp"), "some other kind of file"),
    "tar": (tar, "a tar archive"),
    "bare pickle": (lambda path: path.write_bytes(b"\x80\2" + call("os system", text("touch canary")) + b"."), "a bare pickle"),
    "old torch file": (old_style, "a bare pickle"),
    "pipe": (os.mkfifo, "a pipe or a device"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
    "state_dict": (lambda path: torch.save(torch.nn.Linear(2, 2).state_dict(), path), "such as a bare state_dict"),
    "whole module": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "a PyTorch file from elsewhere"),
    "other zip": (other_zip, "some other zip"),
    "the future": (lambda path: forge(path, b"cnew.thing\nf\n", version=2), "written by trainkit 9.0 in format 2.*Upgrade"),
    "the past": (lambda path: forge(path, version=0), "not a trainkit checkpoint"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_other_files_are_refused_for_what_they_are(tmp_path: Path, kind: str) -> None:
    make, words = STRANGERS[kind]
    make(tmp_path / "a.pth")
    assert re.search(words, refusal(tmp_path / "a.pth"))


def test_a_path_without_a_file_is_a_usage_error_and_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "broken.pth").symlink_to("nowhere")
    for name, words in {
        "none.pth": "no such file",
        "broken.pth": "no such file",
        ".": "is a folder",
        "a\0b": "no such file",
    }.items():
        with pytest.raises(ConfigError, match=words):
            load(tmp_path / name)
    save(small(), tmp_path / "a.pth")
    (tmp_path / "link.pth").symlink_to("a.pth")
    assert same(without_header(load(tmp_path / "link.pth")), small())


# Damage


def test_a_truncated_file_is_refused_at_any_length(tmp_path: Path) -> None:
    save(small(), path := tmp_path / "a.pth")
    data = path.read_bytes()
    for part in range(50):
        path.write_bytes(data[: len(data) * part // 50])
        with pytest.raises(CheckpointError, match="damaged"):
            load(path)


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    save(small(), path := tmp_path / "a.pth")
    data, whole_content, refused = path.read_bytes(), load(path), 0
    chance = random.Random(0)
    for _ in range(600):
        bit = chance.randrange(8 * len(data))
        path.write_bytes(data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :])
        try:
            assert same(load(path), whole_content), f"bit {bit} changed a value in silence"
        except CheckpointError:
            refused += 1
    assert refused > 300


# The newest of several


def test_newest_takes_the_highest_step_and_last_among_equals(tmp_path: Path) -> None:
    assert newest(tmp_path) is None and newest(tmp_path / "none") is None
    save(small(5), tmp_path / "best.pth", tmp_path / "last.pth")
    save(small(4), tmp_path / "previous.pth")
    path, content, skipped = newest(tmp_path) or pytest.fail()
    assert (path.name, content["state"]["step"], skipped) == ("last.pth", 5, [])
    save(small(6), tmp_path / "step-6.pth")
    assert (newest(tmp_path) or pytest.fail())[0].name == "step-6.pth"


def test_newest_skips_what_it_cannot_read_and_says_so(tmp_path: Path) -> None:
    save(small(5), tmp_path / "last.pth")
    save(small(4), tmp_path / "previous.pth")
    save({"state": "?"}, tmp_path / "best.pth")
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "last.pth").write_bytes((tmp_path / "last.pth").read_bytes()[:-1000])
    path, content, skipped = newest(tmp_path) or pytest.fail()
    assert (path.name, content["state"]["step"]) == ("previous.pth", 4)
    assert [words.split(":")[0].split("/")[-1] for words in skipped] == ["last.pth", "best.pth", "folder.pth"]
    assert "cut short" in skipped[0] and "state.step" in skipped[1]
    (tmp_path / "previous.pth").unlink()
    assert newest(tmp_path) is None


# Kills and refusing disks


def test_a_kill_while_saving_never_costs_a_checkpoint(tmp_path: Path) -> None:
    chance, left = random.Random(0), 0
    best, last = tmp_path / "best.pth", tmp_path / "last.pth"
    for _ in range(15):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            torch.set_num_threads(1)
            for step in itertools.count(1):
                save({"state": {"step": step}, "network": {"w": torch.full((100_000,), float(step))}}, best, last)
                os.write(writer, struct.pack("<q", step))
        os.close(writer)
        acknowledged = os.read(reader, 8)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with open(reader, "rb") as pipe:
            acknowledged = (acknowledged + pipe.read())[-8:]
        for path in (best, last):
            content = load(path)
            assert content["state"]["step"] >= struct.unpack("<q", acknowledged)[0]
            assert (content["network"]["w"] == content["state"]["step"]).all()
        left += len(leftovers(tmp_path))
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"best.pth", "last.pth"}
    assert 0 < left <= 30  # at least one kill struck amid a save, and none left more than a file and its second name


def test_a_full_disk_is_said_in_words_and_costs_nothing(tmp_path: Path) -> None:
    save(small(), path := tmp_path / "last.pth")
    before = path.read_bytes()

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        save({"network": {"w": torch.ones(250_000)}}, path)

    answer = forked(fill)
    assert re.match(rf"StorageError: {path}: not saved, the file is larger.*: 1.0 MB needed, .* free in {tmp_path}\.", answer), (
        answer
    )
    assert "inline_container" not in answer
    assert path.read_bytes() == before and not leftovers(tmp_path)


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENAMETOOLONG], ids=errno.errorcode.get
)
@pytest.mark.parametrize(
    "write", [lambda path: save(small(2), path), lambda path: platform.write_text(path, "new")], ids=["save", "write_text"]
)
def test_a_failed_sync_is_never_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, write: Callable[[Path], None]
) -> None:
    (tmp_path / "a").write_text("old")
    calls = []

    def sync(_file: object) -> None:
        calls.append(1)
        raise OSError(number, "?")

    monkeypatch.setattr(platform, "sync", sync)
    with pytest.raises(StorageError, match=platform.WORDS.get(number, os.strerror(number)).split("(")[0]):
        write(tmp_path / "a")
    assert len(calls) == 1 and (tmp_path / "a").read_text() == "old" and not leftovers(tmp_path)


def test_whatever_call_fails_the_old_checkpoints_or_the_new_ones_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "best.pth", tmp_path / "last.pth"]
    save(small(0), *paths)
    countdown = 0

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                raise OSError(errno.EIO, "?")
            return real(*arguments, **options)

        return call

    for name in ("open", "fsync", "link", "replace"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    failures = []
    for step in range(1, 20):
        countdown = step
        try:
            save(small(step), *paths)
        except StorageError:
            failures.append(step)
        done, countdown = countdown > 0, 0
        steps = [load(path)["state"]["step"] for path in paths]
        assert step in failures or steps == [step, step]
        assert steps[1] <= steps[0] <= step and not leftovers(tmp_path)
        if done:
            break
    assert done and failures == [1, 2, 4, 5, 6, 7, 8, 9]  # the third is the hard link: then the file is copied


def test_a_folder_that_is_gone_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the folder is gone"):
        save(small(), tmp_path / "none" / "a.pth")


def test_what_was_written_is_read_back_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(small(1), path := tmp_path / "a.pth")
    real = platform.sync

    def sync(file: Any) -> None:  # a disk that drops a byte
        file.seek(3000)
        file.write(b"?")
        real(file)

    monkeypatch.setattr(platform, "sync", sync)
    with pytest.raises(StorageError, match="would not read back"):
        save(small(2), path)
    assert load(path)["state"]["step"] == 1 and not leftovers(tmp_path)


def test_an_interrupted_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "sync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(small(), tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


def test_names_are_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "last.pth").symlink_to("other")
    os.link(tmp_path / "other", tmp_path / "best.pth")
    previous = os.umask(0o027)
    try:
        save(small(), tmp_path / "best.pth", tmp_path / "last.pth")
        platform.write_text(tmp_path / "text", "é")
    finally:
        os.umask(previous)
    assert (tmp_path / "other").read_text() == "mine"
    assert (tmp_path / "best.pth").samefile(tmp_path / "last.pth") and not (tmp_path / "last.pth").is_symlink()
    assert (tmp_path / "last.pth").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "text").read_bytes() == "é".encode()
    with pytest.raises(StorageError, match="the folder is gone"):
        checkpoint.duplicate(tmp_path / "none.pth", tmp_path / "best.pth")
    checkpoint.duplicate(tmp_path / "last.pth", tmp_path / "best.pth")  # already the same file: a rename would do nothing
    assert not leftovers(tmp_path)
    with pytest.raises(FileExistsError):
        platform.create_exclusive(tmp_path / "other")
