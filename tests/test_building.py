"""How many threads a run takes, and that they are put back."""

import pytest
import torch

from tests.helpers import make_config
from trainkit.engine.hardware import prepared
from trainkit.jobs.building import build_run

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
