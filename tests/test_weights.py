"""Weights from a file: they fit wholly, or one message says why not, and nothing in the file is run."""

import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.helpers import make_run
from trainkit.errors import ConfigError
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.models import _weights, models
from trainkit.parts.models._transfer import Body, Head, Transfer
from trainkit.spec import Rows, Spec
from trainkit.store.checkpoint import save

ABC = Spec("image", (3, 8, 8), 3, "class", ("a", "b", "c"))


def tiny(channels: int = 3, width: int = 6, classes: int = 4) -> Any:
    layers = {
        "conv1": nn.Conv2d(channels, 4, 3, bias=False),
        "bn1": nn.BatchNorm2d(4),
        "conv2": nn.Conv2d(4, width, 3),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "fc": nn.Linear(width, classes),
    }
    return nn.Sequential(OrderedDict(layers))


class Tiny(Transfer):
    """Two convolutions."""

    name: Literal["tiny"] = "tiny"
    variant: Literal[6, 8] = 6

    def body(self, channels: int, size: tuple[int, int]) -> Body:
        network = tiny(channels, self.variant)
        network.fc = nn.Identity()
        return Body(network, self.variant, {"stem": ("conv1", "bn1"), "conv2": ("conv2",)}, "conv1", "fc")

    def named(self, weights: str) -> Mapping[str, Tensor]:
        return {name: torch.full_like(value, len(weights)) for name, value in tiny().state_dict().items()}


@pytest.fixture
def trained() -> Any:
    """As if it had been trained: no tensor is what a new one begins with."""
    torch.manual_seed(0)
    network = tiny()
    for value in network.state_dict().values():
        value.copy_(torch.rand(value.shape) + 0.5 if value.is_floating_point() else torch.tensor(7))
    return network.eval()


def begun(path: Path | str, spec: Spec = ABC, **settings: Any) -> tuple[Any, list[str]]:
    model = Tiny(weights=str(path), **settings)
    network = model.build(spec)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        told = model.begin(network, spec)
    except Exception:
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items()), "it was changed"
        raise
    return network.eval(), told


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def refused(path: Path | str, words: str, spec: Spec = ABC, **settings: Any) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        begun(path, spec, **settings)
    assert caught.value.exit_code == 2 and caught.value.problems[0].key == ("model", "weights")
    assert len(str(caught.value).splitlines()) == 1


def features(network: nn.Module, pictures: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(pictures)
        return found


# What loads


def test_features_are_torchvisions_own(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(1)
    theirs = torchvision.models.resnet18().eval()
    for name, value in theirs.state_dict().items():
        if "running" in name:
            value.copy_(torch.rand(value.shape) + 0.5)
    path = saved(theirs.state_dict(), tmp_path / "r.pth")
    model = models.read({"name": "resnet", "variant": 18, "weights": str(path), "train": "all"})
    spec = replace(ABC, shape=(3, 32, 32))
    network = model.build(spec)
    assert isinstance(network, TransferNetwork) and model.begin(network, spec) == []
    pictures = torch.randn(2, 3, 32, 32)
    theirs.fc = nn.Identity()
    assert (network.eval().features(pictures) - theirs(pictures)).abs().max() == 0


WRAPPED: dict[str, Any] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {}},
    "model_state_dict": lambda state: {"model_state_dict": state},
    "DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "Lightning": lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
    "compiled": lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
    "without fc": lambda state: {name: value for name, value in state.items() if "fc" not in name},
    "old": lambda state: {name: value for name, value in state.items() if "tracked" not in name},
    "float64": lambda state: {name: value.double() if "num" not in name else value for name, value in state.items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_scripts_save(tmp_path: Path, trained: Any, wrapped: Any, zipped: bool) -> None:
    torch.save(wrapped(trained.state_dict()), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    network, told = begun(tmp_path / "a.pth")
    pictures = torch.rand(2, 3, 8, 8)
    trained.fc = nn.Identity()
    assert told == [] and torch.equal(features(network.body, pictures), features(trained, pictures))
    assert network.frozen and all(value.dtype == torch.float32 for value in network.parameters())


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors(tmp_path: Path, trained: Any, kind: torch.dtype) -> None:
    state = {name: value.to(kind) if value.is_floating_point() else value for name, value in trained.state_dict().items()}
    save_file(state, tmp_path / "a.safetensors")
    network, told = begun(tmp_path / "a.safetensors")
    assert told == []
    for name, value in network.body.state_dict().items():
        assert torch.equal(value, state[name].to(value.dtype)) and value.dtype == trained.state_dict()[name].dtype


def test_names_and_none() -> None:
    assert begun("imagenet")[0].body.conv2.bias.tolist() == [8.0] * 6
    assert begun("V1_TWO")[0].body.conv2.bias.tolist() == [6.0] * 6
    torch.manual_seed(0)
    before = Tiny(weights="none").build(ABC).state_dict()
    torch.manual_seed(0)
    network, told = begun("none")
    assert told == ["random, and frozen but for the head: `model.train: all` trains all of them"]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_other_names_in_the_same_order(tmp_path: Path, trained: Any) -> None:
    renamed = {f"_{n}.{name.rpartition('.')[2]}": value for n, (name, value) in enumerate(trained.state_dict().items())}
    for count in (len(renamed), len(renamed) - 2):  # with the last layer, and without
        path = saved(dict(list(renamed.items())[:count]), tmp_path / "a.pth")
        network, (told,) = begun(path)
        assert "other names for its tensors: 7 of 7 are taken in their order" in told and "_0.weight is conv1.weight" in told
        assert torch.equal(network.body.bn1.running_var, trained.bn1.running_var)
        assert torch.equal(network.body.conv2.weight, trained.conv2.weight)
    kinds = {name.replace("bias", "b"): value for name, value in renamed.items()}
    refused(saved(kinds, tmp_path / "b.pth"), r"its tensors are called _0\.weight, _1\.weight, _2\.b, …, and here conv1\.weight")
    refused(saved({**renamed, "x.weight": torch.ones(2, 2)}, tmp_path / "c.pth"), "its tensors are called")


# Channels


def test_a_grey_picture_is_answered_as_three_equal_channels(tmp_path: Path, trained: Any) -> None:
    path, grey = saved(trained.state_dict(), tmp_path / "a.pth"), torch.rand(4, 1, 8, 8)
    network, (told,) = begun(path, replace(ABC, shape=(1, 8, 8)))
    trained.fc = nn.Identity()
    assert torch.allclose(features(network.body, grey), features(trained, grey.expand(-1, 3, -1, -1)), rtol=1e-5)
    assert "The weights see 3 channels, and these pictures have 1" in told and "summed" in told


@pytest.mark.parametrize(("channels", "order"), [(2, [0, 1]), (5, [0, 1, 2, 0, 1])])
def test_other_channels_take_turns(tmp_path: Path, trained: Any, channels: int, order: list[int]) -> None:
    network, (told,) = begun(saved(trained.state_dict(), tmp_path / "a.pth"), replace(ABC, shape=(channels, 8, 8)))
    assert torch.allclose(network.body.conv1.weight, trained.conv1.weight[:, order] * 3 / channels)
    assert f"these pictures have {channels}" in told and f"times 3/{channels}" in told


def test_a_file_for_grey_pictures_is_not_for_colours(tmp_path: Path) -> None:
    path = saved(tiny(channels=1).state_dict(), tmp_path / "a.pth")
    refused(path, r"conv1\.weight is 4×1×3×3 in the file, and 4×3×3×3 here\.")
    network, told = begun(path, replace(ABC, shape=(1, 8, 8)))
    assert told == [] and network.body.conv1.weight.shape == (4, 1, 3, 3)


# Checkpoints of trainkit


def checkpoint(path: Path, spec: Spec = ABC, ema: bool = False, **settings: Any) -> tuple[Path, Any]:
    torch.manual_seed(3)
    network: Any = Tiny(weights="none", **settings).build(spec)
    weights = network.state_dict()
    other = {name: value + 1 for name, value in weights.items()}
    config = "trainkit: 1\nmodel:\n  name: tiny\n"
    content = {"config": config, "spec": spec.content(), "network": other if ema else weights, "ema": weights if ema else None}
    save(content, path)
    return path, network


@pytest.mark.parametrize("ema", [False, True])
def test_a_checkpoint_gives_body_and_head(tmp_path: Path, ema: bool) -> None:
    path, before = checkpoint(tmp_path / "best.pth", ema=ema)
    network, told = begun(path)
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in network.state_dict().items())
    assert told == [f"The body and the head of {path} are taken over."]
    torch.manual_seed(4)
    network, told = begun(path, head=Head(new=True))
    assert told == [f"The body of {path} is taken over; the head begins anew."]
    assert torch.equal(network.body.conv2.weight, before.body.conv2.weight)
    assert not torch.equal(network.head.output.weight, before.head.output.weight)


@pytest.mark.parametrize(("spec", "settings", "words"), [
    (replace(ABC, outputs=2, classes=("a", "b")), {}, r"'s head answers 3 classes \(a, b, c\), this data has 2 classes \(a, b\)\."),
    (replace(ABC, classes=("a", "c", "b")), {}, r"answers 3 classes \(a, b, c\), this data has 3 classes \(a, c, b\)\."),
    (Spec("image", (3, 8, 8), 3, "number", target_names=("x", "y", "z")), {}, r"3 classes \(a, b, c\), this data has 3 numbers"),
    (ABC, {"head": Head(hidden=(5,))}, r"head is another one: .*output\.weight is 3×6 in the file, and 3×5 here"),
])  # fmt: skip
def test_a_head_that_answers_something_else(tmp_path: Path, spec: Spec, settings: dict[str, Any], words: str) -> None:
    path, before = checkpoint(tmp_path / "best.pth")
    refused(path, rf"best\.pth{words}.*" if words.startswith("'") else words, spec, **settings)
    refused(path, r"Say `head: \{new: true\}` to begin a new head\.", spec, **settings)
    network, _ = begun(path, spec, head=Head(new=True, hidden=settings["head"].hidden if settings else ()))
    assert torch.equal(network.body.conv2.weight, before.body.conv2.weight)


def test_a_run_of_another_model_says_which(tmp_path: Path) -> None:
    save(make_run(["model.name=mlp"]).content(), tmp_path / "best.pth")
    refused(tmp_path / "best.pth", r"best\.pth is a checkpoint of the model mlp, which has no pretrained body\.")
    path, _ = checkpoint(tmp_path / "b.pth", variant=8)
    refused(path, r"b\.pth does not fit tiny 6: conv2\.weight is 8×4×3×3 .* It looks like tiny 8\.", head=Head(new=True))


def test_a_run_begins_with_them_and_its_checkpoint_is_one(tmp_path: Path, trained: Any) -> None:
    models.register(Tiny)
    rng = np.random.RandomState(0)
    names = np.array(["a", "b", "c"] * 20, dtype=object)
    rows = Rows(rng.randint(0, 256, (60, 3, 8, 8)).astype(np.uint8), names, "image", "class")
    path = saved(trained.state_dict(), tmp_path / "a.pth")
    try:
        run = make_run({"model": {"name": "tiny", "weights": str(path)}}, rows)
        began = run.network.state_dict()
        assert torch.equal(began["body.conv2.weight"], trained.conv2.weight)
        save(run.content(), tmp_path / "best.pth")
        network, _ = begun(tmp_path / "best.pth", run.data.spec)
        assert torch.equal(network.head.output.weight, began["head.output.weight"])
    finally:
        del models._parts["tiny"]


# What is refused


def test_weights_of_another_variant_are_listed(tmp_path: Path, trained: Any) -> None:
    words = (
        r"a\.pth does not fit tiny 6: conv2\.weight is 8×4×3×3 in the file, and 6×4×3×3 here; conv2\.bias is 8 in the file, "
        r"and 6 here\. It looks like tiny 8\."
    )
    refused(saved(tiny(width=8).state_dict(), tmp_path / "a.pth"), words)
    state = {**trained.state_dict(), "extra.weight": torch.ones(1)}
    del state["conv2.bias"]
    refused(
        saved(state, tmp_path / "b.pth"), r"conv2\.bias is not in the file; extra\.weight is in the file alone\. Is it of another"
    )
    many = {f"conv1.{n}": torch.ones(1) for n in range(9)}
    refused(saved(trained.state_dict() | many, tmp_path / "c.pth"), r"conv1\.2 is in the file alone; and 6 more\.")


@pytest.mark.parametrize(("path", "words"), [
    ("b.pth", r"the file .*b\.pth is not there\. Did you mean 'best\.pth'\?"),
    ("none/b.pth", r"the file .*b\.pth is not there\.$"),
    ("folder", r"folder is a folder\. Name a file of weights in it: x\.pth$"),
    ("empty.pth", r"empty\.pth is empty\."),
    ("page.pth", r"page\.pth is a web page: was it downloaded with the right link\?"),
    ("lfs.pth", r"lfs\.pth is what Git LFS left"),
    ("text.pth", r"text\.pth is cut off or damaged, or no file of weights\."),
    ("zeros.pth", r"zeros\.pth is cut off or damaged, or no file of weights\."),
    ("other.pth", r"other\.pth is some other zip archive"),
    ("list.pth", r"list\.pth holds no weights, which are a dictionary of tensors by their names, but no such thing"),
    ("plain.pth", r"plain\.pth holds no weights, .*, but a dictionary of epoch, lr\."),
])  # fmt: skip
def test_files_that_are_none(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.pth").touch()
    texts = {"empty": "", "page": "<!doctype html>", "lfs": "version https://git-lfs.github.com/spec/v1", "text": "hello" * 20}
    for name, text in {**texts, "best": "x", "zeros": "\0" * 600}.items():
        (tmp_path / f"{name}.pth").write_text(text)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("a.txt", "a")
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "plain.pth")
    refused(tmp_path / path, words)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.0005, 0.003, 0.02, 0.3, 0.6, 0.95, 0.9995])
def test_a_file_that_was_cut_off(tmp_path: Path, trained: Any, kind: str, share: float) -> None:
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        save_file(dict(trained.state_dict()), path)
    else:
        torch.save(trained.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: max(1, int(len(content) * share))])
    refused(path, rf"{re.escape(path.name)} is cut off or damaged")


def test_a_flipped_bit_is_seen(tmp_path: Path, trained: Any) -> None:
    path = saved(trained.state_dict(), tmp_path / "a.pth")
    content = bytearray(path.read_bytes())
    place = content.find(trained.conv2.weight.detach().numpy().tobytes())
    content[place + 20] ^= 1
    path.write_bytes(content)
    refused(path, r"a\.pth is cut off or damaged\. Copy or download it again\.")


def test_a_file_that_unpacks_into_more_than_it_is(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(500_000)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as old, zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert (tmp_path / "b.pth").stat().st_size < 10_000
    refused(tmp_path / "b.pth", "is cut off or damaged")


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "safetensors", "module", "script"])
def test_nothing_in_a_file_is_run(tmp_path: Path, trained: Any, kind: str) -> None:
    path, trap = tmp_path / "a.pth", {**trained.state_dict(), "conv1.weight": Bomb(tmp_path / "ran")}
    if kind in ("pickle", "safetensors"):
        path = tmp_path / f"a.{'pth' if kind == 'pickle' else kind}"
        path.write_bytes(pickle.dumps(trap["conv1.weight"]))
    elif kind == "script":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", b"")
            archive.writestr("a/constants.pkl", b"")
    else:
        torch.save(trained if kind == "module" else trap, path, _use_new_zipfile_serialization=kind != "legacy")
    named = {
        "zip": r" \(\w+\.system\)",
        "legacy": r" \(\w+\.system\)",
        "module": r" \(torch\.\S+\)",
        "script": r" \(a TorchScript .*\)",
    }
    words = rf"holds Python objects{named.get(kind, '')}, which could run any program .* state_dict\(\)\."
    refused(path, words if kind != "safetensors" else "cut off or damaged")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("value", "words"), [
    (float("nan"), r"a\.pth: conv2\.bias holds NaN or infinity\."),
    (float("inf"), r"a\.pth: conv2\.bias holds NaN or infinity\."),
    (torch.ones(6, dtype=torch.int8), r"a\.pth: conv2\.bias holds int8 \(strided\), and float32 is needed\."),
    (torch.ones(6, dtype=torch.complex64), r"a\.pth: conv2\.bias holds complex64"),
    (torch.full((6,), 1e300, dtype=torch.float64), "holds NaN or infinity"),
    (torch.ones(6).to_sparse(), r"conv2\.bias holds float32 \(sparse_coo\)"),
])  # fmt: skip
def test_numbers_that_are_none(tmp_path: Path, trained: Any, value: Any, words: str) -> None:
    bias = value if isinstance(value, Tensor) else torch.tensor([0.0, 1.0, value, 0.0, 0.0, 0.0])
    refused(saved({**trained.state_dict(), "conv2.bias": bias}, tmp_path / "a.pth"), words)


def test_a_file_that_holds_itself_or_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    loop: dict[str, Any] = {}
    loop["model"] = loop
    torch.save(loop, tmp_path / "loop.pth")
    torch.save({"conv1.weight": torch.zeros(1).expand(100_000, 3, 1000, 1000)}, tmp_path / "huge.pth")
    for name, words in (("loop", "holds no weights"), ("huge", "says that it holds more than it does")):
        with pytest.raises(ConfigError, match=words):
            _weights._plain(_weights._read(tmp_path / f"{name}.pth"), name)
