"""Objects of Flux in, an answer for each out: an Application of ours, or what keeps it from being one."""

from typing import Any, Final

from gitops.compat.fields import Fields, refusals
from gitops.compat.flux.answer import Answer
from gitops.compat.flux.artifacts import told_of_generator
from gitops.compat.flux.helm_release import read_helm_release
from gitops.compat.flux.kustomization import read_kustomization
from gitops.compat.flux.objects import GENERATOR, SOURCES, FluxObjects, ref_of
from gitops.compat.flux.others import read_other
from gitops.compat.flux.sources import SOURCE_VERSION, read_source
from gitops.manifests.key import Body

# Of a name that never is one of a host.
_STAND_INS: Final[dict[str, dict[str, Any]]] = {
    "GitRepository": {"url": "https://gone.invalid/gone"},
    "OCIRepository": {"url": "oci://gone.invalid/gone"},
    "HelmRepository": {"type": "oci", "url": "oci://gone.invalid/gone"},
    "HelmChart": {"chart": "gone", "sourceRef": {"kind": "HelmRepository", "name": "gone"}},
    "Bucket": {"bucketName": "gone", "endpoint": "gone.invalid"},
}


def read(body: Body, objects: FluxObjects) -> Answer:
    """What becomes of an object (for which `is_of_flux` holds) among those that are known."""
    ref = ref_of(body)
    if ref.kind == "Kustomization":
        return read_kustomization(body, objects)
    if ref.kind == "HelmRelease":
        return read_helm_release(body, objects)
    if ref.kind == "HelmChart":
        return _read_chart(body, objects)
    if ref.kind == GENERATOR:
        told = told_of_generator(body)
        return Answer(ref, told, reasons=tuple(refusals(told)))
    if ref.kind in SOURCES:
        source = read_source(body)
        return Answer(ref, source.told, reasons=tuple(refusals(source.told)))
    return read_other(body)


def read_leaving(body: Body, objects: FluxObjects) -> Answer:
    """The same for an object that is being deleted: what it was made of may be gone, and need not be usable."""
    answer = read(body, objects)
    if answer.missing is None and not answer.reasons:
        return answer
    return read(body, _StandIns(objects))


class _StandIns(FluxObjects):
    """The same objects with a source in place of each, from which nothing is read."""

    def __init__(self, objects: FluxObjects) -> None:
        super().__init__()
        self._all = objects

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        if kind not in SOURCES:
            return self._all.find(kind, namespace, name)
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": SOURCE_VERSION, "kind": kind, "metadata": metadata, "spec": _STAND_INS[kind]}

    def generator_of(self, namespace: str, name: str) -> Body | None:
        metadata = {"name": name, "namespace": namespace}
        copies = [{"from": "@gone/**", "to": "@artifact/"}]
        sources = [{"alias": "gone", "kind": "GitRepository", "name": "gone"}]
        return {
            "kind": GENERATOR,
            "metadata": metadata,
            "spec": {"sources": sources, "artifacts": [{"name": name, "copy": copies}]},
        }


def _read_chart(body: Body, objects: FluxObjects) -> Answer:
    """A HelmChart is read as one that a HelmRelease names."""
    from gitops.compat.flux.helm_release import _Chart

    ref, told = ref_of(body), dict[str, str]()
    _Chart._of_template(Fields(body.get("spec") or {}, "spec", told), ref.namespace, objects)
    return Answer(ref, told, reasons=tuple(refusals(told)))
