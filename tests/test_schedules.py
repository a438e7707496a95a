"""Schedules against torch.optim.lr_scheduler at every step, and against numbers worked out by hand."""

from math import inf, nan
from random import Random
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.optim import lr_scheduler

from trainkit.errors import ConfigError
from trainkit.parts.schedules import Schedule, schedules


def curve(settings: Any, total: int) -> list[float]:
    schedule = schedules.read(settings)
    return [schedule.factor(step, total) for step in range(total)]


def optimizer(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1)], lr=lr)


SAME: list[tuple[dict[str, Any], int, Any, dict[str, Any]]] = [
    ({"name": "constant"}, 5, lr_scheduler.ConstantLR, {"factor": 1.0}),
    ({"name": "linear"}, 7, lr_scheduler.LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}),
    ({"name": "linear", "final": 0.3}, 12, lr_scheduler.LinearLR, {"start_factor": 1.0, "end_factor": 0.3, "total_iters": 12}),
    ({"name": "cosine"}, 9, lr_scheduler.CosineAnnealingLR, {"T_max": 9}),
    ({"name": "cosine", "final": 0.2}, 10, lr_scheduler.CosineAnnealingLR, {"T_max": 10, "eta_min": 0.2}),
    ({"name": "polynomial"}, 8, lr_scheduler.PolynomialLR, {"total_iters": 8, "power": 2.0}),
    ({"name": "polynomial", "power": 0.5}, 11, lr_scheduler.PolynomialLR, {"total_iters": 11, "power": 0.5}),
    ({"name": "exponential"}, 10, lr_scheduler.ExponentialLR, {"gamma": 0.01**0.1}),
    ({"name": "exponential", "final": 0.5}, 4, lr_scheduler.ExponentialLR, {"gamma": 0.5**0.25}),
    ({"name": "step"}, 20, lr_scheduler.StepLR, {"step_size": 6, "gamma": 0.1}),
    ({"name": "step", "every": 4, "gamma": 0.5}, 13, lr_scheduler.StepLR, {"step_size": 4, "gamma": 0.5}),
    ({"name": "onecycle"}, 20, lr_scheduler.OneCycleLR, {"max_lr": 1.0, "total_steps": 20}),
    ({"name": "onecycle", "rise": 0.5, "start": 10.0, "end": 100.0}, 13, lr_scheduler.OneCycleLR,
     {"max_lr": 1.0, "total_steps": 13, "pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0}),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "total", "theirs", "arguments"), SAME, ids=lambda x: str(x) if isinstance(x, dict) else "")
def test_every_step_as_torch_s_own(settings: dict[str, Any], total: int, theirs: Any, arguments: dict[str, Any]) -> None:
    steps = optimizer()
    if theirs is lr_scheduler.OneCycleLR:
        arguments = {**arguments, "cycle_momentum": False}
    plain, factors = theirs(steps, **arguments), []
    for _ in range(total):
        factors.append(steps.param_groups[0]["lr"])
        steps.step()
        if len(factors) < total:
            plain.step()
    assert curve(settings, total) == pytest.approx(factors, rel=1e-9, abs=1e-12)
    assert settings["name"] == "constant" or len(set(factors)) > 2

    warm = curve({**settings, "warmup": 3}, total + 3)  # a warm-up comes before, and the rest is as it was
    assert warm[3:] == curve(settings, total)
    assert warm[:3] == pytest.approx([factors[0] / 3, factors[0] * 2 / 3, factors[0]])


def test_every_schedule_is_compared() -> None:
    assert {settings["name"] for settings, *_ in SAME} | {"plateau"} == set(schedules.names())
    assert [name for name in schedules.names() if type(schedules.read(name)).reacts] == ["plateau"]


@pytest.mark.parametrize(("settings", "total", "factors"), [
    ("constant", 3, [1, 1, 1]),
    ("plateau", 3, [1, 1, 1]),
    ({"name": "constant", "warmup": 0.5}, 8, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    ({"name": "constant", "warmup": 0.3}, 6, [0.5, 1, 1, 1, 1, 1]),  # 1.8 steps are 2
    ({"name": "constant", "warmup": 4}, 8, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    ({"name": "plateau", "warmup": 2}, 3, [0.5, 1, 1]),
    ("cosine", 4, [1, 0.8535534, 0.5, 0.1464466]),
    ({"name": "cosine", "final": 0.2}, 4, [1, 0.8828427, 0.6, 0.3171573]),
    ({"name": "cosine", "warmup": 0.2}, 10, [0.5, 1, 1, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.0380602]),
    ({"name": "cosine", "warmup": 0.01}, 4, [1, 0.8535534, 0.5, 0.1464466]),
    ({"name": "cosine", "warmup": 0.9}, 1, [1]),
    ({"name": "cosine", "final": 1.0}, 2, [1, 1]),
    ({"name": "linear", "warmup": 2}, 6, [0.5, 1, 1, 0.75, 0.5, 0.25]),
    ({"name": "polynomial", "final": 0.2}, 4, [1, 0.2 + 0.8 * 9 / 16, 0.4, 0.25]),
    ({"name": "exponential", "final": 0.0625}, 4, [1, 0.5, 0.25, 0.125]),
    ({"name": "step", "every": 0.5, "gamma": 0.5, "warmup": 2}, 6, [0.5, 1, 1, 1, 0.5, 0.5]),
    ({"name": "onecycle", "start": 4.0, "end": 2.0, "rise": 0.6}, 5, [0.25, 0.625, 1, 0.5625, 0.125]),
    ({"name": "onecycle", "start": 4.0, "end": 2.0, "rise": 0.5, "warmup": 2}, 6, [0.125, 0.25, 0.25, 1, 0.5625, 0.125]),
])  # fmt: skip
def test_schedules_by_hand(settings: Any, total: int, factors: list[float]) -> None:
    assert curve(settings, total) == pytest.approx(factors, abs=1e-7)


@pytest.mark.parametrize("name", schedules.names())
@pytest.mark.parametrize("warmup", [0, 0.1, 0.5, 0.999, 1])
@pytest.mark.parametrize("total", [1, 2, 7, 1000])
def test_never_above_1_nor_below_0_and_never_down_while_warming(name: str, warmup: float, total: int) -> None:
    factors = curve({"name": name, "warmup": warmup}, total)
    climb = 1 if warmup == 1 else round(warmup * total)
    assert all(0 < factor <= 1 for factor in factors) and factors[:climb] == sorted(factors[:climb])
    assert max(factors) == 1 or name == "onecycle"
    assert total < 1000 or climb > 900 or max(factors) > 0.999
    schedules.read({"name": name, "warmup": warmup}).check(total, per_epoch=1)


@pytest.mark.parametrize(("settings", "fits", "key", "words"), [
    ({"name": "cosine", "warmup": 500}, 500, "warmup",
     "a warm-up of 500 steps is longer than the training of 499. Give fewer steps or a share such as 0.1, or train longer: "
     "500 steps are 5 epochs."),
    ({"name": "step", "warmup": 500, "every": 10}, 511, "every", "every 10 steps, and the training has 10 after the warm-up."),
    ({"name": "step", "every": 250}, 251, "every", "every 250 steps, and the training has 250 after the warm-up. Give fewer steps "
     "or a share such as 0.1, or train longer: 250 steps are 2.5 epochs."),
    ({"name": "step", "every": 200, "warmup": 100}, 301, "every", "every 200 steps, and the training has 200 after the warm-up."),
    ({"name": "step", "every": 200, "warmup": 0.5}, 401, "every", "every 200 steps, and the training has 200 after the warm-up."),
])  # fmt: skip
def test_a_schedule_longer_than_the_training(settings: dict[str, Any], fits: int, key: str, words: str) -> None:
    schedule = schedules.read(settings)
    schedule.check(fits, per_epoch=100)
    with pytest.raises(ConfigError) as caught:
        schedule.check(fits - 1, per_epoch=100)
    assert words in str(caught.value) and [problem.key for problem in caught.value.problems] == [("schedule", key)]
    with pytest.raises(ConfigError):
        schedule.check(1, per_epoch=100)


@pytest.mark.parametrize(("settings", "key"), [
    ({"warmup": 1.0}, "warmup"), ({"warmup": -1}, "warmup"), ({"warmup": nan}, "warmup"), ({"warmup": True}, "warmup"),
    ({"name": "step", "every": 0}, "every"), ({"name": "step", "every": 1.5}, "every"), ({"name": "step", "gamma": 0.0}, "gamma"),
    ({"name": "exponential", "final": 0.0}, "final"), ({"name": "linear", "final": 1.1}, "final"),
    ({"name": "polynomial", "power": 0.0}, "power"), ({"name": "onecycle", "rise": 1.0}, "rise"),
    ({"name": "onecycle", "start": 0.5}, "start"), ({"name": "onecycle", "end": 0.0}, "end"),
    ({"name": "plateau", "gamma": 1.0}, "gamma"), ({"name": "plateau", "patience": 0}, "patience"),
])  # fmt: skip
def test_settings_that_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        schedules.read(settings)
    assert {error["loc"][0] for error in caught.value.errors()} == {key}


@pytest.mark.parametrize("settings", [{"warmup": 1}, {"warmup": 0.05}, {"warmup": 500}, {"name": "step", "every": 7}], ids=str)
def test_steps_stay_steps_and_shares_stay_shares(settings: dict[str, Any]) -> None:
    written = schedules.read(settings).model_dump(mode="json")
    for key in ("warmup", "every"):
        assert type(written.get(key)) is type(settings.get(key, written.get(key)))
    assert schedules.read(written) == schedules.read(settings)


# --- plateau


def heard(schedule: Schedule, values: list[float], higher: bool = False, memory: dict[str, Any] | None = None) -> list[float]:
    """The reaction after each evaluation."""
    memory, found = memory or {}, []
    for value in values:
        memory = schedule.hear(memory, value, higher)
        found.append(schedule.reaction(memory))
    return found


PLATEAU = {"name": "plateau", "gamma": 0.5, "patience": 2, "min_delta": 0.1, "min_factor": 0.2}


def test_plateau_by_hand() -> None:
    values = [1.0, 0.8, 0.75, 0.72, 0.6, 0.6, nan, nan, inf, 0.7, 0.7, 0.4, 0.4, 0.4]
    #         best best  1     2 ×½ best 1    2 ×½ 1    2 ×½: .125 <  1    2    best 1    2
    want = [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
    schedule = schedules.read(PLATEAU)
    assert schedule.reaction({}) == 1 and heard(schedule, values) == want
    assert heard(schedule, [-value for value in values], higher=True) == want


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (2, 0.05), (5, 0.0)])
def test_plateau_as_torch_s_own(higher: bool, patience: int, min_delta: float) -> None:
    random = Random(patience)
    values = [random.choice([nan, inf, -inf]) if n % 17 == 16 else random.gauss(5 - n / 40, 1) for n in range(120)]
    values = [value for value in values if abs(value) != inf or (value > 0) != higher]  # an endless best ends the comparing
    steps = optimizer()
    plain = lr_scheduler.ReduceLROnPlateau(
        steps, mode="max" if higher else "min", factor=0.7, patience=patience - 1, threshold=min_delta,
        threshold_mode="abs", min_lr=0.01, eps=0,
    )  # fmt: skip
    factors = []
    for value in values:
        plain.step(value)
        factors.append(steps.param_groups[0]["lr"])
    settings = {"name": "plateau", "gamma": 0.7, "patience": patience, "min_delta": min_delta, "min_factor": 0.01}
    assert heard(schedules.read(settings), values, higher) == pytest.approx(factors)
    assert len(set(factors)) > 3


def test_plateau_s_memory_is_all_it_needs_and_is_never_changed_in_place() -> None:
    schedule, values = schedules.read(PLATEAU), [1.0, 1.0, 1.0, 0.5, 0.5, nan, 0.5, 0.2]
    whole = heard(schedule, values)
    memory: dict[str, Any] = {}
    for n, value in enumerate(values):
        before = dict(memory)
        after = schedule.hear(memory, value, False)
        assert memory == before and set(after) == {"best", "stale", "factor"}
        memory = after
        assert heard(schedules.read(PLATEAU), values[n + 1 :], memory=dict(memory)) == whole[n + 1 :]
    assert heard(schedule, [9.0, 9.0], memory={**memory, "best": None}) == [memory["factor"]] * 2, "another metric's best"


@pytest.mark.parametrize("name", sorted({*schedules.names()} - {"plateau"}))
def test_other_schedules_do_not_react(name: str) -> None:
    schedule: Schedule = schedules.read(name)
    assert schedule.hear({}, 1.0, True) == {} and schedule.reaction({"factor": 0.5}) == 1
