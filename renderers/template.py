"""Jinja2 templates: `*.yaml.j2`, `*.yml.j2` and `*.json.j2` below the path, filled in, beside plain manifests.

Values are, the later the stronger: `values.yaml` at the path if there is one, the files of `template.valueFiles`
(relative to the path), and `template.values`; maps are merged deeply. Templates see them as `values` and by their own
names, and the destination as `app.name` and `app.namespace`. A name that is not set is an error.

Templates come from repositories, so they are run by a process of its own (`renderers.template_worker`) with limits on
CPU time, memory and output, where Jinja's sandbox holds; files reach it through this one, from the tree only.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from gitops.manifests.errors import ManifestError
from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml import load_all, named, read_manifests
from gitops.model.application import SourceSpec
from gitops.model.errors import RenderError, SourceError
from gitops.model.revision import Tree, join, normalise, within
from renderers.decryption import opened_values
from renderers.files import files_below
from renderers.plain import read_file, select, wanted_of
from renderers.result import Context, Decrypt, Rendered

SECONDS: Final = 30.0

_TEMPLATE_ENDINGS: Final = (".yaml.j2", ".yml.j2", ".json.j2")
_VALUES_FILE: Final = "values.yaml"


def render(tree: Tree, spec: SourceSpec, context: Context) -> Rendered:
    """The manifests of all templates and plain files at the path.

    Raises RenderError (`template:line: what is wrong`) when a template cannot be filled in within the limits.
    """
    path = normalise(spec.path)
    if tree.kind(path) == "file":
        folder, _, name = path.rpartition("/")
        names = [name]
    else:
        folder, names = path, list(files_below(tree, path, wants=wanted_of(spec.plain)))
    value_files = {_VALUES_FILE, *(normalise(name) for name in spec.template.valueFiles)}
    templates = [name for name in names if name.endswith(_TEMPLATE_ENDINGS)]
    plain = [name for name in select(names, spec.plain) if name not in value_files]
    if not templates and not plain:
        raise RenderError(f"{tree.shown(path)}: nothing to render there (no .yaml.j2 file)")
    values = values_of(tree, folder, spec, context.decrypt)
    app = {"name": context.name, "namespace": context.namespace}
    filled = _fill_in(tree, [_inside(folder, name) for name in templates], values, app)
    manifests: list[Manifest] = []
    for name in sorted([*templates, *plain]):
        file = _inside(folder, name)
        text = filled.get(file)
        manifests.extend(
            read_file(tree, file, context)
            if text is None
            else read_manifests(text.encode(), f"{tree.shown(file)} (filled in)")
        )
    return Rendered("template", tuple(manifests))


def values_of(tree: Tree, folder: str, spec: SourceSpec, decrypt: Decrypt | None = None) -> dict[str, Any]:
    """All values, merged."""
    values: dict[str, Any] = {}
    files = [_inside(folder, name) for name in spec.template.valueFiles]
    default = _inside(folder, _VALUES_FILE)
    if default not in files and tree.kind(default) == "file":
        files.insert(0, default)
    for file in files:
        tree.check_at_home(file)
        for document in load_all(opened_values(decrypt, tree.read(file), tree.shown(file)), file):
            if not isinstance(document.value, dict):
                raise ManifestError(
                    f"{tree.shown(file)}:{document.line}: expected a map of values, got {named(document.value)}"
                )
            values = merge(values, document.value)
    return merge(values, spec.template.values)


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `under`: maps are merged, everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _inside(folder: str, name: str) -> str:
    return normalise(within(folder, name))


def _fill_in(tree: Tree, templates: list[str], values: dict[str, Any], app: dict[str, str]) -> dict[str, str]:
    """Template path → text."""
    if not templates:
        return {}
    worker = subprocess.Popen(
        [sys.executable, "-I", "-m", "renderers.template_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
    )
    timer = threading.Timer(SECONDS, worker.kill)
    timer.start()
    try:
        return _converse(worker, tree, {"templates": templates, "values": values, "app": app})
    finally:
        timer.cancel()
        worker.kill()
        worker.communicate()


def _converse(worker: "subprocess.Popen[bytes]", tree: Tree, job: dict[str, Any]) -> dict[str, str]:
    """Send the job, answer the worker's questions for files, and return what it made of the templates."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    filled: dict[str, str] = {}
    current = job["templates"][0]
    try:
        _send(worker, job)
        for line in worker.stdout:
            message = json.loads(line)
            match message:
                case {"starts": name}:
                    current = name
                case {"file": name, "from": parent}:
                    _send(worker, _file(tree, name, parent))
                case {"text": text}:
                    filled[current] = text
                case {"error": error}:
                    place, _, why = error.partition(":")
                    raise RenderError(f"{tree.shown(place)}:{why}")
    except (BrokenPipeError, ValueError):
        pass
    if len(filled) < len(job["templates"]):
        raise RenderError(
            f"{tree.shown(current)}: filling it in took more than {SECONDS:.0f} s or too much memory (simplify it)"
        )
    return filled


def _send(worker: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(message).encode() + b"\n")
    worker.stdin.flush()


def _file(tree: Tree, name: str, parent: str) -> dict[str, Any]:
    """A template's source: `name` is relative to the folder of the template that asks, `/name` to the tree."""
    path = join(parent.rpartition("/")[0], name)
    try:
        if path is None:
            raise SourceError(f"{name}: leads out of the tree")
        tree.check_at_home(path)
        return {"path": path, "source": tree.read(path).decode("utf-8", "replace")}
    except SourceError as error:
        return {"error": str(error)}
