"""Reads what a person configures: an Application's YAML into `gitops.model.application`, and the environment.

A mistake is a ConfigError with the file, the line and the field's path, and what was expected; unknown fields are
errors, with the nearest field that exists. The dataclasses themselves are the schema.
"""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitops.bounds import PLAIN_LIMITS, MirrorLimits
from gitops.engine.paths import parse_path, parse_pointer
from gitops.fields_reader import FieldsReader, file_data, kind_of
from gitops.manifests import quantity
from gitops.manifests.cel import CelError, check_bounded, compiled
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body
from gitops.manifests.names import LABEL_NAME
from gitops.manifests.yaml_documents import load_all
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.patterns import BUCKET_ADDRESS
from gitops.model.readiness import check_expression
from gitops.model.revision import is_inside, normalise
from gitops.model.source_access import Bucket
from gitops.model.source_name import is_oci, why_no_url
from policies.rule import Target
from policies.windows import check_window

API_VERSION = "gitops.dev/v1alpha1"
# What of an object's metadata an Application has.
_METADATA = ("name", "namespace", "labels", "annotations")


def state_folder(option: str) -> Path:
    """Where our own records are kept: `--state`, else GITOPS_STATE, else ~/.local/state/gitops (XDG_STATE_HOME)."""
    if option or os.environ.get("GITOPS_STATE"):
        return Path(option or os.environ["GITOPS_STATE"]).expanduser()
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "gitops"


def cache_folder() -> Path:
    """Where mirrors of repositories are kept: XDG_CACHE_HOME, else ~/.cache; losing it loses nothing."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gitops"


def reads_remote_files() -> bool:
    """Whether kustomizations may name files over HTTP: GITOPS_REMOTE_FILES is `on`, the default, or `off`."""
    text = os.environ.get("GITOPS_REMOTE_FILES", "on")
    if text not in ("on", "off"):
        raise ConfigError(f"GITOPS_REMOTE_FILES: expected on or off, got {text}")
    return text == "on"


def mirror_limits(each: str = "", total: str = "") -> MirrorLimits:
    """How much disk mirrors may have: the options, else GITOPS_REPOSITORY_SIZE and GITOPS_REPOSITORIES_SIZE.

    Raises ConfigError.
    """
    plain = PLAIN_LIMITS
    return MirrorLimits(_size(each, "--repository-size", plain.each), _size(total, "--repositories-size", plain.total))


def _size(option: str, name: str, default: int) -> int:
    variable = "GITOPS_" + name.removeprefix("--").replace("-", "_").upper()
    text = option or os.environ.get(variable, "")
    try:
        size = int(quantity.parse(text)) if text else default
    except quantity.QuantityError:
        size = 0
    if size <= 0:
        raise ConfigError(f"{name if option else variable}: expected a size such as 500Mi or 2Gi, got {text!r}")
    return size


def check_name(name: str, what: str) -> str:
    """A name that Kubernetes takes for an object (RFC 1123 label, 63 characters). Raises ConfigError."""
    if not name or not LABEL_NAME.fits(name):
        raise ConfigError(f"{what}: expected {LABEL_NAME.words}, got {name!r}")
    return name


def read_application(path: Path) -> Application:
    """The one Application in the file `path`. Raises ConfigError."""
    apps = read_applications(path)
    if len(apps) != 1:
        raise ConfigError(f"{path}: expected one Application, found {len(apps)} documents")
    return apps[0]


def read_applications(path: Path) -> list[Application]:
    """Every Application in the file `path`. Raises ConfigError."""
    data = file_data(path)
    try:
        documents = load_all(data, str(path))
    except ManifestError as exc:
        raise ConfigError(str(exc)) from exc
    return [_Reader(path, data, number).application(found.value) for number, found in enumerate(documents)]


def application_of(body: Body) -> Application:
    """The Application that a custom resource's body stands for. Raises ConfigError with the field."""
    names = body["metadata"]
    plain = {**body, "metadata": {name: names[name] for name in _METADATA if name in names}}
    return _Reader(None, b"").application(plain)


class _Reader(FieldsReader):
    """Reads an Application."""

    def application(self, value: Any) -> Application:
        if not isinstance(value, dict):
            raise self.error((), f"expected an Application, got {kind_of(value)}")
        if value.get("apiVersion") != API_VERSION or value.get("kind") != "Application":
            found = f"{value.get('apiVersion')} {value.get('kind')}"
            raise self.error(("apiVersion",), f"expected {API_VERSION} Application, got {found}")
        known = {"apiVersion", "kind", "metadata", "spec", "status"}
        self.check_names(value, known, ())
        metadata = value.get("metadata") or {}
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise self.error(("metadata",), "metadata.name is missing: give the Application a name")
        spec = value.get("spec")
        if not isinstance(spec, dict):
            raise self.error(("spec",), "expected the Application's spec: source and destination at least")
        for part in ("name", "namespace"):
            if part in metadata:
                self._checked_name(metadata[part], ("metadata", part))
        identity = {"name": metadata["name"], "namespace": metadata.get("namespace") or "gitops"}
        labels = _texts(metadata.get("labels"))
        app = self.dataclass(Application, spec, ("spec",), given={**identity, "labels": labels})
        if annotations := _texts(metadata.get("annotations")):
            from gitops.compat.argocd_subscriptions import subscriptions_of

            app = replace(app, notifications=(*app.notifications, *subscriptions_of(annotations)))
        return self._checked(app)

    def _checked(self, app: Application) -> Application:
        app = self._with_sources(app)
        if not app.destination.namespace:
            raise self.error(("spec",), "destination.namespace is missing: say where the objects go")
        where = app.destination
        if where.cluster and where.kubeConfig.secretRef:
            raise self.error(("spec", "destination"), "it has either a cluster or a kubeConfig")
        if where.kubeConfig.key and not where.kubeConfig.secretRef:
            raise self.error(
                ("spec", "destination", "kubeConfig"), "key: is an entry of a Secret, which secretRef names"
            )
        self._check_expressions(app)
        return app

    def _with_sources(self, app: Application) -> Application:
        """The Application with what is checked of each of its sources."""
        if not app.sources:
            self._check_source(app.source, ("spec", "source"))
            if app.source.include:
                raise self.error(("spec", "source", "include"), "is among several sources; write them under sources")
            return app
        if app.source != SourceSpec():
            raise self.error(("spec", "source"), "an Application has either one source or several sources")
        refs = [source.ref for source in app.sources if source.ref]
        for number, source in enumerate(app.sources):
            self._check_source(source, ("spec", "sources", number))
            if refs.count(source.ref) > 1:
                raise self.error(("spec", "sources", number, "ref"), f"another source is called {source.ref} too")
            self._check_includes(app.sources, number)
        if not any(source.is_rendered for source in app.sources):
            raise self.error(("spec", "sources"), "none is rendered: leave out a ref, or name a path or a chart")
        return app.with_sources(app.sources)

    def _check_includes(self, sources: tuple[SourceSpec, ...], number: int) -> None:
        """What a source includes is another one, which includes none itself; no two lie in one place."""
        by_ref = {source.ref: source for source in sources if source.ref}
        places: list[str] = []
        for at, include in enumerate(sources[number].include):
            field = ("spec", "sources", number, "include", at)
            other = by_ref.get(include.ref)
            if other is None or other is sources[number]:
                raise self.error((*field, "ref"), f"no other source is called {include.ref[:100]!r}")
            if other.include:
                raise self.error((*field, "ref"), f"{include.ref} includes others itself; include those here too")
            for name, path in (("fromPath", include.fromPath), ("toPath", include.place)):
                try:
                    normal = normalise(path)
                except SourceError as exc:
                    raise self.error((*field, name), str(exc)) from None
            if not normal:
                raise self.error((*field, "toPath"), "expected a folder in the source")
            if any(is_inside(normal, place) or is_inside(place, normal) for place in places):
                raise self.error((*field, "toPath"), f"another include lies there too: {normal[:100]}")
            places.append(normal)

    def _check_source(self, source: SourceSpec, field: tuple[str | int, ...]) -> None:
        if not source.repoURL:
            raise self.error(field, "repoURL is missing: say which repository to read")
        try:
            parts = urlsplit(source.repoURL)
            if parts.netloc:
                _ = parts.port
        except ValueError as exc:
            raise self.error((*field, "repoURL"), f"not an address: {why_no_url(exc)}") from None
        if source.chart and parts.scheme not in ("https", "http", "oci"):
            raise self.error((*field, "repoURL"), "charts come from https://HOST/PATH or oci://HOST/PATH")
        if source.is_bucket and not re.fullmatch(BUCKET_ADDRESS, source.repoURL):
            raise self.error((*field, "repoURL"), "a bucket is at s3://ENDPOINT/BUCKET (a prefix is named in bucket)")
        if source.is_bucket and source.targetRevision:
            raise self.error((*field, "targetRevision"), "a bucket is read as it is now; leave it out")
        if not source.is_bucket and source.bucket != Bucket():
            raise self.error((*field, "bucket"), "is for a bucket: repoURL is no s3://ENDPOINT/BUCKET")
        if source.verify.is_wanted and not is_oci(source.repoURL):
            raise self.error((*field, "verify"), "signatures are those of a registry: repoURL is no oci://HOST/PATH")
        if source.verify.is_wanted and not source.verify.secretRef:
            raise self.error((*field, "verify"), "secretRef is missing: name a Secret with public keys (*.pub)")
        if source.chart and source.path not in (".", ""):
            raise self.error((*field, "path"), "a chart of a repository is rendered as a whole; leave path out")

    def _check_expressions(self, app: Application) -> None:
        for number, rule in enumerate(app.health):
            for name in ("degraded", "suspended", "progressing", "healthy"):
                expression = getattr(rule, name)
                try:
                    if expression:
                        check_bounded(expression)
                        compiled(expression, ("metadata", "object", "spec", "status"))
                except CelError as exc:
                    raise self.error(("spec", "health", number, name), f"cannot be used as a rule: {exc}") from None
        for name, expression in app.readyExpr.items():
            if name not in app.dependsOn:
                raise self.error(("spec", "readyExpr", name), "is not among dependsOn")
            try:
                check_expression(expression)
            except CelError as exc:
                raise self.error(("spec", "readyExpr", name), f"cannot be used: {exc}") from None
        for number, window in enumerate(app.windows):
            try:
                check_window(window)
            except ConfigError as exc:
                raise self.error(("spec", "windows", number), str(exc).removeprefix("windows: ")) from None
        try:
            Target(app.policies.kubernetes)
        except ConfigError as exc:
            raise self.error(("spec", "policies", "kubernetes"), str(exc)) from None
        for number, ignored in enumerate(app.ignoreDifferences):
            for name, parse in (("jsonPointers", parse_pointer), ("jqPathExpressions", parse_path)):
                for place, text in enumerate(getattr(ignored, name)):
                    try:
                        parse(text)
                    except ManifestError as exc:
                        raise self.error(("spec", "ignoreDifferences", number, name, place), str(exc)) from None

    def _checked_name(self, value: Any, field: tuple[str | int, ...]) -> None:
        try:
            check_name(str(value), ".".join(str(step) for step in field))
        except ConfigError as exc:
            raise ConfigError(f"{self.where(field)}{exc}") from None


def _texts(value: Any) -> dict[str, str]:
    """Labels or annotations, as far as they are text."""
    return {str(name): text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def folder_application(folder: str, name: str, namespace: str) -> Application:
    """The Application that `gitops sync PATH --name NAME --namespace NAMESPACE` stands for.

    It lives in its destination, so that one name in two namespaces is two Applications.
    """
    from gitops.model.application import Destination, SyncOptions

    return Application(
        name=check_name(name, "--name"),
        namespace=namespace,
        source=SourceSpec(repoURL="", path=folder),
        destination=Destination(namespace=check_name(namespace, "--namespace")),
        sync=SyncOptions(createNamespace=True),
    )


def actor() -> str:
    """Who acts: the CI system's word for a person, else the login name and host."""
    import getpass
    import socket

    names = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR", "CIRCLE_USERNAME", "BUILDKITE_BUILD_CREATOR")
    for name in names:
        if os.environ.get(name):
            return f"{os.environ[name]} ({name.partition('_')[0].lower()})"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
