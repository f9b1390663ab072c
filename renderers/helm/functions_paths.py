"""Functions of paths and URLs, as sprig 3 has them."""

import posixpath
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, function, kind_of


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
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in text):
        raise FunctionError(f'unable to parse url: parse "{text}": net/url: invalid control character in URL')
    try:
        parts = urlsplit(text, allow_fragments=True)
        hostname = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise FunctionError(f'unable to parse url: parse "{text}": {error}') from None
    opaque = parts.path if parts.scheme and not parts.netloc and not parts.path.startswith("/") else ""
    userinfo, _, host = parts.netloc.rpartition("@")
    if hostname and hostname.lower() == hostname:
        start = host.lower().find(hostname)
        hostname = host[start : start + len(hostname)] if start >= 0 else hostname
    return {
        "scheme": parts.scheme,
        "host": host,
        "hostname": hostname,
        "path": "" if opaque else unquote(parts.path, errors="surrogateescape"),
        "query": parts.query,
        "opaque": opaque,
        "fragment": unquote(parts.fragment, errors="surrogateescape"),
        "userinfo": userinfo,
    }


def _joined(parts: dict[str, Any]) -> str:
    def of(name: str) -> str:
        value = parts.get(name, "")
        if not isinstance(value, str):
            raise FunctionError(f"unable to parse {name} key, must be of type string, but {kind_of(value)} found")
        return value

    text = of("scheme") + ":" if of("scheme") else ""
    if of("opaque"):
        text += of("opaque")
    else:
        userinfo = of("userinfo") + "@" if of("userinfo") else ""
        path = quote(of("path"), safe="/$&+,;=:@!*'()~", errors="surrogateescape")
        if of("scheme") or of("host") or userinfo:
            if of("host") or userinfo or path:
                text += "//" if of("host") or userinfo or not path.startswith("/") or of("scheme") == "file" else ""
            text += userinfo + of("host")
            if path and not path.startswith("/") and of("host"):
                path = "/" + path
        text += path
    text += "?" + of("query") if of("query") else ""
    return text + ("#" + quote(of("fragment"), safe="/$&+,;=:@!*'()~?") if of("fragment") else "")


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
