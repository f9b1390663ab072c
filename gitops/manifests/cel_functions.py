"""The functions that Kubernetes adds to CEL: of lists and sets, regular expressions, quantities, URLs and addresses.

Quantities, URLs, addresses and networks are maps here, since the library lets nobody declare types with values of their
own. `cel_dialect` has what the library lets nobody declare a second time; `is_lacking` tells of what is missing.
"""

import functools
import ipaddress
import operator
import re
from collections.abc import Callable
from contextvars import ContextVar
from fractions import Fraction
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

import re2

from gitops.manifests.cel_dialect import equal, overloads
from gitops.manifests.quantity import QuantityError, parse

_LACKING = re2.compile(r"\bformat\.\w+\(|\bstring\(.*\b(ip|cidr)\(")
_LARGEST = 2**63

# Whether the user of a request may do what an expression asks of `authorizer`, while one is evaluated.
AUTHORIZE: ContextVar[Callable[[dict[str, str]], bool]] = ContextVar("authorize")

# By name, each overload: its result, its parameters, whether it is called as `value.name()`, and what runs.
_Table = dict[str, list[tuple[Any, ...]]]


def is_lacking(code: str) -> bool:
    """Whether an expression calls what Kubernetes knows and this does not; a failure of it says nothing then."""
    return bool(_LACKING.search(code))


def declared(cel: Any) -> list[Any]:
    """All of them, as the library `cel` takes them."""
    parts = (_of_lists, _of_quantities, _of_versions, _of_addresses, _of_authorizer, overloads)
    table = {name: each for part in parts for name, each in part(cel.Type).items()}
    return [
        cel.FunctionDecl(name, [_overload(cel, f"k8s_{name}_{place}", one) for place, one in enumerate(each)])
        for name, each in table.items()
    ]


def _of_lists(kinds: Any) -> _Table:
    dyn, text, truth = kinds.DYN, kinds.STRING, kinds.BOOL
    items = kinds.List(dyn)
    return {
        "find": [_of(text, _find, text, text)],
        "findAll": [_of(kinds.List(text), _find_all, text, text)],
        "isSorted": [_of(truth, lambda found: found == sorted(found), items)],
        "sum": [_of(dyn, lambda found: functools.reduce(operator.add, found) if found else 0, items)],
        "min": [_of(dyn, min, items)],
        "max": [_of(dyn, max, items)],
        "sets.contains": [_plain(truth, _contains, items, items)],
        "sets.equivalent": [_plain(truth, lambda a, b: _contains(a, b) and _contains(b, a), items, items)],
        "sets.intersects": [_plain(truth, lambda a, b: any(_contains(b, [item]) for item in a), items, items)],
    }


def _of_quantities(kinds: Any) -> _Table:
    text, truth, number = kinds.STRING, kinds.BOOL, kinds.INT
    value = kinds.Map(text, kinds.DYN)
    return {
        "milli": [_plain(number, lambda found: int(parse(found) * 1000), text)],
        "isQuantity": [_plain(truth, _reads(parse), text)],
        "quantity": [_plain(value, lambda found: _quantity(parse(found)), text)],
        "sign": [_of(number, lambda found: _compared(_number(found), Fraction(0)), value)],
        "isInteger": [_of(truth, lambda found: _is_integer(_number(found)), value)],
        "asInteger": [_of(number, _as_integer, value)],
        "asApproximateFloat": [_of(kinds.DOUBLE, lambda found: float(_number(found)), value)],
        "compareTo": [_of(number, lambda a, b: _compared(_rank(a), _rank(b)), value, value)],
        "isGreaterThan": [_of(truth, lambda a, b: _rank(a) > _rank(b), value, value)],
        "isLessThan": [_of(truth, lambda a, b: _rank(a) < _rank(b), value, value)],
        "add": [_of(value, _reckoned(operator.add), value, other) for other in (value, number)],
        "sub": [_of(value, _reckoned(operator.sub), value, other) for other in (value, number)],
    }


def _of_versions(kinds: Any) -> _Table:
    text, truth, number = kinds.STRING, kinds.BOOL, kinds.INT
    value = kinds.Map(text, kinds.DYN)
    read, normal = _reads(_version), _reads(lambda found: _version(_normal(found)))
    return {
        "isSemver": [
            _plain(truth, read, text),
            _plain(truth, lambda found, loose: normal(found) if loose else read(found), text, truth),
        ],
        "semver": [
            _plain(value, _semver, text),
            _plain(value, lambda found, loose: _semver(_normal(found) if loose else found), text, truth),
        ],
        **{
            name: [_of(number, lambda found, place=place: _version(found["semver"])[0][place], value)]
            for place, name in enumerate(("major", "minor", "patch"))
        },
    }


def _of_authorizer(kinds: Any) -> _Table:
    """`authorizer` of admission policies: what is asked is gathered in a map, and `check` asks it."""
    text, truth = kinds.STRING, kinds.BOOL
    value = kinds.Map(text, kinds.DYN)
    parts = ("path", "group", "resource", "subresource", "namespace", "name")
    return {
        **{name: [_of(value, lambda asked, found, name=name: {**asked, name: found}, value, text)] for name in parts},
        "check": [_of(value, lambda asked, verb: {"allowed": AUTHORIZE.get()({**asked, "verb": verb})}, value, text)],
        "allowed": [_of(truth, lambda decision: decision["allowed"], value)],
        "errored": [_of(truth, lambda decision: False, value)],
        "reason": [_of(text, lambda decision: "", value)],
    }


def _of_addresses(kinds: Any) -> _Table:
    text, truth, number = kinds.STRING, kinds.BOOL, kinds.INT
    value = kinds.Map(text, kinds.DYN)
    return {
        "isURL": [_plain(truth, _reads(_url), text)],
        "url": [_plain(value, _url, text)],
        **{name: [_of(text, _part(part), value)] for name, part in _URL_PARTS.items()},
        "getQuery": [_of(kinds.Map(text, kinds.List(text)), _query, value)],
        "isIP": [_plain(truth, _reads(_address), text)],
        "ip.isCanonical": [_plain(truth, lambda found: str(_address(found)) == found, text)],
        "ip": [_plain(value, lambda found: {"ip": str(_address(found))}, text), _of(value, _address_of, value)],
        "family": [_of(number, lambda found: _ip(found).version, value)],
        **{name: [_of(truth, _asked(ask), value)] for name, ask in _OF_ADDRESSES.items()},
        "isCIDR": [_plain(truth, _reads(_network), text)],
        "cidr": [_plain(value, lambda found: {"cidr": str(_network(found))}, text)],
        "containsIP": [_of(truth, lambda a, b: _ip(b) in _cidr(a).network, value, other) for other in (value, text)],
        "containsCIDR": [_of(truth, _contains_network, value, other) for other in (value, text)],
        "masked": [_of(value, lambda found: {"cidr": str(_cidr(found).network)}, value)],
        "prefixLength": [_of(number, lambda found: _cidr(found).network.prefixlen, value)],
    }


def _of(result: Any, run: Callable[..., Any], *parameters: Any, member: bool = True) -> tuple[Any, ...]:
    return result, parameters, member, run


def _plain(result: Any, run: Callable[..., Any], *parameters: Any) -> tuple[Any, ...]:
    return _of(result, run, *parameters, member=False)


def _overload(cel: Any, name: str, declared: tuple[Any, ...]) -> Any:
    result, parameters, member, run = declared
    return cel.Overload(name, return_type=result, parameters=list(parameters), is_member=member, impl=run)


def _reads(read: Callable[[str], Any]) -> Callable[[str], bool]:
    """Whether `read` takes a text."""

    def is_read(value: str) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return is_read


# --- texts, lists, sets -------------------------------------------------------------------------------------------


def _find(value: str, pattern: str) -> str:
    match = re2.search(pattern, value)
    return match[0] if match else ""


def _find_all(value: str, pattern: str) -> list[str]:
    return [match[0] for match in re2.finditer(pattern, value)]


def _contains(items: list[Any], others: list[Any]) -> bool:
    return all(any(equal(item, other) for item in items) for other in others)


# --- quantities ---------------------------------------------------------------------------------------------------


def _quantity(number: Fraction) -> dict[str, str]:
    return {"quantity": str(number)}  # equal where the numbers are


def _number(value: dict[str, str] | int) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(value["quantity"])


def _rank(value: dict[str, str]) -> Any:
    """What a quantity or a version is compared by."""
    return _version(value["semver"]) if "semver" in value else _number(value)


def _reckoned(act: Callable[[Fraction, Fraction], Fraction]) -> Callable[[Any, Any], dict[str, str]]:
    return lambda one, other: _quantity(act(_number(one), _number(other)))


def _compared(one: Fraction, other: Fraction) -> int:
    return (one > other) - (one < other)


def _is_integer(number: Fraction) -> bool:
    return number.denominator == 1 and -_LARGEST <= number < _LARGEST


def _as_integer(value: dict[str, str]) -> int:
    number = _number(value)
    if not _is_integer(number):
        raise QuantityError("cannot convert value to integer")
    return int(number)


# --- versions -----------------------------------------------------------------------------------------------------

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_Version = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def _version(value: str) -> _Version:
    """A version of SemVer 2.0 as it is compared: without what is before a release it is the later one."""
    found = _SEMVER.fullmatch(value)
    if found is None:
        raise ValueError(f"invalid semantic version: {value}")
    parts = (found[4] or "").split(".") if found[4] else ()
    before = tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)
    return (int(found[1]), int(found[2]), int(found[3])), not before, before


def _semver(value: str) -> dict[str, str]:
    _version(value)
    return {"semver": value}


def _normal(value: str) -> str:
    """Without a v in front and zeros that lead, and with the numbers that are left out."""
    head, mark, rest = re.fullmatch(r"v?([^-+]*)([-+]?)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    numbers = [part.lstrip("0") or "0" if part.isdecimal() else part for part in head.split(".")]
    return ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + mark + rest


# --- URLs ---------------------------------------------------------------------------------------------------------

# As url.ParseRequestURI of Go: absolute, or an absolute path; no fragment.
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?]*))?)?(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_HOST = re.compile(r"(?P<hostname>\[[^\]\[]*\]|[^:\[\] \"<>\\^`{|}]*)(?::(?P<port>\d*))?")
_WRONG = re.compile(r"[\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2})")
_ENCODED = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]*")
_KEPT = "$&+,/:;=@"

_URL_PARTS = {
    "getScheme": "scheme",
    "getHost": "host",
    "getHostname": "hostname",
    "getPort": "port",
    "getEscapedPath": "path",
}


def _url(value: str) -> dict[str, str]:
    """The parts of a URL; ValueError when it is none."""
    found = _URL.fullmatch(value)
    if found is None or _WRONG.search(value.partition("?")[0]) or (found["authority"] is None and not found["path"]):
        raise ValueError("URL parse error during conversion from string: invalid URI for request")
    host = (found["authority"] or "").rpartition("@")[2]
    parts = _HOST.fullmatch(host)
    if parts is None:
        raise ValueError(f"URL parse error during conversion from string: invalid host {host!r}")
    path = found["path"] or ""
    return {
        "scheme": (found["scheme"] or "").lower(),
        "host": host,
        "hostname": parts["hostname"].strip("[]"),
        "port": parts["port"] or "",
        "path": path if _ENCODED.fullmatch(path) else quote(unquote(path), safe=_KEPT),
        "query": found["query"] or "",
    }


def _part(name: str) -> Callable[[dict[str, str]], str]:
    return lambda url: url[name]


def _query(url: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in url["query"].split("&"):
        if pair and ";" not in pair and not _WRONG.search(pair):  # Go leaves out what is wrong
            name, _, value = pair.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


# --- addresses and networks ---------------------------------------------------------------------------------------

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_LINK_LOCAL_MULTICAST: dict[int, Any] = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}
_OF_ADDRESSES: dict[str, Callable[[Any], bool]] = {
    "isUnspecified": lambda found: found.is_unspecified,
    "isLoopback": lambda found: found.is_loopback,
    "isLinkLocalUnicast": lambda found: found.is_link_local,
    "isLinkLocalMulticast": lambda found: found in _LINK_LOCAL_MULTICAST[found.version],
    "isGlobalUnicast": lambda found: (
        not (
            found.is_unspecified
            or found.is_loopback
            or found.is_multicast
            or found.is_link_local
            or str(found) == "255.255.255.255"
        )
    ),
}


def _address(value: str) -> _Address:
    """An address; ValueError for a text that is none, or is one with a zone, or an IPv4 address written as IPv6."""
    found = ipaddress.ip_address(value)
    if "%" in value or getattr(found, "ipv4_mapped", None):
        raise ValueError(f"IP Address {value!r} has a zone, or is an IPv4 address mapped into IPv6")
    return found


def _network(value: str) -> _Interface:
    """An address with the length of its network's prefix; ValueError for a text that is none."""
    head, slash, length = value.partition("/")
    address = _address(head)
    if not slash or not re.fullmatch(r"0|[1-9]\d?\d?", length):
        raise ValueError(f"CIDR {value!r} parse error: expected ADDRESS/LENGTH")
    return ipaddress.ip_interface(f"{address}/{length}")


def _ip(value: dict[str, str] | str) -> _Address:
    return _address(value if isinstance(value, str) else value["ip"])


def _cidr(value: dict[str, str] | str) -> _Interface:
    return _network(value if isinstance(value, str) else value["cidr"])


def _asked(ask: Callable[[Any], bool]) -> Callable[[dict[str, str]], bool]:
    return lambda value: ask(_ip(value))


def _address_of(value: dict[str, str]) -> dict[str, str]:
    return {"ip": str(_cidr(value).ip)}


def _contains_network(value: dict[str, str], other: dict[str, str] | str) -> bool:
    """Whether all of the other network is in this one."""
    outer, inner = _cidr(value).network, _cidr(other).network
    return outer.version == inner.version and inner.network_address in outer and outer.prefixlen <= inner.prefixlen
