"""Flux's HelmRelease as an Application: a chart with values, kept as helm-controller keeps a release."""

import hashlib
import posixpath
from typing import Any, Final

from gitops.compat.fields import Fields, refusals
from gitops.compat.flux.answer import Answer, refused
from gitops.compat.flux.includes import included, with_included
from gitops.compat.flux.objects import FluxObjects, Ref, ref_of
from gitops.compat.flux.release_actions import crds, read_actions
from gitops.compat.flux.shared import (
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
)
from gitops.compat.flux.sources import FluxSource, find_source, read_verify
from gitops.manifests.key import Body

# A Kustomization and the HelmRelease that it holds are called alike more often than not.
SUFFIX: Final = "-helm"
# Where a chart is a folder.
_OF_FILES: Final = ("GitRepository", "Bucket")
_LONGEST_RELEASE: Final = 53
_RUN_TESTS: Final = {
    "patch": '[{"op": "replace", "path": "/metadata/annotations/helm.sh~1hook", "value": "post-install,post-upgrade"}]',
    "target": {"annotationSelector": "helm.sh/hook=test"},
}
_NO_HOOKS: Final = {
    "patch": "$patch: delete\nkind: hook\nmetadata: {name: hook}\n",
    "target": {"annotationSelector": "helm.sh/hook"},
}


def read_helm_release(body: Body, objects: FluxObjects) -> Answer:
    """The Application, unless a field is refused or its chart's source is not known."""
    told: dict[str, str] = {}
    ref = ref_of(body)
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    namespace = ref.namespace or NAMESPACE
    chart = _Chart.read(spec, namespace, objects)
    suspended = is_suspended(spec, body)
    made, prunes = _spec(spec, ref, namespace)
    made["sync"]["automated"] = not suspended
    spec.end()
    if objects.find("Kustomization", ref.namespace, ref.name + SUFFIX) is not None:
        name = ref.name + SUFFIX
        return refused(ref, told, f"metadata.name: its Application is {name} here, as that of the Kustomization {name}")
    if refusals(told):
        return refused(ref, told)
    if chart.missing is not None:
        return Answer(ref, told, missing=chart.missing)
    source, why = chart.source()
    others = included(objects, chart.found) if chart.found is not None else []
    if isinstance(others, Ref):
        return Answer(ref, told, missing=others)
    why = why or (others if isinstance(others, str) else "")
    if why:
        spec.refuse("chart", why)
        spec.refuse("chartRef", why)
        return refused(ref, told)
    helm = {**chart.helm(), **made["source"].pop("helm")}
    made |= _with_source({**source, "renderer": "helm", **made.pop("source"), "helm": helm}, chart.found, others)
    made["interval"] = duration(max(chart.interval, 1.0))
    if chart.suspended:
        made["sync"]["automated"] = False
    metadata = {"name": ref.name + SUFFIX, "namespace": namespace}
    application = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": made}
    space, sources = chart.namespace or namespace, chart.sources
    return Answer(ref, told, application, secrets_in=space, prunes=prunes, sources=sources)


def _with_source(spec: dict[str, Any], found: FluxSource | None, others: list[FluxSource] | str) -> dict[str, Any]:
    return {"source": spec} if found is None or isinstance(others, str) else with_included(spec, found, others)


class _Chart:
    """Where a chart is from: what a HelmRelease, or the HelmChart that it names, says of it."""

    def __init__(self, found: FluxSource | None, missing: Ref | None = None) -> None:
        self.found = found
        self.sources: tuple[Ref, ...] = (found.ref,) if found is not None else ()
        self.missing = missing
        self.name = ""
        self.version = ""
        self.value_files: list[str] = []
        self.ignore_missing = False
        self.interval = found.interval if found is not None else 60.0
        self.suspended = found.suspended if found is not None else False
        self.namespace = found.namespace if found is not None else ""
        self.own_namespace = ""  # of who says that it is verified
        self.verify: dict[str, str] = {}

    @classmethod
    def read(cls, spec: Fields, namespace: str, objects: FluxObjects) -> "_Chart":
        chart, reference = spec.part("chart"), spec.part("chartRef")
        if chart is not None and reference is not None:
            spec.refuse("chartRef", "there is a chart too; leave one of them out")
        if reference is not None:
            return cls._of_reference(reference, namespace, objects)
        if chart is None:
            spec.missing("chart")
            return cls(None)
        chart.note("metadata", "no HelmChart object is made that it could be written to")
        inner = chart.part("spec")
        found = cls._of_template(inner, namespace, objects) if inner is not None else cls(None)
        if inner is None:
            chart.missing("spec")
        chart.end()
        return found

    @classmethod
    def _of_reference(cls, part: Fields, namespace: str, objects: FluxObjects) -> "_Chart":
        kind, name = part.text("kind"), part.text("name")
        space = part.text("namespace", namespace)
        part.note("apiVersion", "every version of the kind is read")
        if kind not in ("OCIRepository", "HelmChart"):
            part.refuse("kind", f"a chart is that of an OCIRepository or a HelmChart, not of a {kind[:100]}")
        part.end()
        if kind != "HelmChart":
            return cls._of_source(objects, Ref(kind, space, name))
        body = objects.find(kind, space, name)
        if body is None:
            return cls(None, Ref(kind, space, name))
        made = cls._of_template(
            Fields(body.get("spec") or {}, f"HelmChart {space}/{name}: spec", part.told), space, objects
        )
        made.sources += (Ref(kind, space, name),)
        return made

    @classmethod
    def _of_source(cls, objects: FluxObjects, wanted: Ref) -> "_Chart":
        found = find_source(objects, *wanted)
        return cls(found, wanted if found is None else None)

    @classmethod
    def _of_template(cls, part: Fields, namespace: str, objects: FluxObjects) -> "_Chart":
        name, version, every = part.text("chart"), part.text("version"), part.seconds("interval")
        if not name:
            part.missing("chart")
        made = cls._of_source(objects, _chart_source(part, namespace))
        made.name, made.version = name, "" if version == "*" else version
        made.value_files = part.texts("valuesFiles") + ([part.text("valuesFile")] if "valuesFile" in part else [])
        made.ignore_missing = part.flag("ignoreMissingValuesFiles")
        made.interval = every or made.interval
        made.suspended = part.flag("suspend") or made.suspended
        if part.choice("reconcileStrategy", "ChartVersion", "Revision") == "ChartVersion":
            part.note("reconcileStrategy", "a chart that changes counts, with another version or without")
        made.verify = read_verify(part)
        made.own_namespace = namespace
        part.end()
        return made

    def source(self) -> tuple[dict[str, Any], str]:
        """Fields of our `source`, and why there are none, or ""."""
        found = self.found
        if found is None:
            return {}, "the chart is not named"
        if refusals(found.told):
            return {}, f"{found.ref}: {'; '.join(refusals(found.told))}"
        if self.verify and not found.spec["repoURL"].startswith("oci://"):
            return {}, f"verify: only charts of a registry are signed, and {found.ref} is none"
        if found.ref.kind in _OF_FILES:
            path = posixpath.normpath(self.name.lstrip("/"))
            outside = path == ".." or path.startswith("../")
            return {**found.spec, "path": path}, f"{self.name[:100]} leads out of the repository" * outside
        if found.ref.kind == "OCIRepository":
            address, _, name = found.spec["repoURL"].rstrip("/").rpartition("/")
            return {**found.spec, "repoURL": address, "chart": name}, ""
        return self._of_repository(found)

    def _of_repository(self, found: FluxSource) -> tuple[dict[str, Any], str]:
        made = {**found.spec, "chart": self.name, "targetRevision": self.version}
        if not self.verify:
            return made, ""
        if self.namespace != self.own_namespace and "credentials" in made:
            return {}, f"verify: its keys and the credentials of {found.ref} are in two namespaces; move one of them"
        self.namespace = self.own_namespace
        return {**made, "verify": self.verify}, ""

    def helm(self) -> dict[str, Any]:
        """Of a folder's chart, Flux has value files relative to the repository, we have them relative to the chart."""
        files = self.value_files
        if self.found is not None and self.found.ref.kind in _OF_FILES:
            start = posixpath.normpath(self.name.lstrip("/"))
            files = [posixpath.relpath(file.lstrip("/"), start) for file in files]
        made: dict[str, Any] = {"valueFiles": files, "replaceValues": True} if files else {}
        return {**made, "ignoreMissingValueFiles": True} if self.ignore_missing else made


def _chart_source(part: Fields, namespace: str) -> Ref:
    reference = part.part("sourceRef")
    if reference is None:
        part.missing("sourceRef")
        return Ref("HelmRepository", namespace, "")
    kind = reference.choice("kind", "HelmRepository", "GitRepository", "Bucket")
    name, space = reference.text("name"), reference.text("namespace", namespace)
    reference.note("apiVersion", "every version of the kind is read")
    reference.end()
    return Ref(kind, space, name)


def _spec(spec: Fields, ref: Ref, namespace: str) -> tuple[dict[str, Any], bool]:
    """The Application's spec without what its chart says, and whether its objects go when it does."""
    place = spec.text("targetNamespace") or namespace
    default = f"{place}-{ref.name}" if "targetNamespace" in spec else ref.name
    actions = read_actions(spec)
    helm: dict[str, Any] = {
        "releaseName": _release(spec.text("releaseName") or default),
        "values": spec.free("values"),
        "valuesFrom": _values_from(spec),
        "crds": crds(actions),
        "skipSchemaValidation": actions.skips_schema,
    }
    source: dict[str, Any] = {"helm": {name: value for name, value in helm.items() if value}}
    posted, new_images = _post_renderers(spec)
    changed = [
        *posted,
        *([_RUN_TESTS] if actions.tests else []),
        *([_NO_HOOKS] if actions.no_hooks else []),
    ]
    for name, value in (("patches", changed), ("images", new_images), ("commonMetadata", common_metadata(spec))):
        if value:
            source[name] = value
    mode, rules = _drift(spec)
    sync = {**actions.sync(spec.seconds("timeout", "5m")), "drift": mode}
    account = spec.text("serviceAccountName")
    made: dict[str, Any] = {
        "source": source,
        "destination": destination(spec, place),
        "sync": {**sync, **({"serviceAccount": account} if account else {})},
    }
    made |= depends_on(spec, namespace, SUFFIX)
    for name, found in (
        ("ignoreDifferences", rules),
        ("health", health_rules(spec)),
    ):
        if found:
            made[name] = found
    _note_rest(spec)
    return made, True


def _note_rest(spec: Fields) -> None:
    for name, why in (
        ("interval", "the cluster is watched, and the chart is looked for as often as its source says"),
        ("maxHistory", "releases are kept in the records of gitops; Helm's history is not written"),
        ("storageNamespace", "releases are kept in the records of gitops; Helm's history is not written"),
        ("persistentClient", "connections are kept"),
        ("postRenderStrategy", "patches are for every object that the chart makes"),
        ("waitStrategy", "there is one way to wait: watching until each object is healthy"),
    ):
        spec.note(name, why)


def _release(name: str) -> str:
    """As helm-controller shortens a name that Helm would not take."""
    if len(name) <= _LONGEST_RELEASE:
        return name
    return f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _values_from(spec: Fields) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in spec.items("valuesFrom"):
        reference: dict[str, Any] = {"kind": item.choice("kind", "ConfigMap", "Secret"), "name": item.text("name")}
        reference["key"] = item.text("valuesKey", "values.yaml")
        reference["targetPath"] = item.text("targetPath")
        reference["optional"] = item.flag("optional")
        literal = item.flag("literal")
        if reference["targetPath"]:
            reference["targetValue"] = "text" if literal else "set"
        item.end()
        found.append({name: value for name, value in reference.items() if value})
    return found


def _post_renderers(spec: Fields) -> tuple[list[dict[str, Any]], list[str]]:
    """Patches and images: the images of all are changed after the patches of all."""
    found: list[dict[str, Any]] = []
    changed: list[str] = []
    for item in spec.items("postRenderers"):
        kustomize = item.part("kustomize")
        if kustomize is not None:
            more = patches(kustomize)
            if more and changed:
                kustomize.refuse("patches", "they would come after the images of an earlier one; put those last")
            found += more
            changed += images(kustomize)
            kustomize.end()
        item.end()
    return found, changed


def _drift(spec: Fields) -> tuple[str, list[dict[str, Any]]]:
    part = spec.part("driftDetection")
    if part is None:
        return "ignore", []
    mode = part.choice("mode", "disabled", "enabled", "warn")
    rules = ignored(part, "ignore")
    part.end()
    return {"enabled": "correct", "warn": "report"}.get(mode, "ignore"), rules
