"""A chart in memory: what Chart.yaml says, its templates, values and files, and the charts that it depends on."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.semver import parse_version

_ALIAS: Final = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(slots=True, repr=False, eq=False)
class Dependency:
    """An entry of Chart.yaml's `dependencies`."""

    name: str
    version: str = ""
    repository: str = ""
    condition: str = ""
    tags: tuple[str, ...] = ()
    import_values: tuple[Any, ...] = ()
    alias: str = ""
    enabled: bool = True


@dataclass(slots=True, repr=False, eq=False)
class Metadata:
    """What Chart.yaml says; `fields` are all of them by their JSON names, in Helm's order."""

    name: str
    version: str
    api_version: str
    kind: str
    kube_version: str
    dependencies: list[Dependency]
    fields: dict[str, Any]


class File(NamedTuple):
    """A file of a chart by its path below the chart's folder; it is read when it is asked for."""

    name: str
    read: Callable[[], bytes]


@dataclass(slots=True, repr=False, eq=False)
class Chart:
    """A chart; `label` names it in messages by where it stands."""

    metadata: Metadata
    label: str
    values: dict[str, Any] = field(default_factory=dict)
    schema: bytes | None = None
    templates: list[File] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    dependencies: list["Chart"] = field(default_factory=list)
    parent: "Chart | None" = None

    @property
    def name(self) -> str:
        """Its own name, or the alias that its parent gives it."""
        return self.metadata.name

    @property
    def full_path(self) -> str:
        """`parent/charts/child`: how its templates are named."""
        return f"{self.parent.full_path}/charts/{self.name}" if self.parent else self.name

    def set_dependencies(self, charts: list["Chart"]) -> None:
        """Make these, and no others, the charts that it depends on."""
        for chart in charts:
            chart.parent = self
        self.dependencies = charts


# ── Chart.yaml ───────────────────────────────────────────────────────────────────────────────────────────────────

_TEXTS: Final = {
    "name", "home", "version", "description", "icon", "apiVersion", "condition", "tags", "appVersion", "kubeVersion",
    "type",
}  # fmt: skip
_LISTS: Final = {"sources", "keywords"}
_ORDER: Final = (
    "name", "home", "sources", "version", "description", "keywords", "maintainers", "icon", "apiVersion", "condition",
    "tags", "appVersion", "deprecated", "annotations", "kubeVersion", "dependencies", "type",
)  # fmt: skip


def as_text(value: Any, where: str) -> str:
    """A field that must be text; a number or boolean is taken as it is written. Raises RenderError."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else numbers.format_g(value)
    if not isinstance(value, str):
        raise RenderError(f"{where}: expected text, got {'a list' if isinstance(value, list) else 'a map'}")
    return value


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if each.isspace() else each for each in text if each.isspace() or each.isprintable())


def _texts(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RenderError(f"{where}: expected a list of text")
    return [_clean(as_text(item, f"{where}[{number}]")) for number, item in enumerate(value)]


def _maps(value: Any, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RenderError(f"{where}: expected a list of maps, with no empty ones")
    return value


def _known(data: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The fields under their right names, whatever the case that they are written in."""
    exact = {name.lower(): name for name in names}
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = exact.get(key.lower())
        if name is not None and (key == name or name not in data):
            found[name] = value
    return found


def read_metadata(documents: list[tuple[str, Any]]) -> Metadata:
    """What Chart.yaml, and for version 1 requirements.yaml, say: a file's name and its value each.

    Raises RenderError.
    """
    where = documents[0][0]
    fields = _read_fields({}, where)
    for where_now, data in documents:
        if data is None:
            continue
        if not isinstance(data, dict):
            raise RenderError(f"{where_now}: expected a map, got {'a list' if isinstance(data, list) else 'a scalar'}")
        fields |= _read_fields(_known(data, _ORDER), where_now)
    dependencies = [_dependency(item, f"{where}: dependencies[{n}]") for n, item in enumerate(fields["dependencies"])]
    api_version = fields["apiVersion"] = fields["apiVersion"] or "v1"
    found = Metadata(
        fields["name"], fields["version"], api_version, fields["type"], fields["kubeVersion"], dependencies, fields
    )
    _check(found, where)
    return found


def _read_fields(data: dict[str, Any], where: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in _ORDER:
        value, place = data.get(name), f"{where}: {name}"
        if name in _TEXTS:
            fields[name] = _clean(as_text(value, place))
        elif name in _LISTS:
            fields[name] = _texts(value, place)
        elif name == "deprecated":
            if value is not None and not isinstance(value, bool):
                raise RenderError(f"{place}: expected true or false")
            fields[name] = bool(value)
        elif name == "annotations":
            if value is not None and not isinstance(value, dict):
                raise RenderError(f"{place}: expected a map of text")
            fields[name] = {key: as_text(item, f"{place}.{key}") for key, item in (value or {}).items()}
        else:
            fields[name] = _maps(value, place)
    return fields


def _dependency(data: dict[str, Any], where: str) -> Dependency:
    names = ("name", "version", "repository", "condition", "tags", "import-values", "alias")
    data = _known(data, names)
    texts = {name: _clean(as_text(data.get(name), f"{where}.{name}")) for name in names[:4]}
    alias = as_text(data.get("alias"), f"{where}.alias")
    if alias and not _ALIAS.fullmatch(alias):
        raise RenderError(f'{where}.alias: dependency "{texts["name"]}" has disallowed characters in the alias')
    imports = data.get("import-values") or []
    if not isinstance(imports, list):
        raise RenderError(f"{where}.import-values: expected a list")
    return Dependency(
        texts["name"],
        texts["version"],
        texts["repository"],
        texts["condition"],
        tuple(_texts(data.get("tags"), f"{where}.tags")),
        tuple(imports),
        alias,
    )


def _check(metadata: Metadata, where: str) -> None:
    if not metadata.name:
        raise RenderError(f"{where}: name is missing: give the chart a name")
    if "/" in metadata.name:
        raise RenderError(f'{where}: name: "{metadata.name}" is invalid: it holds a path')
    if not metadata.version:
        raise RenderError(f"{where}: version is missing: give the chart a version, such as 0.1.0")
    try:
        parse_version(metadata.version)
    except FunctionError:
        raise RenderError(f'{where}: version: "{metadata.version}" is no semantic version') from None
    if metadata.kind not in ("", "application", "library"):
        raise RenderError(f'{where}: type: expected application or library, got "{metadata.kind}"')
    seen: set[str] = set()
    for dependency in metadata.dependencies:
        key = dependency.alias or dependency.name
        if key in seen:
            raise RenderError(f'{where}: more than one dependency with name or alias "{key}"')
        seen.add(key)
