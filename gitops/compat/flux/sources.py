"""Flux's sources as sources of ours: which repository, at which revision, read with which credentials.

What is read of a source goes into every Application that is made from it.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gitops.compat.fields import Fields
from gitops.compat.flux.objects import ARTIFACT, FluxObjects, Ref, ref_of
from gitops.compat.flux.shared import name_in
from gitops.manifests.key import Body

CHART_LAYER: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
SOURCE_VERSION: Final = "source.toolkit.fluxcd.io/v1"
_PACKED_LAYERS: Final = ("application/vnd.cncf.flux.content.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+gzip")
_CLOUD: Final = "the identities of clouds are not used; name a Secret with credentials in secretRef"
_TIMEOUT: Final = "what is read from a remote has limits of its own"
_VERIFY: Final = "signatures of commits are not checked, so what has to be signed is not run"
_KEYLESS: Final = "signatures without a key are not checked; sign with one, and name a Secret with *.pub in secretRef"


class Inclusion(NamedTuple):
    """The folder `from_path` of another GitRepository, at `to_path` in this one."""

    repository: str
    from_path: str
    to_path: str


@dataclass(frozen=True, slots=True)
class FluxSource:
    """`spec` are fields of our `source`; `interval` is in seconds; `namespace` is where the Secret is.

    Of an artifact, `root` is the folder of the source that it is, and `holds` the folders in there that it has.
    """

    ref: Ref
    spec: dict[str, Any]
    interval: float = 60.0
    namespace: str = ""
    suspended: bool = False
    layer: str = ""  # of an OCIRepository that gives a layer as it is
    told: dict[str, str] = field(default_factory=dict)
    root: str = ""
    holds: tuple[str, ...] = ("",)
    includes: tuple[Inclusion, ...] = ()


def read_source(body: Body) -> FluxSource:
    """Any source; what its fields became is in `told`."""
    told: dict[str, str] = {}
    ref = ref_of(body)
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    if ref.kind == ARTIFACT:
        told["spec"] = f"refused: gitops reads no {ref.kind}; use a GitRepository, an OCIRepository or a Bucket"
        return FluxSource(ref, {}, told=told)
    interval = spec.seconds("interval", "1m")
    suspended = spec.flag("suspend")
    spec.note("timeout", _TIMEOUT)
    made, layer = _READERS[ref.kind](spec)
    credentials = _credentials(spec)
    if credentials:
        made["credentials"] = credentials
    spec.end()
    includes = tuple(made.pop("include", ()))
    return FluxSource(ref, made, interval, ref.namespace, suspended, layer, told, includes=includes)


def find_source(objects: FluxObjects, kind: str, namespace: str, name: str) -> FluxSource | None:
    """The source of that name, None where it is not known."""
    body = objects.find(kind, namespace, name)
    return read_source(body) if body is not None else None


def _git(spec: Fields) -> tuple[dict[str, Any], str]:
    made: dict[str, Any] = {"repoURL": spec.text("url"), "targetRevision": _git_revision(spec)}
    if not made["repoURL"]:
        spec.missing("url")
    _ignore(spec, made)
    provider = spec.choice("provider", "generic", "azure", "aws", "gcp", "github")
    if provider == "github" and "secretRef" not in spec:
        spec.refuse("provider", "name a Secret with githubAppID and githubAppPrivateKey in secretRef")
    elif provider not in ("generic", "github"):
        spec.refuse("provider", _CLOUD)
    made["include"] = _includes(spec)
    for name, why in (
        ("verify", _VERIFY),
        ("serviceAccountName", _CLOUD),
    ):
        spec.refuse(name, why)
    if spec.flag("recurseSubmodules"):
        spec.refuse("recurseSubmodules", "files of submodules are not read; render them from their own repository")
    spec.note("sparseCheckout", "only what is rendered is read of a repository, whatever it holds")
    spec.note("gitImplementation", "there is one, and it has no limits of either")
    _access(spec)
    return made, ""


def _includes(spec: Fields) -> list[Inclusion]:
    found: list[Inclusion] = []
    for item in spec.items("include"):
        name = name_in(item, "repository")
        if not name:
            item.missing("repository")
        places = {each: item.text(each) for each in ("fromPath", "toPath")}
        for each, text in places.items():
            if ".." in text.split("/"):
                item.refuse(each, "leads out of the repository")
        item.end()
        from_path, to_path = (_plain_path(places[each]) for each in ("fromPath", "toPath"))
        if places["toPath"] and not to_path:
            item.refuse("toPath", "expected a folder in the repository")
        found.append(Inclusion(name, from_path, to_path or name))
    return found


def _plain_path(text: str) -> str:
    return "/".join(part for part in text.split("/") if part not in ("", "."))


def _git_revision(spec: Fields) -> str:
    """As source-controller: commit, name, semver, tag, branch; the first that is there, or the branch master."""
    ref = spec.part("ref")
    if ref is None:
        return "master"
    found = {name: ref.text(name) for name in ("commit", "name", "semver", "tag", "branch")}
    ref.end()
    taken = next((name for name, text in found.items() if text), "")
    for name, text in found.items():
        if text and name != taken:
            ref.note(name, f"{taken} comes first")
    return found.get(taken, "master")


def _oci(spec: Fields) -> tuple[dict[str, Any], str]:
    made: dict[str, Any] = {"repoURL": spec.text("url"), "targetRevision": _oci_revision(spec)}
    if not made["repoURL"].startswith("oci://"):
        spec.refuse("url", "expected oci://HOST/PATH")
    _ignore(spec, made)
    layer = _layer(spec)
    _registry(spec)
    verify = read_verify(spec)
    return {**made, **({"verify": verify} if verify else {})}, layer


def read_verify(spec: Fields) -> dict[str, str]:
    """How what a registry gives has to be signed."""
    part = spec.part("verify")
    if part is None:
        return {}
    if part.choice("provider", "cosign", "notation") == "notation":
        part.refuse("provider", "of signatures, those of cosign are checked, with public keys")
    name = name_in(part, "secretRef")
    for each in ("matchOIDCIdentity", "trustedRootSecretRef"):
        if name:
            part.note(each, "the public keys of secretRef decide, as in Flux")
        else:
            part.refuse(each, _KEYLESS)
    if not name and "matchOIDCIdentity" not in part:
        part.refuse("provider", _KEYLESS)
        if "provider" not in part:
            part.missing("secretRef")
    part.end()
    return {"provider": "cosign", "secretRef": name}


def _oci_revision(spec: Fields) -> str:
    """As source-controller: digest, semver, tag; the first that is there, or the tag latest."""
    ref = spec.part("ref")
    if ref is None:
        return "latest"
    found = {name: ref.text(name) for name in ("digest", "semver", "tag")}
    expression = ref.text("semverFilter")
    ref.end()
    taken = next((name for name, text in found.items() if text), "")
    for name, text in found.items():
        if text and name != taken:
            ref.note(name, f"{taken} comes first")
    if taken == "semver" and expression:
        return f"{found[taken]} =~ {expression}"
    ref.note("semverFilter", "it is for a range of versions, and there is none")
    return found.get(taken, "latest")


def _layer(spec: Fields) -> str:
    """The media type of a layer that is taken as it is, "" for one whose files are."""
    selector = spec.part("layerSelector")
    if selector is None:
        return ""
    media, operation = selector.text("mediaType"), selector.choice("operation", "extract", "copy")
    selector.end()
    if operation == "copy" and media != CHART_LAYER:
        selector.refuse("mediaType", f"of layers that are taken as they are, only charts are read ({CHART_LAYER})")
    elif operation == "extract" and media and media not in (*_PACKED_LAYERS, CHART_LAYER):
        selector.refuse("mediaType", f"expected one of {', '.join((*_PACKED_LAYERS, CHART_LAYER))}")
    return media if media == CHART_LAYER else ""


def _helm(spec: Fields) -> tuple[dict[str, Any], str]:
    url = spec.text("url")
    kind = spec.choice("type", "default", "oci")
    if not url.startswith(("oci://",) if kind == "oci" else ("https://", "http://")):
        spec.refuse("url", "expected oci://HOST/PATH" if kind == "oci" else "expected https://HOST/PATH")
    if spec.flag("passCredentials"):
        spec.refuse("passCredentials", "credentials go to the repository's own server only")
    _registry(spec)
    _access(spec)
    return {"repoURL": url}, ""


def _bucket(spec: Fields) -> tuple[dict[str, Any], str]:
    """A bucket of S3, or of a store that speaks its protocol."""
    name, endpoint = spec.text("bucketName"), spec.text("endpoint")
    for each, text in (("bucketName", name), ("endpoint", endpoint)):
        if not text:
            spec.missing(each)
        elif "/" in text:
            spec.refuse(each, "expected a bucket's name" if each == "bucketName" else "expected HOST or HOST:PORT")
    provider = spec.choice("provider", "generic", "aws", "gcp", "azure")
    if provider in ("gcp", "azure") or (provider == "aws" and "secretRef" not in spec):
        spec.refuse("provider", _CLOUD)
    spec.refuse(
        "sts", "credentials are not asked for elsewhere; name a Secret with accesskey and secretkey in secretRef"
    )
    spec.refuse("serviceAccountName", _CLOUD)
    options = {"region": spec.text("region"), "prefix": spec.text("prefix"), "insecure": spec.flag("insecure")}
    made: dict[str, Any] = {"repoURL": f"s3://{endpoint}/{name}"}
    _ignore(spec, made)
    bucket = {each: value for each, value in options.items() if value}
    _access(spec)
    return {**made, **({"bucket": bucket} if bucket else {})}, ""


_READERS: Final = {"GitRepository": _git, "OCIRepository": _oci, "HelmRepository": _helm, "Bucket": _bucket}


def _registry(spec: Fields) -> None:
    if spec.choice("provider", "generic", "aws", "azure", "gcp") != "generic":
        spec.refuse("provider", _CLOUD)
    if spec.flag("insecure"):
        spec.refuse("insecure", "registries are read over TLS only")
    spec.refuse("serviceAccountName", "pull secrets of an account are not used; name the Secret in secretRef")


def _access(spec: Fields) -> None:
    spec.note("accessFrom", "Flux does not act on it either")


def _ignore(spec: Fields, made: dict[str, Any]) -> None:
    if "ignore" in spec:
        made["ignore"] = spec.text("ignore")


def _credentials(spec: Fields) -> dict[str, str]:
    names = {name: name_in(spec, name) for name in ("secretRef", "certSecretRef", "proxySecretRef")}
    return {name: text for name, text in names.items() if text}
