"""Train neural networks from a YAML file: exact, fast, clear."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainkit.jobs.evaluation import evaluate
    from trainkit.jobs.predicting import predict
    from trainkit.jobs.resuming import resume
    from trainkit.jobs.training import train

__all__ = ["evaluate", "predict", "resume", "train"]
_HOME = {"train": "training", "evaluate": "evaluation", "predict": "predicting", "resume": "resuming"}


def __getattr__(name: str) -> Any:
    # Lazy: `import trainkit` and every command that needs no torch stay fast.
    if name in _HOME:
        # Two OpenMP threads that spin for a busy neighbour made a step 100 × slower; read once, when torch loads.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return getattr(import_module(f"trainkit.jobs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'trainkit' has no attribute {name!r}")
