"""Variables in a config: a whole value may be ``${env:NAME:-default}``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from trainkit.config.reader import Document, read_text
from trainkit.errors import ConfigError, Key, Problem

VARIABLE = r"\$\{env:[A-Za-z_]\w*(:-.*)?\}"


def is_variable(value: Any) -> bool:
    """Is it a text that stands for what the environment says?"""
    return isinstance(value, str) and re.fullmatch(VARIABLE, value, re.DOTALL) is not None


def with_environment(document: Document, value: Any, faults: list[Problem], key: Key = ()) -> Any:
    """The value with what the environment says, read as YAML, in the place of variables; ``faults`` gets what it lacks."""
    if isinstance(value, Mapping):
        return {k: with_environment(document, v, faults, (*key, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [with_environment(document, v, faults, (*key, n)) for n, v in enumerate(value)]
    if not is_variable(value):
        return value
    name, default, words = value.removeprefix("${env:").removesuffix("}").partition(":-")
    text = os.environ.get(name)
    if default and not text:  # as in a shell, an empty variable is as good as none
        text = words
    if text is None:
        message, mend = f"The environment has no variable {name}.", f"Set it, or give a default: ${{env:{name}:-value}}."
    else:
        try:
            return read_text(text, name).value
        except ConfigError as error:
            message, mend = f"What the environment says for {name} is not YAML: {error.problems[0].message}", ""
    faults.append(document.problem(message, key, suggestion=mend or None))
    return value
