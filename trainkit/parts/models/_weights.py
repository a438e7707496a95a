"""Weights that were trained before: read from a file of which nothing is run, and put into a network if all of them fit."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from trainkit.data.pictures import FittedPictures
from trainkit.errors import ConfigError
from trainkit.parts.models._transfer import PACKAGE, WEIGHTS, Body, Transfer
from trainkit.parts.sources._tables import nearest
from trainkit.parts.sources.arrays import safetensors
from trainkit.spec import FORMAT, Spec

if TYPE_CHECKING:
    from trainkit.networks.transfer import TransferNetwork

Tensors = Mapping[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under these names training scripts save a state dict beside other things."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and classes around a network put before its names."""
COUNTER = "num_batches_tracked"
"""Batch norm's count of batches, which files from before 2018 lack, and which answers do not depend on."""
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How PyTorch's files began before they were zips."""
KINDS = {
    b"<": "a web page: was it downloaded with the right link?",
    b"version https://git-lfs": "what Git LFS left in the file's place: git lfs pull fetches the file itself.",
}
SHOWN = 3


def begin(model: Transfer, network: TransferNetwork, spec: Spec) -> list[str]:
    """Load what ``model.weights`` names into the network; a line for each thing that a person should know.

    All of it is checked first. Raises ConfigError at ("model", "weights") for weights that are not there, are damaged, hold more
    than tensors, or do not fit; the network is then as it was.
    """
    channels, height, width = spec.shape
    head: Tensors = {}
    told: list[str] = []
    if re.fullmatch(WEIGHTS, model.weights):
        state, source = model.named(model.weights), model.weights
    else:
        path = _path(model.weights)
        source = str(path)
        content = _read(path)
        if isinstance(content, dict) and content.get("format") == FORMAT:
            state, head = _parted(content, source)
        else:
            state = _plain(content, source)
    with torch.device("meta"):
        body = model.body(channels, (height, width))
    state = model.adapted(_unprefixed(state, body), channels, (height, width))
    state = _in_order(state, body, source, told)
    state = _recoloured(state, body, channels, told)
    wanted = network.body.state_dict()
    _check(model, state, wanted, body, source, (height, width))
    if head and model.head.new:
        told.append(f"The body of {source} is taken over; the head begins anew.")
        head = {}
    elif head:
        _check_head(content, head, network.head.state_dict(), spec, source)
        told.append(f"The body and the head of {source} are taken over.")
    pairs = [(name, state[name], own) for name, own in wanted.items() if name in state]
    pairs += [(f"head.{name}", head[name], own) for name, own in network.head.state_dict().items() if head]
    values = [(_value(name, value, own, source), own) for name, value, own in pairs]
    for value, own in values:  # what state_dict gives are the network's own tensors
        own.copy_(value)
    return told


def _fault(words: str, fix: str | None = None) -> ConfigError:
    return ConfigError(words, key=("model", "weights"), suggestion=fix)


def asked(model: Transfer) -> dict[str, Any]:
    """What a checkpoint of trainkit was trained on, as `Model.asked` says it; nothing where the weights are no such file."""
    if re.fullmatch(WEIGHTS, model.weights):
        return {}
    content = _read(_path(model.weights))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return {}
    try:
        fitted = FittedPictures.restore(content["fitted"]["inputs"])
    except (KeyError, TypeError, ValueError):
        raise _fault(f"{model.weights} is no checkpoint of a training on pictures.") from None
    form = fitted.form
    mean, std = (tuple(t.tolist()) if t is not None else None for t in (fitted.mean, fitted.std))
    ones = (1.0,) * form.channels
    return {
        "channels": form.channels,
        "size": (form.height, form.width),
        "mean": mean or (0.0,) * form.channels,
        "std": std or ones,
    }


def _path(weights: str) -> Path:
    """The file; of a run's folder, its best weights."""
    path = _packaged(weights) if weights.startswith(PACKAGE) else Path(weights)
    best = path / "checkpoints" / "best.pth"
    return best if path.is_dir() and best.is_file() else path


def _packaged(weights: str) -> Path:
    """The file of an installed package, which is not imported."""
    from importlib.util import find_spec

    name, _, file = weights.removeprefix(PACKAGE).partition("/")
    try:
        found = find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        dist = name.replace("_", "-")
        raise _fault(f"no package called {name!r} is installed, which should bring {file}.", f"Install it: pip install {dist}.")
    return Path(found.submodule_search_locations[0], file)


def _read(path: Path) -> Any:
    """What a file holds, its tensors on the CPU; of anything but plain values and tensors, nothing is built."""
    if path.is_dir():
        files = [file.name for file in path.iterdir() if file.suffix in (".pth", ".pt", ".safetensors")]
        raise _fault(f"{path} is a folder.", f"Name a file of weights in it{': ' if files else '.'}{', '.join(sorted(files)[:5])}")
    if not path.is_file():
        files = [other.name for other in path.parent.glob("*") if other.suffix in (".pth", ".pt", ".safetensors")]
        near = nearest(path.name, files) if files else ""
        near_name = get_close_matches(path.name.lower(), ("imagenet", "none"), 1)
        named = f"Did you mean {near_name[0]}? " if near_name else ""
        named += "" if path.suffix else "Names of weights: imagenet, none, and the library's own, such as IMAGENET1K_V1. "
        raise _fault(f"the file {path} is not there.", f"{named}{near}".strip() or None)
    try:
        with path.open("rb") as file:
            start = file.read(64)
            if not start:
                raise _fault(f"{path} is empty.", "Copy or download it again.")
            if kind := next((kind for sign, kind in KINDS.items() if start.startswith(sign)), None):
                raise _fault(f"{path} is {kind}")
            if path.suffix == ".safetensors":
                return {name: torch.from_numpy(take().copy()) for name, take in safetensors(path).items()}
            if zipfile.is_zipfile(file):
                _check_zip(path, zipfile.ZipFile(file))
            file.seek(0)
            with warnings.catch_warnings():  # of old pickles, which are refused below
                warnings.simplefilter("ignore")
                return torch.load(file, weights_only=True, map_location="cpu")
    except ConfigError:
        raise
    except PermissionError:
        raise _fault(f"{path}: this user may not read it.", "Change its permissions.") from None
    except MemoryError:
        raise _fault(f"{path} does not fit into memory.") from None
    except Exception as error:  # of damaged bytes, torch and others complain in a dozen ways
        bare = start[:1] == b"\x80" and path.suffix != ".safetensors" and not LEGACY.startswith(start[: len(LEGACY)])
        found = re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+)", str(error))
        if bare or found or "Can only" in str(error):
            raise _objects(path, f" ({found[1]})" if found else "") from None
        words = f"{path} is cut off or damaged, or no file of weights."
        raise _fault(words, "Copy or download it again.") from None


def _objects(path: Path, what: str) -> ConfigError:
    fix = "Where you trust it, load it yourself, and save its network's state_dict()."
    return _fault(f"{path} holds Python objects{what}, which could run any program when they are loaded: they never are.", fix)


def _check_zip(path: Path, archive: zipfile.ZipFile) -> None:
    """torch takes a flipped bit for a weight, and unpacks a few bytes into gigabytes."""
    names = {name.partition("/")[2] for name in archive.namelist()}
    if "constants.pkl" in names:
        raise _objects(path, " (a TorchScript program)")
    if "data.pkl" not in names:
        raise _fault(f"{path} is some other zip archive, and holds no weights.")
    packed = any(info.compress_size != info.file_size for info in archive.infolist())
    if packed or archive.testzip():
        raise _fault(f"{path} is cut off or damaged.", "Copy or download it again.")


def _plain(content: Any, source: str) -> Tensors:
    """The state dict in what was read, out of what training scripts wrap around it."""
    for _ in range(3):  # a file may hold itself
        if isinstance(content, Mapping):
            content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if isinstance(content, Mapping):
        tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
        if any(t.layout is torch.strided and t.nbytes > t.untyped_storage().nbytes() for t in tensors.values()):
            raise _fault(f"{source} is damaged: it says that it holds more than it does.", "Copy or download it again.")
        if tensors:
            return tensors
    held = f"a dictionary of {', '.join(map(str, content))[:60]}" if isinstance(content, Mapping) and content else "no such thing"
    raise _fault(
        f"{source} holds no weights, which are a dictionary of tensors by their names, but {held}.",
        "Save a network's state_dict().",
    )


def _parted(content: Mapping[str, Any], source: str) -> tuple[Tensors, Tensors]:
    """Body and head of a checkpoint of trainkit: the weights that it would measure and use."""
    weights = _plain(content.get("ema") or content.get("network"), source)
    body, head = (
        {name.removeprefix(part): value for name, value in weights.items() if name.startswith(part)} for part in ("body.", "head.")
    )
    if body and head:
        return body, head
    name = re.search(r"^model:\n  name: (\w+)", str(content.get("config")), re.MULTILINE)
    raise _fault(
        f"{source} is a checkpoint of the model {name[1] if name else 'of another kind'}, which has no pretrained body.",
        "Take a checkpoint of this model, or of trainkit resume continues that one.",
    )


def _check_head(content: Mapping[str, Any], head: Tensors, own: Tensors, spec: Spec, source: str) -> None:
    """Raises ConfigError unless the checkpoint's head answers the same question."""
    try:
        before = Spec.restore(content["spec"])
    except (KeyError, TypeError, AttributeError):
        raise _fault(f"{source} is no whole checkpoint: it does not say what its classes are.") from None
    fix = "Say `head: {new: true}` to begin a new head."
    then, now = (each.classes if each.target == "class" else each.classes or each.target_names for each in (before, spec))
    if (before.target, then) != (spec.target, now):
        kinds = {"class": "classes", "labels": "labels", "number": "numbers"}
        (one, first), (two, second) = ((f"{len(n)} {kinds[s.target]}", _few(n)) for s, n in ((before, then), (spec, now)))
        raise _fault(f"{source}'s head answers {one} ({first}), this data has {two} ({second}).", fix)
    if strange := _differences(head, own):
        raise _fault(f"{source}'s head is another one: {_listed(strange)}.", fix)


def _unprefixed(state: Tensors, body: Body) -> Tensors:
    """Names without what was put before all of them."""
    own = body.network.state_dict().keys()
    while not own & state.keys() and (before := next((p for p in PREFIXES if all(n.startswith(p) for n in state)), None)):
        state = {name.removeprefix(before): value for name, value in state.items()}
    return state


def _in_order(state: Tensors, body: Body, source: str, told: list[str]) -> Tensors:
    """Where no name fits, the file may be the same network with names of its own: as many tensors of the same shapes, in the same
    order, their names ending alike (weight, bias, running_mean). Behind them may stand those of the layer that was left out."""
    own = _counted(body.network.state_dict())
    if own.keys() & state.keys():
        return state
    found, first = list(_counted(state).items()), [f"{name}.weight" for name in _several(body.first)]
    pairs, rest = list(zip(own.items(), found, strict=False)), found[len(own) :]
    last = [(name.rpartition(".")[2], value.shape[1:]) for name, value in rest]
    if len(pairs) < len(own) or (last and last != [("weight", (body.width,)), ("bias", ())]):
        return state
    for (name, wanted), (given, value) in pairs:
        same = wanted.shape == value.shape or (name in first and wanted.shape[2:] == value.shape[2:])
        if name.rpartition(".")[2] != given.rpartition(".")[2] or not same:
            return state
    told.append(
        f"{source} has other names for its tensors: {len(pairs)} of {len(own)} are taken in their order, in which shapes and "
        f"kinds agree ({found[0][0]} is {next(iter(own))}, and so on)."
    )
    return {name: value for (name, _), (_, value) in pairs}


def _recoloured(state: Tensors, body: Body, channels: int, told: list[str]) -> Tensors:
    """The first convolution's weights, made for red, green and blue, for another number of channels."""
    made = dict(state)
    own = body.network.state_dict()
    for name in (f"{first}.weight" for first in _several(body.first)):
        weight = state.get(name)
        if channels == 3 or weight is None or weight.ndim != 4 or weight.shape[1] != 3 or own[name].shape[1] != channels:
            continue
        weight = weight.float()  # sums of halves are rounded
        if channels == 1:
            made[name] = weight.sum(1, keepdim=True)
            how = "summed over them: a grey picture is answered as one of three equal channels"
        else:
            made[name] = weight[:, [n % 3 for n in range(channels)]] * (3 / channels)
            how = f"repeated in turn, times 3/{channels}"
        told.append(f"The weights see 3 channels, and these pictures have {channels}: those of {name} are {how}.")
    return made


def _check(model: Transfer, state: Tensors, wanted: Tensors, body: Body, source: str, size: tuple[int, int]) -> None:
    """Raises ConfigError unless names and shapes are the body's."""
    if not (strange := _differences(_without_last(state, body), wanted)):
        return
    if _counted(state).keys() & wanted.keys():
        words = _listed(strange)
    else:
        words = f"its tensors are called {_few(state)}, and here {_few(wanted)}"
    looks = _looks_like(model, state, size)
    fix = f"It looks like {looks}." if looks else "Is it of another network?"
    raise _fault(f"{source} does not fit {_called(model)}: {words}.", fix)


def _looks_like(model: Transfer, given: Tensors, size: tuple[int, int]) -> str | None:
    """The variant of the same family that the weights do fit, where the family lists its variants."""
    field = type(model).model_fields.get("variant")
    for variant in get_args(field.annotation) if field else ():
        other = model.model_copy(update={"variant": variant})
        try:
            with torch.device("meta"):
                body = other.body(3, size)
        except ConfigError:  # not for pictures of this size
            continue
        if not _differences(_without_last(other.adapted(given, 3, size), body), body.network.state_dict()):
            return _called(other)
    return None


def _without_last(state: Tensors, body: Body) -> Tensors:
    """Without the layer that the body has left out."""
    left = tuple(f"{name}." for name in _several(body.last))
    return {name: value for name, value in state.items() if not name.startswith(left)}


def _differences(given: Tensors, wanted: Tensors) -> list[str]:
    """In words, how names and shapes differ: other shapes first, then what is missing, then what is too much."""
    given, wanted = _counted(given), _counted(wanted)
    both = [name for name in wanted if name in given]
    return [
        *(
            f"{name} is {_shape(given[name])} in the file, and {_shape(wanted[name])} here"
            for name in both
            if given[name].shape != wanted[name].shape
        ),
        *(f"{name} is not in the file" for name in wanted if name not in given),
        *(f"{name} is in the file alone" for name in given if name not in wanted),
    ]


def _value(name: str, value: Tensor, own: Tensor, source: str) -> Tensor:
    """The tensor as the network would hold it. Raises ConfigError for one that holds no finite numbers of its kind."""
    plain = value.layout is torch.strided and not value.is_quantized and value.is_floating_point() == own.is_floating_point()
    if not plain or value.is_complex():
        raise _fault(f"{source}: {name} holds {value.dtype} ({value.layout}), and {own.dtype} is needed.".replace("torch.", ""))
    value = value.detach().to(own.device, own.dtype)
    if own.is_floating_point() and not torch.isfinite(value).all():
        raise _fault(f"{source}: {name} holds NaN or infinity.", "Take weights from before that training failed.")
    return value


def _counted(tensors: Tensors) -> Tensors:
    """Without batch norm's counts."""
    return {name: value for name, value in tensors.items() if name.rpartition(".")[2] != COUNTER}


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _called(model: Transfer) -> str:
    return f"{model.name} {getattr(model, 'variant', '')}".strip()


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def _few(names: Iterable[str]) -> str:
    """The first names, and whether there are more."""
    names = list(names)
    return ", ".join([*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])])


def _listed(strange: list[str]) -> str:
    """The first differences, and how many more there are."""
    more = f"; and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
    return "; ".join(strange[:SHOWN]) + more
