"""How a name in the YAML becomes an object: Settings, Part, and the Registry of a family of parts. No torch."""

from __future__ import annotations

import importlib
import itertools
import os
import pkgutil
import re
import sys
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from trainkit.errors import ConfigError, Key


class Settings(BaseModel):
    """A section of the YAML: frozen, no unknown keys, no coercion, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)
    bare: ClassVar[str | None] = None
    """The setting that a bare value stands for: with ``bare = "channels"``, 32 is short for ``{channels: 32}``."""

    @model_validator(mode="before")
    @classmethod
    def _freeze_lists(cls, data: Any) -> Any:
        if cls.bare and not isinstance(data, dict | Settings):
            data = {cls.bare: data}
        return {key: frozen(value) for key, value in data.items()} if isinstance(data, dict) else data


def field_help(settings: type[Settings]) -> dict[str, str]:
    """The docstring under each setting, by its name; read from the source when asked for.

    Pydantic's ``use_attribute_docstrings`` reads them at every start, which is a sixth of the time of `validate`.
    """
    found: dict[str, str] = {}
    for owner in reversed(settings.__mro__):
        file = getattr(sys.modules.get(owner.__module__), "__file__", None)
        if issubclass(owner, Settings) and file and os.path.isfile(file):  # defined at a prompt, say: then there is no help
            found |= _docstrings(file, os.stat(file).st_mtime_ns).get(owner.__qualname__, {})
    return found


@cache
def _docstrings(file: str, stamp: int) -> dict[str, dict[str, str]]:
    """The docstrings under the settings of every class in a file, by the class's full name. A mended file has another stamp."""
    import ast
    import inspect

    found: dict[str, dict[str, str]] = {}

    def read(body: list[ast.stmt], above: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                read(node.body, f"{above}{node.name}.<locals>.")
            elif isinstance(node, ast.ClassDef):
                read(node.body, f"{above}{node.name}.")
                texts = found[above + node.name] = {}
                for field, text in itertools.pairwise(node.body):
                    match field, text:
                        case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                            texts[name] = inspect.cleandoc(words)

    with open(file, encoding="utf-8") as stream:
        read(ast.parse(stream.read()).body, "")
    return found


def frozen(value: Any) -> Any:
    """Lists as tuples, all the way down: strict tuple fields take nothing else."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return {key: frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


def fault(key: Key, message: str) -> ValidationError:
    """What a validator raises to point at a setting below its own: ``raise fault(("loss",), "…")``."""
    detail = InitErrorDetails(type=PydanticCustomError("fault", "{words}", {"words": message}), loc=key, input=None)
    return ValidationError.from_exception_data("settings", [detail])


class IsPath:
    """Marks a text setting as a path: it is made absolute against the folder of the file that wrote it.

    A text that wholly matches ``unless`` is no path but a name. What is read ``once``, when a training begins, is in the
    checkpoint from then on.
    """

    def __init__(self, unless: str | None = None, once: bool = False) -> None:
        self.unless, self.once = unless, once

    def holds(self, value: Any) -> bool:
        """Is this value a path?"""
        return isinstance(value, str) and not (self.unless and re.fullmatch(self.unless, value))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "format": "path"}


PathSetting = Annotated[str, IsPath()]


class Part(Settings):
    """The settings of one part. Its docstring is its line in `trainkit list`; its ``build`` makes the object."""

    name: str


P = TypeVar("P", bound=Part)
_plugin: ContextVar[str | None] = ContextVar("plugin", default=None)


@contextmanager
def registering_for(plugin: str) -> Iterator[None]:
    """Parts registered in this context are remembered as coming from this plugin file or installed package."""
    token = _plugin.set(plugin)
    try:
        yield
    finally:
        _plugin.reset(token)


GROUP = "trainkit.parts"
"""Packages bring parts through entry points of this group; each names a module whose import registers them."""
unusable: dict[str, str] = {}
"""Why an installed package brings no parts, by its name."""


@cache
def load_installed() -> None:
    """Import, once, the installed packages that bring parts. One that fails is noted in `unusable` and breaks nothing else.

    It costs 6 ms and more, with the number of packages: done only when a name is not known otherwise, or parts are listed.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else entry.module
        try:
            with registering_for(package):
                entry.load()
        except ConfigError as error:
            unusable[package] = error.problems[0].message.rstrip(".")
        except (Exception, SystemExit) as error:  # somebody else's package may fail in any way
            unusable[package] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


class Registry(Generic[P]):
    """The parts of one family, by name.

    The names are the files of the family's folder (those beginning with ``_`` are helpers); a file is imported when
    its name is asked for. Plugins add theirs with `register`. As an annotation, ``Annotated[Model, models]``, the
    registry reads a name or a mapping with a name into a part, and errors keep exactly the YAML's path.
    """

    def __init__(
        self,
        family: str,
        singular: str,
        base: type[P],
        default: str | None = None,
        must: str | None = "build",
        implied: bool = False,
    ) -> None:
        self.family, self.singular, self.base, self.default, self.must = family, singular, base, default, must
        self.implied = implied
        """Does the rest of the config say which part it is, where its name is left out?"""
        self._parts: dict[str, type[P]] = {}
        self.plugin_of: dict[str, str] = {}
        """Which plugin file or installed package a part came from."""

    def register(self, part: type[P]) -> type[P]:
        """Class decorator: makes the part known under the default of its ``name`` field."""
        if not (isinstance(part, type) and issubclass(part, self.base)):
            base = self.base.__name__
            raise ConfigError(f"{part.__name__} is not a {base}: write `class {part.__name__}({base})`.")
        if unsaid := [name for name in sorted(self.base.__class_vars__) if not hasattr(part, name)]:
            raise ConfigError(f"{part.__name__} does not say its {unsaid[0]}: write `{unsaid[0]}: ClassVar[…] = …` in it.")
        name = part.model_fields["name"].default
        if not isinstance(name, str):
            raise ConfigError(f'{part.__name__} needs a name: write `name: Literal["my_{self.singular}"] = "my_{self.singular}"`.')
        plugin = _plugin.get()
        if plugin is not None and not part.__module__.startswith("trainkit.parts."):  # a plugin's import may bring one that ships
            if name in self._folder() or self.plugin_of.get(name, plugin) != plugin:
                owner = self.plugin_of.get(name, "trainkit")
                words = f"{plugin} registers {self.singular} {name!r}, but that name is taken (by {owner})."
                raise ConfigError(words, suggestion="Choose another name.")
            self._check_contract(part)
            self.plugin_of[name] = plugin
        self._parts[name] = part
        return part

    def _check_contract(self, part: type[P]) -> None:
        """What a class of the user's must bring, besides settings."""
        if self.must and getattr(part, self.must) is getattr(self.base, self.must):
            raise ConfigError(f"{part.__name__} does not say how it works: write `def {self.must}(self, …)` in it.")
        hints = typing.get_type_hints(self.base, include_extras=True)
        for name in sorted(self.base.__class_vars__):
            (kind,) = typing.get_args(hints[name])
            try:
                TypeAdapter(kind).validate_python(getattr(part, name), strict=True)
            except ValidationError as error:
                words = error.errors()[0]["msg"].removeprefix("Input ")
                raise ConfigError(f"{part.__name__} says {name} = {getattr(part, name)!r}: it {words}.") from None

    def _folder(self) -> list[str]:
        package = importlib.import_module(f"trainkit.parts.{self.family}")
        return [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]

    def names(self) -> list[str]:
        """Every name that the YAML may use, sorted; those of installed packages only after `load_installed`."""
        return sorted({*self._folder(), *self._parts})

    def find(self, name: str) -> type[P] | None:
        """The part of that name, its file imported now; None when nobody has it, no installed package either."""
        if name not in self._parts and name in self._folder():
            importlib.import_module(f"trainkit.parts.{self.family}.{name}")
        elif name not in self._parts:
            load_installed()
        return self._parts.get(name)

    def read(self, value: Any) -> P:
        """A part from what the YAML holds: a mapping with a name, or a bare name for a part with its defaults."""
        if isinstance(value, self.base):
            return value
        bare = isinstance(value, str)
        settings = {"name": value} if bare else value
        if not isinstance(settings, dict):
            raise PydanticCustomError("part_type", f"should be a name or a mapping with a name, such as {self._example()}")
        settings = settings if self.default is None or "name" in settings else {"name": self.default, **settings}
        if "name" not in settings:
            raise PydanticCustomError("part_name_missing", f"needs a name: which {self.singular}?", {"known": self.names()})
        name = settings["name"]
        part = self.find(name) if isinstance(name, str) else None
        if part is None:
            words = f"is not {self.called}"
            for package, why in unusable.items():
                words += f", and the installed package {package}, which might bring it, fails ({why})"
            unknown = PydanticCustomError("part_unknown", "{words}", {"words": words, "known": self.names()})
            if bare:
                raise unknown
            detail = InitErrorDetails(type=unknown, loc=("name",), input=name)
            raise ValidationError.from_exception_data(self.singular, [detail])
        return part.model_validate(settings)

    def read_default(self) -> P:
        """The part that a config gets when it says nothing."""
        assert self.default is not None
        return self.read(self.default)

    @property
    def called(self) -> str:
        """``a model``, ``an optimizer``."""
        return f"{'an' if self.singular[0] in 'aeiou' else 'a'} {self.singular}"

    def _example(self) -> str:
        return f"{{name: {self.names()[0]}}}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda part: part.model_dump(mode="json")),
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A mark: what stands there depends on the parts that are known when it is asked (`trainkit.config.schema`)."""
        return {"family": self.family}


def inside(
    annotation: Any, marks: Iterable[Any] = (), listed: bool = False
) -> Iterator[tuple[Registry[Any] | type[Settings] | IsPath, bool]]:
    """What may stand at an annotation: families, sections and paths, and whether in a list. ``marks`` are a field's metadata."""
    if mark := next((mark for mark in marks if isinstance(mark, Registry | IsPath)), None):
        yield mark, listed
    elif get_origin(annotation) is Annotated:
        kind, *marks = get_args(annotation)
        yield from inside(kind, marks, listed)
    elif isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation, listed
    else:
        for kind in get_args(annotation):
            yield from inside(kind, (), listed or get_origin(annotation) is tuple)
