"""environment.json: what a run ran on, so that its numbers can be understood later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "trainkit-cli", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "polars", "pydantic", "tensorboard",
)  # fmt: skip


def environment(**facts: Any) -> str:
    """The text of environment.json. ``facts`` come first: device, precision, threads."""
    return (
        json.dumps(
            {
                "started": now(),
                "command": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
                **facts,
                "versions": versions(),
                "platform": platform.platform(),
                "machine": platform.machine(),
                "cores": os.cpu_count(),
                "git": _git(),
            },
            indent=2,
        )
        + "\n"
    )


def versions() -> dict[str, str | None]:
    """Of Python and the packages that decide numbers; None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def now() -> str:
    """This moment, UTC, with microseconds: text that sorts by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@cache
def trainkit_version() -> str:
    """The installed version, or ``unknown`` in a bare checkout."""
    return _version("trainkit-cli") or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Commit of the working directory, and whether files differ from it; None outside of git."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(status.strip())}
