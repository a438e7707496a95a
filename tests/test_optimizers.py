"""Optimizers against torch.optim written out, and schedules against numbers worked out by hand."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn, optim

from trainkit.errors import ConfigError
from trainkit.parts.optimizers import optimizers
from trainkit.parts.schedules import Schedule, schedules


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
    for _ in range(5):
        loss = (network(torch.randn(6, 1, 4, generator=random)) - torch.randn(6, 2, generator=random)).square().mean()
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


SAME: list[tuple[Any, Any]] = [
    ({"name": "adam", "lr": 0.01, "beta1": 0.8, "eps": 1e-6}, lambda p, **fused: optim.Adam(p, 0.01, (0.8, 0.999), 1e-6, **fused)),
    ({"name": "adam", "weight_decay": 0.3}, lambda p, **fused: optim.Adam(p, 1e-3, **fused)),
    ({"name": "adamw", "lr": 0.02, "weight_decay": 0.3}, lambda p, **fused: optim.AdamW(p, 0.02, **fused)),
    ({"name": "sgd", "lr": 0.1}, lambda p, **fused: optim.SGD(p, 0.1, **fused)),
    ({"name": "sgd", "momentum": 0.9, "weight_decay": 0.3}, lambda p, **fused: optim.SGD(p, 0.01, 0.9, **fused)),
    ({"name": "sgd", "momentum": 0.7, "nesterov": True}, lambda p, **fused: optim.SGD(p, 0.01, 0.7, nesterov=True, **fused)),
]


@pytest.mark.parametrize(("settings", "plain"), SAME, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_five_steps_as_torch_s_own(settings: Any, plain: Any) -> None:
    ours, theirs, loop = network(), network(), network()
    decay = settings.get("weight_decay", 0.01 if settings["name"] == "adamw" else 0.0)

    def groups(net: nn.Module) -> list[dict[str, Any]]:
        weights = [net.get_parameter(name) for name in ("0.weight", "3.weight", "5.weight")]
        others = [p for p in net.parameters() if not any(p is weight for weight in weights)]
        return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]

    found = trained(ours, optimizers.read(settings).build(ours))
    assert all(map(torch.equal, found, trained(theirs, plain(groups(theirs), fused=True))))
    slow = trained(loop, plain(groups(loop), foreach=False))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, slow, strict=True))
    assert not any(map(torch.equal, found, list(network().parameters()))), "every weight moved"


def test_every_optimizer_is_compared() -> None:
    assert {settings["name"] for settings, _ in SAME} == set(optimizers.names())


def test_defaults() -> None:
    assert optimizers.read_default() == optimizers.read({"name": "adamw", "lr": 1e-3, "weight_decay": 0.01})
    assert optimizers.read({"lr": 0.5}) == optimizers.read({"name": "adamw", "lr": 0.5}), (
        "a section without a name is the default's"
    )


@pytest.mark.parametrize(("settings", "key"), [
    ({"name": "sgd", "nesterov": True}, "nesterov"), ({"name": "sgd", "momentum": 1.0}, "momentum"), ({"lr": 0}, "lr"),
    ({"lr": -1}, "lr"), ({"lr": float("inf")}, "lr"), ({"lr": True}, "lr"), ({"beta1": 1.0}, "beta1"), ({"eps": 0.0}, "eps"),
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


@pytest.mark.parametrize(("settings", "total", "factors"), [
    ("constant", 3, [1, 1, 1]),
    ({"name": "constant", "warmup": 0.5}, 8, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    ("cosine", 4, [1, 0.8535534, 0.5, 0.1464466]),
    ({"name": "cosine", "final": 0.2}, 4, [1, 0.8828427, 0.6, 0.3171573]),
    ({"name": "cosine", "warmup": 0.2}, 10, [0.5, 1, 1, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.0380602]),
    ({"name": "cosine", "warmup": 0.01}, 4, [1, 0.8535534, 0.5, 0.1464466]),
    ({"name": "cosine", "warmup": 0.9}, 1, [1]),
    ({"name": "cosine", "final": 1.0}, 2, [1, 1]),
])  # fmt: skip
def test_schedules_by_hand(settings: Any, total: int, factors: list[float]) -> None:
    schedule = schedules.read(settings)
    assert [schedule.factor(step, total) for step in range(total)] == pytest.approx(factors, abs=1e-7)


def test_cosine_ends_where_it_should() -> None:
    cosine = schedules.read({"name": "cosine", "final": 0.3})
    assert [cosine.after_warmup(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.65, 0.3])


@pytest.mark.parametrize("name", schedules.names())
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("total", [1, 2, 7, 1000])
def test_never_above_1_nor_below_0_and_never_down_while_warming(name: str, warmup: float, total: int) -> None:
    schedule: Schedule = schedules.read({"name": name, "warmup": warmup})
    factors = [schedule.factor(step, total) for step in range(total)]
    climb = round(warmup * total)
    assert all(0 <= factor <= 1 for factor in factors) and factors[0] > 0 and factors[:climb] == sorted(factors[:climb])
    assert max(factors) == 1
