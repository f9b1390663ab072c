"""What Flux's custom resources are told of themselves: conditions as Flux's own controllers write them.

So `flux get`, `kubectl wait` and whoever waits for a Kustomization go on working.
"""

from typing import Final

from gitops.controller.snapshot import ApplicationSnapshot
from gitops.engine.states import Response
from gitops.manifests.key import Body, ResourceKey
from gitops.model.health import Health
from gitops.model.revision import Revision, short
from gitops.model.source_name import is_oci

_MOST_TEXT: Final = 1024
_FAILED: Final = {"Kustomization": "ReconciliationFailed", "HelmRelease": "UpgradeFailed"}
_DONE: Final = {"Kustomization": "ReconciliationSucceeded", "HelmRelease": "UpgradeSucceeded"}


def flux_status(kind: str, seen: ApplicationSnapshot, generation: int, requested_at: str, before: Body) -> Body:
    """The status of a Kustomization or a HelmRelease; times of conditions are filled in when it is written.

    What was applied last, and of what that is made, stays as it was `before` until something else has been applied.
    """
    is_synced = seen.sync == "Synced" and seen.last.response is not Response.HELD and not seen.problem
    is_busy = seen.is_busy or seen.last.response is None
    revision = _revision_of(seen)
    word = "True" if is_synced and not is_busy else "Unknown" if is_busy and not seen.problem else "False"
    told = seen.problem or seen.last.message or f"Applied revision: {revision}"
    message = "Reconciliation in progress" if word == "Unknown" else told[:_MOST_TEXT]
    reason = _DONE[kind] if word == "True" else "Progressing" if word == "Unknown" else _FAILED[kind]
    conditions = [_condition("Ready", word, reason, message, generation)]
    if word == "Unknown":
        conditions.append(_condition("Reconciling", "True", "Progressing", message, generation))
    if kind == "HelmRelease" and word != "Unknown":
        conditions.append(_condition("Released", word, reason, message, generation))
    status: Body = {"observedGeneration": generation, "conditions": conditions}
    if kind == "HelmRelease":
        status |= {"lastAttemptedGeneration": generation, "failures": seen.failures}
    if kind == "Kustomization" and seen.app.sync.wait.objects != "none" and word != "Unknown" and not seen.problem:
        is_well = seen.health.is_settled
        health = ("True", "Succeeded") if is_well else ("False", "HealthCheckFailed")
        conditions.append(_condition("Healthy", *health, message if is_well else _told(seen.health), generation))
    if revision:
        status["lastAttemptedRevision"] = revision
    if revision and word == "True":
        status |= _applied(kind, revision, [_entry(key, version) for key, version in seen.source.objects])
    else:
        status |= {name: before[name] for name in _applied(kind, "", []) if name in before}
    if requested_at:
        status["lastHandledReconcileAt"] = requested_at
    return status


def _told(health: Health) -> str:
    return f"{health.word.value}: {health.message}"[:_MOST_TEXT]


def _applied(kind: str, revision: str, entries: list[Body]) -> Body:
    applied = {"lastAppliedRevision": revision} if kind == "Kustomization" else {}
    return {**applied, "inventory": {"entries": entries}}


def _revision_of(seen: ApplicationSnapshot) -> str:
    """The revision that it is at, in Flux's words: a branch with its commit, or the version of a chart."""
    found, source = seen.revision, seen.app.source
    if found is not None and seen.app.sources:  # what a repository includes has no part in Flux's word for it
        found = Revision(found.sha.partition("+")[0], source.targetRevision)
    if found is None or not found.ref:
        return _digest(found.sha) if found is not None else ""
    if source.chart:
        return f"{found.ref}+{found.sha[:12]}" if is_oci(source.repoURL) else found.ref
    return f"{found.ref}@{_digest(found.sha)}"


def _entry(key: ResourceKey, version: str) -> Body:
    """An object as Flux's inventory names it, which takes no colon."""
    return {"id": "_".join((key.namespace, key.name.replace(":", "__"), key.group, key.kind)), "v": version}


def refused_status(kind: str, generation: int, reason: str) -> Body:
    """The status of one that cannot be run, with the reason."""
    text = reason[:_MOST_TEXT]
    ready = _condition("Ready", "False", _FAILED.get(kind, "Refused"), text, generation)
    return {"observedGeneration": generation, "conditions": [ready, {**ready, "type": "Stalled", "status": "True"}]}


def source_status(generation: int, reason: str, revision: str = "") -> Body:
    """The status of a source: it is read together with the Applications that name it, and at which revision."""
    if reason:
        return refused_status("", generation, reason)
    text = "read by gitops for each Application that names it"
    if revision:
        text = f"stored artifact for revision '{revision}'"
    conditions = [_condition(name, "True", "Succeeded", text, generation) for name in ("Ready", "ArtifactInStorage")]
    return {"observedGeneration": generation, "conditions": conditions}


def source_revision(kind: str, seen: ApplicationSnapshot) -> tuple[str, str]:
    """The revision of a source that an Application was made from, as Flux has it, and a digest of it; "" of none.

    What an index of charts holds besides is not looked at: its revision is that of the chart which is taken of it.
    """
    found = seen.revision
    if found is None:
        return "", ""
    sha = found.sha.partition("+")[0]  # what a repository includes has no part in it
    digest = _digest(sha)
    if kind == "HelmRepository" or seen.app.source.is_bucket:
        return digest, digest
    if kind == "HelmChart":
        return found.ref or digest, digest
    ref = seen.app.source.targetRevision if seen.app.sources else found.ref
    return (f"{ref}@{digest}" if ref else digest), digest


def read_status(generation: int) -> Body:
    """The status of what is acted on as it is."""
    ready = _condition("Ready", "True", "Succeeded", "read by gitops", generation)
    return {"observedGeneration": generation, "conditions": [ready]}


def _digest(sha: str) -> str:
    """Flux's form of a commit, or of the digest of an artifact or a bucket."""
    return {40: f"sha1:{sha}", 64: f"sha256:{sha}"}.get(len(sha), short(sha))


def _condition(name: str, word: str, reason: str, message: str, generation: int) -> Body:
    return {"type": name, "status": word, "reason": reason, "message": message, "observedGeneration": generation}
