"""What a training may be told besides its loss: regularisers, averaged weights, a time limit, whole batches, fp16. Each against
the same by hand, and each piece of its state needed for an exact resume."""

import copy
from itertools import islice
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.helpers import make_run
from tests.killing import digest
from trainkit.data.randomness import order
from trainkit.engine import run as engine
from trainkit.engine.hardware import Hardware
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.engine.summary import count, summary
from trainkit.errors import ConfigError, NumericError, SetupError
from trainkit.jobs.building import TASKS, read_data
from trainkit.jobs.result import Result
from trainkit.parts.tasks import tasks

SGD = {"optimizer": {"name": "sgd", "lr": 0.1}, "training.batch_size": 100, "training.steps": 15}


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in run.network.named_parameters()}


def by_hand(run: Run, steps: int, l1: float = 0.0, max_norm: float | None = None) -> list[dict[str, torch.Tensor]]:
    """Plain SGD on the run's batches; the weights after each step."""
    network, rows = run.network, run.data["train"].whole
    seen = []
    for step in range(steps):
        epoch, place = divmod(step, run.plan.per_epoch)
        index = order(0, epoch, len(rows))[100 * place : 100 * place + 100]
        network.zero_grad()
        F.cross_entropy(network(rows.inputs[index]), rows.targets[index]).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for p in network.parameters():
                assert p.grad is not None
                p.sub_(0.1 * (p.grad + (l1 * p.sign() if p.ndim > 1 else 0)))
                if max_norm is not None and p.ndim > 1:
                    p.mul_((max_norm / p.norm(dim=1, keepdim=True)).clamp(max=1))
        seen.append(weights(run))
    return seen


@pytest.mark.parametrize("settings", [{"l1": 1e-3}, {"max_norm": 0.4}, {"l1": 1e-2, "max_norm": 0.3}])
def test_regularisers_are_what_they_are_by_hand(settings: dict[str, float]) -> None:
    run = make_run({**SGD, **{f"training.{name}": value for name, value in settings.items()}})
    expected = by_hand(make_run(SGD), 10, **settings)[-1]
    list(islice(fit(run), 10))
    found = weights(run)
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)
    plain = by_hand(make_run(SGD), 10)[-1]
    assert not any(torch.allclose(found[name], plain[name], atol=1e-4) for name in expected if name.endswith("weight"))


def test_max_norm_bounds_every_unit() -> None:
    run = make_run({"model": {"name": "cnn", "blocks": [4], "hidden": [8]}, "training.max_norm": 0.5, "training.steps": 3})
    list(fit(run))
    norms = torch.cat([p.flatten(1).norm(dim=1) for p in run.network.parameters() if p.ndim > 1])
    assert norms.max() < 0.5 + 1e-5 and (norms > 0.49).any()


def test_averaged_weights_are_the_running_mean_and_are_what_is_measured() -> None:
    run = make_run({**SGD, "training.ema": 0.5, "training.evaluate_every": 4})
    mean = {name: p.clone() for name, p in weights(run).items()}
    for n, after in enumerate(by_hand(make_run(SGD), 12), 1):
        memory = min(0.5, (1 + n) / (10 + n))
        mean = {name: memory * mean[name] + (1 - memory) * after[name] for name in mean}
    event = list(islice(fit(run), 12))[-1]
    assert run.averaged is not None
    assert all(torch.allclose(p, mean[name], atol=1e-6) for name, p in run.averaged.named_parameters())
    plain = copy.deepcopy(run.network)
    plain.load_state_dict(mean)
    rows = run.data["validation"].whole
    assert event.validation is not None
    assert event.validation["loss"] == pytest.approx(F.cross_entropy(plain(rows.inputs), rows.targets).item(), abs=1e-5)


def test_averaging_changes_no_bit_of_the_training_and_copies_running_statistics() -> None:
    settings = {"model": {"name": "mlp", "hidden": [8], "batch_norm": True, "dropout": 0.2}, "training.steps": 30}
    plain, averaged = make_run(settings), make_run({**settings, "training.ema": 0.9})
    assert [e.loss.item() for e in fit(plain)] == [e.loss.item() for e in fit(averaged)]
    assert averaged.averaged is not None
    for mean, now in zip(averaged.averaged.buffers(), plain.network.buffers(), strict=True):
        assert torch.equal(mean, now)


def test_all_rows_in_one_batch() -> None:
    run = make_run({"training.batch_size": "all", "training.epochs": 7, "training.accumulate": 2})
    events = list(fit(run))
    assert [event.epoch for event in events] == [1, 2, 3, 4, 5, 6, 7] and events[-1].validation is not None
    assert run.plan.batch_size == len(run.data["train"]) == 1257


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_time_ends_a_training_with_an_evaluation_and_resumes_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "perf_counter", Clock())
    settings = {"training.max_time": 5, "training.evaluate_every": 100}
    run = make_run(settings)
    events = list(fit(run))
    assert [event.validation is not None for event in events] == [False] * 4 + [True] and run.done and run.out_of_time
    first = make_run(settings)
    list(islice(fit(first), 2))
    resumed = make_run(settings)
    resumed.restore(first.content())
    assert [event.step for event in fit(resumed)] == [3, 4, 5] and resumed.seconds == 5
    longer = make_run({"training.max_time": "0.1m"})
    longer.restore(run.content())
    assert [event.step for event in fit(longer)] == [6]
    assert make_run({}).content()["seconds"] == 0.0, "equal runs write equal checkpoints"


def test_status_of_a_run_whose_time_is_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from trainkit.store.runs import RunFolder

    monkeypatch.setattr(engine, "perf_counter", Clock())
    run = make_run({"training.max_time": 2})
    list(fit(run))
    result = Result.of(run, RunFolder(tmp_path))
    assert result.status == "time_limit" and result.longer == "training.max_time=null"


@pytest.mark.parametrize(("value", "words"), [
    ("0", "should be greater than 0"), ("0s", "no time is no training"), ("1x", "90s, 30m, 1.5h"), ("soon", "90s, 30m, 1.5h"),
])  # fmt: skip
def test_time_limits_that_are_none(value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        make_run([f"training.max_time={value}"])
    assert caught.value.problems[0].key == ("training", "max_time") and caught.value.problems[0].column is not None


def half(overrides: dict[str, Any] | None = None) -> Run:
    """A run in fp16 on a CPU, which no config may ask for: the same code as on a GPU."""
    run = make_run({"training.steps": 80, **(overrides or {})})
    hardware = Hardware(torch.device("cpu"), "fp16", "", "")
    config = run.config.model_copy(update={"task": tasks.read(TASKS["class"])})
    rows = config.data.build(None)
    return Run.build(config, read_data(config, rows, hardware), hardware)


def test_fp16_learns_scales_its_loss_and_leaves_out_what_overflows() -> None:
    run = half({"training.clip": 1.0})
    assert run.scaler is not None
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0**24})  # the first gradients overflow
    before = weights(run)
    losses = []
    for event in fit(run):
        losses.append(event.loss.item())
        if event.step == 1:
            assert all(torch.equal(p, before[name]) for name, p in weights(run).items())
    assert run.scaler.get_scale() < 2.0**24 and losses[-1] < 0.8 * losses[0]


def test_fp16_that_overflows_at_any_scale_is_said() -> None:
    run = half()
    assert run.scaler is not None
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0**-30})
    with pytest.raises(NumericError, match="overflow in fp16 however the loss is scaled"):
        run.check()


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(SetupError, match="fp16 is for GPUs"):
        Hardware.choose("cpu", "fp16")


STATEFUL: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "ema": ({"training.ema": 0.9}, ("ema",)),
    "adamz factor": ({"optimizer": {"name": "adamz", "patience": 3, "stagnation_period": 2}}, ("factor",)),
    "adamz losses": ({"optimizer": {"name": "adamz", "patience": 3, "stagnation_period": 2}}, ("losses",)),
    "plateau best": ({"schedule": {"name": "plateau", "patience": 2}, "optimizer.lr": 1.0}, ("schedule", "best")),
    "plateau stale": ({"schedule": {"name": "plateau", "patience": 2}, "optimizer.lr": 1.0}, ("schedule", "stale")),
    "plateau factor": ({"schedule": {"name": "plateau", "patience": 2}, "optimizer.lr": 1.0}, ("schedule", "factor")),
}


@pytest.mark.parametrize("piece", STATEFUL)
def test_each_piece_of_state_is_needed(piece: str) -> None:
    settings, path = STATEFUL[piece]
    settings = {"training.evaluate_every": 2, "training.steps": 40, "training.batch_size": 64, **settings}
    run = make_run(settings)
    events = fit(run)
    fresh, found = copy.deepcopy(run.content()), None
    for _ in events:
        content = copy.deepcopy(run.content())
        dropped, moved = _without(copy.deepcopy(content), fresh, path)
        if moved and run.state.step >= 9:
            found = content, dropped
            break
    assert found is not None, "the test never finds this piece saying something"
    list(events)
    end = digest(run.content())
    assert [_end(settings, content) == end for content in found] == [True, False]


def _end(settings: dict[str, Any], content: dict[str, Any]) -> str:
    run = make_run(settings)
    run.restore(content)
    list(fit(run))
    return digest(run.content())


def _without(content: dict[str, Any], fresh: dict[str, Any], path: tuple[str, ...]) -> tuple[dict[str, Any], bool]:
    if path[0] == "schedule":
        memory = dict(content["state"]["schedule"])
        moved = bool(memory.get("stale")) and memory.get("factor", 1.0) < 1.0
        blank = {"best": None, "stale": 0, "factor": 1.0}
        content["state"]["schedule"] = {**memory, path[1]: blank[path[1]]}
        return content, moved
    if path[0] in ("factor", "losses"):
        moved = content["optimizer"]["param_groups"][0]["factor"] != 1.0
        content["optimizer"]["param_groups"][0][path[0]] = fresh["optimizer"]["param_groups"][0][path[0]]
        return content, moved
    content[path[0]] = fresh[path[0]]
    return content, True


def test_the_scaler_is_needed() -> None:
    run = half()
    assert run.scaler is not None
    events = fit(run)
    list(islice(events, 5))
    content = copy.deepcopy(run.content())
    assert content["scaler"]["_growth_tracker"] == 5
    content["scaler"]["scale"] = 1.0
    other = half()
    other.restore(content)
    assert other.scaler is not None and other.scaler.get_scale() == 1.0 and other.content()["scaler"]["_growth_tracker"] == 5


def test_a_plateau_begins_anew_with_another_monitor_and_keeps_its_factor() -> None:
    settings = {"schedule": {"name": "plateau", "patience": 1}, "training.evaluate_every": 2, "optimizer.lr": 1.0}
    run = make_run({**settings, "training.early_stopping": {"monitor": "val_loss", "patience": 99}})
    for _ in fit(run):
        if run.state.schedule.get("factor", 1.0) < 1.0:
            break
    other = make_run({**settings, "training.early_stopping": {"monitor": "val_accuracy", "patience": 99}})
    other.restore(run.content())
    event = next(event for event in fit(other) if event.validation)
    assert event.validation is not None
    assert other.state.schedule == {**run.state.schedule, "best": event.validation["accuracy"], "stale": 0}


def test_the_config_decides_an_optimizers_settings_also_after_a_resume() -> None:
    run = make_run({"optimizer": {"name": "adamz", "patience": 3, "stagnation_period": 2}, "training.steps": 9})
    list(fit(run))
    run.optimizer.param_groups[0]["factor"] = 0.25
    other = make_run({"optimizer": {"name": "adamz", "weight_decay": 0.5, "beta1": 0.8}, "training.steps": 9})
    other.restore(run.content())
    (first, *_) = other.optimizer.param_groups
    assert (first["weight_decay"], first["betas"], first["factor"]) == (0.5, (0.8, 0.999), 0.25)


def test_averages_are_of_constrained_weights_and_penalties_of_unscaled_gradients() -> None:
    run = make_run({**SGD, "training.ema": 0.5, "training.max_norm": 0.4})
    expected = by_hand(make_run(SGD), 3, max_norm=0.4)
    mean = weights(run)
    for n, after in enumerate(expected, 1):
        memory = min(0.5, (1 + n) / (10 + n))
        mean = {name: memory * mean[name] + (1 - memory) * after[name] for name in mean}
    list(islice(fit(run), 3))
    assert run.averaged is not None
    assert all(torch.allclose(p, mean[name], atol=1e-6) for name, p in run.averaged.named_parameters())

    penalised, plain = (half({**SGD, "training.l1": l1}) for l1 in (0.01, 0.0))
    before = weights(plain)
    next(iter(fit(penalised)))
    next(iter(fit(plain)))
    for name, p in weights(plain).items():
        penalty = 0.1 * 0.01 * before[name].sign() if p.ndim > 1 else 0.0
        assert torch.allclose(weights(penalised)[name], p - penalty, atol=1e-6)


def test_a_runs_test_metrics_are_those_of_its_averaged_weights_in_the_file(tmp_path: Any) -> None:
    from trainkit import evaluate, train

    changes = {"training.ema": 0.97, "training.epochs": 2, "loggers": [], "device": "cpu"}
    result = train("configs/digits-mlp.yaml", changes, runs=tmp_path)
    assert evaluate(result.run, runs=tmp_path)["metrics"] == result.test
    plain = train("configs/digits-mlp.yaml", {**changes, "training.ema": None}, runs=tmp_path)
    assert plain.test != result.test


def test_a_resume_keeps_what_an_optimizer_writes_over_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some optimizers count their steps under a name that is among their defaults."""
    build = type(make_run().config.optimizer).build

    def counting(self: Any, network: Any) -> Any:
        made = build(self, network)
        made.defaults["k"] = made.param_groups[0]["k"] = 0
        return made

    monkeypatch.setattr(type(make_run().config.optimizer), "build", counting)
    run = make_run()
    run.optimizer.param_groups[0]["k"] = 7
    for overrides, decay in (({}, 0.01), ({"optimizer.weight_decay": 0.3}, 0.3)):
        other = make_run(overrides)
        other.restore(run.content())
        assert (other.optimizer.param_groups[0]["k"], other.optimizer.param_groups[0]["weight_decay"]) == (7, decay)


def test_another_monitor_has_its_whole_patience() -> None:
    stopping = {"monitor": "val_loss", "patience": 2, "min_delta": 9.0}
    settings = {"training.evaluate_every": 2, "training.epochs": 1}
    run = make_run({**settings, "training.early_stopping": stopping})
    assert list(fit(run))[-1].step == 6 and run.done
    other = make_run({**settings, "training.early_stopping": {**stopping, "monitor": "val_accuracy"}})
    other.restore(run.content())
    assert not other.done and [event.step for event in fit(other)] == [7, 8, 9, 10, 11, 12]


def test_a_batch_of_all_rows_has_no_more_pieces_than_rows() -> None:
    with pytest.raises(ConfigError, match="a batch of 40 rows cannot be cut into 41 pieces"):
        make_run({"training.batch_size": "all", "training.limit": 40, "training.accumulate": 41})


@pytest.mark.parametrize("settings", ["pooling: cls", "positions: learned", "pooling: cls, positions: learned, norm: post"])
def test_the_layers_of_the_summary_hold_every_parameter(settings: str) -> None:
    run = make_run([f"model={{name: transformer, width: 8, heads: 2, layers: 1, {settings}}}"])
    layers = summary(run.network, run.data["train"].part(0, 2))
    assert sum(layer.parameters for layer in layers) == count(run.network)[0] == sum(layer.trainable for layer in layers)
