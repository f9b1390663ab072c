"""The files of a gzipped tar archive that a stranger packed: within bounds, and with no path that leads out."""

import io
import tarfile
import threading
from collections.abc import Mapping
from typing import Final

from gitops.bounds import MIB, shown_size, unzipped
from gitops.model.errors import SourceError
from gitops.model.revision import normalise
from renderers.helm.chart_archive import unpack

MOST_UNPACKED: Final = 100 * MIB
MOST_FILES: Final = 20_000
# Many that are unpacked at once would be much memory at once.
_ONE_AT_A_TIME: Final = threading.Lock()


def unpacked(data: bytes, where: str, *, strip: bool) -> dict[str, bytes]:
    """Path → content of each file; with `strip` those of a packed chart, whose folder is left out.

    Links and devices are refused where files are read as they are; a chart has none, as Helm reads it. Raises
    SourceError, and RenderError for what is no packed chart.
    """
    with _ONE_AT_A_TIME:
        return dict(unpack(data, where)) if strip else _files(data, where)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files as such an archive."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz", compresslevel=1) as archive:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return found.getvalue()


def _files(data: bytes, where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(unzipped(data, MOST_UNPACKED)), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                path = normalise(member.name)
                if not member.isreg() or not path:
                    raise SourceError(f"{where}: {member.name[:200]}: is neither a file nor a folder, and not unpacked")
                size += member.size  # a sparse file is larger than what stands for it in the archive
                if size > MOST_UNPACKED or len(found) >= MOST_FILES:
                    raise SourceError(f"{where}: holds more than {MOST_FILES:,} files, or {shown_size(MOST_UNPACKED)}")
                reader = archive.extractfile(member)
                found[path] = reader.read() if reader else b""
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SourceError(f"{where}: is no packed folder: {error}") from None
    return found
