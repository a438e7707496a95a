"""Where a run computes: device, precision, threads, determinism. Each choice comes with its reason."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainkit.errors import SetupError


@dataclass(frozen=True)
class Hardware:
    """A device and a precision that it can do."""

    device: torch.device
    precision: str
    device_reason: str
    precision_reason: str

    @classmethod
    def choose(cls, device: str, precision: str) -> Hardware:
        """Raises SetupError for a device or a precision that this machine or its torch does not have."""
        found, device_reason = _device(device)
        chosen, precision_reason = _precision(precision, found)
        return cls(found, chosen, device_reason, precision_reason)

    @property
    def dtype(self) -> torch.dtype:
        """The type of weights and inputs; bf16 and fp16 keep fp32 weights and compute under autocast."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """The context for a forward pass."""
        if self.precision in ("bf16", "fp16"):
            return torch.autocast(self.device.type, dtype=torch.bfloat16 if self.precision == "bf16" else torch.float16)
        return nullcontext()

    def reseed(self, number: int) -> None:
        """Seed the generators that dropout draws from."""
        torch.default_generator.manual_seed(number)  # 1 µs, where torch.manual_seed takes 76
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)


def _device(name: str) -> tuple[torch.device, str]:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        if cuda:
            return torch.device("cuda", 0), "a CUDA GPU is there"
        return (torch.device("mps"), "an Apple GPU is there") if mps else (torch.device("cpu"), "no GPU that this PyTorch can use")
    if name.startswith("cuda"):
        if not cuda:
            built = (
                "no CUDA GPU is usable here" if torch.version.cuda else f"this PyTorch ({torch.__version__}) is built without CUDA"
            )
            raise SetupError(f"device {name}: {built}.", key=("device",), suggestion="Use `device: cpu` or `device: auto`.")
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise SetupError(
                f"device {name}: this machine has {torch.cuda.device_count()} CUDA GPU(s), counted from 0.",
                key=("device",),
                suggestion="Use `device: cuda` for the first.",
            )
        return torch.device("cuda", index), "asked for"
    if name == "mps" and not mps:
        raise SetupError(
            "device mps: no Apple GPU is usable here.", key=("device",), suggestion="Use `device: cpu` or `device: auto`."
        )
    return torch.device(name), "asked for"


def _precision(name: str, device: torch.device) -> tuple[str, str]:
    if name == "auto":
        if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU computes it"
        return "fp32", {"cpu": "always on a CPU", "mps": "always on an Apple GPU"}.get(device.type, "this GPU has no bf16")
    if name == "fp64" and device.type == "mps":
        raise SetupError("precision fp64: Apple GPUs have none.", key=("precision",), suggestion="Use `device: cpu`.")
    if name == "fp16" and device.type == "cpu":
        raise SetupError("precision fp16 is for GPUs.", key=("precision",), suggestion="Use `precision: fp32`, or bf16.")
    return name, "asked for"


def processor(device: torch.device) -> str:
    """What decides last digits: the model of the CPU and the instructions that torch uses of it, or the GPU and its library."""
    if device.type == "cuda":
        library: Any = torch.backends.cudnn
        return f"{torch.cuda.get_device_name(device)}, cuDNN {library.version()}"
    return f"{_cpu_model()}, {torch.backends.cpu.get_cpu_capability()}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


@contextmanager
def prepared(threads: int | None, deterministic: bool) -> Iterator[None]:
    """Set torch's global switches for one job, and put them back: they are this process's, not ours."""
    switches: Any = torch.utils.deterministic
    threads_before, fill_before = torch.get_num_threads(), switches.fill_uninitialized_memory
    deterministic_before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if threads is not None:
        torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA's matrix products ask for it
    _set_deterministic(deterministic)
    switches.fill_uninitialized_memory = False  # a memset for each new tensor, and we read none unwritten
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        _set_deterministic(*deterministic_before)
        switches.fill_uninitialized_memory = fill_before


def _set_deterministic(on: bool, warn_only: bool = False) -> None:
    # torch.use_deterministic_algorithms is this call, and imports torch._inductor besides: 2 s of every start.
    switch = getattr(torch._C, "_set_deterministic_algorithms", None)
    if switch is None:
        torch.use_deterministic_algorithms(on, warn_only=warn_only)
    else:
        switch(on, warn_only=warn_only)
