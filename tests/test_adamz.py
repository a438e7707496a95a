"""AdamZ against a table worked out by hand. (Zaznov et al. 2024, arXiv 2411.15375)"""

import io
from math import inf, nan
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.helpers import make_run
from trainkit.engine.loop import fit
from trainkit.parts.optimizers import optimizers

SETTINGS = {
    "name": "adamz", "lr": 0.1, "overshoot_factor": 0.5, "stagnation_factor": 1.5, "stagnation_threshold": 0.5,
    "patience": 4, "stagnation_period": 2, "min_lr": 0.02, "max_lr": 0.16,
}  # fmt: skip

# A loss, and the factor of the step that is taken with it. Overshoot (O): the loss is the largest of the last four; × 0.5.
# Standstill (S): the deviation of the last two, half their difference, is below half the deviation of the last four; × 1.5.
# The factor stays from 0.02 / 0.1 = 0.2 to 0.16 / 0.1 = 1.6.
TABLE = [
    (4.0, 1.0),  # fewer than four losses: nothing happens
    (8.0, 1.0),  # nor here, though it is the largest so far
    (6.0, 1.0),
    (0.0, 1.0),   # 4 8 6 0: mean 4.5, deviation √((0.25 + 12.25 + 2.25 + 20.25) / 4) = 2.96, half 1.48; of 6 0: 3
    (2.0, 1.5),   # 8 6 0 2: mean 4, deviation √((16 + 4 + 16 + 4) / 4) = 3.16, half 1.58; of 0 2: 1. S: 1 × 1.5
    (2.0, 1.6),   # 6 0 2 2: deviation of 2 2: 0. S: 1.5 × 1.5 = 2.25, above the bound
    (10.0, 0.8),  # 0 2 2 10: O: 1.6 × 0.5; deviation of 2 10: 4, of all √(59 / 4) = 3.84, half 1.92
    (10.0, 0.6),  # 2 2 10 10: O, as nothing is larger; deviation of 10 10: 0, of all 4. S: 0.8 × 0.5 × 1.5
    (nan, 0.6),   # not heard
    (inf, 0.6),   # not heard
    (20.0, 0.3),  # 2 10 10 20: O: 0.6 × 0.5; deviation of 10 20: 5, of all √(163 / 4) = 6.38, half 3.19
    (40.0, 0.2),  # 10 10 20 40: O: 0.15, below the bound; deviation of 20 40: 10, of all √(600 / 4) = 12.2
    (5.0, 0.2),   # 10 20 40 5: deviation of 40 5: 17.5
    (5.0, 0.3),   # 20 40 5 5: deviation of 5 5: 0. S: 0.2 × 1.5
    (5.0, 0.45),  # 40 5 5 5: S: 0.3 × 1.5
    (5.0, 0.225),  # 5 5 5 5: O: 0.45 × 0.5; no S, as a deviation of 0 is not below half of 0
]  # fmt: skip
FACTORS = [factor for _, factor in TABLE]
RATES = [0.1 / (1 + step) for step in range(len(TABLE))]
"""What a schedule makes of the rate of 0.1."""


def network() -> nn.Linear:
    net = nn.Linear(3, 2, dtype=torch.float64)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.arange(p.numel()).view_as(p) / 10)
    return net


def made(net: nn.Module, **settings: Any) -> Any:
    return optimizers.read({**SETTINGS, "weight_decay": 0.1, **settings}).build(net)


def plain(net: nn.Linear) -> torch.optim.Adam:
    groups: list[dict[str, Any]] = [{"params": [net.weight], "weight_decay": 0.1}, {"params": [net.bias]}]
    return torch.optim.Adam(groups, fused=True)


def step(net: nn.Module, optimizer: Any, number: int, rate: float, *loss: float) -> None:
    random = torch.Generator().manual_seed(number)
    for p in net.parameters():
        p.grad = torch.randn(p.shape, generator=random, dtype=p.dtype)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step(*(lambda value=value: torch.tensor(value) for value in loss))
    assert [group["lr"] for group in optimizer.param_groups] == [rate, rate], "the schedule's rate is left as it was"


def factors(net: nn.Module, optimizer: Any, first: int = 0, end: int = len(TABLE)) -> list[float]:
    """The factor of each step."""
    found = []
    for number in range(first, end):
        step(net, optimizer, number, RATES[number], TABLE[number][0])
        found.append(optimizer.param_groups[0]["factor"])
    return found


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(map(torch.equal, one.parameters(), other.parameters()))


def test_the_factor_follows_the_table() -> None:
    net = network()
    assert factors(net, made(net)) == pytest.approx(FACTORS)


def test_weights_are_those_of_adam_with_the_table_s_rates() -> None:
    ours, theirs = network(), network()
    factors(ours, made(ours))
    adam = plain(theirs)
    for number, (rate, factor) in enumerate(zip(RATES, FACTORS, strict=True)):
        step(theirs, adam, number, rate * factor)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_without_a_loss_it_is_adam_with_its_present_factor() -> None:
    net, other = network(), network()
    optimizer, adam = made(net), plain(other)
    before = optimizer.param_groups[0]["factor"] = 0.25
    step(net, optimizer, 0, 0.1)
    step(other, adam, 0, 0.025)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert optimizer.param_groups[0]["factor"] == before and optimizer.param_groups[0]["losses"] == []


def restored(optimizer: Any, net: nn.Module, **changed: Any) -> Any:
    """Another optimizer over ``net`` with the state of the first, through a file."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    state["param_groups"][0].update(changed)
    fresh = made(net)
    fresh.load_state_dict(state)
    return fresh


@pytest.mark.parametrize("cut", range(len(TABLE) + 1))
def test_a_checkpoint_goes_on_with_the_table(cut: int) -> None:
    straight, stopped = network(), network()
    factors(straight, made(straight))
    first = made(stopped)
    start = factors(stopped, first, end=cut)
    assert start + factors(stopped, restored(first, stopped), first=cut) == pytest.approx(FACTORS)
    assert same(straight, stopped)


@pytest.mark.parametrize("lost", [{"factor": 1.0}, {"losses": []}], ids=str)
def test_both_pieces_of_its_state_matter(lost: dict[str, Any]) -> None:
    net = network()
    optimizer = made(net)
    factors(net, optimizer, end=7)
    assert lost.keys() <= optimizer.state_dict()["param_groups"][0].keys() - optimizer.defaults.keys(), "state, no setting"
    found = factors(net, restored(optimizer, net, **lost), first=7)
    assert found != pytest.approx(FACTORS[7:])


def test_a_state_dict_is_not_changed_by_later_steps() -> None:
    net = network()
    optimizer = made(net)
    factors(net, optimizer, end=5)
    group = optimizer.state_dict()["param_groups"][0]
    factors(net, optimizer, first=5)
    assert group["losses"] == [8, 6, 0, 2] and group["factor"] == 1.5


def test_a_bad_step_is_left_out_on_the_device() -> None:
    net = network()
    optimizer = made(net)
    optimizer.found_inf = torch.ones(())
    step(net, optimizer, 0, 0.1, 8.0)
    assert optimizer._step_supports_amp_scaling and same(net, network())
    optimizer.found_inf = torch.zeros(())
    step(net, optimizer, 0, 0.1, 8.0)
    assert not same(net, network())


def test_the_rate_is_given_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    optimizer = made(net)
    factors(net, optimizer, end=5)

    def fails(self: object, closure: object = None) -> None:
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.15, 0.15])
        raise MemoryError

    monkeypatch.setattr(torch.optim.Adam, "step", fails)
    with pytest.raises(MemoryError):
        for group in optimizer.param_groups:
            group["lr"] = 0.1
        optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]


def test_defaults_are_the_paper_s() -> None:
    settings = optimizers.read("adamz").model_dump()
    assert settings == {
        "name": "adamz", "lr": 1e-3, "weight_decay": 0.0, "groups": {}, "layer_decay": None, "decay_all": False, "beta1": 0.9,
        "beta2": 0.999, "eps": 1e-8, "overshoot_factor": 0.5, "stagnation_factor": 1.2, "stagnation_threshold": 0.2,
        "patience": 100, "stagnation_period": 10, "min_lr": 1e-7, "max_lr": 1.0,
    }  # fmt: skip
    net = network()
    built = made(net, **settings)
    assert (built.overshoot_factor, built.stagnation_factor, built.stagnation_threshold) == (0.5, 1.2, 0.2)
    assert (built.patience, built.stagnation_period, built.smallest, built.largest) == (100, 10, pytest.approx(1e-4), 1e3)


@pytest.mark.parametrize(("settings", "key", "words"), [
    ({"patience": 9}, "stagnation_period", "a stagnation_period of 10 is longer than the patience of 9"),
    ({"lr": 2.0}, "lr", "2 does not lie between min_lr, 1e-07, and max_lr, 1"), ({"min_lr": 0.01}, "lr", "0.001 does not lie"),
    ({"overshoot_factor": 1.0}, "overshoot_factor", "1"), ({"overshoot_factor": 0.0}, "overshoot_factor", "0"),
    ({"stagnation_factor": 1.0}, "stagnation_factor", "1"), ({"stagnation_threshold": -0.1}, "stagnation_threshold", "0"),
    ({"stagnation_period": 1}, "stagnation_period", "2"), ({"patience": 1}, "patience", "2"), ({"min_lr": 0.0}, "min_lr", "0"),
])  # fmt: skip
def test_settings_that_are_refused(settings: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        optimizers.read({"name": "adamz", **settings})
    (error,) = caught.value.errors()
    assert error["loc"] == (key,) and words in error["msg"]


def test_the_loop_tells_it_the_losses() -> None:
    run = make_run({"optimizer": {**SETTINGS, "lr": 0.05}, "training.steps": 6, "training.batch_size": 600})
    losses = [event.loss.item() for event in fit(run)]
    assert len(losses) == 6 and run.optimizer.param_groups[0]["losses"] == losses[-4:]
