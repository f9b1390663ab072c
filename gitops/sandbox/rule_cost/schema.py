"""The types that CEL sees in a schema, with the most that a value can hold and the least that it takes as JSON.

The rules are those of k8s.io/apiserver/pkg/cel/common (schemas.go). What a schema does not bound is bounded by the
largest request that a server takes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gitops.manifests.key import Body
from gitops.sandbox.rule_cost.kinds import BOOL, DOUBLE, INT, STRING, Kind, list_of
from gitops.sandbox.rule_cost.sizes import Size

LARGEST_REQUEST: Final = 3 * 1024 * 1024
_LONGEST_TEXT: Final = LARGEST_REQUEST - 2
_RESERVED: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
_ESCAPED: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
# By format: the type, the most characters, the least bytes.
_TIMES: Final = {
    "duration": Kind("duration", most=32, least_bytes=3),
    "date": Kind("timestamp", most=12, least_bytes=12),
    "date-time": Kind("timestamp", most=32, least_bytes=21),
}
_TEXT: Final[Body] = {"type": "string"}
_META: Final[Body] = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}


def declared(schema: Body, *, root: bool = False) -> Kind | None:
    """The type of what fits the schema; None where CEL sees nothing of it. `root` is for a whole object."""
    if schema.get("x-kubernetes-int-or-string"):
        longest = schema.get("maxLength")
        return Kind("dyn", most=_LONGEST_TEXT if longest is None else _bytes(longest), least_bytes=1)
    match "object" if root else schema.get("type"):
        case "array":
            return _array(schema)
        case "object":
            return _object(_with_metadata(schema) if root else schema)
        case "string":
            return _string(schema)
        case "boolean":
            return BOOL
        case "number":
            return DOUBLE
        case "integer":
            return INT
    return None


def sizes_in(root: Kind, path: list[str]) -> Size | None:
    """How large what is at a path from `root` may be; the first name is the variable's."""
    kind = root
    for name in path[1:]:
        if name in ("@items", "@values"):
            found = kind.parts[-1] if kind.parts else None
        elif name == "@keys":
            found = kind.parts[0] if kind.name == "map" else None
        else:
            found = kind.fields.get(name)
        if found is None:
            return None
        kind = found
    return Size(0, kind.most)


def _inner(schema: Body) -> Kind | None:
    return declared(schema, root=bool(schema.get("x-kubernetes-embedded-resource")))


def _array(schema: Body) -> Kind | None:
    items = schema.get("items")
    item = _inner(items) if isinstance(items, dict) else None
    if item is None:
        return None
    most = schema.get("maxItems")
    fitting = (LARGEST_REQUEST - 2) // (item.least_bytes + 1)
    return Kind("list", list_of(item).parts, most=fitting if most is None else max(most, 0), least_bytes=2)


def _object(schema: Body) -> Kind | None:
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        value = _inner(extra)
        if value is None:
            return None
        most = schema.get("maxProperties")
        fitting = (LARGEST_REQUEST - 2) // (value.least_bytes + 6)
        return Kind("map", (STRING, value), most=fitting if most is None else max(most, 0), least_bytes=2)
    fields: dict[str, Kind] = {}
    least, needed = 2, schema.get("required") or ()
    for name, part in (schema.get("properties") or {}).items():
        kind = _inner(part)
        if kind is None:
            continue
        if (escaped := escape(name)) is not None:
            fields[escaped] = kind
        if name in needed and part.get("default") is None:
            least += len(name.encode()) + kind.least_bytes + 4
    return Kind("object", fields=fields, least_bytes=least)


def _string(schema: Body) -> Kind:
    form, longest = schema.get("format"), schema.get("maxLength")
    if form in _TIMES:
        return _TIMES[form]
    if form == "byte":
        return Kind("bytes", most=_LONGEST_TEXT if longest is None else max(longest, 0), least_bytes=2)
    if longest is not None:
        most = _bytes(longest)
    elif words := schema.get("enum"):
        most = max((len(word.encode()) for word in words if isinstance(word, str)), default=0)
    else:
        most = _LONGEST_TEXT
    return Kind("string", most=most, least_bytes=2)


def _bytes(characters: int) -> int:
    return max(characters, 0) * 4


def _with_metadata(schema: Body) -> Body:
    """A whole object has these fields even where its schema does not tell of them."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    meta = properties.get("metadata") or {}
    names = meta.get("properties") or {}
    texts = [properties.get(name) for name in ("kind", "apiVersion")]
    texts += [names.get(name) for name in ("name", "generateName")]
    if meta.get("type") == "object" and all((text or {}).get("type") == "string" for text in texts):
        return schema
    return {**schema, "properties": {**properties, "kind": _TEXT, "apiVersion": _TEXT, "metadata": _META}}


def escape(name: str) -> str | None:
    """The name of a field as CEL writes it; None for a name that it cannot write."""
    if name in _RESERVED:
        return f"__{name}__"
    if not re.fullmatch(r"[A-Za-z_./\-][A-Za-z0-9_./\-]*", name):
        return None
    return re.sub(r"__|[-./]", lambda found: _ESCAPED[found[0]], name)
