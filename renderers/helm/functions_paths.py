"""Functions of paths, as sprig 3 has them."""

import posixpath
from typing import Final

from renderers.helm.gotemplate.values import Function, function


def _base(path: str) -> str:
    if not path:
        return "."
    return path.rstrip("/").rsplit("/", 1)[-1] or "/"


def clean(path: str) -> str:
    """path.Clean."""
    cleaned = posixpath.normpath(path) if path else "."
    return "/" + cleaned.lstrip("/") if path.startswith("/") else cleaned


def _dir(path: str) -> str:
    return clean(path[: path.rfind("/") + 1])


def _ext(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name[name.rfind(".") :] if "." in name else ""


PATHS: Final[dict[str, Function]] = {
    "base": function("string", _base),
    "clean": function("string", clean),
    "dir": function("string", _dir),
    "ext": function("string", _ext),
    "isAbs": function("string", lambda path: path.startswith("/")),
    "osBase": function("string", _base),
    "osClean": function("string", clean),
    "osDir": function("string", _dir),
    "osExt": function("string", _ext),
    "osIsAbs": function("string", lambda path: path.startswith("/")),
}
