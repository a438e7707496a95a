"""Look through a checkpoint's bytes before anything in it is built: is it ours, is it whole, is it harmless?

A checkpoint is the zip that ``torch.save`` writes. Reading one with ``weights_only=True`` runs no foreign code, but it
neither notices a flipped bit nor minds a file of a few bytes that asks for gigabytes, so this looks first. The lists
below name what is allowed; all else is refused. Nothing here needs torch.
"""

import re
import struct
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pickletools import genops
from typing import Any, BinaryIO

from trainkit.errors import CheckpointError
from trainkit.spec import FORMAT

FORMAT_VERSION = 1

MAX_DIRECTORY_BYTES = 8_000_000  # about 100 000 tensors
MAX_PICKLE_BYTES = 32_000_000
MAX_OPCODES = 600_000  # one a number, two a text, some thirty a tensor; torch reads that many in a second

# The first entries of the pickle in their exact bytes: they tell the version before anything else is read.
HEADER = re.compile(
    rb"formatq.X.\0\0\0%bq.X.\0\0\0format_versionq.K(.)X.\0\0\0trainkit_versionq.X.\0\0\0([\w.+!-]*)q" % FORMAT.encode(),
    re.DOTALL,
)

# Pickle instructions, and the word for those that are looked at closer.
OPCODES = {
    "BININT": "INTEGER", "BININT1": "INTEGER", "BININT2": "INTEGER", "LONG1": "INTEGER", "BINUNICODE": "TEXT",
    "NONE": "", "NEWTRUE": "", "NEWFALSE": "", "BINFLOAT": "", "EMPTY_DICT": "", "EMPTY_LIST": "", "EMPTY_TUPLE": "",
    "MARK": "", "TUPLE": "", "TUPLE1": "", "TUPLE2": "", "TUPLE3": "", "APPEND": "", "APPENDS": "", "SETITEM": "", "SETITEMS": "",
    "BINPUT": "", "LONG_BINPUT": "", "BINGET": "", "LONG_BINGET": "", "GLOBAL": "", "REDUCE": "", "BINPERSID": "", "STOP": "",
}  # fmt: skip
PUTS, GETS = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")
STORAGES = {
    "torch BoolStorage": 1, "torch ByteStorage": 1, "torch CharStorage": 1,
    "torch ShortStorage": 2, "torch HalfStorage": 2, "torch BFloat16Storage": 2,
    "torch IntStorage": 4, "torch FloatStorage": 4,
    "torch LongStorage": 8, "torch DoubleStorage": 8, "torch ComplexFloatStorage": 8,
    "torch ComplexDoubleStorage": 16,
}  # fmt: skip
"""Bytes of one element."""

# What may be called, and the instructions that must follow: none for a tensor, whose parts are checked one by one.
CALLS = {
    "torch._utils _rebuild_tensor_v2": "",
    "collections OrderedDict": "EMPTY_TUPLE REDUCE",
    "_codecs encode": "TEXT TEXT TUPLE2 REDUCE",
}

KINDS = {
    b"\x7fELF": "a program",
    b"<": "a web page (was it downloaded with the right link?)",
    b"\x1f\x8b": "a gzip archive",
    b"\x80": "a bare pickle, which can run code when it is read",
}


def damaged(detail: str) -> CheckpointError:
    return CheckpointError(f"the file is damaged: {detail}. Take another checkpoint of the run, such as previous.pth or best.pth.")


def foreign(detail: str) -> CheckpointError:
    return CheckpointError(f"not a trainkit checkpoint but {detail}. Give a .pth file that a trainkit run wrote.")


def unsafe(detail: str) -> CheckpointError:
    return CheckpointError(f"refused, because {detail}, as no checkpoint of trainkit does. Trust neither the file nor its source.")


def too_much() -> CheckpointError:
    return CheckpointError(
        f"it holds more than a checkpoint may ({MAX_OPCODES} small values, {MAX_PICKLE_BYTES // 1_000_000} MB of text). "
        "Keep long lists as tensors."
    )


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what zipfile, pickletools and torch raise on a broken file, a dozen types, into one CheckpointError."""
    try:
        yield
    except (CheckpointError, OSError, MemoryError):
        raise
    except Exception as error:
        raise damaged(f"it does not read as it was written ({type(error).__name__})") from error


@in_words()
def inspect(file: BinaryIO) -> None:
    """Raise CheckpointError unless ``file`` is a whole and harmless checkpoint that this version of trainkit can read."""
    size_bytes = file.seek(0, 2)
    file.seek(0)
    _check_kind(file.read(512))
    _check_end(file, size_bytes)
    with zipfile.ZipFile(file) as archive:
        records = _check_records(archive, size_bytes)
        if broken := archive.testzip():
            raise damaged(f"the checksum of {broken!r:.80} does not fit")
        data = archive.read(f"{archive.namelist()[0].split('/')[0]}/data.pkl")
    _check_header(data)
    _check_pickle(data, records)


def _check_kind(head: bytes) -> None:
    if head.startswith(b"PK\3\4"):
        return
    if not any(head):
        raise damaged("it holds only zeros" if head else "it is empty")
    if head[257:262] == b"ustar":
        raise foreign("a tar archive")
    raise foreign(next((kind for magic, kind in KINDS.items() if head.startswith(magic)), "some other kind of file"))


def _check_end(file: BinaryIO, size_bytes: int) -> None:
    """The directory of the zip must be small and lie where it says, so that every reader of zips finds the same one."""
    file.seek(max(0, size_bytes - 98))
    wide, end = (tail := file.read(98))[:-22], tail[-22:]
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise damaged("its end is missing, as after a copy or download that was cut short")
    length, start = struct.unpack("<LL", end[12:20])
    after = size_bytes - 22
    if wide[56:60] == b"PK\6\7":  # the same in 64 bits, which torch always writes
        short, after = (length, start), size_bytes - 98
        length, start = struct.unpack("<QQ", wide[40:56])
        agree = all(number in (0xFFFFFFFF, exact) for number, exact in zip(short, (length, start), strict=True))
        if wide[:4] != b"PK\6\6" or struct.unpack("<Q", wide[64:72])[0] != after or not agree:
            raise damaged("its list of records lies elsewhere than it says")
    if start + length != after:
        raise damaged("its list of records lies elsewhere than it says")
    if length > MAX_DIRECTORY_BYTES:
        raise too_much()


def _check_records(archive: zipfile.ZipFile, size_bytes: int) -> dict[str, int]:
    """The size of every record by its name without the root folder."""
    infos = archive.infolist()
    names = [info.orig_filename for info in infos]
    inner = {info.orig_filename.partition("/")[2]: info.file_size for info in infos}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise foreign("a TorchScript program")
    if "data.pkl" not in inner:
        raise foreign("some other zip archive")
    if len({name.lower() for name in names}) < len(names):  # torch looks names up without regard to case
        raise unsafe("two of its records bear one name")
    if len({name.partition("/")[0] for name in names}) > 1 or any(not _is_tame(name) for name in names):
        raise unsafe("a record's name leads outside its folder")
    if any((info.compress_type, info.compress_size) != (zipfile.ZIP_STORED, info.file_size) for info in infos):
        raise unsafe("its records are compressed")
    if sum(info.file_size for info in infos) > size_bytes:
        raise unsafe("it claims to hold more than it can")
    if inner["data.pkl"] > MAX_PICKLE_BYTES:
        raise too_much()
    return inner


def _is_tame(name: str) -> bool:
    parts = name.split("/")
    return len(parts) > 1 and "" not in parts and ".." not in parts and not any(sign in name for sign in "\\:\0")


def _check_header(data: bytes) -> None:
    header = HEADER.search(data[:300])
    if header is None:
        raise foreign("a PyTorch file from elsewhere, such as a bare state_dict")
    if header[1][0] > FORMAT_VERSION:
        raise CheckpointError(
            f"written by trainkit {header[2].decode()} in format {header[1][0]}; "
            f"this trainkit reads format {FORMAT_VERSION}. Upgrade: pip install -U trainkit-cli"
        )


def _check_pickle(data: bytes, records: dict[str, int]) -> None:
    """Follow the pickle's instructions without obeying them: allowed ones only, each call in the one form that ``save`` gives it.

    A pickle repeats a call on a remembered value in three bytes, so a call that copies or allocates must have harmless arguments.
    """
    memo: dict[int, tuple[str, Any]] = {}
    recent: deque[tuple[str, Any]] = deque(maxlen=7)
    expected: list[str] = []
    storages: dict[str, str] = {}
    argument: Any
    for count, (opcode, argument, position) in enumerate(genops(data)):
        name = opcode.name
        if name == "PROTO" and position == 0 and argument == 2:
            continue
        if name not in OPCODES:
            raise unsafe(f"it holds the pickle instruction {name}")
        if count > MAX_OPCODES:
            raise too_much()
        if name in PUTS:
            memo[argument] = recent[-1] if recent[-1][0] in ("GLOBAL", "TEXT") else ("", None)
            continue
        token = memo[argument] if name in GETS else (OPCODES[name] or name, argument)
        if token[0] == "INTEGER" and not -(2**63) <= token[1] < 2**63:
            raise unsafe("it holds an integer of more than 64 bits")
        if name == "GLOBAL" and argument not in CALLS and argument not in STORAGES:
            raise unsafe(f"it asks for {argument!r:.80}")
        if expected:
            copies = name in GETS and len(expected) == 4 and len(str(token[1])) > 1  # the first of the four is the text to encode
            if token[0] != expected.pop(0) or copies or (len(expected) == 2 and token != ("TEXT", "latin1")):
                raise unsafe("it makes a call in a way of its own")
        elif token[0] == "GLOBAL":
            expected = CALLS.get(token[1], "").split()
        elif name == "BINPERSID":
            _check_storage(list(recent), records, storages)
        recent.append(token)


def _check_storage(reference: list[tuple[str, Any]], records: dict[str, int], storages: dict[str, str]) -> None:
    """A reference to a tensor's bytes must agree with the record that holds them, and with earlier references to it."""
    if [kind for kind, _ in reference] != ["MARK", "TEXT", "GLOBAL", "TEXT", "TEXT", "INTEGER", "TUPLE"]:
        raise unsafe("it refers to a tensor in a way of its own")
    _, word, storage, key, device, length, _ = (value for _, value in reference)
    if (word, device) != ("storage", "cpu") or storage not in STORAGES or storages.setdefault(key, storage) != storage:
        raise unsafe("it refers to a tensor in a way of its own")
    if records.get(f"data/{key}") != length * STORAGES[storage]:
        raise unsafe("a tensor's size differs from the bytes that are there")
