"""Makes `schema.json.xz`, the facts about built-in kinds that `schema` reads, from Kubernetes' own published sources.

    python -m gitops.manifests.schema_data OPENAPI_V2.json.gz GO_MODULES_DIR

OPENAPI_V2 is what an API server answers at /openapi/v2: types, list keys, patch strategies, scopes. It does not tell
which fields a server writes when they are empty, so that is read from the Go declarations of the same release:
GO_MODULES_DIR holds the modules api, apimachinery, apiextensions-apiserver and kube-aggregator.
Nothing here runs in the product.
"""

import gzip
import json
import lzma
import re
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).with_name("schema.json.xz")

# Where the Go declarations of a definition's package lie.
PACKAGES = (
    ("io.k8s.api.", "api", 0),
    ("io.k8s.apimachinery.pkg.apis.meta.v1", "apimachinery/pkg/apis/meta/v1", 1),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
        "apiextensions-apiserver/pkg/apis/apiextensions/v1",
        1,
    ),
    ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1", "kube-aggregator/pkg/apis/apiregistration/v1", 1),
)

# The defaults of list-map keys that server-side apply knows (the v2 document leaves defaults out).
KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.LocalObjectReference", "name"): "",
}

SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}

_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.M | re.S)
_NAMED = re.compile(r"^type (\w+) (map\[|\[\]|string|int32|int64|bool)", re.M)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?(\S+)\s+`[^`]*json:\"([^\"]*)\"")


class GoTypes:
    """The struct declarations of one Go package: for each, its JSON fields with the Go type and the tag's options."""

    def __init__(self, folder: Path) -> None:
        text = "\n".join(path.read_text() for path in sorted(folder.glob("*types*.go")))
        self.named = dict(_NAMED.findall(text))
        self.structs = {name: self._fields(block) for name, block in _STRUCT.findall(text)}

    @staticmethod
    def _fields(block: str) -> list[tuple[str, str, list[str]]]:
        found = []
        for line in block.splitlines():
            if match := _FIELD.match(line):
                json_name, *options = match[3].split(",")
                found.append((json_name, match[2], options))
        return found

    def wire_flags(self, struct: str) -> dict[str, str]:
        """How each field of `struct` is written: see `schema.Type.wire`."""
        flags: dict[str, str] = {}
        for name, go_type, options in self.structs.get(struct, []):
            if not name:
                flags.update(self.wire_flags(go_type.rpartition(".")[2]))
            elif name != "-":
                flags[name] = self._flag(go_type, options)
        return flags

    def _flag(self, go_type: str, options: list[str]) -> str:
        if go_type.startswith(("map[", "[]")):
            return "omitempty" if "omitempty" in options else "always"
        if go_type.startswith("*"):
            return "pointer" if "omitempty" in options else "null"
        bare = go_type.rpartition(".")[2]
        is_struct = bare in self.structs or (
            "." in go_type and bare in ("Time", "MicroTime", "ObjectMeta", "ListMeta", "LabelSelector")
        )
        if bare in ("Quantity", "IntOrString", "RawExtension", "Time", "MicroTime") or is_struct:
            return "value" if "omitzero" in options else "struct"
        if "omitzero" in options:
            return "value"
        return "omitempty" if "omitempty" in options else "always"


def field_of(schema: dict[str, Any]) -> dict[str, Any]:
    """One property of the document, reduced to what merging, patching and decoding need."""
    out: dict[str, Any] = {}
    ref = schema.get("$ref", "").removeprefix("#/definitions/")
    if ref in SCALARS:
        out["t"] = SCALARS[ref]
    elif ref:
        out["ref"] = ref
    elif schema.get("type") == "array":
        out["t"] = "array"
        out["items"] = field_of(schema["items"])
    elif schema.get("type") == "object":
        out["t"] = "object" if "additionalProperties" in schema else "any"
        if "additionalProperties" in schema:
            out["values"] = field_of(schema["additionalProperties"])
    else:
        out["t"] = "bytes" if schema.get("format") == "byte" else schema.get("type", "any")
        if schema.get("format") in ("int32", "int64", "double"):
            out["format"] = schema["format"]
    for key, short in (
        ("x-kubernetes-list-type", "list"),
        ("x-kubernetes-list-map-keys", "keys"),
        ("x-kubernetes-map-type", "map"),
        ("x-kubernetes-patch-strategy", "patch"),
        ("x-kubernetes-patch-merge-key", "mergeKey"),
        ("enum", "enum"),
    ):
        if key in schema:
            out[short] = schema[key]
    return out


def types_of(document: dict[str, Any], modules: Path) -> dict[str, Any]:
    """Every struct definition: {"fields": {name: field}, "map": relationship}."""
    packages: dict[str, GoTypes] = {}
    types = {}
    for name, schema in document["definitions"].items():
        if name in SCALARS:
            continue
        fields = {prop: field_of(value) for prop, value in schema.get("properties", {}).items()}
        for prop, flag in wire_of(name, modules, packages).items():
            if prop in fields:
                # Only the document tells that a type of another Go package is a struct; omitempty never omits one.
                is_struct = "ref" in fields[prop] and flag in ("always", "omitempty")
                fields[prop]["wire"] = "struct" if is_struct else flag.replace("omitempty", "value")
        for (owner, prop), default in KEY_DEFAULTS.items():
            if owner == name:
                fields[prop]["default"] = default
        types[name] = {"fields": fields}
        if "x-kubernetes-map-type" in schema:
            types[name]["map"] = schema["x-kubernetes-map-type"]
    return types


def wire_of(definition: str, modules: Path, packages: dict[str, GoTypes]) -> dict[str, str]:
    """The wire flags of one definition, from the Go package that declares it."""
    package, _, struct = definition.rpartition(".")
    for prefix, folder, exact in PACKAGES:
        if package == prefix or (not exact and package.startswith(prefix)):
            path = folder if exact else folder + "/" + package.removeprefix(prefix).replace(".", "/")
            if path not in packages:
                packages[path] = GoTypes(modules / path)
            return packages[path].wire_flags(struct)
    return {}


def kinds_of(document: dict[str, Any]) -> dict[str, Any]:
    """`group/version/Kind` → {"type": definition, "scope", "plural"}; the last two where a path serves it."""
    kinds: dict[str, Any] = {}
    for name, schema in document["definitions"].items():
        gvks = schema.get("x-kubernetes-group-version-kind", [])
        if len(gvks) == 1:
            gvk = gvks[0]
            kinds[f"{gvk['group']}/{gvk['version']}/{gvk['kind']}"] = {"type": name}
    for path, item in document["paths"].items():
        operation = item.get("post")
        if not operation or path.endswith("}") or "/watch/" in path:
            continue
        gvk = operation.get("x-kubernetes-group-version-kind")
        tail = path.split("/{namespace}/")[-1] if "/{namespace}/" in path else path.rpartition("/")[2]
        if not gvk or "/" in tail:
            continue
        entry = kinds.get(f"{gvk['group']}/{gvk['version']}/{gvk['kind']}")
        if entry is not None:
            entry["plural"] = tail
            entry["scope"] = "Namespaced" if "{namespace}" in path else "Cluster"
    return kinds


def main(arguments: list[str]) -> None:
    """Writes the data file beside this module."""
    document = json.loads(gzip.decompress(Path(arguments[0]).read_bytes()))
    data = {
        "version": document["info"]["version"],
        "types": types_of(document, Path(arguments[1])),
        "kinds": kinds_of(document),
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    OUTPUT.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(sys.argv[1:])
