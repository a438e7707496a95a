"""Packages that may be missing, or may not fit each other: what to say, and the line that mends it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from trainkit.errors import SetupError

_SIGNS = ("operator torchvision::", "undefined symbol", "partially initialized module 'torchvision'")


def torchvision_fault(error: BaseException) -> SetupError | None:
    """What to say when ``error`` came from importing a torchvision that is missing or does not fit torch; None for other errors.

    torchvision's wheels carry compiled operators for one torch, CPU or CUDA. Beside another they fail with
    ``operator torchvision::nms does not exist`` (pytorch/pytorch#157648).
    """
    missing = isinstance(error, ModuleNotFoundError) and error.name == "torchvision"
    broken = isinstance(error, ImportError | RuntimeError | OSError | AttributeError) and "torchvision" in str(error)
    if not missing and not (broken and any(sign in str(error) for sign in _SIGNS)):  # a mistyped import from it is another matter
        return None
    both = "Install the two together, as https://pytorch.org/get-started/locally says for your machine"
    try:
        have, torch = version("torchvision"), version("torch")
    except PackageNotFoundError:
        return SetupError("this needs torchvision, which is not installed.", suggestion=f"{both}.")
    needs = next(
        (line.split(";")[0].removeprefix("torch").strip("= ()") for line in requires("torchvision") or [] if _is_torch(line)), ""
    )
    if needs and needs != torch.partition("+")[0]:
        return SetupError(
            f"torchvision {have} is built for torch {needs}, and torch {torch} is installed.",
            suggestion=f"Run: pip install torch=={needs} torchvision=={have}. Models that need no torchvision still work.",
        )
    return SetupError(
        f"torchvision {have} and torch {torch} do not fit: one is built for CPUs only, the other for CUDA.",
        suggestion=f"{both}: pip uninstall torch torchvision, then both in one pip install from the same place. "
        "Models that need no torchvision still work.",
    )


def _is_torch(requirement: str) -> bool:
    return requirement.startswith("torch") and not requirement.startswith("torchv") and "==" in requirement
