"""Requests that ask instead of storing: access reviews, "who am I", and tokens."""

from gitops.manifests import structured_merge
from gitops.manifests.key import Body
from gitops.sandbox import access, writes
from gitops.sandbox.access import ANONYMOUS, Attributes
from gitops.sandbox.cluster import API_AUDIENCE, Cluster, User, Write


def answer(cluster: Cluster, write: Write, sent: Body) -> Body | None:
    """The answered review, None when the resource is not one."""
    review = _REVIEWS.get((write.resource.group, write.resource.plural))
    if review is None:
        return None
    body = structured_merge.update(
        writes.empty(write.resource),
        writes.read(write, sent),
        manager=write.manager,
        now=cluster.clock.stamp(),
        at=structured_merge.Endpoint(write.resource.type),
    )
    return {**body, "status": review(cluster, write, body.get("spec") or {})}


def _allowed(cluster: Cluster, user: User, spec: Body) -> Body:
    if (asked := spec.get("resourceAttributes")) is not None:
        wanted = Attributes(
            asked.get("verb", ""),
            asked.get("group", ""),
            asked.get("resource", ""),
            asked.get("subresource", ""),
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
    else:
        path = spec.get("nonResourceAttributes") or {}
        wanted = Attributes(path.get("verb", ""), path=path.get("path", ""))
    return {"allowed": access.authorized(cluster, user, wanted)}


def _self_access(cluster: Cluster, write: Write, spec: Body) -> Body:
    return _allowed(cluster, write.user, spec)


def _subject_access(cluster: Cluster, _write: Write, spec: Body) -> Body:
    return _allowed(cluster, User(spec.get("user", ""), tuple(spec.get("groups") or ())), spec)


def _self_rules(cluster: Cluster, write: Write, spec: Body) -> Body:
    rules = list(access.rules_for(cluster, write.user, spec.get("namespace", "")))
    if "system:masters" in write.user.groups:
        rules.extend(access.BOOTSTRAP_ROLES["cluster-admin"])
    return {
        "resourceRules": [rule for rule in rules if not rule.get("nonResourceURLs")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


def _self_subject(_cluster: Cluster, write: Write, _spec: Body) -> Body:
    return {"userInfo": {"username": write.user.name, "groups": list(write.user.groups)}}


def _token(cluster: Cluster, _write: Write, spec: Body) -> Body:
    """Whose a token is, and for which of the audiences that are asked for; without any, for the API server."""
    token, wanted = str(spec.get("token") or ""), spec.get("audiences") or [API_AUDIENCE]
    if token in cluster.bound_tokens:
        user, audiences = cluster.bound_tokens[token]
        _, _, namespace, name = user.name.split(":")
        is_there = cluster.storage.get(("", "serviceaccounts"), namespace, name) is not None
    else:
        user, audiences = cluster.tokens.get(token, ANONYMOUS), (API_AUDIENCE,)
        is_there = user is not ANONYMOUS
    common = [one for one in wanted if one in audiences]
    if not is_there or not common:
        return {"user": {}, "error": "[invalid bearer token, token is not valid for the audiences, or of nobody]"}
    groups = list(dict.fromkeys((*user.groups, "system:authenticated")))
    return {"authenticated": True, "user": {"username": user.name, "groups": groups}, "audiences": common}


_AUTHORIZATION = "authorization.k8s.io"

_REVIEWS = {
    (_AUTHORIZATION, "selfsubjectaccessreviews"): _self_access,
    (_AUTHORIZATION, "subjectaccessreviews"): _subject_access,
    (_AUTHORIZATION, "localsubjectaccessreviews"): _subject_access,
    (_AUTHORIZATION, "selfsubjectrulesreviews"): _self_rules,
    ("authentication.k8s.io", "selfsubjectreviews"): _self_subject,
    ("authentication.k8s.io", "tokenreviews"): _token,
}
