"""Train neural networks from a YAML file: exact, fast, clear."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainkit.jobs.evaluation import evaluate
    from trainkit.jobs.resuming import resume
    from trainkit.jobs.training import train

__all__ = ["evaluate", "resume", "train"]
_HOME = {"train": "training", "evaluate": "evaluation", "resume": "resuming"}


def __getattr__(name: str) -> Any:
    # Lazy: `import trainkit` and every command that needs no torch stay fast.
    if name in _HOME:
        return getattr(import_module(f"trainkit.jobs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'trainkit' has no attribute {name!r}")
