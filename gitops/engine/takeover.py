"""Ownership moves to us before an apply, so that a field that is not in Git leaves the cluster too.

An object first made by client-side apply has its fields owned by an Update entry of that tool; a server-side apply
adds an owner, and removing a field then only removes one of two. As kubectl's own upgrade does (client-go csaupgrade),
the old entry's fields become ours before the first apply.
"""

from collections.abc import Callable, Iterable

from gitops.engine.predict import FIELD_MANAGER
from gitops.manifests import fields
from gitops.manifests.fields import FieldSet
from gitops.manifests.key import Body, version_of

# `kubectl rollout restart` is an act, not a state: to take it back would restart everything once more.
_ACTS: FieldSet = {
    "f:spec": {
        "f:template": {
            "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}},
        }
    }
}
_CLIENT_SIDE = {"kubectl-client-side-apply", "before-first-apply"}
_SERVER_SIDE = "kubectl"
_OTHER_TOOLS = {"argocd-controller", "argocd-application-controller", "kustomize-controller", "helm-controller", "helm"}


def owners_after_takeover(live: Body, moves: Callable[[Body], FieldSet], more: FieldSet) -> list[Body] | None:
    """The managedFields in which what `moves` of each entry, and `more`, is ours; None where nothing moves."""
    ours: Body | None = None
    owned, others, source = more, [], None
    for entry in _entries(live):
        moved: FieldSet = {} if entry.get("subresource") or _is_ours(entry) else moves(entry)
        if _is_ours(entry):
            ours = entry
            owned = fields.union(owned, entry.get("fieldsV1") or {})
        elif not fields.difference(moved, _ACTS):
            others.append(entry)
        else:
            source = entry
            owned = fields.union(owned, fields.difference(moved, _ACTS))
            if left := fields.difference(entry["fieldsV1"], moved):
                others.append({**entry, "fieldsV1": left})
    if source is None and not more:
        return None
    identity = {"manager": FIELD_MANAGER, "operation": "Apply"}
    fresh = {"apiVersion": live["apiVersion"], "fieldsType": "FieldsV1"}
    return [{**(ours or {**(source or fresh), **identity}), "fieldsV1": owned}, *others]


def at_served_versions(live: Body, served: frozenset[str], version: str) -> Body:
    """`live` with every owner's entry at a version that is served; `live` itself where they all are.

    A definition that drops the version of one entry leaves an object that nobody can apply to any more: the API server
    cannot convert that entry. Its fields mostly have the same names in `version` (GROUP/VERSION), that of the manifest.
    """
    entries = _entries(live)
    at = [entry if version_of(entry.get("apiVersion") or version) in served else None for entry in entries]
    if None not in at:
        return live
    moved = [found or {**entry, "apiVersion": version} for found, entry in zip(at, entries, strict=True)]
    return with_owners(live, moved)


def is_at_another_version(live: Body, version: str) -> str:
    """The version at which our own entry was written, if that is not `version` (GROUP/VERSION); else ""."""
    ours = next((entry for entry in _entries(live) if _is_ours(entry)), None)
    found = str(ours.get("apiVersion") or "") if ours is not None else ""
    return found if found != version else ""


def with_owners(live: Body, entries: list[Body]) -> Body:
    return {**live, "metadata": {**live["metadata"], "managedFields": entries}}


def owners_again(owners: Iterable[Body], before: Body, live: Body) -> list[Body] | None:
    """`owners`, made for the object as it was `before`, for the object as it is `live`: statuses move on all the time.

    None where a manager of other fields has come in between, for whom they were not made.
    """
    if _of_fields(_entries(before)) != _of_fields(_entries(live)):
        return None
    return [*_of_fields(owners), *(entry for entry in _entries(live) if entry.get("subresource"))]


def _entries(body: Body) -> list[Body]:
    return (body.get("metadata") or {}).get("managedFields") or []


def _of_fields(entries: Iterable[Body]) -> list[Body]:
    return [entry for entry in entries if not entry.get("subresource")]


def is_of_kubectl_apply(entry: Body) -> bool:
    """True for what `kubectl apply` owns, in the client (an Update) or with --server-side (an Apply)."""
    wanted = "Apply" if entry.get("manager") == _SERVER_SIDE else "Update"
    return entry.get("manager") in (*_CLIENT_SIDE, _SERVER_SIDE) and entry.get("operation") == wanted


def is_of_other_tool(entry: Body) -> bool:
    """True for what Argo CD, Flux or Helm own: whoever adopts an object says that they have given it up."""
    return entry.get("manager") in _OTHER_TOOLS


def _is_ours(entry: Body) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
