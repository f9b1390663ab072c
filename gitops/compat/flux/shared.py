"""Fields that a Kustomization and a HelmRelease have in common, as fields of an Application."""

import json
import re
from typing import Any, Final

from gitops.compat.fields import Fields
from gitops.manifests.cel import CelError
from gitops.manifests.key import Body, group_of
from gitops.model.readiness import check_expression

NAMESPACE: Final = "default"  # of an object that does not say it, as kubectl has it
# On an object of Flux that is suspended because it is ours now.
TAKEN_OVER: Final = "gitops.dev/taken-over"
ALWAYS: Final = 1_000_000  # tries
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]*")


def duration(found: float) -> str:
    """Seconds as an Application has them."""
    whole = int(found)
    return f"{whole // 60}m" if whole and whole % 60 == 0 else f"{max(found, 0.001):g}s"


def is_suspended(spec: Fields, body: Body) -> bool:
    """Whether nobody is to deliver it: what was taken over is suspended for Flux alone."""
    suspended = spec.flag("suspend")
    return suspended and TAKEN_OVER not in (body["metadata"].get("annotations") or {})


def depends_on(spec: Fields, namespace: str, suffix: str = "") -> dict[str, Any]:
    """`dependsOn` as fields of an Application: names, and the expressions that call them ready."""
    found: dict[str, list[str]] = {}
    for item in spec.items("dependsOn"):
        name, space = item.text("name"), item.text("namespace", namespace)
        expression = _expression(item, "readyExpr")
        if name:
            found.setdefault(f"{space}/{name}{suffix}", []).append(expression)
        else:
            item.missing("name")
        if name and len({bool(text) for text in found[f"{space}/{name}{suffix}"]}) > 1:
            item.refuse("name", f"{space}/{name} is named with a readyExpr and without; leave one of them out")
        item.end()
    asked = {name: list(dict.fromkeys(texts)) for name, texts in found.items() if all(texts)}
    made = {
        "dependsOn": list(found),
        "readyExpr": {
            name: texts[0] if len(texts) == 1 else " && ".join(f"({text})" for text in texts)
            for name, texts in asked.items()
        },
    }
    return {name: value for name, value in made.items() if value}


def _expression(item: Fields, name: str) -> str:
    """An expression over `self` and `dep`, without blanks around it; refused where it is none."""
    found = item.text(name).strip()
    try:
        if found:
            check_expression(found)
    except CelError as exc:
        item.refuse(name, f"cannot be used: {exc}")
    return found


def common_metadata(spec: Fields) -> dict[str, Any]:
    part = spec.part("commonMetadata")
    if part is None:
        return {}
    found = {name: part.free(name) for name in ("labels", "annotations")}
    part.end()
    return {name: value for name, value in found.items() if value}


def patches(spec: Fields) -> list[dict[str, Any]]:
    """`patches`, and those of older versions, as patches of an Application."""
    found: list[dict[str, Any]] = []
    for item in spec.items("patches"):
        patch = {"patch": item.text("patch")}
        item.note("options", "Kustomize takes none for a patch of an API")
        found.append({**patch, **_target(item)})
        item.end()
    for value in _list(spec, "patchesStrategicMerge"):
        found.append({"patch": json.dumps(value)})
    for item in spec.items("patchesJson6902"):
        found.append({"patch": json.dumps(_list(item, "patch")), **_target(item)})
        item.end()
    return found


def _list(spec: Fields, name: str) -> list[Any]:
    """A list whose items are the user's own."""
    if name not in spec:
        return []
    found = spec.anything(name)
    if isinstance(found, list):
        return found
    spec.refuse(name, "expected a list")
    return []


def _target(item: Fields) -> dict[str, Any]:
    target = item.part("target")
    if target is None:
        return {}
    names = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
    found = {name: target.text(name) for name in names}
    target.end()
    return {"target": {name: text for name, text in found.items() if text}}


def images(spec: Fields) -> list[str]:
    """`images` in the form of `kustomize edit set image`."""
    found: list[str] = []
    for item in spec.items("images"):
        name, new, tag, digest = (item.text(each) for each in ("name", "newName", "newTag", "digest"))
        item.end()
        found.append(f"{name}={new or '*'}{f':{tag}' if tag and not digest else ''}{f'@{digest}' if digest else ''}")
    return found


def ignored(spec: Fields, name: str) -> list[dict[str, Any]]:
    """Rules of JSON pointers that do not count as drift."""
    found: list[dict[str, Any]] = []
    for item in spec.items(name):
        rule: dict[str, Any] = {"jsonPointers": [path for path in item.texts("paths") if path]}
        if "" in item.texts("paths"):
            item.refuse("paths", "a whole object is left alone by kustomize.toolkit.fluxcd.io/ssa: Ignore on it")
        target = item.part("target")
        if target is not None:
            for each in ("group", "kind", "name", "namespace"):
                text = target.text(each)
                if not _PLAIN.fullmatch(text):
                    target.refuse(each, "expected a name, not an expression")
                elif text:
                    rule[each] = text
            target.note("version", "a rule is for all versions of a kind")
            for each in ("labelSelector", "annotationSelector"):
                target.refuse(each, "objects are chosen by kind and name")
            target.end()
        item.end()
        found.append(rule)
    return found


def health_rules(spec: Fields) -> list[dict[str, str]]:
    """`healthCheckExprs` as rules of ours."""
    found: list[dict[str, str]] = []
    for item in spec.items("healthCheckExprs"):
        rule = {"group": group_of(item.text("apiVersion")), "kind": item.text("kind", "*")}
        for theirs, ours in (("failed", "degraded"), ("inProgress", "progressing"), ("current", "healthy")):
            rule[ours] = item.text(theirs)
        item.end()
        found.append({name: text for name, text in rule.items() if text or name == "group"})
    return found


def retry(every: float, tries: int) -> dict[str, Any]:
    """Tries at an even pace."""
    pause = duration(every)
    return {"limit": tries, "backoff": {"duration": pause, "factor": 1, "maxDuration": pause}}


def destination(spec: Fields, namespace: str) -> dict[str, Any]:
    """Where it goes: a namespace of the cluster that its kubeconfig leads to, else of the one that it is in itself."""
    made: dict[str, Any] = {"namespace": namespace}
    kubeconfig = spec.part("kubeConfig")
    if kubeconfig is None:
        return made
    secret = kubeconfig.part("secretRef")
    if secret is not None:
        found = {"secretRef": secret.text("name"), "key": secret.text("key")}
        made["kubeConfig"] = {name: text for name, text in found.items() if text}
        secret.end()
    kubeconfig.refuse("configMapRef", "a cloud's identities are not used; give a secretRef with a kubeconfig")
    kubeconfig.end()
    return made


def name_in(spec: Fields, name: str) -> str:
    """The name in a reference, "" where there is none."""
    part = spec.part(name)
    if part is None:
        return ""
    found = part.text("name")
    part.end()
    return found
