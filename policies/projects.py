"""What a project permits: which sources, clusters, namespaces and kinds, and when. Pure.

As Argo CD 3 decides it: a list of globs permits what one of them fits, and what begins with `!` fits all but that, and
refuses that whatever the others say. A list that is empty permits nothing. What cannot be known of a cluster (the
address of one whose kubeconfig is in a Secret) is fitted by `*` alone.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from gitops.manifests.key import ResourceKey
from gitops.model.application import Application
from gitops.model.globs import glob
from gitops.model.project import ClusterNames, Project, ProjectDestination, ProjectKind, ProjectLimits, ProjectWindow
from gitops.model.source_name import without_userinfo
from policies.windows import closes, reason_to_wait

_DENIES: Final = "!"


def reason_refused(limits: ProjectLimits, app: Application, home: str) -> str:
    """Why the project does not permit this Application, or ""; `home` is the controller's own namespace."""
    project, where = limits.project, app.destination.namespace
    if app.namespace != home and not any(_fits(one, app.namespace) for one in project.sourceNamespaces):
        told = f"its Applications may not live in namespace {app.namespace} (sourceNamespaces)"
        return f"project {project.name}: {told}"
    for source in app.all_sources:
        if not permits_source(project, source.repoURL):
            return f"project {project.name} does not permit the source {source.address} (sourceRepos)"
    if not permits_destination(project, limits.cluster, where):
        cluster = app.destination.told or "in-cluster"
        return f"project {project.name} does not permit namespace {where} of cluster {cluster} (destinations)"
    return ""


def permits_source(project: Project, address: str) -> bool:
    """Whether a repository may be read; `*` stays within one part of its path, `**` does not."""
    if any(part in (".", "..") for part in unquote(address).replace("\\", "/").split("/")):
        return "*" in project.sourceRepos  # it leads elsewhere than it says
    found, permits = _normal(address), False
    for pattern in project.sourceRepos:
        denies = pattern.startswith(_DENIES)
        is_it = pattern == "*" or bool(_glob(_normal(pattern.removeprefix(_DENIES)), "/").fullmatch(found))
        if denies and is_it:
            return False
        permits = permits or is_it or denies
    return permits


def permits_destination(project: Project, cluster: ClusterNames, namespace: str) -> bool:
    """Whether something may go to that namespace of that cluster."""
    permits = False
    for item in project.destinations:
        in_namespace = _fits(item.namespace, namespace)
        at_name, at_server = _fits_any(item.name, cluster.names), _fits_any(item.server, cluster.servers)
        if _refuses(item, at_name=at_name, at_server=at_server, in_namespace=in_namespace):
            return False
        permits = permits or ((at_name or at_server) and in_namespace)
    return permits


def _refuses(item: ProjectDestination, *, at_name: bool, at_server: bool, in_namespace: bool) -> bool:
    is_denied = (item.name.startswith(_DENIES) and not at_name) or (item.server.startswith(_DENIES) and not at_server)
    if is_denied and in_namespace:
        return True
    return item.namespace.startswith(_DENIES) and not in_namespace and (at_name or at_server)


def permits_kind(project: Project, key: ResourceKey) -> bool:
    """Whether an object of that kind may be there; one without a namespace needs an entry of its kind."""
    if key.namespace:
        permitted, refused = project.namespaceResourceWhitelist, project.namespaceResourceBlacklist
    else:
        permitted, refused = project.clusterResourceWhitelist, project.clusterResourceBlacklist
    return _is_in(key, permitted) and not _is_in(key, refused)


def objects_refused(limits: ProjectLimits, keys: Iterable[ResourceKey]) -> list[tuple[ResourceKey, str]]:
    """The objects that the project does not permit, each with the reason."""
    project, found = limits.project, []
    for key in sorted(keys):
        if not permits_kind(project, key):
            kind = f"{key.kind}.{key.group}" if key.group else key.kind
            field = "namespaceResource" if key.namespace else "clusterResource"
            why = f"project {project.name} does not permit {kind} ({field}Whitelist, {field}Blacklist)"
            found.append((key, f"{key}: {why}"))
        elif key.namespace and not permits_destination(project, limits.cluster, key.namespace):
            found.append((key, f"{key}: project {project.name} does not permit its namespace (destinations)"))
    return found


def reason_to_wait_in(limits: ProjectLimits, app: Application, now: datetime, *, manual: bool) -> str:
    """Why a sync has to wait for the project's windows, or ""; `manual` when a person asks for it.

    Raises ConfigError for a wrong window.
    """
    found = [one for one in limits.project.syncWindows if _is_for(one, app, limits.cluster)]
    reason = reason_to_wait(tuple(one.window for one in found), now)
    if reason and manual:
        denying = [one for one in found if one.kind == "deny" and closes(one.window, now) is not None]
        if all(one.manualSync for one in denying or found):
            return ""
    return f"project {limits.project.name}: {reason}" if reason else ""


def _is_for(window: ProjectWindow, app: Application, cluster: ClusterNames) -> bool:
    answers = [
        any(_fits_any(one, texts) for one in globs)
        for globs, texts in (
            (window.applications, (app.name,)),
            (window.namespaces, (app.destination.namespace,)),
            (window.clusters, (*cluster.names, *cluster.servers)),
        )
        if globs
    ]
    return bool(answers) and (all(answers) if window.andOperator else any(answers))


def _is_in(key: ResourceKey, kinds: tuple[ProjectKind, ...]) -> bool:
    return any(
        _fits(one.kind, key.kind) and _fits(one.group, key.group) and (not one.name or _fits(one.name, key.name))
        for one in kinds
    )


def _fits_any(pattern: str, texts: tuple[str, ...]) -> bool:
    """Of several names of one thing; a denial holds for all of them, and for what has none that is known."""
    if pattern.startswith(_DENIES):
        return bool(texts) and all(_fits(pattern, text) for text in texts)
    return pattern == "*" or (bool(pattern) and any(_fits(pattern, text) for text in texts))


def _fits(pattern: str, text: str) -> bool:
    if pattern.startswith(_DENIES):
        return not _fits(pattern.removeprefix(_DENIES), text)
    return pattern in ("*", text) or (bool(pattern) and bool(_glob(pattern).fullmatch(text)))


@lru_cache(maxsize=4096)
def _glob(pattern: str, apart: str = "") -> Any:
    return glob(pattern, apart)


def _normal(address: str) -> str:
    """One spelling of what Argo CD takes for one repository: no scheme of ssh, no `.git`, no user of https."""
    text = address.strip().lower()
    if "://" not in text and ":" in text:  # git's short form of ssh (user@host:path)
        text = text.replace(":", "/", 1)
    if not text.startswith("ssh://"):
        text = without_userinfo(text)
    return text.removesuffix("/").removesuffix(".git").removeprefix("ssh://") or address
