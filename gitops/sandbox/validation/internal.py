"""How an API server prints its own Go structs in errors about immutable fields: field by field, nothing left out.

The fields and their order are in `internal.json`, made by `internal_data` from Kubernetes' type declarations.
"""

import difflib
import functools
import json
from pathlib import Path
from typing import Any

from gitops.manifests.key import Body


@functools.cache
def _structs() -> dict[str, list[list[str]]]:
    structs: dict[str, list[list[str]]] = json.loads(Path(__file__).with_name("internal.json").read_text())
    return structs


_ZEROES: dict[str, Any] = {"string": "", "int": 0, "bool": False, "null": None, "quantity": "0"}


def dump(body: Any, struct: str) -> dict[str, Any]:
    """A published object as the server's own struct."""
    body = body or {}
    out: dict[str, Any] = {}
    for name, published, kind, target in _structs()[struct]:
        if published == ".":  # fields that the published form keeps one level up
            out[name] = dump(body, target)
        else:
            out[name] = _value(body.get(published), kind, target)
    return out


def _value(value: Any, kind: str, target: str) -> Any:
    match kind:
        case "struct":
            return dump(value, target)
        case "pointer":
            return None if value is None else dump(value, target)
        case "list":
            return None if not value else [dump(item, target) for item in value]
        case _:
            return _ZEROES.get(kind) if value in (None, [], {}) else value


def template(body: Body) -> dict[str, Any]:
    """A Pod template as the server prints it: its metadata in the published form, its spec in its own."""
    return {**(body.get("metadata") or {}), "Spec": pod_spec(body.get("spec") or {})}


def pod_spec(spec: Body) -> dict[str, Any]:
    """A Pod's spec in the server's own form, in which some of it belongs to the security context."""
    moved = {
        name: spec[name]
        for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
        if name in spec
    }
    if spec.get("securityContext") is not None or moved:
        spec = {**spec, "securityContext": {**(spec.get("securityContext") or {}), **moved}}
    return dump(spec, "PodSpec")


def difference(before: Body, after: Body, struct: str) -> str:
    """The lines that differ between two objects in the server's own form, three lines of context around them."""
    make = pod_spec if struct == "PodSpec" else functools.partial(dump, struct=struct)
    texts = [json.dumps(make(body), indent=1, ensure_ascii=False).splitlines() for body in (before, after)]
    lines = list(difflib.unified_diff(texts[0], texts[1], lineterm="", n=3))
    return "".join(line + "\n" for line in lines[2:])
