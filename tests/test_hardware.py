"""Device and precision, torch's global switches, and bad numbers where reading one would wait for the device."""

from typing import Any

import pytest
import torch

from tests.helpers import make_run
from trainkit.engine.hardware import Hardware, prepared, processor
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.errors import NumericError, SetupError


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


@pytest.mark.parametrize(("device", "words"), [
    ("cuda", "device cuda: "), ("cuda:99", "device cuda:99: "), ("mps", "device mps: no Apple GPU is usable here."),
])  # fmt: skip
def test_a_device_that_is_not_here(no_gpu: None, device: str, words: str) -> None:
    with pytest.raises(SetupError) as caught:
        Hardware.choose(device, "auto")
    problem = caught.value.problems[0]
    assert problem.message.startswith(words) and problem.key == ("device",) and "`device: cpu`" in str(problem.suggestion)


def test_before_the_data_is_read(no_gpu: None) -> None:
    from tests.helpers import make_config
    from trainkit.jobs.building import build_run
    from trainkit.parts.sources import sources

    config = make_config(["device=cuda"]).model_copy(update={"data": sources.read({"name": "csv", "path": "none", "target": "y"})})
    with pytest.raises(SetupError):
        build_run(config)


def test_a_gpu_too_many(one_gpu: None) -> None:
    assert Hardware.choose("cuda:0", "auto").device == Hardware.choose("cuda", "fp32").device == torch.device("cuda", 0)
    with pytest.raises(SetupError, match=r"^device cuda:99: this machine has 1 CUDA GPU\(s\), counted from 0\."):
        Hardware.choose("cuda:99", "auto")


def test_auto(no_gpu: None) -> None:
    found = Hardware.choose("auto", "auto")
    assert (str(found.device), found.precision, found.dtype) == ("cpu", "fp32", torch.float32)
    assert found.device_reason and found.precision_reason == "always on a CPU"


def test_auto_with_a_gpu(one_gpu: None) -> None:
    found = Hardware.choose("auto", "auto")
    assert (str(found.device), found.precision, found.dtype) == ("cuda:0", "bf16", torch.float32)
    assert Hardware.choose("cpu", "auto").precision == "fp32"


def test_fp64_on_an_apple_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(SetupError, match="precision fp64: Apple GPUs have none"):
        Hardware.choose("mps", "fp64")


@pytest.mark.parametrize(("precision", "weights", "product"), [
    ("fp32", torch.float32, torch.float32), ("fp64", torch.float64, torch.float64), ("bf16", torch.float32, torch.bfloat16),
])  # fmt: skip
def test_precisions_train(precision: str, weights: torch.dtype, product: torch.dtype) -> None:
    run = make_run([f"precision={precision}", "training.steps=20", "training.batch_size=64"])
    events = list(fit(run))
    assert {p.dtype for p in run.network.parameters()} == {weights} == {run.data["train"].whole.inputs.dtype}
    with run.autocast():
        assert run.network(run.data["test"].whole.inputs[:2]).dtype == product
    assert events[-1].loss < events[0].loss


def test_reseed_is_all_that_dropout_depends_on() -> None:
    hardware, layer = Hardware.choose("cpu", "auto"), torch.nn.Dropout()
    drawn = []
    for number in (1, 2, 1, 2**62):
        hardware.reseed(number)
        drawn.append(layer(torch.ones(64)))
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[3])


def switches() -> tuple[Any, ...]:
    return (
        torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(), torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )  # fmt: skip


@pytest.mark.parametrize("before", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("deterministic", [True, False])
def test_switches_are_put_back(before: tuple[bool, bool], deterministic: bool) -> None:
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    try:
        was = switches()
        with pytest.raises(ZeroDivisionError), prepared(3, deterministic):
            assert switches() == (3, deterministic, False, False)
            raise ZeroDivisionError
        assert switches() == was
        with prepared(None, deterministic):
            assert switches()[:2] == (was[0], deterministic)
        assert switches() == was
    finally:
        torch.use_deterministic_algorithms(False)


def test_processor() -> None:
    assert torch.backends.cpu.get_cpu_capability() in processor(torch.device("cpu"))


# On an accelerator the numbers are read at log points only. Here the CPU plays one.

OPTIMIZERS = ["adamw", "adam", "{name: sgd, momentum: 0.9}", "{name: sgd, momentum: 0.9, nesterov: true}", "sgd"]


def waiting(poisoned: int, *overrides: str) -> Run:
    """A run that reads numbers as on an accelerator; the batch of step ``poisoned`` (from 1) holds a NaN."""
    run = make_run(["training.steps=30", "training.log_every=10", *overrides])
    run._waits = True
    row = next(run.batches(poisoned - 1)).rows[0]
    run.data["train"].whole.inputs[run.data["train"].rows == row] = float("nan")
    return run


def snapshot(run: Run) -> list[torch.Tensor]:
    held = [value for state in run.optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    return [value.detach().clone() for value in [*run.network.parameters(), *held]]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip", ["null", "1.0"])
def test_a_bad_step_changes_nothing_and_is_told_at_the_next_log_point(optimizer: str, clip: str) -> None:
    run = waiting(4, f"optimizer={optimizer}", f"training.clip={clip}")
    kept: list[list[torch.Tensor]] = []
    with pytest.raises(NumericError, match=r"NaN or infinite at one of the steps \d+ to 10 \(epoch 1\)") as caught:
        for _ in fit(run):
            kept.append(snapshot(run))
    assert len(kept) == 9 and "The weights of the last checkpoint are good." in str(caught.value)
    assert all(map(torch.equal, kept[2], kept[3])), "the fourth step is left out"
    assert not all(map(torch.equal, kept[3], kept[4])) and all(value.isfinite().all() for value in kept[8])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_after_a_bad_first_step_nothing_is_given_out(optimizer: str) -> None:
    run = waiting(1, f"optimizer={optimizer}")
    start = [p.detach().clone() for p in run.network.parameters()]
    with pytest.raises(NumericError, match="one of the steps 1 to 10 "):
        for event in fit(run):
            assert event.step > 1 or all(map(torch.equal, start, run.network.parameters()))
            with pytest.raises(NumericError):
                run.content()


@pytest.mark.parametrize("stop", [4, 5, 9])
def test_nothing_is_saved_after_a_bad_step(stop: int) -> None:
    run = waiting(4)
    for event in fit(run):
        if event.step < 4:
            run.content()
        if event.step == stop:
            break
    with pytest.raises(NumericError, match=f"one of the steps 4 to {stop} "):
        run.content()


def test_an_evaluation_looks_first() -> None:
    run = waiting(4, "training.evaluate_every=6", "training.log_every=1000")
    with pytest.raises(NumericError, match="one of the steps 1 to 6 "):
        list(fit(run))
    assert run.state.step == 6 and run.state.best is None


def test_good_steps_are_the_same_whether_numbers_are_read_or_not() -> None:
    waits, reads = make_run(["training.steps=12"]), make_run(["training.steps=12"])
    waits._waits = True
    assert [event.loss.item() for event in fit(waits)] == [event.loss.item() for event in fit(reads)]
    assert all(map(torch.equal, snapshot(waits), snapshot(reads)))


def test_on_a_cpu_a_bad_step_ends_the_run_before_it_changes_anything() -> None:
    run = waiting(4)
    run._waits = False
    rows = ", ".join(str(int(row) + 1) for row in next(run.batches(3)).rows[:8])
    kept = []
    with pytest.raises(NumericError, match=rf"^the loss is nan at step 4 \(epoch 1\), in the batch of rows {rows} …\."):
        for _ in fit(run):
            kept.append(snapshot(run))
    assert len(kept) == 3 and all(map(torch.equal, kept[2], snapshot(run)))
    assert all(value.isfinite().all() for value in run.content()["network"].values())
