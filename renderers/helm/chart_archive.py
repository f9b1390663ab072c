"""The files of a packed chart (.tgz), within bounds, and with no path that leads out of it."""

import io
import posixpath
import re
import tarfile
import zlib
from typing import Final

from gitops.model.errors import RenderError

MAX_UNPACKED: Final = 100 * 1024 * 1024
MAX_FILE: Final = 16 * 1024 * 1024
MAX_FILES: Final = 10_000
_DRIVE: Final = re.compile(r"[a-zA-Z]:/")
_TOO_LARGE: Final = f"the chart is larger than {MAX_UNPACKED // 2**20} MiB when unpacked"
_BOM: Final = b"\xef\xbb\xbf"


def unpack(data: bytes, where: str) -> list[tuple[str, bytes]]:
    """Name and content of each file, in the archive's order. Raises RenderError."""
    found: list[tuple[str, bytes]] = []
    total = size = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(_unzipped(data, where)), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                name = _checked_name(member.name, where)
                if not member.isreg():
                    found.append((name, b""))
                    continue
                total += 1
                size += member.size  # a sparse file is larger than what stands for it in the archive
                if total > MAX_FILES or member.size > MAX_FILE:
                    raise RenderError(f"{where}: the archive has too many files, or one of more than 16 MiB")
                if size > MAX_UNPACKED:
                    raise RenderError(f"{where}: {_TOO_LARGE}")
                reader = archive.extractfile(member)
                found.append((name, (reader.read() if reader else b"").removeprefix(_BOM)))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise RenderError(f"{where}: is no packed chart: {error}") from None
    if not found:
        raise RenderError(f"{where}: no files in chart archive")
    return found


def _unzipped(data: bytes, where: str) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, MAX_UNPACKED)
    except zlib.error as error:
        raise RenderError(f"{where}: is no packed chart: {error}") from None
    if unpacker.unconsumed_tail:
        raise RenderError(f"{where}: {_TOO_LARGE}")
    return unpacked


def _checked_name(name: str, where: str) -> str:
    delimiter = "\\" if "\\" in name else "/"
    first, *rest = name.split(delimiter)
    path = "/".join(rest)
    if path.startswith("/"):
        raise RenderError(f"{where}: chart illegally contains absolute paths")
    path = posixpath.normpath(path) if path else "."
    if path == ".":
        raise RenderError(f"{where}: chart illegally contains content outside the base directory: {name!r}")
    if path.startswith(".."):
        raise RenderError(f"{where}: chart illegally references parent directory")
    if _DRIVE.match(path):
        raise RenderError(f"{where}: chart contains illegally named files")
    if first == "Chart.yaml":
        raise RenderError(f"{where}: chart yaml not in base directory")
    return path
