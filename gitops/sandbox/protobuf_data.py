"""Makes `protobuf.json.xz`, the field numbers of the messages that clients send, from Kubernetes' .proto files.

    python -m gitops.sandbox.protobuf_data GO_MODULES_DIR

GO_MODULES_DIR is the folder that `gitops.manifests.schema_data` takes. Nothing here runs in the product.
"""

import json
import lzma
import re
import sys
from pathlib import Path

OUTPUT = Path(__file__).with_name("protobuf.json.xz")

FILES = {
    "io.k8s.apimachinery.pkg.apis.meta.v1": "apimachinery/pkg/apis/meta/v1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "apiextensions-apiserver/pkg/apis/apiextensions/v1",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": "kube-aggregator/pkg/apis/apiregistration/v1",
}

# Names that differ from the JSON ones.
RENAMED = {
    "uID": "uid",
    "aPIGroup": "apiGroup",
    "Webhooks": "webhooks",
    "Expression": "expression",
    "Name": "name",
    "schema": "$schema",
    "ref": "$ref",
    "xKubernetesEmbeddedResource": "x-kubernetes-embedded-resource",
    "xKubernetesIntOrString": "x-kubernetes-int-or-string",
    "xKubernetesListMapKeys": "x-kubernetes-list-map-keys",
    "xKubernetesListType": "x-kubernetes-list-type",
    "xKubernetesMapType": "x-kubernetes-map-type",
    "xKubernetesPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
    "xKubernetesValidations": "x-kubernetes-validations",
}
# In these messages only: `schema` and `ref` are plain names elsewhere.
_SCHEMA_ONLY = ("schema", "ref")

_MESSAGE = re.compile(r"^message (\w+) \{$(.*?)^\}$", re.M | re.S)
_FIELD = re.compile(r"^\s*(optional|repeated)?\s*(map<string, ([\w.]+)>|[\w.]+) (\w+) = (\d+);", re.M)


def main(arguments: list[str]) -> None:
    """Writes the data file beside this module."""
    root = Path(arguments[0])
    files = dict(FILES)
    for path in (root / "api").glob("*/v[12]/generated.proto"):
        group, version = path.parts[-3:-1]
        files[f"io.k8s.api.{group}.{version}"] = f"api/{group}/{version}"
    out = {}
    for package, folder in sorted(files.items()):
        text = re.sub(r"//.*", "", (root / folder / "generated.proto").read_text())
        for name, block in _MESSAGE.findall(text):
            out[f"{package}.{name}"] = {
                number: [_renamed(field, name), _shown(of_map or plain, package), _form(label, of_map)]
                for label, plain, of_map, field, number in _FIELD.findall(block)
            }
    data = json.dumps(out, sort_keys=True, separators=(",", ":")).encode()
    OUTPUT.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def _renamed(field: str, message: str) -> str:
    if field in _SCHEMA_ONLY and message != "JSONSchemaProps":
        return field
    return RENAMED.get(field, field)


def _form(label: str, of_map: str) -> str:
    return "map" if of_map else "list" if label == "repeated" else "one"


_PLAIN = ("string", "bool", "int32", "int64", "double", "bytes")


def _shown(name: str, package: str) -> str:
    """A field's type as the other data files name it."""
    if name in _PLAIN:
        return name
    if not name.startswith("."):
        return f"{package}.{name}"
    path, _, short = name.strip(".").rpartition(".")
    return "io." + path.replace("k8s.io.", "k8s.").replace("k8s.kube_aggregator", "k8s.kube-aggregator") + "." + short


if __name__ == "__main__":
    main(sys.argv[1:])
