"""URLs as Go's net/url reads and writes them."""

from dataclasses import dataclass
from typing import Final

from renderers.helm.gotemplate.quoting import quote
from renderers.helm.gotemplate.values import as_bytes, as_text

_HEX: Final = frozenset("0123456789abcdefABCDEF")
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SCHEME: Final = frozenset("0123456789+-.")
# What stands in each part as it is.
_IN_PATH: Final = _PLAIN | frozenset("$&+,/:;=@")
_IN_USER: Final = _PLAIN | frozenset("$&+,;=")
_IN_FRAGMENT: Final = _PLAIN | frozenset("$&+,/:;=?@!()*")
_IN_HOST: Final = _PLAIN | frozenset("!$&'()*+,;=:[]<>\"")
_VALID_USER: Final = _PLAIN | frozenset("!$&'()*+,;=:%@")


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in its parts; `userinfo` is escaped, the others are as they are meant, but for the query."""

    scheme: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    opaque: str = ""
    fragment: str = ""
    userinfo: str = ""

    @property
    def hostname(self) -> str:
        """The host without its port and brackets."""
        host = self.host
        if host.startswith("["):
            end = host.find("]")
            return host[1:end] if end > 0 else host
        name, colon, port = host.rpartition(":")
        return name if colon and all(each in "0123456789" for each in port) else host

    def __str__(self) -> str:
        text = self.scheme + ":" if self.scheme else ""
        if self.opaque:
            text += self.opaque
        else:
            if (self.scheme or self.host or self.userinfo) and (self.host or self.path or self.userinfo):
                text += "//" + (self.userinfo + "@" if self.userinfo else "") + escaped(self.host, _IN_HOST)
            path = "*" if self.path == "*" else escaped(self.path, _IN_PATH)
            if path and path[0] != "/" and self.host:
                path = "/" + path
            if not text and ":" in path.partition("/")[0]:
                path = "./" + path
            text += path
        text += "?" + self.query if self.query else ""
        return text + ("#" + escaped(self.fragment, _IN_FRAGMENT) if self.fragment else "")


def escaped(text: str, kept: frozenset[str]) -> str:
    """The text with every byte but those of `kept` as %XX."""
    return "".join(chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in as_bytes(text))


def unescaped(text: str, is_host: bool = False) -> str:
    """The text with each %XX as its byte. Raises ValueError."""
    found = bytearray()
    data = as_bytes(text)
    at = 0
    while at < len(data):
        if data[at] == ord("%"):
            code = as_text(data[at : at + 3])
            if len(code) < 3 or not _HEX.issuperset(code[1:]) or (is_host and int(code[1], 16) < 8 and code != "%25"):
                raise ValueError(f"invalid URL escape {quote(code)}")
            found.append(int(code[1:], 16))
            at += 3
            continue
        if is_host and data[at] < 0x80 and chr(data[at]) not in _IN_HOST:
            raise ValueError(f"invalid character {quote(chr(data[at]))} in host name")
        found.append(data[at])
        at += 1
    return as_text(bytes(found))


def parse_url(text: str) -> Url:
    """url.Parse. Raises ValueError with what Go says of text that is none."""
    before, _, fragment = text.partition("#")
    try:
        found = _parsed(before, unescaped(fragment) if fragment else "")
    except ValueError as error:
        raise ValueError(f"parse {quote(text)}: {error}") from None
    return found


def _parsed(text: str, fragment: str) -> Url:
    if any(byte < 0x20 or byte == 0x7F for byte in as_bytes(text)):
        raise ValueError("net/url: invalid control character in URL")
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, opaque=rest, query=query, fragment=fragment)
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    userinfo = host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        userinfo, host = _authority(authority)
    return Url(scheme, host, unescaped(rest), query, "", fragment, userinfo)


def _scheme(text: str) -> tuple[str, str]:
    for at, each in enumerate(text):
        if each in _LETTERS or (at > 0 and each in _SCHEME):
            continue
        if each == ":":
            if at == 0:
                raise ValueError("missing protocol scheme")
            return text[:at].lower(), text[at + 1 :]
        break
    return "", text


def _authority(text: str) -> tuple[str, str]:
    userinfo, at, host = text.rpartition("@")
    _check_port(host)
    host = unescaped(host, is_host=True)
    if not at:
        return "", host
    if not _VALID_USER.issuperset(userinfo):
        raise ValueError("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    return escaped(unescaped(name), _IN_USER) + colon + escaped(unescaped(password), _IN_USER), host


def _check_port(host: str) -> None:
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise ValueError("missing ']' in host")
        port = host[end + 1 :]
    else:
        port = host[host.rfind(":") :] if ":" in host else ""
    if port and (port[0] != ":" or not all(each in "0123456789" for each in port[1:])):
        raise ValueError(f"invalid port {quote(port)} after host")
