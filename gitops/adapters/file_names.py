"""Names of files as text: Git and the file system know bytes, everybody else text that can be written and shown.

A name that is UTF-8 is itself. In any other, each byte that is none is written `\\xNN` (and a backslash twice), so that
it can be told, kept and compared like any other name. Of two in one folder that would read alike, the one that is not
UTF-8 has a backslash before it.
"""

import os
from collections.abc import Iterable


def shown(name: bytes) -> str:
    """One name, or a whole path, as text."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def named(names: Iterable[bytes]) -> dict[str, bytes]:
    """The names of one folder: as text → as they are."""
    everything = list(names)
    found = {text: name for name in everything if (text := _as_it_is(name)) is not None}
    for name in sorted(name for name in everything if _as_it_is(name) is None):
        text = shown(name)
        while text in found:
            text = f"\\{text}"
        found[text] = name
    return found


def place(root: str, path: str) -> bytes:
    """Where on this machine the path (as text) below the folder `root` is. Raises OSError."""
    found = os.fsencode(root)
    if "\\" not in path:
        return found + b"/" + path.encode(errors="surrogateescape")
    for part in path.split("/"):
        names = named(os.listdir(found or b"/")) if "\\" in part else {}
        found += b"/" + names.get(part, part.encode(errors="surrogateescape"))
    return found


def _as_it_is(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None
