"""What comes from outside costs no more than a stated size: packed bytes, JSON and files, read with a bound.

A stranger's megabyte can stand for gigabytes (compression) or for a stack that ends (nesting). Each reader here raises
ValueError, or OSError for a file that cannot be read, with words that fit after a name and a colon.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
# No file that a person writes for us is larger: Applications, plans, kubeconfigs, keys.
MOST_FILE = 16 * MIB
_GZIP = 31


@dataclass(frozen=True, slots=True)
class MirrorLimits:
    """How many bytes of the disk one repository's mirror may have, and all of them together."""

    each: int = 2048 * MIB
    total: int = 20480 * MIB


PLAIN_LIMITS = MirrorLimits()


def unzipped(data: bytes, most: int) -> bytes:
    """What the gzip stream `data` holds. Raises ValueError for more than `most` bytes, and for a damaged stream."""
    import zlib

    found, size = [], 0
    while data:
        stream = zlib.decompressobj(_GZIP)
        try:
            part = stream.decompress(data, most - size + 1)
        except zlib.error as exc:
            raise ValueError(f"it is not gzip, or damaged ({exc})") from exc
        size += len(part)
        if size > most:
            raise ValueError(f"it unpacks to more than {shown_size(most)}")
        if not stream.eof:
            raise ValueError("it is damaged: its end is missing")
        found.append(part)
        data = stream.unused_data
    return b"".join(found)


def parsed(text: str | bytes) -> Any:
    """JSON of a stranger. Raises ValueError for what is none, and for what is nested too deeply to be read."""
    import json

    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parsed_map(text: str | bytes) -> dict[str, Any]:
    """The same for what has to be a JSON object."""
    found = parsed(text)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    return found


def read_file(path: Path, most: int = MOST_FILE) -> bytes:
    """A file's content. Raises OSError; ValueError for one of more than `most` bytes, and for a device or a folder.

    A pipe is read: that is how a shell hands over what a command printed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        os.close(descriptor)
        raise ValueError(f"expected a file, found a {'folder' if stat.S_ISDIR(mode) else 'device'}")
    with open(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it holds more than the {shown_size(most)} that are read")
    return data


def shown_size(size: int) -> str:
    """A bound for people: 16 MiB, 512 KiB."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // 1024} KiB"
