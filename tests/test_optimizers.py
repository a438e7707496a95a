"""Optimizers against torch.optim written out. AdamZ has a file of its own: test_adamz.py."""

import io
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn, optim

from trainkit.errors import ConfigError
from trainkit.parts.optimizers import optimizers


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(1, 3, 2, bias=False), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(9, 4), nn.LayerNorm(4), nn.Linear(4, 2)
    )


def names(network: nn.Module, group: Any) -> set[str]:
    return {name for name, p in network.named_parameters() if any(p is q for q in group["params"])}


def trained(network: nn.Module, optimizer: optim.Optimizer) -> list[torch.Tensor]:
    """The weights after five steps on the same rows."""
    random = torch.Generator().manual_seed(1)
    dtype = next(network.parameters()).dtype
    for _ in range(5):
        inputs, targets = (torch.randn(shape, generator=random, dtype=dtype) for shape in ((6, 1, 4), (6, 2)))
        loss = (network(inputs) - targets).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return [p.detach().clone() for p in network.parameters()]


@pytest.mark.parametrize("name", optimizers.names())
def test_biases_and_norms_are_spared_unless_told(name: str) -> None:
    net = network()
    net[3].weight.requires_grad_(False)
    decayed, spared = optimizers.read({"name": name, "weight_decay": 0.1}).build(net).param_groups
    assert names(net, decayed) == {"0.weight", "5.weight"} and decayed["weight_decay"] == 0.1
    assert names(net, spared) == {"1.weight", "1.bias", "3.bias", "4.weight", "4.bias", "5.bias"}
    assert spared["weight_decay"] == 0
    (one,) = optimizers.read({"name": name, "weight_decay": 0.1, "decay_all": True}).build(net).param_groups
    assert names(net, one) == names(net, decayed) | names(net, spared) and one["weight_decay"] == 0.1


SAME: list[tuple[dict[str, Any], Any, dict[str, Any]]] = [
    ({"name": "adam", "lr": 0.01, "beta1": 0.8, "eps": 1e-6}, optim.Adam, {"lr": 0.01, "betas": (0.8, 0.999), "eps": 1e-6}),
    ({"name": "adam", "weight_decay": 0.3}, optim.Adam, {}),
    ({"name": "adamw", "lr": 0.02, "weight_decay": 0.3}, optim.AdamW, {"lr": 0.02}),
    ({"name": "adamz", "weight_decay": 0.3, "beta2": 0.9}, optim.Adam, {"betas": (0.9, 0.9)}),  # before it reacts
    ({"name": "adamax"}, optim.Adamax, {}),
    ({"name": "adamax", "lr": 0.1, "beta2": 0.9, "weight_decay": 0.3}, optim.Adamax, {"lr": 0.1, "betas": (0.9, 0.9)}),
    ({"name": "nadam"}, optim.NAdam, {}),
    ({"name": "nadam", "momentum_decay": 0.1, "eps": 1e-3, "weight_decay": 0.3}, optim.NAdam, {"momentum_decay": 0.1, "eps": 1e-3}),
    ({"name": "radam"}, optim.RAdam, {}),
    ({"name": "radam", "beta2": 0.5, "weight_decay": 0.3}, optim.RAdam, {"betas": (0.9, 0.5)}),
    ({"name": "rmsprop"}, optim.RMSprop, {}),
    ({"name": "rmsprop", "alpha": 0.8, "momentum": 0.9, "centered": True, "eps": 1e-3, "weight_decay": 0.3}, optim.RMSprop,
     {"alpha": 0.8, "momentum": 0.9, "centered": True, "eps": 1e-3}),
    ({"name": "adagrad"}, optim.Adagrad, {}),
    ({"name": "adagrad", "lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3, "weight_decay": 0.3}, optim.Adagrad,
     {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ({"name": "sgd", "lr": 0.1}, optim.SGD, {"lr": 0.1}),
    ({"name": "sgd", "momentum": 0.9, "weight_decay": 0.3}, optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    ({"name": "sgd", "momentum": 0.7, "nesterov": True}, optim.SGD, {"lr": 0.01, "momentum": 0.7, "nesterov": True}),
]  # fmt: skip
FUSED = {optim.Adam, optim.AdamW, optim.SGD, optim.Adagrad}


@pytest.mark.parametrize(("settings", "plain", "arguments"), SAME, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_five_steps_as_torch_s_own(settings: dict[str, Any], plain: Any, arguments: dict[str, Any]) -> None:
    ours, theirs, loop = network(), network(), network()
    decay = settings.get("weight_decay", 0.01 if settings["name"] == "adamw" else 0.0)

    def groups(net: nn.Module) -> list[dict[str, Any]]:
        weights = [net.get_parameter(name) for name in ("0.weight", "3.weight", "5.weight")]
        others = [p for p in net.parameters() if not any(p is weight for weight in weights)]
        return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]

    made = optimizers.read(settings).build(ours)
    assert getattr(made, "_step_supports_amp_scaling", False) == (plain in FUSED), "then a GPU need not wait to skip a bad step"
    found = trained(ours, made)
    fused = {"fused": True} if plain in FUSED else {}
    assert all(map(torch.equal, found, trained(theirs, plain(groups(theirs), **arguments, **fused))))
    slow = trained(loop, plain(groups(loop), foreach=False, **arguments))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, slow, strict=True))
    assert not any(map(torch.equal, found, list(network().parameters()))), "every weight moved"


def test_every_optimizer_is_compared() -> None:
    assert {settings["name"] for settings, _, _ in SAME} == set(optimizers.names())


@pytest.mark.parametrize("settings", [settings for settings, _, _ in SAME], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_state_goes_on_bit_for_bit(settings: dict[str, Any], dtype: torch.dtype) -> None:
    straight, stopped = network().to(dtype), network().to(dtype)
    whole, first, second = (optimizers.read(settings).build(net) for net in (straight, stopped, stopped))
    trained(stopped, first)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    trained(straight, whole)
    assert all(map(torch.equal, trained(stopped, second), trained(straight, whole)))


def test_defaults() -> None:
    assert optimizers.read_default() == optimizers.read({"name": "adamw", "lr": 1e-3, "weight_decay": 0.01})
    assert optimizers.read({"lr": 0.5}) == optimizers.read({"name": "adamw", "lr": 0.5}), (
        "a section without a name is the default's"
    )


@pytest.mark.parametrize(("settings", "key"), [
    ({"name": "sgd", "nesterov": True}, "nesterov"), ({"name": "sgd", "momentum": 1.0}, "momentum"), ({"lr": 0}, "lr"),
    ({"lr": -1}, "lr"), ({"lr": float("inf")}, "lr"), ({"lr": True}, "lr"), ({"beta1": 1.0}, "beta1"), ({"eps": 0.0}, "eps"),
    ({"name": "rmsprop", "alpha": 1.0}, "alpha"), ({"name": "rmsprop", "momentum": -0.1}, "momentum"),
    ({"name": "adagrad", "lr_decay": -1.0}, "lr_decay"), ({"name": "nadam", "momentum_decay": -1.0}, "momentum_decay"),
    ({"weight_decay": -0.1}, "weight_decay"), ({"name": "sgd", "beta1": 0.9}, "beta1"),
])  # fmt: skip
def test_settings_that_are_refused(settings: Any, key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        optimizers.read(settings)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


def test_a_network_without_anything_to_train() -> None:
    with pytest.raises(ConfigError, match="the model has no weights that train") as caught:
        optimizers.read_default().build(network().requires_grad_(False))
    assert caught.value.problems[0].key == ("model",)
