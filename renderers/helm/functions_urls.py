"""Functions of URLs, as sprig 3 has them."""

from typing import Any, Final

from renderers.helm.go_url import Url, parse_url
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, function, kind_of

_PARTS: Final = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")


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


URLS: Final[dict[str, Function]] = {
    "urlJoin": function("map", _joined),
    "urlParse": function("string", _parsed),
}
