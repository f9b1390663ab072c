"""Where an API server has the objects of a kind."""

from urllib.parse import quote

from gitops.manifests.key import ResourceKey
from gitops.manifests.names import bad_segment
from gitops.model.errors import ApiError
from gitops.model.kinds import KindInfo


def object_path(info: KindInfo, key: ResourceKey) -> str:
    return f"{collection_path(info, key.namespace)}/{_segment(key.name)}"


def collection_path(info: KindInfo, namespace: str) -> str:
    version, plural = _segment(info.version), _segment(info.plural)
    root = f"/apis/{_segment(info.group)}/{version}" if info.group else f"/api/{version}"
    inside = f"/namespaces/{_segment(namespace)}" if namespace and info.namespaced else ""
    return f"{root}{inside}/{plural}"


def _segment(text: str) -> str:
    """`text` as one segment of a path, whatever it holds: a name never leads to another object's path.

    Raises ApiError for what the API server has no object of, before anything is asked.
    """
    reason = bad_segment(text)
    if reason:
        raise ApiError(400, "BadRequest", f"invalid resource name {text[:100]!r}: {reason}")
    return quote(text, safe="")
