"""torchvision's families: their networks are torchvision's own, cut into stages, with the weights that torchvision knows."""

import builtins
import hashlib
import io
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from email.message import EmailMessage
from functools import cache
from http.client import IncompleteRead
from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as theirs  # type: ignore[import-untyped]

from trainkit.errors import ConfigError, Key, SetupError
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.models import models
from trainkit.parts.models._torchvision import TorchvisionModel
from trainkit.parts.models._transfer import Body
from trainkit.spec import Spec

FAMILIES = ["convnext", "densenet", "efficientnet", "mobilenet", "resnet", "swin", "vgg", "vit"]
VARIANTS = {name: get_args(models.find(name).model_fields["variant"].annotation) for name in FAMILIES}  # type: ignore[union-attr]
EVERY = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]
SMALL = [
    ("convnext", "tiny"),
    ("densenet", 121),
    ("efficientnet", "b0"),
    ("mobilenet", "v2"),
    ("mobilenet", "v3_small"),
    ("resnet", 18),
    ("swin", "t"),
    ("swin", "v2_t"),
    ("vgg", "11_bn"),
    ("vit", "b_32"),
]


def family(name: str, variant: Any = None, **settings: Any) -> TorchvisionModel:
    part = models.read({"name": name, **({} if variant is None else {"variant": variant}), **settings})
    assert isinstance(part, TorchvisionModel)
    return part


REAL = theirs.get_model
GREY = Spec("image", (1, 32, 32), 3, "class", ("a", "b", "c"))
COLOUR = replace(GREY, shape=(3, 32, 32))


def smallest(part: TorchvisionModel) -> int:
    return int(part.known_as[-2:]) if part.name == "vit" else part.smallest


@cache
def on_meta(part: TorchvisionModel, channels: int = 3, side: int | None = None) -> Body:
    with torch.device("meta"):
        side = side or smallest(part)
        return part.body(channels, (side, side))


def whole(part: TorchvisionModel, side: int = 32) -> nn.Module:
    """torchvision's own network."""
    torch.manual_seed(1)
    network: nn.Module = theirs.get_model(part.known_as, weights=None, **({"image_size": side} if part.name == "vit" else {}))
    return network.eval()


@cache
def meta_whole(part: TorchvisionModel) -> nn.Module:
    with torch.device("meta"):
        return whole(part)


def stage_of(name: str, stages: Mapping[str, tuple[str, ...]]) -> str:
    """As `TransferNetwork` says it."""
    network = TransferNetwork.__new__(TransferNetwork)
    network.__dict__["stages"] = stages
    return network.stage(name)


def refusal(part: TorchvisionModel, *arguments: Any, of: str = "body") -> tuple[str, Key]:
    with pytest.raises(ConfigError) as caught:
        getattr(part, of)(*arguments)
    return str(caught.value), caught.value.problems[0].key


# --- the networks


def test_every_network_of_these_families_is_here() -> None:
    known = theirs.list_models(module=theirs)
    beginnings = ("convnext", "densenet", "efficientnet", "mobilenet", "resne", "swin", "vgg", "vit", "wide_resnet")
    assert sorted(family(*each).known_as for each in EVERY) == [name for name in known if name.startswith(beginnings)]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_each_weight_is_in_one_stage(name: str, variant: Any) -> None:
    network, _, stages, first, last = on_meta(family(name, variant))
    tensors = [n for n, _ in [*network.named_parameters(), *network.named_buffers()]]
    dropping = [n for n, module in network.named_modules() if "Drop" in type(module).__name__ or "Depth" in type(module).__name__]
    found = {n: [stage for stage in stages if stage_of(n, {stage: stages[stage]})] for n in tensors + dropping}
    assert {n: of for n, of in found.items() if len(of) != 1} == {}
    assert {stage for n in tensors for stage in found[n]} == set(stages)
    assert f"{first}.weight" in tensors and isinstance(network.get_submodule(str(last)), nn.Identity)


@pytest.mark.parametrize(("name", "variant"), SMALL)
def test_one_stage_after_the_other_on_the_smallest_pictures(name: str, variant: Any) -> None:
    part = family(name, variant)
    network, width, stages, *_ = on_meta(part)
    passed: list[str] = []
    for n, module in network.named_modules():
        if stage := stage_of(n, stages):
            module.register_forward_hook(lambda *_, stage=stage: passed.append(stage))
    side = smallest(part)
    with torch.device("meta"):
        assert network.eval()(torch.empty(1, 3, side, side)).flatten(1).shape == (1, width)
    assert list(dict.fromkeys(passed)) == list(stages) and passed == sorted(passed, key=list(stages).index)


@pytest.mark.parametrize(("name", "variant"), SMALL)
def test_the_numbers_are_torchvision_s(name: str, variant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        nn.init, "normal_", lambda tensor, *_, **__: tensor
    )  # linear layers have numbers already: vgg's 120 million
    part, pictures = family(name, variant), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    other = whole(part)
    with torch.device("meta"):
        network, width, _, _, last = part.body(3, (32, 32))
    state = {n: tensor for n, tensor in other.state_dict().items() if not n.startswith(f"{last}.")}
    network.load_state_dict(state, assign=True)  # all names, and no others
    seen: list[Tensor] = []
    other.get_submodule(str(last)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        other(pictures)
        found = network.eval()(pictures).flatten(1)
    assert found.shape == (2, width) and (found - seen[0]).abs().max() == 0 and found.std() > 0


@pytest.mark.parametrize(("name", "variant"), SMALL)
def test_any_number_of_channels(name: str, variant: Any, channels: int = 4) -> None:
    mine, colour = (on_meta(family(name, variant), n) for n in (channels, 3))
    shapes, usual = ({n: tuple(t.shape) for n, t in body.network.state_dict().items()} for body in (mine, colour))
    weight = f"{mine.first}.weight"
    out, _, *kernel = usual[weight]
    assert shapes == usual | {weight: (out, channels, *kernel)}
    of, to = (repr(body.network.get_submodule(str(body.first))) for body in (colour, mine))
    assert to == of.replace("Conv2d(3,", f"Conv2d({channels},")


@pytest.mark.parametrize(("name", "variant", "fewer"), [
    ("efficientnet", "b0", 1),
    ("mobilenet", "v2", 1),
    ("mobilenet", "v3_small", 1),
    ("vgg", 11, 1),
    ("vit", "b_32", 0),
])  # fmt: skip
def test_dropout_before_the_last_layer_is_the_head_s_business(name: str, variant: Any, fewer: int) -> None:
    part = family(name, variant)
    mine, other = ([m for m in net.modules() if isinstance(m, nn.Dropout)] for net in (on_meta(part).network, meta_whole(part)))
    assert len(mine) == len(other) - fewer


def test_random_weights_follow_from_the_seed() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in family("mobilenet", weights="none").build(GREY).parameters()])

    assert weights(3).equal(weights(3)) and not weights(3).equal(weights(4))


def narrow(name: str, image_size: int = 0, **options: Any) -> nn.Module:
    """torchvision's network, and a narrow one for its vision transformer, which is large."""
    if image_size:
        made: nn.Module = theirs.VisionTransformer(image_size, 32, num_layers=12, num_heads=2, hidden_dim=8, mlp_dim=16)
        return made
    return REAL(name, **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "variant"), [("resnet", 18), ("mobilenet", "v3_small"), ("vit", "b_32")])
@pytest.mark.parametrize("train", ["head", "layer", "all"])
def test_a_step_trains_what_it_should(name: str, variant: Any, train: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "get_model", narrow)
    layer = {"resnet": "layer4", "mobilenet": "features.12", "vit": "encoder_layer_11"}[name]
    network = family(name, variant, train=[layer] if train == "layer" else train).build(GREY)
    assert isinstance(network, TransferNetwork)
    before = {n: tensor.clone() for n, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    pictures = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(network.train()(pictures), torch.arange(4) % 3).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    changed = {n for n, tensor in network.state_dict().items() if not tensor.equal(before[n])}
    moved = {network.stage(n.removeprefix("body.")) if n.startswith("body.") else "head" for n in changed}
    assert moved == {"head", *({"head": [], "layer": [layer], "all": network.stages}[train])}


# --- the pictures


@pytest.mark.parametrize(("name", "smallest"), [("vgg", 32), ("densenet", 29), ("convnext", 32), ("swin", 4)])
def test_pictures_that_are_too_small(name: str, smallest: int) -> None:
    part = family(name)
    words, key = refusal(part, 3, (200, smallest - 1))
    assert words.startswith(f"{name} takes pictures of {smallest} × {smallest} and larger; these are 200 × {smallest - 1}. ")
    assert words.endswith("preprocess: {size: 224}.") and key == ("model",)
    with torch.device("meta"), pytest.raises(RuntimeError):  # it would fail
        on_meta(part).network.eval()(torch.empty(1, 3, smallest - 1, smallest - 1))


@pytest.mark.parametrize("size", [(32, 48), (40, 40), (30, 30)])
def test_patches_must_cover_a_square(size: tuple[int, int]) -> None:
    words, key = refusal(family("vit", "b_32"), 3, size)
    pictures = f"these are {size[0]} × {size[1]}. Have them resized: preprocess: {{size: 224}}."
    assert words == f"vit b_32 takes square pictures whose side is a multiple of 32; {pictures}" and key == ("model",)


@pytest.mark.parametrize(("settings", "size", "mean"), [
    ({"name": "resnet", "variant": 50}, 224, 0.485),
    ({"name": "efficientnet", "variant": "b1"}, 240, 0.485),
    ({"name": "efficientnet", "variant": "v2_l"}, 480, 0.5),
    ({"name": "vit"}, 224, 0.485),
    ({"name": "vit", "weights": "IMAGENET1K_SWAG_E2E_V1"}, 384, 0.485),
    ({"name": "vit", "variant": "h_14"}, 518, 0.485),
    ({"name": "swin", "variant": "v2_t", "weights": "here.pth"}, 256, 0.485),
])  # fmt: skip
def test_what_weights_ask_of_pictures(settings: dict[str, Any], size: int, mean: float) -> None:
    asked = family(**settings).made_for()
    assert asked["channels"] == 3 and asked["size"] == (size, size) and asked["mean"][0] == mean
    assert len(asked["mean"]) == len(asked["std"]) == 3 and all(0.2 < std <= 0.5 for std in asked["std"])


def test_random_weights_ask_nothing() -> None:
    assert family("resnet", weights="none").asked() == {}


# --- the weights


def kept(hub: Path, part: TorchvisionModel, weights: str = "DEFAULT") -> tuple[Path, str]:
    """The file in which torch keeps these weights, and where they come from."""
    url = theirs.get_model_weights(part.known_as)[weights].url
    return hub / "hub" / "checkpoints" / url.rpartition("/")[2], url


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("weights", "entry"), [("imagenet", "IMAGENET1K_V2"), ("IMAGENET1K_V1", "IMAGENET1K_V1")])
def test_weights_that_are_there_need_no_network(
    weights: str, entry: str, hub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.hub.urlopen", None)
    part = family("mobilenet", "v2", weights=weights)
    file, _ = kept(hub, part, entry)
    file.parent.mkdir(parents=True)
    torch.save(state := whole(part).state_dict(), file)
    found = part.named(weights)
    assert found.keys() == state.keys() and all(tensor.equal(state[n]) for n, tensor in found.items())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("error", "why"), [
    (URLError("no route"), "no route"),
    (TimeoutError("timed out"), "timed out"),
    (TimeoutError(), "TimeoutError"),
    (IncompleteRead(b""), "IncompleteRead"),
])  # fmt: skip
def test_weights_that_cannot_be_fetched(
    error: Exception, why: str, hub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    part = family("resnet")
    file, url = kept(hub, part)
    words, key = refusal(part, "imagenet", of="named")
    assert words.startswith("the weights IMAGENET1K_V1 of resnet18 cannot be fetched (") and why in words
    assert f"Fetch {url} where there is a network, and put it at {file}; or say where it lies: weights: PATH." in words
    assert key == ("model", "weights") and capsys.readouterr().out == "" and list(file.parent.iterdir()) == []


class Answer(io.BytesIO):
    """A server's."""

    info = EmailMessage


def test_fetched_weights_of_other_content(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.urlopen", lambda request: Answer(b"other"))
    words, key = refusal(family("resnet"), "imagenet", of="named")
    assert "cannot be fetched (invalid hash value" in words and key == ("model", "weights")
    assert list(kept(hub, family("resnet"))[0].parent.iterdir()) == []


def test_weights_are_fetched_once(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, content = family("mobilenet"), io.BytesIO()
    torch.save(state := whole(part).state_dict(), content)
    name = f"small-{hashlib.sha256(content.getvalue()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(type(theirs.MobileNet_V3_Small_Weights.DEFAULT), "url", f"https://nowhere.example/{name}")
    asked = iter([Answer(content.getvalue())])
    monkeypatch.setattr("torch.hub.urlopen", lambda request: next(asked))
    for _ in range(2):
        assert all(tensor.equal(state[n]) for n, tensor in part.named("imagenet").items())
    assert [file.name for file in (hub / "hub" / "checkpoints").iterdir()] == [name]


def test_the_hash_in_each_name() -> None:
    for each in EVERY:
        for entry in theirs.get_model_weights(family(*each).known_as):
            assert re.fullmatch(r"https://.*-[0-9a-f]{8}\.pth", entry.url), entry.url


@pytest.mark.parametrize("content", [b"", b"no weights at all", "half", "code"])
def test_kept_weights_that_are_damaged(content: bytes | str, hub: Path) -> None:
    part = family("mobilenet")
    file, url = kept(hub, part)
    file.parent.mkdir(parents=True)
    if content == "code":
        torch.save(Shell(str(hub / "harm")), file)
    elif content == "half":
        torch.save(whole(part).state_dict(), file)
        content = file.read_bytes()[: file.stat().st_size // 2]
    if isinstance(content, bytes):
        file.write_bytes(content)
    words, key = refusal(part, "imagenet", of="named")
    assert words.startswith(f"{file} ") and words.endswith(f" Remove it, and it is fetched again, from {url}.")
    assert key == ("model", "weights") and not (hub / "harm").exists()


class Shell:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(("name", "variant", "weights", "known"), [
    ("resnet", 50, "IMAGENET1K_V3", "IMAGENET1K_V1, IMAGENET1K_V2"),
    ("vgg", 16, "IMAGENET1K_FEATURES", "IMAGENET1K_V1"),
    ("vit", "b_16", "DEFAULT", "IMAGENET1K_V1, IMAGENET1K_SWAG_E2E_V1, IMAGENET1K_SWAG_LINEAR_V1"),
])  # fmt: skip
def test_weights_that_torchvision_does_not_know(name: str, variant: Any, weights: str, known: str) -> None:
    part = family(name, variant, weights=weights)
    for of, arguments in (("named", (weights,)), ("asked", ())):
        words, key = refusal(part, *arguments, of=of)
        assert f"torchvision has no weights {weights} for {part.known_as}. It has: {known}. " in words
        assert key == ("model", "weights")


def test_old_names_in_torchvision_s_files() -> None:
    dense, vit = family("densenet"), family("vit", "b_32")
    old = {
        "features.denseblock2.denselayer12.norm.1.weight": "features.denseblock2.denselayer12.norm1.weight",
        "features.denseblock1.denselayer2.conv.2.weight": "features.denseblock1.denselayer2.conv2.weight",
        "features.transition1.norm.weight": "features.transition1.norm.weight",
    }
    assert list(dense.adapted(dict.fromkeys(old, torch.ones(1)), 3, (224, 224))) == list(old.values())
    state = meta_whole(vit).state_dict()
    names = [n.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2.") for n in state]
    assert names != list(state)
    assert list(vit.adapted(dict(zip(names, state.values(), strict=True)), 3, (32, 32))) == list(state)
    assert set(old.values()) <= set(meta_whole(dense).state_dict())


def test_positions_for_pictures_of_another_size() -> None:
    part = family("vit", "b_32")
    square = torch.arange(9.0).reshape(1, 9, 1).expand(1, 9, 768)  # 3 × 3 patches, row by row
    state: Mapping[str, Tensor] = {"encoder.pos_embedding": torch.cat([torch.full((1, 1, 768), -7.0), square], 1)}
    found = part.adapted(state, 3, (160, 160))["encoder.pos_embedding"]
    expected = on_meta(part, side=160).network.get_parameter("encoder.pos_embedding")
    assert found.shape == expected.shape == (1, 26, 768) and (found[0, 0] == -7).all()
    grid = found[0, 1:, 0].reshape(5, 5)
    assert torch.allclose(grid[::4, ::4], torch.tensor([[0.0, 2.0], [6.0, 8.0]])) and torch.allclose(grid[2, 2], torch.tensor(4.0))
    assert state["encoder.pos_embedding"].shape == (1, 10, 768)
    assert part.adapted(state, 3, (96, 96))["encoder.pos_embedding"].equal(state["encoder.pos_embedding"])


@pytest.mark.parametrize("shape", [(1, 8, 768), (2, 10, 768), (10, 768), (1, 0, 768), (1, 1, 768)])
def test_positions_of_no_square_are_left_as_they_are(shape: tuple[int, ...]) -> None:
    state = {"encoder.pos_embedding": torch.zeros(shape)}
    assert family("vit", "b_32").adapted(state, 3, (64, 64))["encoder.pos_embedding"] is state["encoder.pos_embedding"]


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "torchvision":
            raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for use in (
        lambda: family("resnet").asked(),
        lambda: family("resnet").body(3, (32, 32)),
        lambda: family("vit").named("imagenet"),
    ):
        with pytest.raises(SetupError, match="torchvision"):
            use()


@pytest.mark.parametrize(("name", "variant", "old"), [
    ("resnet", 18, ("", "")),
    ("densenet", 121, (r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2")),
])  # fmt: skip
def test_a_file_of_torchvision_s_gives_its_outputs(name: str, variant: Any, old: tuple[str, str], tmp_path: Path) -> None:
    other = whole(part := family(name, variant, weights=str(tmp_path / "a.pth")))
    state = {re.sub(*old, n): tensor for n, tensor in other.state_dict().items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "a.pth")
    network, pictures = part.build(COLOUR).eval(), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    part.begin(network, COLOUR)
    with torch.no_grad():
        last = other.get_submodule(on_meta(part).last)  # type: ignore[arg-type]
        assert last(network.body(pictures)).equal(other(pictures))


def test_a_file_for_pictures_of_another_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "get_model", narrow)
    torch.save(state := narrow("vit", 96).state_dict(), tmp_path / "a.pth")
    part = family("vit", "b_32", weights=str(tmp_path / "a.pth"))
    network = part.build(GREY)
    part.begin(network, GREY)
    found = network.state_dict()
    assert found["body.encoder.pos_embedding"].equal(state["encoder.pos_embedding"][:, :2])  # the corner, of one patch
    assert found["body.conv_proj.weight"].allclose(state["conv_proj.weight"].sum(1, keepdim=True))
    assert found["body.encoder.ln.weight"].equal(state["encoder.ln.weight"])
