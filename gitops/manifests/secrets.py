"""What must never be seen in a diff, a log or an audit entry: the values of Secrets, and copies of them."""

from gitops.manifests.key import Body

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(hidden)"
_VALUES = ("data", "stringData")


def is_secret_path(body: Body, path: tuple[str, ...]) -> bool:
    """True when the field at `path` of `body` holds a Secret's value, or a copy of a whole Secret."""
    if body.get("kind") != "Secret" or body.get("apiVersion") != "v1" or not path:
        return False
    return path[0] in _VALUES or path[:3] == ("metadata", "annotations", LAST_APPLIED)


def masked(body: Body) -> Body:
    """`body` with every Secret value replaced; any other kind is given back as it is."""
    if body.get("kind") != "Secret" or body.get("apiVersion") != "v1":
        return body
    hidden = dict(body)
    for name in _VALUES:
        if isinstance(hidden.get(name), dict):
            hidden[name] = dict.fromkeys(hidden[name], HIDDEN)
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    if LAST_APPLIED in annotations:
        hidden["metadata"] = {**body["metadata"], "annotations": {**annotations, LAST_APPLIED: HIDDEN}}
    return hidden
