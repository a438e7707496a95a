"""Every worker computes with one thread, and waits without burning the other's core."""

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads

import pytest
import torch

from trainkit.config import plugins
from trainkit.parts import families

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def forget_plugins() -> Iterator[None]:
    """What a test's plugin registered is gone after it."""
    yield
    for family in families().values():
        for name in list(family.plugin_of):
            del family.plugin_of[name]
            family._parts.pop(name, None)
    plugins._loaded.clear()
