"""How a name in the YAML becomes an object: Settings, Part, and the Registry of a family of parts. No torch."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from trainkit.errors import ConfigError, Key


class Settings(BaseModel):
    """A section of the YAML: frozen, no unknown keys, no coercion, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _freeze_lists(cls, data: Any) -> Any:
        return {key: frozen(value) for key, value in data.items()} if isinstance(data, dict) else data


def field_help(settings: type[Settings]) -> dict[str, str]:
    """The docstring under each setting, by its name; read from the source when asked for.

    Pydantic's ``use_attribute_docstrings`` reads them at every start, which is a sixth of the time of `validate`.
    """
    import ast
    import inspect
    import textwrap

    found: dict[str, str] = {}
    for owner in reversed(settings.__mro__):
        if not issubclass(owner, Settings):
            continue
        try:
            source = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, SyntaxError):  # defined at a prompt, say: then there is no help
            continue
        lines = source.body[0].body if isinstance(source.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(lines):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[name] = inspect.cleandoc(words)
    return found


def frozen(value: Any) -> Any:
    """Lists as tuples, all the way down: strict tuple fields take nothing else."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


def fault(key: Key, message: str) -> ValidationError:
    """What a validator raises to point at a setting below its own: ``raise fault(("loss",), "…")``."""
    detail = InitErrorDetails(type=PydanticCustomError("fault", "{words}", {"words": message}), loc=key, input=None)
    return ValidationError.from_exception_data("settings", [detail])


class IsPath:
    """Marks a text setting as a path: it is made absolute against the folder of the file that wrote it."""


PathSetting = Annotated[str, IsPath()]


class Part(Settings):
    """The settings of one part. Its docstring is its line in `trainkit list`; its ``build`` makes the object."""

    name: str


P = TypeVar("P", bound=Part)
_plugin: ContextVar[str | None] = ContextVar("plugin", default=None)


@contextmanager
def registering_for(plugin: str) -> Iterator[None]:
    """Parts registered in this context are remembered as coming from this file."""
    token = _plugin.set(plugin)
    try:
        yield
    finally:
        _plugin.reset(token)


class Registry(Generic[P]):
    """The parts of one family, by name.

    The names are the files of the family's folder (those beginning with ``_`` are helpers); a file is imported when
    its name is asked for. Plugins add theirs with `register`. As an annotation, ``Annotated[Model, models]``, the
    registry reads a name or a mapping with a name into a part, and errors keep exactly the YAML's path.
    """

    def __init__(self, family: str, singular: str, base: type[P], default: str | None = None) -> None:
        self.family, self.singular, self.base, self.default = family, singular, base, default
        self._parts: dict[str, type[P]] = {}
        self.plugin_of: dict[str, str] = {}
        """Which plugin file a part came from."""

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
        if plugin is not None:
            if name in self._folder() or self.plugin_of.get(name, plugin) != plugin:
                raise ConfigError(f"{plugin} registers {self.singular} {name!r}, but that name is taken. Choose another name.")
            self.plugin_of[name] = plugin
        self._parts[name] = part
        return part

    def _folder(self) -> list[str]:
        package = importlib.import_module(f"trainkit.parts.{self.family}")
        return [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]

    def names(self) -> list[str]:
        """Every name that the YAML may use, sorted."""
        return sorted({*self._folder(), *self._parts})

    def find(self, name: str) -> type[P] | None:
        """The part of that name, its file imported now; None when nobody has it."""
        if name not in self._parts and name in self._folder():
            importlib.import_module(f"trainkit.parts.{self.family}.{name}")
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
            article = "an" if self.singular[0] in "aeiou" else "a"
            unknown = PydanticCustomError("part_unknown", f"is not {article} {self.singular}", {"known": self.names()})
            if bare:
                raise unknown
            detail = InitErrorDetails(type=unknown, loc=("name",), input=name)
            raise ValidationError.from_exception_data(self.singular, [detail])
        return part.model_validate(settings)

    def read_default(self) -> P:
        """The part that a config gets when it says nothing."""
        assert self.default is not None
        return self.read(self.default)

    def _example(self) -> str:
        return f"{{name: {self.names()[0]}}}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda part: part.model_dump(mode="json")),
        )
