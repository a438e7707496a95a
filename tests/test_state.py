"""The State of a run: what is best, when patience ends, means since the last evaluation. Worked out by hand."""

from math import inf, nan
from typing import Any

import pytest
import torch

from trainkit.engine.state import State

LOWER, HIGHER = False, True


def new() -> State:
    return State.new(torch.device("cpu"))


@pytest.mark.parametrize(("higher", "min_delta", "table"), [
    # value, better than all before, evaluations without a lasting gain
    (LOWER, 0.0, [(1.0, True, 0), (0.9, True, 0), (0.9, False, 1), (0.95, False, 2), (0.8, True, 0)]),
    (HIGHER, 0.0, [(0.5, True, 0), (0.4, False, 1), (0.5, False, 2), (0.6, True, 0), (-1.0, False, 1)]),
    # slow gains are the best so far, and still use patience up until they add to more than min_delta
    (LOWER, 0.1, [(1.0, True, 0), (0.95, True, 1), (0.91, True, 2), (0.89, True, 0), (0.80, True, 1), (0.85, False, 2)]),
    (HIGHER, 0.5, [(1.0, True, 0), (1.5, True, 1), (1.6, True, 0), (2.0, True, 1), (2.2, True, 0)]),
    (LOWER, 0.0, [(nan, False, 1), (nan, False, 2), (3.0, True, 0), (nan, False, 1), (2.0, True, 0)]),
    (HIGHER, 0.0, [(nan, False, 1), (-5.0, True, 0), (nan, False, 1), (-4.0, True, 0)]),
    (LOWER, 0.0, [(1.0, True, 0), (inf, False, 1), (-1.0, True, 0)]),
])  # fmt: skip
def test_judge(higher: bool, min_delta: float, table: list[tuple[float, bool, int]]) -> None:
    state, best = new(), None
    for step, (value, improved, stale) in enumerate(table, 1):
        state.step = step
        assert state.judge({"m": value, "n": step}, "m", higher, min_delta) is improved, step
        assert state.stale == stale, step
        best = (value, step) if improved else best
        assert (state.best, state.best_step) == (best or (None, 0))
        assert state.best_metrics == ({"m": best[0], "n": best[1]} if best else {})


def test_means_are_weighted_and_begin_anew() -> None:
    state = new()
    for loss, weight in ((1.0, 30), (3.0, 10), (2.0, torch.tensor(20.0))):
        state.advance(torch.tensor(loss), weight)
    assert state.step == 3 and state.take_means() == {"loss": pytest.approx(100 / 60)}
    state.advance(torch.tensor(7.0), 1)
    assert state.take_means() == {"loss": 7.0}


def test_sums_are_exact_over_many_steps() -> None:
    state = new()
    state.loss_sum += 1e9
    for _ in range(1000):
        state.advance(torch.tensor(0.125), 1)
    assert state.loss_sum.item() == 1e9 + 125 and state.loss_sum.dtype == torch.float64


def test_content_is_the_whole_state_and_lives_apart_from_it(tmp_path: Any) -> None:
    state = new()
    state.advance(torch.tensor(2.0), 3)
    state.judge({"m": 1.0}, "m", LOWER, 0.1)
    state.judge({"m": 0.95}, "m", LOWER, 0.1)
    content = state.content()
    torch.save(content, tmp_path / "state.pth")
    state.advance(torch.tensor(9.0), 9)
    state.judge({"m": 0.1}, "m", LOWER, 0.0)
    other = new()
    other.restore(torch.load(tmp_path / "state.pth", weights_only=True))
    assert other.content() == content == {
        "loss_sum": torch.tensor(6.0, dtype=torch.float64), "weight_sum": torch.tensor(3.0, dtype=torch.float64), "step": 1,
        "best": 0.95, "best_step": 1, "best_metrics": {"m": 0.95}, "anchor": 1.0, "stale": 1,
        "monitor": "m", "schedule": {},
    }  # fmt: skip
    assert other.take_means() == {"loss": 2.0} and content["loss_sum"] == 6


def test_every_part_must_be_there_and_nothing_else_is_taken() -> None:
    content = new().content()
    state = new()
    state.restore({**content, "judge": "x"})
    assert callable(state.judge)
    with pytest.raises(KeyError):
        state.restore({name: value for name, value in content.items() if name != "stale"})


def test_another_monitor_begins_anew() -> None:
    state = new()
    assert state.judge({"accuracy": 0.9, "loss": 5.0}, "accuracy", True, 0.0)
    assert state.judge({"accuracy": 0.8, "loss": 6.0}, "loss", LOWER, 0.0), "the first of its kind"
    assert not state.judge({"accuracy": 0.95, "loss": 7.0}, "loss", LOWER, 0.0) and state.best == 6.0 and state.stale == 1
