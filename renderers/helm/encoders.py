"""Values to JSON, YAML and TOML and back, as Go's encoding/json, sigs.k8s.io/yaml and BurntSushi/toml write them."""

import base64
import json
import math
import re
from typing import Any, Final

from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import Composer, decode
from gitops.manifests.yaml_values import YamlProblem
from gitops.manifests.yaml_write import key_text, leaf_text, sorted_keys, write_document
from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.values import GoObject, NilMap, TypedList, as_bytes, replaced_bytes, type_of
from renderers.helm.gotemplate.work import deep_size_of, spend

MAX_DEPTH: Final = 200
_LOOKS_AT: Final = 999  # where Go begins to look for cycles, counted as depth is here
_BESIDE: Final = 20  # levels of what hangs on a cycle and has none itself


class EncodeError(Exception):
    """A value has no such form."""


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_PLAIN: Final = re.compile(r'[^\x00-\x1f"\\\u2028\u2029\udc80-\udcff]*')
_TO_ESCAPE: Final = re.compile(r'[\x00-\x1f"\\\u2028\u2029\udc80-\udcff]')
_TO_ESCAPE_HTML: Final = re.compile(r'[\x00-\x1f"\\\u2028\u2029<>&\udc80-\udcff]')


def _escaped(found: re.Match[str]) -> str:
    if found[0] >= "\udc80":
        return "\\ufffd"  # a byte that is no UTF-8
    return ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}"


def json_string(text: str, html: bool = True) -> str:
    """A string as encoding/json writes it; with `html`, what HTML could take for its own is escaped."""
    return '"' + (_TO_ESCAPE_HTML if html else _TO_ESCAPE).sub(_escaped, text) + '"'


def _check_depth(value: Any, depth: int, levels: int = _LOOKS_AT) -> None:
    """EncodeError for a map or list so deep in others that holds itself: Go looks for that beyond a thousand levels.

    What does not is beside the cycle, and ends.
    """
    if depth == MAX_DEPTH + 1 and (path := _cycle_from(value, [], set())):
        into, cycle = path
        ahead = levels - MAX_DEPTH
        looked_at = into[ahead] if ahead < len(into) else cycle[(ahead - len(into)) % len(cycle)]
        raise EncodeError(f"json: unsupported value: encountered a cycle via {type_of(looked_at)}")
    if depth > MAX_DEPTH + _BESIDE:
        raise EncodeError("json: unsupported value: it is nested too deeply")


def _cycle_from(value: Any, path: list[Any], done: set[int]) -> tuple[list[Any], list[Any]] | None:
    """The maps and lists from `value` on that lead to a cycle, and those of the cycle; None where it ends."""
    if not isinstance(value, dict | list) or id(value) in done:
        return None
    known = next((place for place, each in enumerate(path) if each is value), None)
    if known is not None:
        return path[:known], path[known:]
    items = (value[key] for key in sorted(value)) if isinstance(value, dict) else iter(value)
    for item in items:
        if found := _cycle_from(item, [*path, value], done):
            return found
    done.add(id(value))
    return None


def to_json(value: Any, html: bool = True, depth: int = 0) -> str:
    """json.Marshal. Raises EncodeError."""
    if depth > MAX_DEPTH and isinstance(value, dict | list):
        _check_depth(value, depth, _LOOKS_AT if html else _LOOKS_AT - 1)  # sprig hands a pointer on there
    spend(deep_size_of(value))
    if isinstance(value, NilMap):
        return "null"
    if isinstance(value, dict):
        pairs = (f"{json_string(key, html)}:{to_json(value[key], html, depth + 1)}" for key in sorted(value))
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        if isinstance(value, TypedList) and value.is_nil:
            return "null"
        return "[" + ",".join([to_json(item, html, depth + 1) for item in value]) + "]"
    return _json_scalar(value, html)


def _json_scalar(value: Any, html: bool) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return json_string(value, html)
        case int():
            return str(int(value))
        case float():
            if math.isnan(value) or math.isinf(value):
                raise EncodeError(f"json: unsupported value: {numbers.format_g(value)}")
            return numbers.format_json(value)
        case GoObject():
            return to_json(as_data(value), html)
    raise EncodeError(f"json: unsupported type: {type(value).__name__}")


def to_pretty_json(value: Any, margin: str = "") -> str:
    """json.MarshalIndent with two spaces."""
    inner = margin + "  "
    spend(deep_size_of(value) + len(margin))
    if len(margin) > 2 * MAX_DEPTH and isinstance(value, dict | list):
        _check_depth(value, len(margin) // 2)
    if isinstance(value, dict) and value:
        pairs = (f"{inner}{json_string(key)}: {to_pretty_json(value[key], inner)}" for key in sorted(value))
        return "{\n" + ",\n".join(pairs) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + to_pretty_json(item, inner) for item in value) + f"\n{margin}]"
    return to_json(value)


def as_data(value: Any) -> Any:
    """A Go object as maps, lists and scalars; the rest as it is."""
    if isinstance(value, GoObject):
        encode = getattr(value, "as_data", None)
        if encode is None:
            fields = getattr(value, "fields", None)
            if fields is None:
                return value.go_print("v")
            return {key: as_data(item) for key, item in fields.items()}
        return encode()
    return value


def from_json(text: str) -> Any:
    """json.Unmarshal into an interface {}: numbers are float64. Raises ValueError."""
    try:
        found = json.loads(
            replaced_bytes(text), parse_int=_json_number, parse_float=_json_number, parse_constant=_no_constant
        )
        return _whole_characters(found) if _SURROGATE.search(text) else found
    except RecursionError:
        raise ValueError("exceeded max depth") from None


_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def _whole_characters(value: Any) -> Any:
    """The value with every half of a surrogate pair replaced."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
        case list():
            return [_whole_characters(item) for item in value]
    return value


def _json_number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"json: cannot unmarshal number {digits} into Go value of type float64")
    return number


def _no_constant(word: str) -> float:
    raise ValueError(f"invalid character '{word[0]}' looking for beginning of value")


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def to_yaml(value: Any) -> str:
    """yaml.Marshal of sigs.k8s.io/yaml, its last line break cut off. Raises EncodeError."""
    if isinstance(value, str):
        return leaf_text(_yaml_ready(value, 0), 2, 0)
    return write_document(_yaml_ready(value, 0), sort=True).removesuffix("\n")


def _yaml_ready(value: Any, depth: int) -> Any:
    """The value as it is after a way through JSON."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\x7f" not in value else _read_back(replaced_bytes(value))
    if kind is bool or value is None:
        return value
    if kind is float:
        return _yaml_number(value)
    if isinstance(value, int):
        return int(value)
    if depth > MAX_DEPTH:
        _check_depth(value, depth)
    spend(deep_size_of(value))
    if isinstance(value, dict):
        return {_yaml_ready(key, 0): _yaml_ready(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        if isinstance(value, TypedList) and value.is_nil:
            return None
        return [_yaml_ready(item, depth + 1) for item in value]
    return _yaml_ready(as_data(value), depth + 1)


_UNREADABLE: Final = re.compile("[\x7f-\x84\x86-\x9f\ufffe\uffff]")
_NEXT_LINES: Final = re.compile("[ \t]*(\x85(?:[ \t]*\x85)*)[ \t]*")


def _read_back(text: str) -> str:
    """The text as YAML reads it between the quotes of JSON, where a next line character ends a line."""
    if _UNREADABLE.search(text):
        raise EncodeError("yaml: control characters are not allowed")
    return _NEXT_LINES.sub(lambda found: "\n" * (found[1].count("\x85") - 1) or " ", text) if "\x85" in text else text


def _yaml_number(value: float) -> int | float:
    if math.isnan(value) or math.isinf(value):
        raise EncodeError(f"json: unsupported value: {numbers.format_g(value)}")
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def from_yaml(text: str) -> Any:
    """yaml.Unmarshal into an interface {}: only the first document, numbers as float64. Raises ValueError."""
    data = as_bytes(text)
    if not text.isascii() and (wrong := _no_utf8(data)):
        raise ValueError(f"error converting YAML to JSON: yaml: {wrong}")
    try:
        return floats(Composer(decode(data)).document())
    except YamlProblem as problem:
        raise ValueError(f"error converting YAML to JSON: {_go_words(problem)}") from None
    except ManifestError as error:
        raise ValueError(str(error)) from None


def _no_utf8(data: bytes) -> str:
    """What go-yaml says of the first bytes that are no UTF-8; "" where all are."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        first, rest = data[error.start], data[error.start + 1 :]
    else:
        return ""
    width = next((width for width, mask, mark in _LEADING if first & mask == mark), 0)
    if not width:
        return "invalid leading UTF-8 octet"
    if len(rest) < width - 1:
        return "incomplete UTF-8 octet sequence"
    if any(octet & 0xC0 != 0x80 for octet in rest[: width - 1]):
        return "invalid trailing UTF-8 octet"
    value = first & (0x7F >> width)
    for octet in rest[: width - 1]:
        value = value << 6 | octet & 0x3F
    if value < _LEAST[width]:
        return "invalid length of a UTF-8 sequence"
    return "invalid Unicode character"


_LEADING: Final = ((2, 0xE0, 0xC0), (3, 0xF0, 0xE0), (4, 0xF8, 0xF0))
_LEAST: Final = {2: 0x80, 3: 0x800, 4: 0x10000}


def _go_words(problem: YamlProblem) -> str:
    """The problem as go-yaml tells it: without what was going on, and lines counted in its own way."""
    special = _SPECIAL_FLOAT.search(str(problem))
    if special:
        word = special[1].lower().strip("+-.")
        return f"json: unsupported value: {'NaN' if word == 'nan' else '-Inf' if special[1][0] == '-' else '+Inf'}"
    if problem.go:
        return f"yaml: {problem.go}"
    text, _, during = str(problem).removeprefix("not YAML: ").partition(" while ")
    line = problem.line + bool(_OF_SCANNER.match(during) or _OF_SCANNER.search(text)) if problem.line else 0
    return f"yaml: line {line}: {text}" if line else f"yaml: {text}"


# What its scanner complains of, whose lines it counts from 1; those of its parser from 0.
_OF_SCANNER: Final = re.compile("scanning|parsing a (?:quoted scalar|tag|%TAG directive)|not allowed in this context$")
_SPECIAL_FLOAT: Final = re.compile(r"`([-+]?\.(?:inf|nan))` cannot be written", re.IGNORECASE)


def floats(value: Any) -> Any:
    """The value with every integer as float64; maps and lists that an alias shares are copied."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return {key: floats(item) for key, item in value.items()}
    return [floats(item) for item in value] if kind is list else float(value)


def to_yaml_pretty(value: Any) -> str:
    """Helm's toYamlPretty: go-yaml version 3 with lists further in than their key, and no line folded."""
    if isinstance(value, str):
        return _pretty_leaf(value, 2)
    lines: list[str] = []
    _pretty("", value, 0, lines)
    return "".join(lines).removesuffix("\n")


def _pretty_leaf(value: Any, indent: int) -> str:
    if isinstance(value, str) and _NO_TEXT.search(value):
        return "!!binary " + base64.b64encode(as_bytes(value)).decode()
    if isinstance(value, str) and "\t" in value and "\n" in value:  # a tab keeps no text of lines from being a block
        block = leaf_text(value.replace("\t", _TAB), indent, _NEVER_FOLDED)
        return block.replace(_TAB, "\t") if block[0] == "|" else leaf_text(value, indent, _NEVER_FOLDED)
    return leaf_text(value, indent, _NEVER_FOLDED)


def _pretty_key(key: str, indent: int) -> str:
    if _NO_TEXT.search(key):
        return _pretty_leaf(key, indent) + ":"
    if "\t" in key and "\n" in key:
        return f"? {_pretty_leaf(key, indent + 2)}\n{' ' * indent}:"
    return key_text(key, indent)


_TAB: Final = "\ue000"  # stands for one: of private use, and as good as any letter
_NO_TEXT: Final = re.compile("[\udc80-\udcff]")
_NEVER_FOLDED: Final = -(10**9)


def _pretty(head: str, value: Any, indent: int, lines: list[str]) -> None:
    """`head` is what stands on the line so far: a margin and a `- ` or a `key:`."""
    value = as_data(value)
    if indent > 2 * MAX_DEPTH:
        raise EncodeError("yaml: it is nested too deeply")
    spend(deep_size_of(value) + indent)
    margin = " " * indent
    if isinstance(value, dict) and value:
        lead = head if not head.endswith(":") else None
        if lead is None:
            lines.append(head + "\n")
        for key in sorted_keys(value):
            start = margin if lead is None else lead
            lead = None
            written = _pretty_key(key, indent)
            inner = f"{start}{written}{' ' * written.startswith('? ')}"  # what follows stands on the line of the colon
            _pretty(inner, value[key], indent + 2, lines)
    elif isinstance(value, list) and value:
        lead = head if not head.endswith(":") else None
        if lead is None:
            lines.append(head + "\n")
        for item in value:
            start = margin if lead is None else lead
            lead = None
            _pretty(start + "- ", item, indent + 2, lines)
    else:
        text = numbers.format_g(value) if isinstance(value, float) else _pretty_leaf(value, indent)
        lines.append(f"{head}{' ' if head.endswith(':') else ''}{text}\n")
