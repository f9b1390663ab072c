"""What the types of Kubernetes objects are: fields, list keys, patch strategies, scopes.

Built-in kinds come from `schema.json.xz` (made by `schema_data`); custom kinds come from their CRD's openAPIV3Schema
through `custom_type`; a kind that nobody describes has the type `DEDUCED`, as server-side apply takes it: maps merge
key by key, lists are replaced whole. All three are `Type`, so one merge serves all.
"""

import functools
import json
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gitops.manifests.key import Body

Scope = Literal["Namespaced", "Cluster"]


class Type:
    """One type. `kind` tells which attributes mean something:

    struct   `fields` by name; `element` is the type of undeclared fields, or None where they are an error
    map      `element`, keys are free
    list     `element`; `keys` make it a list map, `is_set` a set; else it is atomic
    scalar   `scalar`: string, numeric, boolean or untyped (any scalar)
    any      deduced from the value

    `atomic` structs, maps and lists have one owner and are replaced whole. `source` is the published type name of a
    scalar ("integer", "quantity", "time", ...), `name` the definition's name.
    """

    __slots__ = (
        "_fields",
        "_load",
        "atomic",
        "element",
        "is_set",
        "keys",
        "kind",
        "name",
        "scalar",
        "source",
    )

    def __init__(
        self,
        kind: Literal["struct", "map", "list", "scalar", "any"],
        element: "Type | None" = None,
        *,
        name: str = "",
        atomic: bool = False,
    ) -> None:
        """What a kind has besides is given by `struct_type`, `list_type` and `scalar_type`."""
        self.kind = kind
        self.name = name
        self.element = element
        self.atomic = atomic
        self.keys: tuple[str, ...] = ()
        self.is_set = False
        self.scalar = ""
        self.source = ""
        self._load: Callable[[], dict[str, Field]] | None = None
        self._fields: dict[str, Field] | None = {}

    def load_fields(self, load: "Callable[[], dict[str, Field]]") -> None:
        """Have the fields made by `load` when they are first asked for: types may contain themselves."""
        self._load, self._fields = load, None

    @property
    def fields(self) -> "Mapping[str, Field]":
        """The declared fields of a struct."""
        if self._fields is None:
            assert self._load is not None
            self._fields = self._load()
        return self._fields

    def child(self, name: str) -> "Type | None":
        """The type of field or key `name`, None where it is not declared."""
        declared = self.fields.get(name)
        return declared.type if declared is not None else self.element

    def __repr__(self) -> str:
        return f"Type({self.kind} {self.name or self.source or self.scalar})"


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field of a struct.

    `wire` tells how a server writes it when it is empty: "pointer" keeps an explicit zero, "value" drops every zero,
    "always" writes the zero, "null" writes null, "struct" writes an empty object; "" is unknown.
    `patch` and `merge_key` are strategic merge's; `default` is the value that a missing list-map key stands for.
    """

    type: Type
    wire: str = ""
    patch: tuple[str, ...] = ()
    merge_key: str = ""
    default: Any = None
    format: str = ""
    enum: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def struct_type(
    load: Callable[[], dict[str, Field]] | None = None,
    element: Type | None = None,
    *,
    name: str = "",
    atomic: bool = False,
) -> Type:
    """A struct with the fields that `load` makes, or without any."""
    made = Type("struct", element, name=name, atomic=atomic)
    if load is not None:
        made.load_fields(load)
    return made


def map_type(element: Type, *, atomic: bool = False) -> Type:
    return Type("map", element, atomic=atomic)


def list_type(element: Type, kind: str | None, keys: tuple[str, ...] = ()) -> Type:
    """A list of the published `kind` "map", with its `keys`, or "set"; any other is atomic."""
    made = Type("list", element, atomic=kind not in ("map", "set"))
    made.keys, made.is_set = keys if kind == "map" else (), kind == "set"
    return made


def scalar_type(scalar: str, source: str = "") -> Type:
    made = Type("scalar")
    made.scalar, made.source = scalar, source
    return made


DEDUCED = Type("any", name="deduced")

# Published scalar types as server-side apply sees them.
_SCALARS = {
    "string": "string",
    "bytes": "string",
    "integer": "numeric",
    "number": "numeric",
    "boolean": "boolean",
    "quantity": "untyped",
    "intstr": "untyped",
    "time": "untyped",
    "microtime": "untyped",
}
_SCALAR_TYPES = {source: scalar_type(scalar, source) for source, scalar in _SCALARS.items()}


@functools.cache
def _data() -> dict[str, Any]:
    path = Path(__file__).with_name("schema.json.xz")
    data: dict[str, Any] = json.loads(lzma.decompress(path.read_bytes()))
    return data


def kubernetes_version() -> str:
    """The release that the built-in types were read from, `1.36`."""
    return str(_data()["version"])


@functools.cache
def definition(name: str) -> Type:
    """The built-in type `name`, an OpenAPI definition name; KeyError when there is none."""
    raw = _data()["types"][name]
    if not raw["fields"]:
        return struct_type(name=name)
    return struct_type(lambda: _fields_of(raw), name=name, atomic=raw.get("map") == "atomic")


def _fields_of(raw: dict[str, Any]) -> dict[str, Field]:
    return {name: _field_of(value) for name, value in raw["fields"].items()}


def _field_of(raw: dict[str, Any]) -> Field:
    named = _type_of(raw)
    default = raw.get("default")
    if default is None and raw.get("wire") == "always" and named.kind == "scalar":
        # A field that is always written stands for its zero where it is missing, list-map keys included.
        default = {"string": "", "integer": 0}.get(named.source)
    return Field(
        named,
        wire=raw.get("wire", ""),
        patch=tuple(raw.get("patch", "").split(",")) if "patch" in raw else (),
        merge_key=raw.get("mergeKey", ""),
        default=default,
        format=raw.get("format", ""),
        enum=tuple(raw.get("enum", ())),
    )


def _type_of(raw: dict[str, Any]) -> Type:
    if "ref" in raw:
        named = definition(raw["ref"])
        if "map" in raw and (raw["map"] == "atomic") != named.atomic:
            return struct_type(lambda: dict(named.fields), name=named.name, atomic=raw["map"] == "atomic")
        return named
    match raw["t"]:
        case "array":
            return _list_of(raw, _type_of(raw["items"]))
        case "object":
            return map_type(_type_of(raw["values"]), atomic=raw.get("map") == "atomic")
        case "any":
            return DEDUCED
        case scalar:
            return _SCALAR_TYPES[scalar]


def _list_of(raw: dict[str, Any], element: Type) -> Type:
    kind = raw.get("list")
    if kind is None and "merge" in raw.get("patch", "").split(","):
        # Types older than list types say the same through their strategic merge markers.
        kind, keys = ("map", (raw["mergeKey"],)) if "mergeKey" in raw else ("set", ())
    else:
        keys = tuple(raw.get("keys", ()))
    return list_type(element, kind, keys)


@functools.cache
def builtin_type(group: str, version: str, kind: str) -> Type | None:
    """The type of a built-in kind, None when Kubernetes itself does not have it."""
    entry = _data()["kinds"].get(f"{group}/{version}/{kind}")
    return definition(entry["type"]) if entry else None


def type_of(api_version: str, kind: str) -> Type:
    """The type of a built-in kind, `DEDUCED` for any other."""
    group, _, version = api_version.rpartition("/")
    return builtin_type(group, version, kind) or DEDUCED


@functools.cache
def _scopes() -> dict[tuple[str, str], Scope]:
    scopes: dict[tuple[str, str], Scope] = {}
    for gvk, entry in _data()["kinds"].items():
        group, _, kind = gvk.split("/")
        if "scope" in entry:
            scopes[group, kind] = entry["scope"]
    return scopes


def scope_of(group: str, kind: str) -> Scope | None:
    """Whether objects of a built-in kind live in a namespace; None when the kind is not built in."""
    return _scopes().get((group, kind))


def builtin_kinds() -> Mapping[str, Mapping[str, str]]:
    """`group/version/Kind` → {"type", and where a path serves it "scope" and "plural"}."""
    kinds: dict[str, dict[str, str]] = _data()["kinds"]
    return kinds


def custom_type(schema: Body | None) -> Type:
    """The type of a custom kind from its openAPIV3Schema (None: nobody described it).

    Rules: https://kubernetes.io/docs/reference/using-api/server-side-apply/#custom-resources-and-server-side-apply
    """
    if not schema:
        return _root(DEDUCED)
    return _root(_structural(schema))


def _root(described: Type) -> Type:
    meta = definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    string = _SCALAR_TYPES["string"]
    own = {"apiVersion": Field(string), "kind": Field(string), "metadata": Field(meta)}
    fields = {**described.fields, **own}
    undeclared = DEDUCED if described.kind == "any" else described.element
    return struct_type(lambda: fields, undeclared)


def _structural(schema: Body) -> Type:
    if schema.get("x-kubernetes-int-or-string"):
        return scalar_type("untyped", "intstr")
    match schema.get("type"):
        case "object":
            return _structural_object(schema)
        case "array":
            items = schema.get("items")
            element = _structural(items) if items else DEDUCED
            kind = schema.get("x-kubernetes-list-type", "atomic")
            return list_type(element, kind, tuple(schema.get("x-kubernetes-list-map-keys", ())))
        case "string" | "integer" | "number" | "boolean" as scalar:
            return scalar_type(_SCALARS[scalar], scalar)
        case _:
            return DEDUCED


def _structural_object(schema: Body) -> Type:
    properties: Body = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    if schema.get("x-kubernetes-embedded-resource"):
        properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, **properties}
    if extra and not properties:
        element = _structural(extra) if isinstance(extra, dict) else DEDUCED
        return map_type(element, atomic=atomic)
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or extra
    return struct_type(
        lambda: {name: Field(_structural(value), default=value.get("default")) for name, value in properties.items()},
        DEDUCED if open_ended else None,
        atomic=atomic,
    )
