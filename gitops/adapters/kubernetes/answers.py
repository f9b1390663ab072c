"""What an API server answers, read with a bound and held against what it claims to be.

A proxy in between, a server that is not one, or one that a tenant registered may answer anything: an empty body,
`null`, another object, gigabytes. None of that may pass for "there is nothing": what is not as it was asked for is an
UnreachableError. What an object holds below its metadata is its kind's affair, and not looked at here.
"""

from typing import Any

import orjson

from gitops.adapters.kubernetes.client import aiohttp
from gitops.bounds import MIB
from gitops.manifests.key import Body, ResourceKey, group_of
from gitops.model.errors import UnreachableError
from gitops.model.kinds import KindInfo

# An API server stores objects of some 2 MiB; a list is asked for in pages.
MOST_ANSWER, MOST_EVENT, MOST_LOG = 32 * MIB, 8 * MIB, MIB
_EVENTS = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
_TEXTS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generateName", "namespace")
_TEXT_MAPS = ("labels", "annotations")
_OWNER_TEXTS = ("manager", "operation", "apiVersion", "time", "subresource", "fieldsType")


class TooLargeError(UnreachableError):
    """The answer is larger than what is read of one."""


class NotAsAskedError(ValueError):
    """An answer is not what it should be; the text says in what."""


async def read(content: aiohttp.StreamReader, most: int, *, cut: bool = False) -> bytes:
    """An answer's body; of one that is larger than `most` the beginning with `cut`, else TooLargeError."""
    found = bytearray()
    async for chunk in content.iter_any():
        found += chunk
        if len(found) > most:
            if cut:
                return bytes(found[:most])
            raise TooLargeError(f"an answer of more than the {most // MIB} MiB that are read")
    return bytes(found)


def decoded(raw: bytes) -> Body:
    """The JSON object that `raw` is. Raises NotAsAskedError."""
    if not raw:
        raise NotAsAskedError("an empty answer")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise NotAsAskedError("no JSON") from exc
    if not isinstance(body, dict):
        raise NotAsAskedError(f"{_shown(body)} where an object was expected")
    return body


def status_in(raw: bytes) -> Body:
    """The Status that an error's body is, with what is not of its type left out; {} where it is none."""
    try:
        return status_of(decoded(raw))
    except NotAsAskedError:
        return {}


# What the API server says where its own store does not answer it; other errors of code 500 are a webhook's, say.
_STORE_AWAY = ("etcdserver:", "rpc error: code = Unavailable")
# Groups behind an API server of their own, or whose objects a webhook may have to convert, have trouble of their own.
_OWN_GROUPS = ("apps", "autoscaling", "batch", "policy")


def is_away(path: str, code: int, raw: bytes) -> bool:
    """Whether an error of code `code` says nothing but that the server (or a proxy before it) cannot answer now."""
    status = status_in(raw)
    if code == 500 and status:
        return str(status.get("message", "")).startswith(_STORE_AWAY)
    if code not in (429, 500, 502, 503, 504):
        return False
    group = group_at(path)
    return not group or group in _OWN_GROUPS or (group.endswith(".k8s.io") and not group.endswith("metrics.k8s.io"))


def group_at(path: str) -> str:
    """The API group that a path is of, "" for the core."""
    root, _, rest = path.lstrip("/").partition("/")
    return rest.partition("/")[0] if root == "apis" else ""


def status_of(body: Body) -> Body:
    """The same of a body that is decoded already."""
    if body.get("kind") != "Status":
        return {}
    status = {name: body[name] for name in ("kind", "message", "reason", "status") if isinstance(body.get(name), str)}
    if isinstance(body.get("code"), int):
        status["code"] = body["code"]
    details = body.get("details")
    if isinstance(details, dict):
        causes = details.get("causes")
        listed = [_texts_of(cause) for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
        status["details"] = {**{name: value for name, value in details.items() if name != "causes"}, "causes": listed}
    return status


def check_object(body: Body, key: ResourceKey) -> None:
    """Raise NotAsAskedError unless `body` is the object `key`, or one that was made by a generated name."""
    metadata = _checked(body, key.kind, key.group)
    name, space = metadata["name"], metadata.get("namespace") or ""
    if key.name and (name, space) != (key.name, key.namespace):
        raise NotAsAskedError(f"{key.kind} {f'{space}/' if space else ''}{name} where {key} was asked for")


def page_items(page: Body, info: KindInfo) -> list[Body]:
    """The objects of a list, each with its kind, which a list says once for all. Raises NotAsAskedError."""
    kind, metadata, items = page.get("kind"), page.get("metadata"), page.get("items", 0)
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(metadata, dict):
        raise NotAsAskedError(f"{_shown(kind)} where a list of {info.kind} was expected")
    if not isinstance(metadata.get("resourceVersion"), str) or not metadata["resourceVersion"]:
        raise NotAsAskedError(f"a list of {info.kind} without a version")
    if not isinstance(metadata.get("continue") or "", str):
        raise NotAsAskedError(f"a list of {info.kind} that cannot be continued")
    if items is None:  # as Go writes a list that nothing was put into
        return []
    if not isinstance(items, list):
        raise NotAsAskedError(f"a list of {info.kind} without items")
    found = []
    for item in items:
        if not isinstance(item, dict):
            raise NotAsAskedError(f"{_shown(item)} in a list of {info.kind}")
        body = {"apiVersion": info.api_version, "kind": info.kind, **item}
        _checked(body, info.kind, info.group)
        found.append(body)
    return found


def check_event(event: Body, info: KindInfo) -> None:
    """Raise NotAsAskedError unless `event` is one of a watch of this kind."""
    body = event.get("object")
    if not isinstance(event.get("type"), str) or event["type"] not in _EVENTS or not isinstance(body, dict):
        raise NotAsAskedError(f"an event of type {_shown(event.get('type'))}")
    if event["type"] == "ERROR":
        return
    metadata = body.get("metadata")
    if event["type"] != "BOOKMARK":
        metadata = _checked(body, info.kind, info.group)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("resourceVersion"), str):
        raise NotAsAskedError("an event without a version")


def _checked(body: Body, kind: str, group: str) -> dict[str, Any]:
    """The metadata of an object of this kind, whose types are what everybody relies on."""
    api_version, metadata = body.get("apiVersion"), body.get("metadata")
    if body.get("kind") != kind or not isinstance(api_version, str) or group_of(api_version) != group:
        raise NotAsAskedError(f"{_shown(body.get('kind'))} where {kind} was expected")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise NotAsAskedError(f"{kind} without a name")
    wrong = next((name for name in metadata if not _is_typed(name, metadata[name])), None)
    if wrong is not None:
        raise NotAsAskedError(f"{kind} {metadata['name']}: metadata.{wrong} of another type")
    return metadata


def _is_typed(name: str, value: Any) -> bool:
    if value is None:
        return True
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _TEXT_MAPS:
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    if name == "ownerReferences":
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    if name == "managedFields":
        return isinstance(value, list) and all(isinstance(item, dict) and _is_owner(item) for item in value)
    if name == "finalizers":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return name != "generation" or isinstance(value, int)


def _is_owner(entry: dict[str, Any]) -> bool:
    """Whether an entry of managedFields has the form that the API gives it: a field set is objects all through."""
    if not all(isinstance(entry.get(name, ""), str) for name in _OWNER_TEXTS):
        return False
    left = [entry.get("fieldsV1") or {}]
    while left:
        one = left.pop()
        if not isinstance(one, dict):
            return False
        left.extend(one.values())
    return True


def _texts_of(cause: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in cause.items() if isinstance(value, str)}


def _shown(value: Any) -> str:
    """A value that should have been something else, in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value[:60]
    return {dict: "an object", list: "a list", bool: "true or false"}.get(type(value), "a number")
