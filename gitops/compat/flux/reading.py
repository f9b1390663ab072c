"""Objects of Flux in, an answer for each out: an Application of ours, or what keeps it from being one."""

from gitops.compat.fields import Fields, refusals
from gitops.compat.flux.answer import Answer
from gitops.compat.flux.artifacts import told_of_generator
from gitops.compat.flux.helm_release import read_helm_release
from gitops.compat.flux.kustomization import read_kustomization
from gitops.compat.flux.objects import GENERATOR, SOURCES, FluxObjects, ref_of
from gitops.compat.flux.others import read_other
from gitops.compat.flux.sources import read_source
from gitops.manifests.key import Body


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


def _read_chart(body: Body, objects: FluxObjects) -> Answer:
    """A HelmChart is read as one that a HelmRelease names."""
    from gitops.compat.flux.helm_release import _Chart

    ref, told = ref_of(body), dict[str, str]()
    _Chart._of_template(Fields(body.get("spec") or {}, "spec", told), ref.namespace, objects)
    return Answer(ref, told, reasons=tuple(refusals(told)))
