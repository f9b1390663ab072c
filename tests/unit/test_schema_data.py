"""What the facts about built-in kinds are made of: the published document and the Go declarations of one release."""

from gitops.manifests.schema_data import kinds_of, types_of

PART, PORT = "io.k8s.api.core.v1.Part", "io.k8s.api.core.v1.ContainerPort"
GO = """
type Part struct {
\tmetav1.TypeMeta `json:",inline"`
\tLabels map[string]string `json:"labels,omitempty"`
\tPorts []ContainerPort `json:"ports"`
\tFirst ContainerPort `json:"first,omitempty"`
\tSize *int32 `json:"size,omitempty"`
\tLimit *int32 `json:"limit"`
\tWord string `json:"word,omitempty"`
\tName string `json:"name"`
}
type ContainerPort struct {
\tProtocol string `json:"protocol,omitempty"`
}
"""
NUMBER = {"type": "integer", "format": "int32"}
PORTS = {
    "type": "array",
    "items": {"$ref": f"#/definitions/{PORT}"},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["protocol"],
}
DOCUMENT = {
    "definitions": {
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
        PART: {
            "properties": {
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "ports": PORTS,
                "first": {"$ref": f"#/definitions/{PORT}"},
                "size": NUMBER,
                "limit": NUMBER,
                "word": {"type": "string"},
                "name": {"type": "string"},
                "data": {"type": "string", "format": "byte"},
                "free": {"type": "object"},
                "memory": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"},
            },
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Part"}],
            "x-kubernetes-map-type": "atomic",
        },
        PORT: {"properties": {"protocol": {"type": "string"}}},
    },
    "paths": {},
}


def test_types_are_made_of_the_document_and_of_what_go_writes_when_it_is_empty(tmp_path):
    folder = tmp_path / "api" / "core" / "v1"
    folder.mkdir(parents=True)
    (folder / "types.go").write_text(GO)
    found = types_of(DOCUMENT, tmp_path)
    assert found[PART] == {
        "fields": {
            "labels": {"t": "object", "values": {"t": "string"}, "wire": "value"},
            "ports": {"t": "array", "items": {"ref": PORT}, "list": "map", "keys": ["protocol"], "wire": "always"},
            "first": {"ref": PORT, "wire": "struct"},
            "size": {"t": "integer", "format": "int32", "wire": "pointer"},
            "limit": {"t": "integer", "format": "int32", "wire": "null"},
            "word": {"t": "string", "wire": "value"},
            "name": {"t": "string", "wire": "always"},
            "data": {"t": "bytes"},
            "free": {"t": "any"},
            "memory": {"t": "quantity"},
        },
        "map": "atomic",
    }
    assert found[PORT] == {"fields": {"protocol": {"t": "string", "wire": "value", "default": "TCP"}}}
    assert set(found) == {PART, PORT}


def test_the_scope_of_a_kind_is_that_of_the_path_where_it_is_made():
    kind = {"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "Part"}}
    of_namespaces = {"/api/v1/parts": {"get": kind}, "/api/v1/namespaces/{namespace}/parts": {"post": kind}}
    assert kinds_of(DOCUMENT) == {"/v1/Part": {"type": PART}}
    beside = "/api/v1/namespaces/{namespace}/parts"
    others = {f"{beside}/{{name}}": {"post": kind}, f"{beside}/x/eviction": {"post": kind}, "/api/v1/all": {"post": {}}}
    of_namespaces = {**others, **of_namespaces}
    for paths, scope in ((of_namespaces, "Namespaced"), ({"/api/v1/parts": {"post": kind}}, "Cluster")):
        found = kinds_of({**DOCUMENT, "paths": paths})
        assert found == {"/v1/Part": {"type": PART, "plural": "parts", "scope": scope}}
