"""Reads a built-in object as an API server does: by its Go type, and writes it back in that type's form.

Unknown fields are dropped (and told), values of a wrong type are refused, quantities are normalised, empty values
are left out or written out as each field's declaration says, and each struct gets its defaults on the way.
"""

import functools
from collections.abc import Callable
from typing import Any

from gitops.manifests.fields import go_json
from gitops.manifests.key import Body
from gitops.manifests.quantity import QuantityError, canonical
from gitops.manifests.schema import Field, Type
from gitops.sandbox.statuses import ApiFailure, bad_request

Defaulter = Callable[[Body], None]


class DecodeError(ValueError):
    """A value does not fit its Go type; the text is what Go's JSON decoder says."""

    def __init__(self, text: str, found: str = "", wanted: str = "") -> None:
        super().__init__(text)
        self._found = found
        self._wanted = wanted

    def converting(self) -> str:
        """What Kubernetes' converter from plain maps says of it, which does not name the field."""
        if "base64" in str(self):
            return f"error decoding from json: {self}"
        if not self._wanted:
            return str(self)
        if self._wanted.startswith("map["):
            return f"cannot restore map from {_GO_KINDS.get(self._found, self._found)}"
        if self._wanted.startswith("[]"):
            return f"cannot restore slice from {_GO_KINDS.get(self._found, self._found)}"
        if "." in self._wanted:
            return f"cannot restore struct from: {_GO_KINDS.get(self._found, self._found)}"
        return f"cannot convert {_GO_TYPES.get(self._found, self._found)} to {self._wanted}"


_GO_KINDS = {"number": "int64", "object": "map", "array": "slice"}
_GO_TYPES = {"number": "int64", "object": "map[string]interface {}", "array": "[]interface {}"}


class Decoder:
    """Decodes one object; `unknown` collects the paths of fields that its type does not have."""

    def __init__(self, defaulters: dict[str, Defaulter] | None = None) -> None:
        self.unknown: list[str] = []
        self._defaulters = defaulters or {}

    def struct(self, value: Body, kind: Type, path: str) -> Body:
        fields = kind.fields
        out: Body = {}
        for name, child in value.items():
            declared = fields.get(name)
            if declared is None:
                if kind.element is None:
                    self.unknown.append(f"{path}.{name}" if path else name)
                continue
            if child is None:
                continue
            decoded = self._value(child, declared, kind, f"{path}.{name}" if path else name)
            wire = declared.wire
            if wire == "value":
                if decoded:
                    out[name] = decoded
            elif wire == "always" and decoded in ([], {}):
                out[name] = None
            else:
                out[name] = decoded
        for name, zero in _emitted(kind):
            if name not in out:
                out[name] = zero()
        if (default := self._defaulters.get(kind.name)) is not None:
            default(out)
        return out

    def _value(self, value: Any, declared: Field, owner: Type, path: str) -> Any:
        kind = declared.type
        match kind.kind:
            case "struct":
                if not isinstance(value, dict):
                    raise _mismatch(value, owner, path, _go_type(kind))
                return self.struct(value, kind, path)
            case "list":
                if not isinstance(value, list):
                    raise _mismatch(value, owner, path, _go_type(kind))
                return self._items(value, kind, owner, path)
            case "map":
                if not isinstance(value, dict):
                    raise _mismatch(value, owner, path, _go_type(kind))
                return self._entries(value, kind, owner, path)
            case "scalar":
                return _scalar(value, declared, owner, path)
            case _:
                return value

    def _items(self, value: list[Any], kind: Type, owner: Type, path: str) -> list[Any]:
        assert kind.element is not None
        element = kind.element
        if element.kind == "struct":
            out = []
            for index, item in enumerate(value):
                if item is not None and not isinstance(item, dict):
                    raise _mismatch(item, owner, path, _go_type(element))
                out.append(self.struct(item or {}, element, f"{path}[{index}]"))
            return out
        declared = _bare(element)
        return [_zero(element) if item is None else self._value(item, declared, owner, path) for item in value]

    def _entries(self, value: Body, kind: Type, owner: Type, path: str) -> Body:
        assert kind.element is not None
        declared = _bare(kind.element)
        if kind.element.source == "string" and all(type(item) is str for item in value.values()):
            return value
        return {
            key: _zero(kind.element) if item is None else self._value(item, declared, owner, path)
            for key, item in value.items()
        }


def zero(kind: Type) -> Body:
    """The object that a Go type's zero value is written as; a creation is compared with it to find who owns what."""
    return {name: make() for name, make in _emitted(kind)}


_EMITTED: dict[int, tuple[tuple[str, Callable[[], Any]], ...]] = {}
_BARE: dict[int, Field] = {}


def _emitted(kind: Type) -> tuple[tuple[str, Callable[[], Any]], ...]:
    """The fields that are written even when they are empty, each with how its zero is made."""
    found = _EMITTED.get(id(kind))
    if found is None:
        listed: list[tuple[str, Callable[[], Any]]] = []
        for name, declared in kind.fields.items():
            if declared.wire in ("struct", "always"):
                listed.append((name, functools.partial(_zero, declared.type)))
            elif declared.wire == "null":
                listed.append((name, _nothing))
        found = _EMITTED[id(kind)] = tuple(listed)
    return found


def _bare(kind: Type) -> Field:
    found = _BARE.get(id(kind))
    if found is None:
        found = _BARE[id(kind)] = Field(kind)
    return found


def _nothing() -> None:
    """The zero of a pointer."""


_ZEROES: dict[str, Any] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "quantity": "0",
    "intstr": 0,
    "time": None,
    "microtime": None,
    "bytes": None,
}


def _zero(kind: Type) -> Any:
    if kind.kind == "struct":
        return zero(kind)
    return _ZEROES.get(kind.source) if kind.kind == "scalar" else None


_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def _scalar(value: Any, declared: Field, owner: Type, path: str) -> Any:
    source = declared.type.source
    match source:
        case "string" | "time" | "microtime":
            if not isinstance(value, str):
                raise _mismatch(value, owner, path, "string" if source == "string" else "Time")
            return value
        case "integer":
            go_type = declared.format or "int64"
            if isinstance(value, bool) or not isinstance(value, int):
                shown = f"number {value}" if isinstance(value, float) else None
                raise _mismatch(value, owner, path, go_type, shown)
            low, high = _INTEGERS.get(go_type, _INTEGERS["int64"])
            if not low <= value <= high:
                raise _mismatch(value, owner, path, go_type, f"number {value}")
            return value
        case "boolean":
            if not isinstance(value, bool):
                raise _mismatch(value, owner, path, "bool")
            return value
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _mismatch(value, owner, path, "float64")
            return value
        case "quantity":
            return _quantity(value)
        case "bytes":
            return _bytes(value, owner, path)
        case _:
            return _int_or_string(value)


def _quantity(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise DecodeError(f"unable to parse quantity {go_json(value)}")
    try:
        return canonical(value)
    except QuantityError as error:
        raise DecodeError(str(error)) from error


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise DecodeError(f"json: cannot unmarshal {json_kind(value)} into Go value of type int32")


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _bytes(value: Any, owner: Type, path: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, owner, path, "[]uint8")
    text = value.replace("\n", "").replace("\r", "")
    body = text.rstrip("=")
    for index, character in enumerate(body):
        if character not in _BASE64:
            raise DecodeError(f"illegal base64 data at input byte {index}")
    if len(text) % 4 or len(text) - len(body) > 2 or len(body) % 4 == 1:
        raise DecodeError(f"illegal base64 data at input byte {len(text) - len(text) % 4 or len(body)}")
    return text


def json_kind(value: Any) -> str:
    """What Go's JSON decoder calls a value of this form."""
    if isinstance(value, bool):
        return "bool"
    return {str: "string", int: "number", float: "number", dict: "object", list: "array"}.get(type(value), "null")


def _go_type(kind: Type) -> str:
    """A Go type's name as the JSON decoder writes it."""
    match kind.kind:
        case "struct":
            package, _, name = kind.name.rpartition(".")
            return f"{package.rpartition('.')[2]}.{name}"
        case "list":
            return "[]" + _go_type(kind.element) if kind.element else "[]interface {}"
        case "map":
            return "map[string]" + _go_type(kind.element) if kind.element else "map[string]interface {}"
        case _:
            sources = {"integer": "int32", "boolean": "bool", "quantity": "resource.Quantity", "bytes": "[]uint8"}
            return sources.get(kind.source, "string")


def _mismatch(value: Any, owner: Type, path: str, go_type: str, shown: str | None = None) -> DecodeError:
    struct = owner.name.rpartition(".")[2]
    plain = ".".join(part.partition("[")[0] for part in path.split("."))
    text = f"json: cannot unmarshal {shown or json_kind(value)} into Go struct field {struct}.{plain} of type {go_type}"
    return DecodeError(text, json_kind(value), go_type)


def cannot_be_handled(kind: str, version: str, why: str) -> ApiFailure:
    """400 for an object that cannot be decoded as the kind it should be."""
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
