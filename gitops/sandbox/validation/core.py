"""Rules of the core group but for Pods and Services. They are those of k8s.io/kubernetes/pkg/apis/core/validation."""

import base64
import json

from gitops.manifests.key import Body
from gitops.manifests.quantity import parse
from gitops.manifests.typed import same
from gitops.sandbox.go_errors import go_json_error
from gitops.sandbox.statuses import (
    forbidden_field,
    invalid,
    not_supported,
    required,
    too_long,
)
from gitops.sandbox.validation.checks import (
    IMMUTABLE,
    Errors,
    immutable,
    one_of,
    quantities,
)
from gitops.sandbox.validation.internal import difference
from gitops.sandbox.validation.metadata import is_config_key, is_subdomain

_LARGEST = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


def config_map(body: Body, old: Body | None) -> Errors:
    if old is not None and old.get("immutable"):
        if not body.get("immutable"):
            yield forbidden_field("immutable", _FROZEN)
        for name in ("data", "binaryData"):
            if not same(body.get(name), old.get(name)):
                yield forbidden_field(name, _FROZEN)
    data, binary = body.get("data") or {}, body.get("binaryData") or {}
    for key in sorted(data):
        yield from (invalid(f"data[{key}]", key, text) for text in is_config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in sorted(binary):
        yield from (invalid(f"binaryData[{key}]", key, text) for text in is_config_key(key))
    size = sum(len(value.encode()) for value in data.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > _LARGEST:
        yield too_long("", _LARGEST)


# What a Secret of each type must hold.
_SECRET_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def secret(body: Body, old: Body | None) -> Errors:
    kind, data = body.get("type", "Opaque"), body.get("data") or {}
    if old is not None:
        yield from immutable(kind, old.get("type", "Opaque"), "type")
        if old.get("immutable"):
            if not body.get("immutable"):
                yield forbidden_field("immutable", _FROZEN)
            if not same(body.get("data"), old.get("data")):
                yield forbidden_field("data", _FROZEN)
    for key in sorted(data):
        yield from (invalid(f"data[{key}]", key, text) for text in is_config_key(key))
    if sum(len(value or "") * 3 // 4 for value in data.values()) > _LARGEST:
        yield too_long("data", _LARGEST)
    for key in _SECRET_KEYS.get(kind, ()):
        if not data.get(key) and (kind != "kubernetes.io/tls" or key not in data):
            yield required(f"data[{key}]")
        elif kind.startswith("kubernetes.io/docker"):
            yield from _is_json(data[key], f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not (body["metadata"].get("annotations") or {}).get(name):
            yield required(f"metadata.annotations[{name}]")


def _is_json(encoded: str, at: str) -> Errors:
    text = base64.b64decode(encoded).decode(errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        yield invalid(at, "<secret contents redacted>", go_json_error(text, error.pos))


# --- storage ------------------------------------------------------------------------------------------------------

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def _access_modes(modes: list[str], at: str) -> Errors:
    for mode in modes:
        yield from one_of(mode, _ACCESS_MODES, at)


def claim(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    yield from _access_modes(spec.get("accessModes") or [], "spec.accessModes")
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif parse(storage) <= 0:
        yield invalid("spec.resources[storage]", storage, "must be greater than zero")
    if name := spec.get("storageClassName"):
        yield from (invalid("spec.storageClassName", name, text) for text in is_subdomain(name))
    yield from one_of(spec.get("volumeMode"), ("Block", "Filesystem"), "spec.volumeMode")
    if old is not None:
        yield from _claim_update(spec, old)


def _claim_update(spec: Body, old: Body) -> Errors:
    before = old["spec"]
    munged = dict(spec)
    if "storageClassName" not in before and not before.get("volumeName") and munged.get("storageClassName"):
        del munged["storageClassName"]
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if not before.get("volumeName"):
        munged.pop("volumeName", None)
    if bound:
        munged["resources"] = before.get("resources", {})
    if "volumeAttributesClassName" in munged and bound:
        munged.pop("volumeAttributesClassName")
    if not same(munged, before):
        free = "resources.requests and volumeAttributesClassName for bound claims"
        text = f"spec is immutable after creation except {free}\n"
        yield forbidden_field("spec", text + difference(before, munged, "PersistentVolumeClaimSpec"))
    sizes = [((each.get("resources") or {}).get("requests") or {}).get("storage", "0") for each in (spec, before)]
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    if parse(sizes[0]) < parse(sizes[1]) and parse(sizes[0]) <= parse(capacity or "0"):
        yield forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity")


_NO_SOURCE = frozenset(
    {
        *("accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy"),
        *("storageClassName", "volumeMode", "volumeAttributesClassName"),
    }
)


def volume(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    yield from _access_modes(spec.get("accessModes") or [], "spec.accessModes")
    if not spec.get("capacity"):
        yield required("spec.capacity")
    elif "storage" not in spec["capacity"] or len(spec["capacity"]) > 1:
        yield not_supported("spec.capacity", spec["capacity"], ("storage",))
    yield from quantities(spec.get("capacity"), "spec.capacity")
    policies = ("Delete", "Recycle", "Retain")
    yield from one_of(spec.get("persistentVolumeReclaimPolicy"), policies, "spec.persistentVolumeReclaimPolicy")
    sources = [{name: value for name, value in spec.items() if name not in _NO_SOURCE}]
    if not sources[0]:
        yield required("spec", "must specify a volume type")
    for extra in list(sources[0])[1:]:
        yield forbidden_field(f"spec.{extra}", "may not specify more than 1 volume type")
    if old is not None:
        before = {name: value for name, value in old["spec"].items() if name not in _NO_SOURCE}
        if not same(sources[0], before):
            yield forbidden_field(
                "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
            )
        yield from immutable(spec.get("volumeMode"), old["spec"].get("volumeMode"), "spec.volumeMode")


# --- limits -------------------------------------------------------------------------------------------------------


def resource_quota(body: Body, old: Body | None) -> Errors:
    yield from quantities(body["spec"].get("hard"), "spec.hard")
    if old is not None and not same(body["spec"].get("scopes"), old["spec"].get("scopes")):
        yield invalid("spec.scopes", body["spec"].get("scopes"), IMMUTABLE)


def limit_range(body: Body, _old: Body | None) -> Errors:
    for index, item in enumerate(body["spec"].get("limits") or ()):
        at = f"spec.limits[{index}]"
        if not item.get("type"):
            yield required(f"{at}.type")
        low, high = item.get("min") or {}, item.get("max") or {}
        for name in sorted(low.keys() & high.keys()):
            if parse(low[name]) > parse(high[name]):
                yield invalid(
                    f"{at}.min[{name}]", low[name], f"min value {low[name]} is greater than max value {high[name]}"
                )
        for name, value in sorted((item.get("default") or {}).items()):
            if name in high and parse(value) > parse(high[name]):
                yield invalid(
                    f"{at}.default[{name}]", high[name], f"default value {value} is greater than max value {high[name]}"
                )
            request = (item.get("defaultRequest") or {}).get(name)
            if request is not None and parse(request) > parse(value):
                text = f"default request value {request} is greater than default limit value {value}"
                yield invalid(f"{at}.defaultRequest[{name}]", request, text)


def event(body: Body, _old: Body | None) -> Errors:
    involved, namespace = body.get("involvedObject") or {}, body["metadata"].get("namespace", "")
    home = involved.get("namespace", "")
    if home and home != namespace:
        yield invalid("involvedObject.namespace", home, "does not match event.namespace")
    if not home and namespace not in ("default", "kube-system"):
        yield invalid("involvedObject.namespace", home, "does not match event.namespace")
