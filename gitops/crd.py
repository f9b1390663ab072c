"""The CustomResourceDefinition of Application, made from `gitops.model.application`: `python -m gitops.crd > FILE`.

The dataclasses are the schema of `spec`; what `gitops.config` demands beyond them (durations, names, what must be
there) is demanded here too. `status` is what the controller reports.
"""

import dataclasses
import inspect
import sys
import typing
from typing import Any

from gitops.config import API_VERSION
from gitops.fields_reader import (
    DURATION,
    LONGEST,
    MOST_DURATION,
    MOST_ITEMS,
    MOST_NUMBER,
    MOST_TEXT,
    SECONDS,
)
from gitops.manifests.names import LABEL_NAME
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application
from gitops.model.patterns import BUCKET_ADDRESS

Schema = dict[str, Any]

_GROUP, _, _VERSION = API_VERSION.partition("/")
# The application's identity is given by its metadata.
_IDENTITY = ("name", "namespace", "labels")
_NEEDED = {"Application": ("destination",), "SourceSpec": ("repoURL",), "Destination": ("namespace",)}
# What one field says of another.
_RULES = {
    "Application": [
        {
            "rule": "has(self.source) != (has(self.sources) && size(self.sources) > 0)",
            "message": "an Application has either one source or several sources",
        },
        {
            "rule": "!has(self.sources) || self.sources.all(one, !has(one.ref) || one.ref == '' || "
            "self.sources.exists_one(other, has(other.ref) && other.ref == one.ref))",
            "message": "two sources have one ref",
        },
        {
            "rule": "!has(self.sources) || size(self.sources) == 0 || self.sources.exists(one, "
            "!has(one.ref) || one.ref == '' || (has(one.chart) && one.chart != '') || "
            "(has(one.path) && !(one.path in ['', '.'])))",
            "message": "none of the sources is rendered: leave out a ref, or name a path or a chart",
        },
        {
            "rule": "!has(self.source) || !has(self.source.include) || size(self.source.include) == 0",
            "message": "source.include: is among several sources; write them under sources",
        },
        {
            "rule": "!has(self.readyExpr) || self.readyExpr.all(name, has(self.dependsOn) && name in self.dependsOn)",
            "message": "readyExpr: an expression is for an Application that is among dependsOn",
        },
    ],
    "Destination": [
        {
            "rule": "!has(self.cluster) || self.cluster == '' || !has(self.kubeConfig) || "
            "!has(self.kubeConfig.secretRef) || self.kubeConfig.secretRef == ''",
            "message": "it has either a cluster or a kubeConfig",
        },
    ],
    "Verify": [
        {
            "rule": "!has(self.provider) || self.provider == '' || (has(self.secretRef) && self.secretRef != '')",
            "message": "secretRef is missing: name a Secret with public keys (*.pub)",
        },
    ],
    "KubeConfig": [
        {
            "rule": "!has(self.key) || self.key == '' || (has(self.secretRef) && self.secretRef != '')",
            "message": "key: is an entry of a Secret, which secretRef names",
        },
    ],
    "SourceSpec": [
        {
            "rule": "!has(self.chart) || self.chart == '' || self.repoURL.matches('^(https?|oci)://')",
            "message": "charts come from https://HOST/PATH or oci://HOST/PATH",
        },
        {
            "rule": "!has(self.chart) || self.chart == '' || !has(self.path) || self.path in ['', '.']",
            "message": "a chart of a repository is rendered as a whole; leave path out",
        },
        {
            "rule": "self.repoURL.startsWith('oci://') || !has(self.verify) || !("
            "(has(self.verify.provider) && self.verify.provider != '') || "
            "(has(self.verify.secretRef) && self.verify.secretRef != ''))",
            "message": "verify: signatures are those of a registry: repoURL is no oci://HOST/PATH",
        },
        {
            "rule": f"!self.repoURL.startsWith('s3://') || self.repoURL.matches('^{BUCKET_ADDRESS}$')",
            "message": "a bucket is at s3://ENDPOINT/BUCKET (a prefix is named in bucket)",
        },
        {
            "rule": "!self.repoURL.startsWith('s3://') || !has(self.targetRevision) || self.targetRevision == ''",
            "message": "targetRevision: a bucket is read as it is now; leave it out",
        },
        {
            "rule": "self.repoURL.startsWith('s3://') || !has(self.bucket) || !("
            "(has(self.bucket.region) && self.bucket.region != '') || "
            "(has(self.bucket.prefix) && self.bucket.prefix != '') || "
            "(has(self.bucket.insecure) && self.bucket.insecure))",
            "message": "bucket: is for a bucket: repoURL is no s3://ENDPOINT/BUCKET",
        },
    ],
}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_UNITS = (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))

_LONGEST = f"{LONGEST / 3600:.0f}h"
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_COUNT: Schema = {"type": "integer", "format": "int64"}
_COLUMNS = (
    ("Sync", "string", ".status.sync.status"),
    ("Health", "string", ".status.health.status"),
    ("Revision", "string", ".status.sync.revision"),
    ("Age", "date", ".metadata.creationTimestamp"),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message'),
)


def definition() -> Schema:
    """The whole CustomResourceDefinition."""
    version = {
        "name": _VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [{"name": name, "type": kind, "jsonPath": path} for name, kind, path in _COLUMNS],
    }
    names = {
        "kind": "Application",
        "listKind": "ApplicationList",
        "plural": "applications",
        "singular": "application",
        "shortNames": ["gapp"],
        "categories": ["gitops"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"applications.{_GROUP}"},
        "spec": {"group": _GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _root() -> Schema:
    name = {"type": "string", "maxLength": LABEL_NAME.longest, "pattern": f"^{LABEL_NAME.pattern}$"}
    return {
        "type": "object",
        "description": _description(Application),
        "required": ["spec"],
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": _object(Application),
            "status": _status(),
        },
    }


def _object(kind: type) -> Schema:
    """A dataclass: every field but the identity."""
    hints = typing.get_type_hints(kind, include_extras=True)
    needed = _NEEDED.get(kind.__name__, ())
    properties: Schema = {}
    required = list(needed)
    for field in dataclasses.fields(kind):
        if kind is Application and field.name in _IDENTITY:
            continue
        schema = _value(hints[field.name], (kind.__name__, field.name))
        if field.default is field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif field.name in needed and schema["type"] == "string":
            schema = {**schema, "minLength": 1}
        elif isinstance(field.default, (str, bool, int, float)) and field.default != "":
            is_duration = (kind.__name__, field.name) in SECONDS
            schema = {**schema, "default": _duration(float(field.default)) if is_duration else field.default}
        properties[field.name] = schema
    found: Schema = {"type": "object", "description": _description(kind), "properties": properties}
    if kind.__name__ in _RULES:
        found = {**found, "x-kubernetes-validations": _RULES[kind.__name__]}
    return {**found, "required": sorted(required)} if required else found


def _value(hint: Any, place: tuple[str, str]) -> Schema:
    if place in SECONDS:
        rules = [{"rule": f"duration(self) <= duration('{_LONGEST}')", "message": f"at most {_LONGEST}"}]
        if place == ("Window", "duration"):
            rules.append({"rule": "duration(self) > duration('0s')", "message": "more than no time at all"})
        text = {"type": "string", "maxLength": MOST_DURATION, "pattern": f"^{DURATION.pattern}$"}
        return {**text, "x-kubernetes-validations": rules}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        _, text = typing.get_args(hint)
        return {"type": "string", "maxLength": text.longest, "pattern": text.whole}
    if origin is typing.Literal:
        return {"type": "string", "enum": list(typing.get_args(hint))}
    if origin is tuple:
        return {"type": "array", "maxItems": MOST_ITEMS, "items": _value(typing.get_args(hint)[0], ("", ""))}
    if origin is dict and typing.get_args(hint)[1] is not Any:
        items = _value(typing.get_args(hint)[1], ("", ""))
        return {"type": "object", "maxProperties": MOST_ITEMS, "additionalProperties": items}
    if origin is dict:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if hint is str:
        return {"type": "string", "maxLength": MOST_TEXT}
    limits = {} if hint is bool else {"minimum": 0, "maximum": MOST_NUMBER}
    return {"type": _TYPES[hint], **limits}


def _duration(seconds: float) -> str:
    """600.0 → "10m": the largest unit of which it is a whole number."""
    unit, size = next(pair for pair in _UNITS if (seconds / pair[1]).is_integer())
    return f"{seconds / size:.0f}{unit}"


def _description(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _status() -> Schema:
    condition = _map(
        type={"type": "string", "enum": ["Ready", "Reconciling", "Stalled"]},
        status={"type": "string", "enum": ["True", "False", "Unknown"]},
        reason=_TEXT,
        message=_TEXT,
        lastTransitionTime=_TIME,
        observedGeneration=_COUNT,
    )
    return _map(
        observedGeneration=_COUNT,
        sync=_map(status={"type": "string", "enum": ["Synced", "OutOfSync", "Unknown"]}, revision=_TEXT, ref=_TEXT),
        health=_map(status=_TEXT, message=_TEXT),
        lastSync=_map(outcome=_TEXT, revision=_TEXT, at=_TIME, message=_TEXT),
        drift=_COUNT,
        suspended={"type": "boolean"},
        plan=_TEXT,
        quarantine=_map(revision=_TEXT, reason=_TEXT),
        conditions={
            "type": "array",
            "items": {**condition, "required": ["type", "status"]},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )


def _map(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


if __name__ == "__main__":
    sys.stdout.write("# Made by `make crd` from gitops/model/application.py.\n" + write_manifests([definition()]))
