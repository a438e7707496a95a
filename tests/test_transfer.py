"""Pretrained bodies in training: frozen means frozen, features kept or not, rates by part, unfreezing by epoch."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers import StopAfter, digits, make_config, make_run
from tests.tiny_body import Tiny
from trainkit import evaluate, predict, resume, train
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.errors import ConfigError
from trainkit.networks.transfer import TransferNetwork, parts
from trainkit.parts.models import models
from trainkit.store import checkpoint

CONFIG = """
data: {name: digits}
model: {name: tiny, weights: none, head: {hidden: [16], dropout: 0.3}}
split: {validation: 0.05, test: 0.05}
training: {epochs: 3, batch_size: 20, limit: 66, evaluate_every: 2, log_every: 1}
checkpoint: {every: 1}
loggers: []
device: cpu
threads: 1
"""
SMALL = {
    "model": {"name": "tiny", "weights": "none", "head": {"hidden": [8], "dropout": 0.3}},
    "split": {"validation": 0.05, "test": 0.05},
    "training": {"epochs": 3, "batch_size": 20, "limit": 66},
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model ``tiny``, for these tests alone."""
    monkeypatch.setitem(models._parts, "tiny", Tiny)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def small(**changes: Any) -> Run:
    return make_run({**SMALL, **{key.replace("__", "."): value for key, value in changes.items()}})


def content(run: Any) -> dict[str, Any]:
    return checkpoint.load(Path(run.run) / "checkpoints" / "last.pth")


def losses(run: Any) -> list[Any]:
    """Every number of metrics.jsonl but times."""
    lines = map(json.loads, (Path(run.run) / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key != "rows_per_second"} for line in lines if line["kind"] != "end"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    """The names that differ."""
    return [name for name in one if not torch.equal(one[name], other[name])]


# --- frozen


@pytest.mark.parametrize("trained", ["head", "last 1 stage", ("layer4.0", "layer3.*.bias")])
def test_what_is_frozen_stays_as_it_was_loaded(trained: Any) -> None:
    run = small(model__train=trained, optimizer__weight_decay=0.5, training__max_norm=0.01, training__ema=0.5, training__l1=0.1)
    assert isinstance(run.network, TransferNetwork)
    before = {name: value.clone() for name, value in run.network.body.state_dict().items()}
    moving = {name.rpartition(".")[0] for name in run.network.trained}
    list(fit(run))
    assert isinstance(run.averaged, TransferNetwork)
    for network in (run.network, run.averaged):
        changed = {name.rpartition(".")[0] for name in same(before, network.body.state_dict())}
        assert changed == moving
    assert bool(moving) == (trained != "head")


def test_frozen_dropout_and_batch_norm_stay_off_in_training() -> None:
    network = small(model={"name": "efficientnet", "variant": "b0", "weights": "none", "train": "last 2 stages"}).network
    assert isinstance(network, TransferNetwork)
    network.eval()
    network.train()
    awake = {
        network.stage(name) for name, module in network.body.named_modules() if module.training and not list(module.children())
    }
    assert awake == set(list(network.stages)[-2:])
    assert network.head.training


def test_what_trains_is_said(config: Path) -> None:
    run = train(config, {"training.epochs": 1})
    assert run.parameters["trainable"] == 12 * 16 + 16 + 16 * 10 + 10


# --- features kept


@pytest.mark.parametrize(
    "settings",
    [
        {"model.head": {"dropout": 0.3}, "precision": "bf16", "training.ema": 0.9},
        {"precision": "fp64", "training.sampler": "balanced", "training.accumulate": 3},
    ],
)
def test_kept_or_computed_anew_the_training_is_the_same(config: Path, settings: dict[str, Any]) -> None:
    runs = [train(config, {**settings, "model.cache": cache}) for cache in ("memory", "none", "file")]
    first = content(runs[0])
    for run in runs[1:]:
        other = content(run)
        assert same(first["network"], other["network"]) == [] and losses(run) == losses(runs[0])
        assert (run.validation, run.test) == (runs[0].validation, runs[0].test)
    said = [(Path(run.run) / "log.txt").read_text().count("from here on the head trains") for run in runs]
    assert said == [1, 0, 1]
    assert evaluate(runs[0].run)["metrics"] == runs[0].test


def test_a_kept_row_is_the_same_in_any_batch() -> None:
    network = small().network.eval()
    assert isinstance(network, TransferNetwork)
    pictures = torch.rand(70, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = network.features(pictures)
    for size in (1, 2, 31, 33, 64):
        assert torch.equal(torch.cat([network.features(part) for part in torch.split(pictures, size)]), whole)


def test_views_of_augmented_pictures_come_round(config: Path) -> None:
    settings = {"augment": ["flip", {"name": "crop", "padding": 2}], "model.augment_copies": 2, "training.epochs": 5}
    kept, anew = (train(config, {**settings, "model.cache": cache}) for cache in ("memory", "none"))
    assert same(content(kept)["network"], content(anew)["network"]) == [] and losses(kept) == losses(anew)


def keep(folder: Path, **changes: Any) -> tuple[Run, set[str]]:
    """A run whose features are kept in files, and the names of all such files."""
    run = small(**{"model__cache": "file", **changes})
    run.keep_features(folder, lambda rows: None)
    return run, {path.name for path in folder.glob("*.npy")}


def test_a_file_of_features_is_found_by_what_made_it_and_by_nothing_else(tmp_path: Path) -> None:
    _, first = keep(tmp_path)
    assert len(first) == 2  # train and validation
    assert keep(tmp_path, optimizer__lr=0.01, model__head={"hidden": []}, training__batch_size=7)[1] == first
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"preprocess__size": 9},
        {"model__feature_batch": 16},
        {"preprocess__scaling": "none"},
    ]
    for n, change in enumerate([*changes, {"model__weights": "SEED_3"}, {"precision": "fp64"}], 2):
        assert len(keep(tmp_path, **change)[1]) == 2 * n


def test_a_file_of_features_knows_every_pixel_and_every_weight(tmp_path: Path) -> None:
    rows = digits()
    keep(tmp_path)
    pixels = rows.inputs.copy()
    pixels[int(small().data.index["train"][0]), 0, 3, 3] += 1
    run = make_run({**SMALL, "model.cache": "file"}, replace(rows, inputs=pixels))
    run.keep_features(tmp_path, lambda rows: None)
    assert len(list(tmp_path.glob("*.npy"))) == 4
    run = small(model__cache="file")
    with torch.no_grad():
        next(iter(run.network.body.parameters())).view(-1)[0].add_(1e-6)  # type: ignore[union-attr]
    run.keep_features(tmp_path, lambda rows: None)
    assert len(list(tmp_path.glob("*.npy"))) == 6


def test_a_damaged_file_of_features_is_made_anew(tmp_path: Path) -> None:
    first, names = keep(tmp_path)
    (tmp_path / "half.npy").touch()
    for name in names:
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\x3f")
    again, _ = keep(tmp_path)
    assert torch.equal(next(again.batches(0)).inputs, next(first.batches(0)).inputs)


def test_features_that_would_change_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"cannot be kept.*augment_copies: 5") as refused:
        small(augment=["flip"], model__cache="memory")
    assert refused.value.problems[0].key == ("model", "cache")
    with pytest.raises(ConfigError, match="mixup mixes pictures anew"):
        small(augment=["flip", "mixup"], model__augment_copies=3)
    with pytest.raises(ConfigError, match="cannot be kept"):
        make_config({"model": {"name": "tiny", "train": "all", "cache": "file"}})
    assert small(augment=["flip"]).features_ahead == 0 < small().features_ahead
    assert small(augment=["flip"], model__augment_copies=4).features_ahead == 0  # three epochs would not see all views


# --- rates by part


def test_each_part_learns_with_its_own_rate() -> None:
    run = small(model__train="all", optimizer={"lr": 1e-2, "groups": {"backbone": 1e-4, "layer4.0": 1e-3}}, schedule="cosine")
    rates: dict[int, float] = {}
    for group in run.optimizer.param_groups:
        rates |= dict.fromkeys(map(id, group["params"]), group.get("lr_factor", 1.0))
    for part in parts(run.network):
        wanted = 1.0 if part.depth == 0 else 0.1 if "layer4.0" in part.name else 0.01
        assert rates[id(part.parameter)] == pytest.approx(wanted)
    event = next(fit(run))
    for group in run.optimizer.param_groups:
        assert group["lr"] / group.get("lr_factor", 1) == pytest.approx(event.rate)


def test_two_rates_step_as_two_groups_of_torch_do() -> None:
    """The notes' second strategy: Adam with 1e-4 for layer4 and 1e-3 for the head."""
    settings = {"name": "adam", "lr": 1e-3, "groups": {"layer4": 1e-4}}
    run = small(model__train=("layer4",), model__head={"hidden": []}, optimizer=settings)
    other = small(model__train=("layer4",), model__head={"hidden": []}, optimizer={"name": "adam"})
    assert isinstance(other.network, TransferNetwork)
    layer4, head = (other.network.get_submodule(name).parameters() for name in ("body.layer4", "head"))
    adam = torch.optim.Adam([{"params": layer4, "lr": 1e-4}, {"params": head, "lr": 1e-3}], fused=True)
    batches = other.batches(0)
    for step, _ in zip(range(4), fit(run), strict=False):
        other.reseed(step, 0)
        other.task(other.network, next(batches))["loss"].backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad()
    assert same(run.network.state_dict(), other.network.state_dict()) == []


def test_layers_decay_from_the_head_down() -> None:
    run = small(model__train="all", optimizer={"layer_decay": 0.5})
    factors = {group.get("lr_factor", 1.0) for group in run.optimizer.param_groups}
    assert factors == {0.5**depth for depth in range(6)}  # head, layer4 to layer1, stem


def test_groups_that_fit_nothing_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'layer4' is frozen.*model.train=\[layer4\]") as refused:
        small(optimizer={"groups": {"layer4": 1e-4}})
    assert refused.value.problems[0].key == ("optimizer", "groups", "layer4")
    with pytest.raises(ConfigError, match=r"no part of the network is called 'layer9'.*backbone, stem"):
        small(optimizer={"groups": {"layer9": 1e-4}})
    nested = small(model__train="all", optimizer={"groups": {"layer4": 1e-4, "backbone": 1e-5}})  # the last counts for all of it
    assert [group["lr_factor"] for group in nested.optimizer.param_groups] == pytest.approx([1.0, 1.0, 0.01, 0.01])
    run = make_run({"optimizer.groups": {"layers.output": 1e-4}})  # an MLP: by the names of its parameters
    assert [group.get("lr_factor") for group in run.optimizer.param_groups] == [1.0, 1.0, 0.1, 0.1]


# --- unfreezing


UNFREEZING = {"training.unfreeze": {"2": "layer4", "3": ["layer3", "stem"]}, "optimizer.groups": {"backbone": 1e-4}}


def test_stages_train_from_their_epoch_on() -> None:
    run = small(training__unfreeze={"2": "layer4", "3": "layer3.1"})
    assert isinstance(run.network, TransferNetwork)
    seen = [set(), set(), set()]  # type: list[set[str]]
    before = {name: value.clone() for name, value in run.network.body.state_dict().items()}
    for event in fit(run):
        changed = same(before, run.network.body.state_dict())
        seen[event.epoch - 1] |= {".".join(name.split(".")[:2]) for name in changed}
        before = {name: value.clone() for name, value in run.network.body.state_dict().items()}
    assert seen == [set(), {"layer4.0", "layer4.1"}, {"layer4.0", "layer4.1", "layer3.1"}]


@pytest.mark.parametrize("steps", [4, 5, 8])
def test_stopped_around_an_unfreezing_it_goes_on_exactly(config: Path, steps: int) -> None:
    """An epoch has 4 steps: unfreezing comes with the steps 5 and 9."""
    whole = train(config, UNFREEZING)
    part = train(config, {**UNFREEZING, "name": "part"}, screen=StopAfter(steps))
    assert part.status == "interrupted" and part.steps == steps
    done = resume(part.run)
    one, other = content(whole), content(done)
    for name in ("network", "state"):
        assert repr(one[name]) == repr(other[name])
    assert same(one["network"], other["network"]) == [] and losses(done) == losses(whole) and done.test == whole.test
    assert str(one["optimizer"]) == str(other["optimizer"])


CHANGES = [{"optimizer.lr": 1e-4}, {"optimizer.weight_decay": 0.1, "optimizer.groups.backbone": 1e-5, "model.cache": "none"}]


@pytest.mark.parametrize("change", CHANGES)
def test_the_optimizer_may_change_on_resume_whatever_trains(config: Path, change: dict[str, Any]) -> None:
    run = train(config, UNFREEZING, screen=StopAfter(6))
    done = resume(run.run, {**change, "training.epochs": 4})
    groups = content(done)["optimizer"]["param_groups"]
    assert done.steps == 16 and len(groups) == 4
    if "optimizer.lr" in change:
        assert [group["lr_factor"] for group in groups] == [1.0, 1.0, 1.0, 1.0]
    assert groups[0]["weight_decay"] == change.get("optimizer.weight_decay", 0.01)


def test_after_an_unfreezing_eval_and_predict_agree_with_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.RandomState(0)
    for n in range(60):
        file = tmp_path / "pictures" / "ab"[n % 2] / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((random.rand(8, 8, 3) * (120 + 100 * (n % 2))).astype(np.uint8)).save(file)
    (tmp_path / "pictures.yaml").write_text(CONFIG.replace("{name: digits}", "{name: images, path: pictures}"))
    settings = {**UNFREEZING, "training.ema": 0.9, "training.limit": None, "split": {"validation": 0.2, "test": 0.3}}
    settings |= {"optimizer.lr": 0.03, "training.epochs": 6, "training.batch_size": 5}
    run = train("pictures.yaml", settings)
    assert evaluate(run.run)["metrics"] == run.test
    assert evaluate(run.run, split="validation")["metrics"] == run.validation
    answers = predict(run.run, "pictures")["answers"]
    right = [Path(answer["file"]).parent.name == answer["answer"] for answer in answers]
    assert sum(right) / 60 == evaluate(run.run, data="pictures")["metrics"]["accuracy"] and len({a["answer"] for a in answers}) == 2
    again = train("pictures.yaml", {**settings, "model.weights": str(Path(run.run) / "checkpoints" / "best.pth")})
    fitted = [content(each)["fitted"]["inputs"] for each in (run, again)]  # prepared as its weights were trained
    assert torch.equal(fitted[0]["mean"], fitted[1]["mean"]) and fitted[0]["form"] == fitted[1]["form"]


@pytest.mark.parametrize(
    ("unfreeze", "words"),
    [
        ({"2": "layer5"}, "no part of the network is called 'layer5'.*Did you mean layer4"),
        ({"2": "layer4", "3": "layer4"}, "layer4 train already when epoch 3 begins"),
    ],
)
def test_plans_that_cannot_be_are_refused_before_training(unfreeze: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        small(training__unfreeze=unfreeze)
    assert refused.value.problems[0].key[:2] == ("training", "unfreeze")


def test_a_model_without_stages_cannot_be_unfrozen() -> None:
    with pytest.raises(ConfigError, match="mlp has no stages"):
        make_run({"training.unfreeze": {"2": "layer4"}})


def test_parts_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match=r"no part of the network is called 'layer9'.*stem, layer1") as refused:
        small(model__train=("layer4", "layer9"))
    assert refused.value.problems[0].key == ("model", "train", 1)
    with pytest.raises(ConfigError, match="tiny has 5 stages"):
        small(model__train="last 6 stages")
