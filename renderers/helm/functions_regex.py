"""Regular expressions of RE2, as Go's regexp and sprig 3 use them."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.quoting import can_be_backquoted, quote
from renderers.helm.gotemplate.values import Function, TypedList, as_bytes, as_text, function, nil_list
from renderers.helm.gotemplate.work import DEEP, spend

_MAX_MEMORY: Final = 8 * 1024 * 1024
_NO_LIMIT: Final = 1 << 62


def quiet_options() -> Any:
    """Options of RE2: within bounds, and with nothing written beside."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    return options


_GO_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
    "invalid repetition size": "invalid repeat count",
}


def _or_panic(call: Callable[..., Any]) -> Callable[..., Any]:
    """What Go's MustCompile says of an expression that cannot be read."""

    def called(expression: str, *others: Any) -> Any:
        try:
            return call(expression, *others)
        except FunctionError as error:
            shown = f"`{expression}`" if can_be_backquoted(expression) else quote(expression)
            raise FunctionError(f"regexp: Compile({shown}): {error}") from None

    return called


_FROM_NO_TEXT: Final = re.compile("^[^\udc80-\udcff]*")
_ANY_BYTE: Final = re.compile(r"^(?:[^\\]|\\[^CQ])*\\C", re.DOTALL)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    if _ANY_BYTE.search(expression):
        raise FunctionError("error parsing regexp: invalid escape sequence: `\\C`")
    import re2

    try:
        return re2.compile(as_bytes(expression), options=quiet_options())
    except re2.error as error:
        told = error.args[0] if error.args else error
        told = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        code, _, part = told.partition(": ")
        part = "" if code == "trailing \\" else part or expression
        if code == "invalid UTF-8":
            part = _FROM_NO_TEXT.sub("", expression)
        raise FunctionError(f"error parsing regexp: {_GO_WORDS.get(code, code)}: `{part}`") from None


def _must_match(expression: str, text: str) -> bool:
    return _compiled(expression).search(as_bytes(text)) is not None


def _match(expression: str, text: str) -> bool:
    try:
        return _must_match(expression, text)
    except FunctionError:
        return False


def _find(expression: str, text: str) -> str:
    found = _compiled(expression).search(as_bytes(text))
    return as_text(found[0]) if found else ""


def _spans(expression: str, data: bytes) -> list[Any]:
    """All matches; an empty one right behind another does not count, as in Go."""
    found, end = [], -1
    for match in _compiled(expression).finditer(data):
        at = match.start()
        if at == match.end() and (at == end or (at < len(data) and 0x80 <= data[at] < 0xC0)):
            continue  # right behind another match, or inside of a character
        spend(10 * DEEP)
        found.append(match)
        end = match.end()
    return found


def _find_all(expression: str, text: str, count: int) -> TypedList:
    found = _spans(expression, as_bytes(text))
    texts = [as_text(match[0]) for match in found[: count if count >= 0 else _NO_LIMIT]]
    return TypedList.of_text(texts) if texts else nil_list("string")


_REFERENCE: Final = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")


def _expanded(match: Any, template: bytes, names: dict[str, int]) -> bytes:
    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1] or found[2]
        is_number = name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0")
        number = int(name[:9]) if is_number else names.get(name, -1)
        return as_text(match[number] or b"") if 0 <= number <= len(match.groups()) else ""

    return as_bytes(_REFERENCE.sub(value, as_text(template)))


def _replaced(expression: str, text: str, replacement: str, literal: bool) -> str:
    data, template = as_bytes(text), as_bytes(replacement)
    groups = _compiled(expression).groupindex
    names = {as_text(name) if isinstance(name, bytes) else name: number for name, number in groups.items()}
    pieces, at = [], 0
    for match in _spans(expression, data):
        pieces += [data[at : match.start()], template if literal else _expanded(match, template, names)]
        spend(len(pieces[-1]))
        at = match.end()
    return as_text(b"".join([*pieces, data[at:]]))


def _split(expression: str, text: str, count: int) -> TypedList:
    _compiled(expression)
    if count == 0:
        return nil_list("string")
    data = as_bytes(text)
    if expression and not data:
        return TypedList.of_text([""])
    parts: list[bytes] = []
    begin = end = 0
    for match in _spans(expression, data):
        if 0 < count == len(parts) + 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(data[begin:end])
        begin = match.end()
    if end != len(data):
        parts.append(data[begin:])
    return TypedList.of_text(map(as_text, parts))


def _quote_meta(text: str) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


_EACH: Final[dict[str, tuple[str, Any]]] = {
    "regexFind": ("string string", _find),
    "regexFindAll": ("string string int", _find_all),
    "regexReplaceAll": ("string string string", lambda e, text, to: _replaced(e, text, to, literal=False)),
    "regexReplaceAllLiteral": ("string string string", lambda e, text, to: _replaced(e, text, to, literal=True)),
    "regexSplit": ("string string int", _split),
}

REGEX: Final[dict[str, Function]] = {
    **{name: function(kinds, _or_panic(call)) for name, (kinds, call) in _EACH.items()},
    **{f"mustR{name[1:]}": function(*entry) for name, entry in _EACH.items()},
    "regexMatch": function("string string", _match),
    "mustRegexMatch": function("string string", _must_match),
    "regexQuoteMeta": function("string", _quote_meta),
}
