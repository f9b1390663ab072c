"""Flux's Kustomization as an Application: a path of a repository, built and applied as kustomize-controller does."""

from typing import Any, Final

from gitops.compat.fields import Fields, refusals
from gitops.compat.flux.answer import Answer, refused
from gitops.compat.flux.artifacts import find_artifact
from gitops.compat.flux.includes import included, with_included
from gitops.compat.flux.objects import ARTIFACT, FluxObjects, Ref, ref_of
from gitops.compat.flux.shared import (
    ALWAYS,
    NAMESPACE,
    common_metadata,
    depends_on,
    destination,
    duration,
    health_rules,
    ignored,
    images,
    is_suspended,
    patches,
    retry,
)
from gitops.compat.flux.sources import FluxSource, find_source
from gitops.manifests.key import Body

_LEAST_TIMEOUT: Final = 30.0

# Flux's own controllers would do again what is done here.
_WITHOUT_FLUX: Final = {
    "patch": "$patch: delete\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: controller}\n",
    "target": {
        "kind": "Deployment",
        "labelSelector": "app.kubernetes.io/part-of=flux,app.kubernetes.io/component in (source-controller,"
        "kustomize-controller,helm-controller,notification-controller,image-reflector-controller,"
        "image-automation-controller,source-watcher)",
    },
}


def read_kustomization(body: Body, objects: FluxObjects) -> Answer:
    """The Application, unless a field is refused or its source is not known."""
    told: dict[str, str] = {}
    ref = ref_of(body)
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    namespace = ref.namespace or NAMESPACE
    wanted = _source_ref(spec, namespace)
    suspended = is_suspended(spec, body)
    made, prunes = _spec(spec, namespace)
    made["sync"]["automated"] = not suspended
    spec.end()
    if refusals(told):
        return refused(ref, told)
    source = _source(objects, wanted)
    if isinstance(source, Ref):
        return Answer(ref, told, missing=source, prunes=prunes)
    if source.layer or refusals(source.told):
        why = refusals(source.told) or ["its layerSelector takes a chart, not files"]
        spec.refuse("sourceRef", f"{source.ref}: {'; '.join(why)}")
        return refused(ref, told)
    if not _is_held(made["source"]["path"], source):
        spec.refuse("path", f"{wanted} has {', '.join(source.holds)} only")
        return refused(ref, told)
    others = included(objects, source)
    if isinstance(others, Ref):
        return Answer(ref, told, missing=others, prunes=prunes)
    if isinstance(others, str):
        spec.refuse("sourceRef", others)
        return refused(ref, told)
    _take_source(made, source, others)
    if (
        wanted[1:] == ref[1:] and wanted.kind != ARTIFACT
    ):  # as `flux bootstrap` calls the Kustomization that delivers Flux itself
        kustomize = made["source"]["kustomize"]
        kustomize["patches"] = [*kustomize.get("patches", ()), _WITHOUT_FLUX]
    made |= with_included(made.pop("source"), source, others)
    metadata: dict[str, Any] = {"name": ref.name, "namespace": namespace}
    application = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": made}
    space = source.namespace or namespace
    return Answer(ref, told, application, secrets_in=space, prunes=prunes, sources=(source.ref,))


def _source(objects: FluxObjects, wanted: Ref) -> FluxSource | Ref:
    """The source, or what is not known of all that it takes."""
    if wanted.kind == ARTIFACT:
        return find_artifact(objects, wanted.namespace, wanted.name)
    return find_source(objects, *wanted) or wanted


def _is_held(path: str, source: FluxSource) -> bool:
    return any(not folder or f"{path}/".startswith(f"{folder}/") for folder in source.holds)


def _take_source(made: dict[str, Any], source: FluxSource, others: list[FluxSource]) -> None:
    made["source"] = {**source.spec, **made["source"]}
    if source.root:
        path = made["source"]["path"]
        made["source"]["path"] = source.root if path == "." else f"{source.root}/{path}"
    made["interval"] = duration(max(min(one.interval for one in (source, *others)), 1.0))
    if any(one.suspended for one in (source, *others)):
        made["sync"]["automated"] = False


def _source_ref(spec: Fields, namespace: str) -> Ref:
    part = spec.part("sourceRef")
    if part is None:
        spec.missing("sourceRef")
        return Ref("GitRepository", namespace, "")
    kind, name, space = part.text("kind"), part.text("name"), part.text("namespace", namespace)
    if kind not in ("GitRepository", "OCIRepository", "Bucket", ARTIFACT):
        part.refuse("kind", f"files come from a GitRepository, an OCIRepository or a Bucket, not from a {kind[:100]}")
    for each, text in (("kind", kind), ("name", name)):
        if not text:
            part.missing(each)
    part.note("apiVersion", "every version of the kind is read")
    part.end()
    return Ref(kind, space, name)


def _spec(spec: Fields, namespace: str) -> tuple[dict[str, Any], bool]:
    """The Application's spec without what its source says, and whether its objects go when it does."""
    interval = spec.seconds("interval", "10m")
    source: dict[str, Any] = {"renderer": "kustomize", "path": _path(spec)}
    kustomize: dict[str, Any] = {
        "rules": "flux",
        "namespace": spec.text("targetNamespace"),
        "namePrefix": spec.text("namePrefix"),
        "nameSuffix": spec.text("nameSuffix"),
        "patches": patches(spec),
        "images": images(spec),
        "components": spec.texts("components"),
        "ignoreMissingComponents": spec.flag("ignoreMissingComponents"),
        "buildMetadata": spec.texts("buildMetadata"),
    }
    source["kustomize"] = {name: value for name, value in kustomize.items() if value}
    for name, value in (
        ("decryption", _decryption(spec)),
        ("postBuild", _post_build(spec)),
        ("commonMetadata", common_metadata(spec)),
    ):
        if value:
            source[name] = value
    sync = _sync(spec, namespace, interval)
    prunes = _prunes(spec, sync["prune"])
    made: dict[str, Any] = {"source": source, "destination": destination(spec, namespace), "sync": sync}
    made |= depends_on(spec, namespace)
    for name, found in (
        ("ignoreDifferences", ignored(spec, "ignore")),
        ("health", health_rules(spec)),
    ):
        if found:
            made[name] = found
    spec.note("validation", "every object is tried by the API server before it is written")
    return made, prunes


def _path(spec: Fields) -> str:
    path = spec.text("path").strip("/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        spec.refuse("path", "leads out of the repository")
    return "/".join(parts) or "."


def _sync(spec: Fields, namespace: str, interval: float) -> dict[str, Any]:
    timeout = spec.seconds("timeout") or interval - _LEAST_TIMEOUT
    again = spec.seconds("retryInterval") or interval
    return {
        "prune": spec.flag("prune"),
        "drift": "correct",
        "conflicts": "force",
        "createNamespace": True,
        "recreate": spec.flag("force"),
        "timeout": duration(max(timeout, _LEAST_TIMEOUT)),
        "rollback": "never",
        "retry": retry(again, ALWAYS),
        "wait": {**_wait(spec, namespace), "pruneFirst": True},
        **_account(spec),
    }


def _account(spec: Fields) -> dict[str, str]:
    found = spec.text("serviceAccountName")
    return {"serviceAccount": found} if found else {}


def _wait(spec: Fields, namespace: str) -> dict[str, Any]:
    """All objects, or those that are named; of a Kustomization that says neither nothing is waited for."""
    checks: list[dict[str, str]] = []
    for item in spec.items("healthChecks"):
        check = {name: item.text(name) for name in ("apiVersion", "kind", "name", "namespace")}
        item.end()
        checks.append({name: text for name, text in check.items() if text})
    if spec.flag("wait"):
        return {"objects": "all"}
    return {"objects": "listed", "checks": checks} if checks else {"objects": "none"}


def _prunes(spec: Fields, prune: bool) -> bool:
    policy = spec.choice("deletionPolicy", "MirrorPrune", "Delete", "WaitForTermination", "Orphan")
    return policy in ("Delete", "WaitForTermination") or (policy == "MirrorPrune" and prune)


def _decryption(spec: Fields) -> dict[str, str]:
    part = spec.part("decryption")
    if part is None:
        return {}
    provider = part.choice("provider", "sops")
    part.refuse("serviceAccountName", "the identities of clouds are not used; put keys into the Secret of secretRef")
    secret = part.part("secretRef")
    name = secret.text("name") if secret is not None else ""
    if secret is not None:
        secret.end()
    part.end()
    return {"provider": provider, **({"secretRef": name} if name else {})}


def _post_build(spec: Fields) -> dict[str, Any]:
    part = spec.part("postBuild")
    if part is None:
        return {}
    strategy = part.choice("substituteStrategy", "WithVariables", "Always")
    found: dict[str, Any] = {"substitute": part.free("substitute")}
    references: list[dict[str, Any]] = []
    for item in part.items("substituteFrom"):
        reference: dict[str, Any] = {"kind": item.choice("kind", "ConfigMap", "Secret"), "name": item.text("name")}
        if item.flag("optional"):
            reference["optional"] = True
        item.end()
        references.append(reference)
    part.end()
    found |= {"substituteFrom": references, "substituteStrategy": strategy}
    return {name: value for name, value in found.items() if value}
