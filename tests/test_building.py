"""How many threads a run takes, and that they are put back; what a source hands over is looked at first."""

from dataclasses import replace

import pytest
import torch

from tests.helpers import digits, make_config
from trainkit.engine.hardware import prepared
from trainkit.errors import DataError
from trainkit.jobs.building import build_run, read_rows

SMALL, LARGE = "model.hidden=[16]", "model.hidden=[4000, 400]"


@pytest.mark.parametrize(
    ("settings", "threads"), [([SMALL], 1), ([LARGE], 3), ([SMALL, "threads=2"], 2), ([LARGE, "threads=1"], 1)]
)
def test_small_steps_take_one_thread(settings: list[str], threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(3)
    try:
        config = make_config(settings)
        with prepared(config.threads, deterministic=True):
            build_run(config)
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


def test_a_source_s_slip_is_said_also_where_the_task_follows_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config()
    wrong = replace(digits(), target_kind="numbers")  # type: ignore[arg-type]
    monkeypatch.setattr(type(config.data), "build", lambda self, target: wrong)
    with pytest.raises(DataError, match="the source gives the target_kind 'numbers': there are class, number, labels"):
        read_rows(config)
