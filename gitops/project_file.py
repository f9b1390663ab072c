"""Reads the operator's file of projects: documents of the kind AppProject, as Argo CD has it.

A field that would limit more and is not enforced here is an error: were it left out, what it forbids would be allowed.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gitops.fields_reader import FieldsReader, file_data, kind_of
from gitops.manifests.errors import ManifestError
from gitops.manifests.names import SUBDOMAIN_NAME
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import ConfigError
from gitops.model.globs import glob
from gitops.model.project import KIND_LISTS, Project
from policies.projects import permits_source
from policies.windows import check_window

Where = tuple[str | int, ...]
_KIND: Final = ("argoproj.io/v1alpha1", "AppProject")
_UNHEEDED: Final = ("orphanedResources",)
_NOT_ENFORCED: Final = ("signatureKeys", "sourceIntegrity", "permitOnlyProjectScopedClusters")
_NOT_DONE: Final = ("destinationServiceAccounts",)
# By which Argo CD's documentation gives a project the limits of a global one.
_INHERITS: Final = "argocd.argoproj.io/project-inherit"


def read_projects(path: Path, check_roles: Callable[[Project], str] = lambda _: "") -> dict[str, Project]:
    """The projects of the file, by name; `check_roles` says what is wrong with the policies of one's roles, or "".

    Raises ConfigError with the file, and the line and the field of what is wrong.
    """
    data = file_data(path)
    try:
        documents = load_all(data, str(path))
    except ManifestError as exc:
        raise ConfigError(str(exc)) from exc
    found: dict[str, Project] = {}
    for number, document in enumerate(documents):
        reader = _Reader(path, data, number)
        project = reader.project(document.value)
        if project.name in found:
            raise reader.error(("metadata", "name"), f"another project is called {project.name} too")
        if wrong := check_roles(project):
            raise reader.error(("spec", "roles"), wrong)
        found[project.name] = project
    if not found:  # one that is being written must not look like one that limits nothing
        raise ConfigError(f"{path}: holds no AppProject")
    return found


class _Reader(FieldsReader):
    """Reads one project."""

    def project(self, value: Any) -> Project:
        if not isinstance(value, dict):
            raise self.error((), f"expected an AppProject, got {kind_of(value)}")
        if (value.get("apiVersion"), value.get("kind")) != _KIND:
            got = f"{value.get('apiVersion')} {value.get('kind')}"
            raise self.error(("apiVersion",), f"expected {' '.join(_KIND)}, got {got}")
        self.check_names(value, {"apiVersion", "kind", "metadata", "spec", "status"}, ())
        metadata, spec = value.get("metadata"), value.get("spec") or {}
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name or not SUBDOMAIN_NAME.fits(name):
            raise self.error(("metadata",), f"metadata.name: expected {SUBDOMAIN_NAME.words}")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        if isinstance(labels, dict) and _INHERITS in labels:
            why = f"{_INHERITS}: no project has the limits of another one here: say them in this one, and leave it out"
            raise self.error(("metadata", "labels"), why)
        if not isinstance(spec, dict):
            raise self.error(("spec",), f"expected a map, got {kind_of(spec)}")
        spec, unheeded = self._enforced(spec)
        project = self.dataclass(Project, spec, ("spec",), given={"name": name, "unheeded": unheeded})
        self._check(project)
        return project

    def _enforced(self, spec: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What of the spec means something here, and the fields that limit nothing."""
        for name in (*_NOT_ENFORCED, *_NOT_DONE):
            if spec.get(name):
                more = "; use sync.serviceAccount of each Application" if name in _NOT_DONE else ""
                raise self.error(("spec", name), f"is not enforced by this controller: take it out{more}")
        unheeded = [name for name in _UNHEEDED if name in spec]
        roles = spec.get("roles")
        if isinstance(roles, list) and any(isinstance(one, dict) and "jwtTokens" in one for one in roles):
            unheeded.append("roles.jwtTokens")
            roles = [_without(one, "jwtTokens") for one in roles]
            spec = {**spec, "roles": roles}
        left_out = (*_UNHEEDED, *_NOT_ENFORCED, *_NOT_DONE)
        return {key: item for key, item in spec.items() if key not in left_out}, tuple(unheeded)

    def _check(self, project: Project) -> None:
        for place, text in self._globs(project):
            bare = text.removeprefix("!")
            try:
                glob(bare.lower(), "/")
                permits_source(replace(project, sourceRepos=(text,)), "https://git.example.com/one")
            except ValueError as exc:
                raise self.error(place, str(exc)) from None
            if bare == "*" and text != bare:
                raise self.error(place, "!* would deny everything: leave the entry out")
        for number, item in enumerate(project.destinations):
            if not (item.server or item.name) or not item.namespace:
                raise self.error(
                    ("spec", "destinations", number), "say a server (or the name of a cluster), and a namespace"
                )
        for number, window in enumerate(project.syncWindows):
            place = ("spec", "syncWindows", number)
            if not (window.applications or window.namespaces or window.clusters):
                raise self.error(place, "say for which applications, namespaces or clusters it is")
            try:
                check_window(window.window)
            except ConfigError as exc:
                raise self.error(place, str(exc).removeprefix("windows: ")) from None
        names = [role.name for role in project.roles]
        for number, name in enumerate(names):
            if not name or names.index(name) != number:
                raise self.error(("spec", "roles", number), f"another role is called {name} too" if name else "no name")

    def _globs(self, project: Project) -> list[tuple[Where, str]]:
        found: list[tuple[Where, str]] = []
        for name in ("sourceRepos", "sourceNamespaces"):
            found += [(("spec", name, number), text) for number, text in enumerate(getattr(project, name))]
        for number, item in enumerate(project.destinations):
            texts = {name: getattr(item, name) for name in ("server", "name", "namespace")}
            found += [(("spec", "destinations", number, name), text) for name, text in texts.items() if text]
        for name in KIND_LISTS:
            for number, one in enumerate(getattr(project, name)):
                texts = {field: getattr(one, field) for field in ("group", "kind", "name")}
                found += [(("spec", name, number, field), text) for field, text in texts.items() if text]
        for number, window in enumerate(project.syncWindows):
            for name in ("applications", "namespaces", "clusters"):
                found += [(("spec", "syncWindows", number, name), text) for text in getattr(window, name)]
        return found


def _without(value: Any, name: str) -> Any:
    return {key: item for key, item in value.items() if key != name} if isinstance(value, dict) else value
