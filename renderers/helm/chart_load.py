"""Loads a chart of a folder or archive, with the charts in its `charts/`, as Helm 3.17 does."""

import marshal
import os.path
from functools import lru_cache
from typing import Any, Final

from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import Composer, decode
from gitops.manifests.yaml_values import YamlProblem
from gitops.model.errors import RenderError
from gitops.model.revision import Tree, within
from renderers.helm.chart import Chart, File, read_metadata
from renderers.helm.chart_ignore import Ignored
from renderers.helm.encoders import floats

_BOM: Final = b"\xef\xbb\xbf"
_MAX_NESTING: Final = 20
_MOST_KEPT: Final = 256 * 1024


def load_folder(tree: Tree, path: str) -> Chart:
    """The chart in the folder at `path`. Raises RenderError and SourceError."""
    ignore_file = within(path, ".helmignore")
    text = ""
    if tree.kind(ignore_file) == "file":
        tree.check_at_home(ignore_file)
        text = tree.read(ignore_file).decode("utf-8", "replace").removeprefix("\ufeff")
    ignored = Ignored(text, tree.shown(ignore_file))
    files = [File(name, _reader(tree, within(path, name))) for name in _names(tree, path, "", ignored)]
    return load_files(files, tree.shown(path))


def _reader(tree: Tree, path: str) -> Any:
    def read() -> bytes:
        tree.check_at_home(path)
        return tree.read(path).removeprefix(_BOM)

    return read


def _names(tree: Tree, root: str, below: str, ignored: Ignored) -> list[str]:
    found: list[str] = []
    for entry in tree.entries(within(root, below)):
        name = within(below, entry.name)
        kind = entry.kind if entry.kind in ("file", "directory") else tree.kind(within(root, name))
        is_folder = kind == "directory"
        if entry.name == ".git" or ignored.leaves_out(name, is_folder):
            continue
        if entry.kind == "link":
            tree.check_at_home(within(root, name))
        if is_folder:
            found.extend(_names(tree, root, name, ignored))
        elif kind == "file":
            found.append(name)
        else:
            raise RenderError(
                f"{tree.shown(within(root, name))}: is neither a file nor a folder, and a chart holds no other"
            )
    return found


def read_yaml(data: bytes, where: str) -> Any:
    """The first document of a YAML file, whole numbers as they are. Raises RenderError."""
    try:
        return Composer(decode(data)).document()
    except YamlProblem as problem:
        raise RenderError(f"{where}:{problem.line + 1}: {problem}") from None
    except ManifestError as error:
        raise RenderError(f"{where}: {error}") from None


def read_values(data: bytes, where: str) -> dict[str, Any]:
    """A file of values: numbers are float64. Raises RenderError."""
    if len(data) > _MOST_KEPT:
        return _values_of(data, where)
    # A copy for each caller, who may change it; this makes one in a twentieth of the time that reading takes.
    values: dict[str, Any] = marshal.loads(_packed_values(data, where))  # noqa: S302 -- written here
    return values


@lru_cache(maxsize=256)
def _packed_values(data: bytes, where: str) -> bytes:
    return marshal.dumps(_values_of(data, where))


def _values_of(data: bytes, where: str) -> dict[str, Any]:
    value = floats(read_yaml(data, where))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RenderError(
            f"{where}: expected a map of values, got {'a list' if isinstance(value, list) else 'a scalar'}"
        )
    return value


def load_files(files: list[File], label: str, depth: int = 0) -> Chart:
    """The chart that these files make. Raises RenderError."""
    if depth > _MAX_NESTING:
        raise RenderError(f"{label}: charts are nested more than {_MAX_NESTING} deep")
    by_name = {file.name: file for file in files}
    if "Chart.yaml" not in by_name:
        raise RenderError(f"{label}: Chart.yaml file is missing")
    documents = [
        (f"{label}/{name}", read_yaml(by_name[name].read(), f"{label}/{name}"))
        for name in ("Chart.yaml", "requirements.yaml")
        if name in by_name
    ]
    metadata_documents = documents[:1]
    if len(documents) > 1 and isinstance(documents[1][1], dict):
        base = dict(documents[0][1]) if isinstance(documents[0][1], dict) else {}
        metadata_documents = [(documents[0][0], base | documents[1][1])]
    chart = Chart(read_metadata(metadata_documents), label)
    packed: dict[str, list[File]] = {}
    for file in files:
        _sort_in(chart, file, packed)
    chart.set_dependencies(
        [loaded for name, inner in sorted(packed.items()) if (loaded := _subchart(name, inner, label, depth))]
    )
    return chart


def _sort_in(chart: Chart, file: File, packed: dict[str, list[File]]) -> None:
    where = f"{chart.label}/{file.name}"
    match file.name:
        case "Chart.yaml":
            return
        case "Chart.lock" | "requirements.lock":
            if not isinstance(read_yaml(file.read(), where), dict | None):
                raise RenderError(f"{where}: cannot be loaded: expected a map")
            if file.name == "requirements.lock" and chart.metadata.api_version == "v1":
                chart.files.append(file)
        case "values.yaml":
            chart.values = read_values(file.read(), where)
        case "values.schema.json":
            chart.schema = file.read()
        case "requirements.yaml":
            if chart.metadata.api_version == "v1":
                chart.files.append(file)
        case name if name.startswith("templates/"):
            chart.templates.append(file)
        case name if name.startswith("charts/"):
            if name.endswith(".prov"):
                chart.files.append(file)
            else:
                inner = name.removeprefix("charts/")
                packed.setdefault(inner.split("/", 1)[0], []).append(File(inner, file.read))
        case _:
            chart.files.append(file)


def _subchart(name: str, files: list[File], label: str, depth: int) -> Chart | None:
    if name[:1] in ("_", "."):
        return None
    where = f"{label}/charts/{name}"
    if os.path.splitext(name)[1] == ".tgz":
        if files[0].name != name:
            raise RenderError(f"{where}: error unpacking subchart: expected {name}, got {files[0].name}")
        from renderers.helm.chart_archive import unpack

        unpacked = [File(path, lambda data=data: data) for path, data in unpack(files[0].read(), where)]  # type: ignore[misc]
        return load_files(unpacked, where, depth + 1)
    inner = [File(file.name.split("/", 1)[1], file.read) for file in files if "/" in file.name]
    return load_files(inner, where, depth + 1)
