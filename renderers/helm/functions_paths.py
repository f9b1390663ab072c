"""Functions of paths and URLs, as sprig 3 has them."""

import posixpath
from typing import Any, Final

from renderers.helm.go_url import Url, parse_url
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, function, kind_of

_PARTS: Final = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")


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


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = parse_url(text)
    except ValueError as error:
        raise FunctionError(f"unable to parse url: {error}") from None
    return {name: getattr(found, name) for name in (*_PARTS, "hostname")}


def _joined(parts: dict[str, Any]) -> str:
    texts: dict[str, str] = {}
    for name in _PARTS:
        value = parts.get(name, "")
        if not isinstance(value, str):
            raise FunctionError(f"unable to parse {name} key, must be of type string, but {kind_of(value)} found")
        texts[name] = value
    if texts["userinfo"]:
        try:
            texts["userinfo"] = parse_url(f"proto://{texts['userinfo']}@host").userinfo
        except ValueError as error:
            raise FunctionError(f"unable to parse userinfo in dict: {error}") from None
    return str(Url(**texts))


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
    "urlJoin": function("map", _joined),
    "urlParse": function("string", _parsed),
}
