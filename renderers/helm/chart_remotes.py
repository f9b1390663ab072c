"""The charts that a chart depends on and has not in its `charts/`: from a folder beside it, or from a repository.

As `helm dependency build`: of a version that `Chart.lock` names, else of the highest that fits the range of Chart.yaml.
What comes from a repository is fetched by the caller (`Needs`).
"""

from collections.abc import Mapping

from gitops.manifests.errors import ManifestError
from gitops.model.errors import RenderError
from gitops.model.revision import Tree, join, within
from gitops.model.source_name import hidden_userinfo
from renderers.helm.chart import Chart, Dependency
from renderers.helm.chart_load import load_folder, read_yaml
from renderers.helm.semver import is_compatible
from renderers.result import Remote

_LOCKS = ("Chart.lock", "requirements.lock")
_MOST_NESTING = 10


def add_missing(
    chart: Chart, tree: Tree, path: str, remotes: Mapping[Remote, Tree], depth: int = 0
) -> tuple[Remote, ...]:
    """Add what is missing to the chart at `path` of `tree`; what has to be fetched for that first.

    What names no repository stays missing. Raises RenderError and SourceError.
    """
    present = {child.name for child in chart.dependencies}
    missing = [each for each in chart.metadata.dependencies if each.name not in present and each.repository]
    if not missing:
        return ()
    locked = _locked(tree, path)
    found: dict[str, Chart] = {child.name: child for child in chart.dependencies}
    needed: list[Remote] = []
    for each in missing:
        if each.repository.startswith("file://"):
            child, wanted = _beside(chart, tree, path, each, remotes, depth)
            needed += wanted
        else:
            remote = _remote(chart, each, locked.get(each.name, ""))
            if remote not in remotes:
                needed.append(remote)
                continue
            child = load_folder(remotes[remote], "")
            child.label = f"{chart.label}/charts/{each.name}-{child.metadata.version}.tgz"
        found[child.name] = child
    chart.set_dependencies([found[name] for name in sorted(found)])
    return tuple(dict.fromkeys(needed))


def _beside(
    chart: Chart, tree: Tree, path: str, wanted: Dependency, remotes: Mapping[Remote, Tree], depth: int
) -> tuple[Chart, tuple[Remote, ...]]:
    """The chart in another folder of the source, and what that needs in turn."""
    folder = join(path, wanted.repository.removeprefix("file://"))
    if folder is None or depth > _MOST_NESTING:
        raise RenderError(f"{chart.label}: dependency {_told(wanted)} leads out of the source")
    child = load_folder(tree, folder)
    if not is_compatible(wanted.version, child.metadata.version):
        raise RenderError(
            f"{chart.label}: dependency {_told(wanted)} holds version {child.metadata.version}, and "
            f"{wanted.version} is wanted"
        )
    return child, add_missing(child, tree, folder, remotes, depth + 1)


def _remote(chart: Chart, wanted: Dependency, locked: str) -> Remote:
    if wanted.repository.partition("://")[0].lower() not in ("https", "http", "oci"):
        raise RenderError(
            f"{chart.label}: dependency {_told(wanted)} is known to a person's helm only; write the "
            "repository's https:// or oci:// address in Chart.yaml, or commit charts/"
        )
    fits = locked and is_compatible(wanted.version, locked)
    return Remote(wanted.repository.rstrip("/"), locked if fits else wanted.version, "chart", wanted.name)


def _told(wanted: Dependency) -> str:
    return f"{wanted.name}: {hidden_userinfo(wanted.repository)}"


def _locked(tree: Tree, path: str) -> dict[str, str]:
    """The version of each dependency that the lock file names."""
    for name in _LOCKS:
        file = within(path, name)
        if tree.kind(file) != "file":
            continue
        tree.check_at_home(file)
        try:
            lock = read_yaml(tree.read(file), tree.shown(file))
        except ManifestError as error:
            raise RenderError(str(error)) from error
        items = lock.get("dependencies") if isinstance(lock, dict) else None
        return {
            item["name"]: item["version"]
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("version"), str)
        }
    return {}
