"""Decoding kustomization.yaml and its relatives: JSON values checked against tables of fields.

Names of fields match without regard to case, unknown ones are errors, null counts as left out, and a value of another
type is an error that names the field. The result is plain data with the fields' proper names.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import MAX_BYTES, Composer, text_named
from gitops.manifests.yaml_documents import decode as as_text
from gitops.manifests.yaml_scalars import format_float
from gitops.manifests.yaml_values import YamlProblem
from gitops.model.errors import RenderError

Type = Any  # "text", "flag", "number", "any", ("list", T), ("texts",), or a table of fields

TEXT: Final = "text"
FLAG: Final = "flag"
NUMBER: Final = "number"
ANY: Final = "any"
TEXTS: Final = ("list", TEXT)
TEXT_MAP: Final = ("map", TEXT)
FLAG_MAP: Final = ("map", FLAG)

_WORDS: Final = {TEXT: "text", FLAG: "true or false", NUMBER: "a whole number"}

GVK: Final = {"group": TEXT, "version": TEXT, "kind": TEXT}
ID: Final = {**GVK, "name": TEXT, "namespace": TEXT}
SELECTOR: Final = {**ID, "annotationSelector": TEXT, "labelSelector": TEXT}
FIELD_SPEC: Final = {**GVK, "path": TEXT, "create": FLAG}
FIELD_SPECS: Final = ("list", FIELD_SPEC)
PATCH: Final = {"path": TEXT, "patch": TEXT, "target": SELECTOR, "options": FLAG_MAP}
IMAGE: Final = {"name": TEXT, "newName": TEXT, "tagSuffix": TEXT, "newTag": TEXT, "digest": TEXT}
GENERATOR_OPTIONS: Final = {
    "labels": TEXT_MAP,
    "annotations": TEXT_MAP,
    "disableNameSuffixHash": FLAG,
    "immutable": FLAG,
}
CONFIG_MAP: Final = {
    "namespace": TEXT,
    "name": TEXT,
    "behavior": TEXT,
    "literals": TEXTS,
    "files": TEXTS,
    "envs": TEXTS,
    "env": TEXT,
    "options": GENERATOR_OPTIONS,
}
SECRET: Final = {**CONFIG_MAP, "type": TEXT}
FIELD_OPTIONS: Final = {"delimiter": TEXT, "index": NUMBER, "encoding": TEXT, "create": FLAG}
REPLACEMENT: Final = {
    "source": {**ID, "fieldPath": TEXT, "options": FIELD_OPTIONS},
    "sourceValue": TEXT,
    "targets": (
        "list",
        {
            "select": SELECTOR,
            "reject": ("list", SELECTOR),
            "fieldPaths": TEXTS,
            "options": FIELD_OPTIONS,
        },
    ),
}
VAR: Final = {
    "name": TEXT,
    "objref": {"apiVersion": TEXT, **ID},
    "fieldref": {"fieldPath": TEXT},
}
LABEL: Final = {"pairs": TEXT_MAP, "includeSelectors": FLAG, "includeTemplates": FLAG, "fields": FIELD_SPECS}
REPLICA: Final = {"name": TEXT, "count": NUMBER}
SORT_OPTIONS: Final = {"order": TEXT, "legacySortOptions": {"orderFirst": TEXTS, "orderLast": TEXTS}}
OBJECT_META: Final = {"name": TEXT, "namespace": TEXT, "labels": TEXT_MAP, "annotations": TEXT_MAP}
HELM_CHART: Final = {
    "name": TEXT,
    "version": TEXT,
    "repo": TEXT,
    "releaseName": TEXT,
    "namespace": TEXT,
    "additionalValuesFiles": TEXTS,
    "valuesFile": TEXT,
    "valuesInline": ANY,
    "valuesMerge": TEXT,
    "includeCRDs": FLAG,
    "skipHooks": FLAG,
    "apiVersions": TEXTS,
    "kubeVersion": TEXT,
    "nameTemplate": TEXT,
    "skipTests": FLAG,
    "debug": FLAG,
}
HELM_GLOBALS: Final = {"chartHome": TEXT, "configHome": TEXT}
OLD_HELM_CHART: Final = {
    "chartName": TEXT,
    "chartVersion": TEXT,
    "chartRepoUrl": TEXT,
    "chartHome": TEXT,
    "chartRepoName": TEXT,
    "helmBin": TEXT,
    "helmHome": TEXT,
    "values": TEXT,
    "valuesLocal": ANY,
    "valuesMerge": TEXT,
    "releaseName": TEXT,
    "releaseNamespace": TEXT,
    "extraArgs": TEXTS,
}
KUSTOMIZATION: Final = {
    "apiVersion": TEXT,
    "kind": TEXT,
    "metadata": OBJECT_META,
    "openapi": TEXT_MAP,
    "namePrefix": TEXT,
    "nameSuffix": TEXT,
    "namespace": TEXT,
    "commonLabels": TEXT_MAP,
    "labels": ("list", LABEL),
    "commonAnnotations": TEXT_MAP,
    "patchesStrategicMerge": TEXTS,
    "patchesJson6902": ("list", PATCH),
    "patches": ("list", PATCH),
    "images": ("list", IMAGE),
    "imageTags": ("list", IMAGE),
    "replacements": ("list", {**REPLACEMENT, "path": TEXT}),
    "replicas": ("list", REPLICA),
    "vars": ("list", VAR),
    "sortOptions": SORT_OPTIONS,
    "resources": TEXTS,
    "components": TEXTS,
    "crds": TEXTS,
    "bases": TEXTS,
    "configMapGenerator": ("list", CONFIG_MAP),
    "secretGenerator": ("list", SECRET),
    "helmGlobals": HELM_GLOBALS,
    "helmCharts": ("list", HELM_CHART),
    "helmChartInflationGenerator": ("list", OLD_HELM_CHART),
    "generatorOptions": GENERATOR_OPTIONS,
    "configurations": TEXTS,
    "generators": TEXTS,
    "transformers": TEXTS,
    "validators": TEXTS,
    "buildMetadata": TEXTS,
}
TRANSFORMER_CONFIG: Final = {
    **dict.fromkeys(
        (
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "templateLabels",
            "commonAnnotations",
            "varReference",
            "images",
            "replicas",
        ),
        FIELD_SPECS,
    ),
    "nameReference": ("list", {**GVK, "fieldSpecs": FIELD_SPECS}),
}


class Mode(NamedTuple):
    """`lenient` drops unknown fields; `converts` takes numbers and booleans where text is expected.

    A kustomization does neither, configurations convert, plug-in configuration does both, and so does Flux with the
    kustomization that it writes anew.
    """

    lenient: bool = False
    converts: bool = False


STRICT: Final = Mode()
CONFIGURATION: Final = Mode(converts=True)
PLUG_IN: Final = Mode(lenient=True, converts=True)


def decode(value: Any, table: Mapping[str, Type], where: str, mode: Mode = STRICT) -> dict[str, Any]:
    """A map checked against a table; `where` is the file's name and starts every message.

    `mode` says what is let pass: see `Mode`.
    """
    found = _decode(value, table, where, "", mode)
    assert isinstance(found, dict)
    return found


def _decode(value: Any, expected: Type, where: str, field: str, mode: Mode) -> Any:
    if isinstance(expected, Mapping):
        return _table(value, expected, where, field, mode)
    if isinstance(expected, tuple):
        return _many(value, expected, where, field, mode)
    if expected == ANY:
        return value
    wanted = {TEXT: str, FLAG: bool, NUMBER: int}[expected]
    if value is None:
        return wanted()
    if expected == TEXT and mode.converts and isinstance(value, int | float):
        return _as_text(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and expected == NUMBER):
        raise _wrong(where, field, _WORDS[expected], value)
    return value


def _table(value: Any, table: Mapping[str, Type], where: str, field: str, mode: Mode) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(where, field, "a map", value)
    result: dict[str, Any] = {}
    for key in sorted(value):
        name = key if key in table else _proper_name(key, table)
        child = f"{field}.{key}" if field else key
        if name is None:
            if mode.lenient:
                continue
            raise RenderError(f"{where}: {child}: there is no such field")
        if value[key] is not None:
            result[name] = _decode(value[key], table[name], where, child, mode)
    return result


def _proper_name(key: str, table: Mapping[str, Type]) -> str | None:
    folded = key.casefold()
    return next((name for name in table if name.casefold() == folded), None)


def _many(value: Any, expected: tuple[str, Type], where: str, field: str, mode: Mode) -> Any:
    shape, inner = expected
    if shape == "list":
        if not isinstance(value, list):
            raise _wrong(where, field, "a list", value)
        return [_decode(item, inner, where, f"{field}[{number}]", mode) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        raise _wrong(where, field, "a map", value)
    return {key: _decode(item, inner, where, f"{field}.{key}", mode) for key, item in value.items()}


def _as_text(value: int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else format_float(value, 32)


def _wrong(where: str, field: str, expected: str, value: Any) -> RenderError:
    text = text_named(value) if isinstance(value, str) else ""
    got = {bool: "a boolean", int: "a number", float: "a number", str: text, list: "a list", dict: "a map"}
    hint = f' (write "{value}", with quotes)' if expected == "text" and isinstance(value, int | float) else ""
    return RenderError(f"{where}: {field}: expected {expected}, got {got.get(type(value), 'nothing')}{hint}")


def load_yaml(data: bytes, where: str) -> Any:
    """The first document of a YAML file as JSON, with YAML 1.1 booleans; None for an empty one.

    Unlike kubectl, nothing is added to a last line without an end: a block that it is in has no final newline.
    Raises ManifestError.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError(
            f"{where}: the file has {len(data):,} bytes, more than the {MAX_BYTES // 2**20} MiB that are read"
        )
    try:
        return Composer(as_text(data)).document()
    except YamlProblem as problem:
        raise ManifestError(f"{where}:{problem.line + 1}: {problem}") from problem
