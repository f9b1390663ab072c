"""configMapGenerator and secretGenerator, and the hash of their content that is put after their names."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gitops.model.errors import RenderError
from renderers.kustomize.fields import set_field
from renderers.kustomize.nodes import BOOL, QUOTED, STR, Map, Node, Scalar, string, value_of
from renderers.kustomize.resource import BEHAVIOR, NEEDS_HASH, Resource, set_annotation
from renderers.kustomize.resources import Resources

Load = Callable[[str], bytes]

_BEHAVIORS: Final = ("create", "replace", "merge")
_BASE64_LINE: Final = 70


def merge_options(own: Mapping[str, Any] | None, common: Mapping[str, Any] | None) -> dict[str, Any]:
    """A generator's options under those of all (`generatorOptions`), whose flags can only be switched on."""
    own, common = own or {}, common or {}
    return {
        "labels": {**common.get("labels", {}), **own.get("labels", {})},
        "annotations": {**common.get("annotations", {}), **own.get("annotations", {})},
        "disableNameSuffixHash": own.get("disableNameSuffixHash", False) or common.get("disableNameSuffixHash", False),
        "immutable": own.get("immutable", False) or common.get("immutable", False),
    }


def make_config_map(arguments: Mapping[str, Any], options: Mapping[str, Any], load: Load) -> Resource:
    """A ConfigMap; values that are no UTF-8 go into binaryData."""
    node = _object("ConfigMap", arguments)
    for key, value in sorted(_pairs(arguments, load).items()):
        try:
            field, text = "data", value.decode("utf-8")
        except UnicodeDecodeError:
            field, text = "binaryData", _base64(value)
        entries = node.fields.setdefault(field, Map())
        assert isinstance(entries, Map)
        set_field(entries, key, string(text))
    return _finish(node, arguments, options)


def make_secret(arguments: Mapping[str, Any], options: Mapping[str, Any], load: Load) -> Resource:
    """A Secret, of type Opaque unless it says another."""
    node = _object("Secret", arguments)
    node.fields["type"] = string(arguments.get("type") or "Opaque")
    entries = Map()
    node.fields["data"] = entries
    for key, value in sorted(_pairs(arguments, load).items()):
        set_field(entries, key, string(_base64(value)))
    return _finish(node, arguments, options)


def _object(kind: str, arguments: Mapping[str, Any]) -> Map:
    name = arguments.get("name")
    if not name:
        raise RenderError(f"a generated {kind} needs a name")
    metadata = Map({"name": string(name)})
    if arguments.get("namespace"):
        metadata.fields["namespace"] = string(arguments["namespace"])
    fields: dict[str, Node] = {"apiVersion": Scalar("v1", STR), "kind": Scalar(kind, STR), "metadata": metadata}
    return Map(fields)


def _finish(node: Map, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Resource:
    metadata = node.fields["metadata"]
    assert isinstance(metadata, Map)
    for key, value in sorted((options.get("labels") or {}).items()):
        labels = metadata.fields.setdefault("labels", Map())
        assert isinstance(labels, Map)
        set_field(labels, key, Scalar(value, STR, QUOTED))
    for key, value in sorted((options.get("annotations") or {}).items()):
        set_annotation(node, key, value)
    if options.get("immutable"):
        node.fields["immutable"] = Scalar("true", BOOL)
    resource = Resource(node)
    if not options.get("disableNameSuffixHash"):
        resource.enable(NEEDS_HASH)
    behavior = arguments.get("behavior", "")
    resource.set_annotations({**resource.annotations, BEHAVIOR: behavior if behavior in _BEHAVIORS else "unspecified"})
    return resource


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _pairs(arguments: Mapping[str, Any], load: Load) -> dict[str, bytes]:
    """Key → value from envs, literals and files; a key may be there once."""
    pairs: dict[str, bytes] = {}
    envs = [*arguments.get("envs", ()), *([arguments["env"]] if arguments.get("env") else ())]
    found = [pair for path in envs for pair in _env_pairs(load(path), path)]
    found += [_literal(source) for source in arguments.get("literals", ())]
    for source in arguments.get("files", ()):
        key, path = _file_source(source)
        found.append((key, load(path)))
    for key, value in found:
        if key in pairs:
            raise RenderError(f"{arguments.get('name')}: the key `{key}` is given twice")
        pairs[key] = value
    return pairs


def _env_pairs(data: bytes, path: str) -> list[tuple[str, bytes]]:
    """`KEY=value` lines; empty ones and comments are skipped, a key alone has an empty value."""
    found: list[tuple[str, bytes]] = []
    for number, raw in enumerate(data.split(b"\n")):
        line = raw.removesuffix(b"\r")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RenderError(f"{path}:{number + 1}: not UTF-8") from error
        if number == 0:
            text = text.removeprefix("\ufeff")
        text = text.lstrip()
        if not text or text.startswith("#"):
            continue
        key, _, value = text.partition("=")
        if key:
            found.append((key, value.encode()))
    return found


def _literal(source: str) -> tuple[str, bytes]:
    key, equals, value = source.partition("=")
    if not equals or not key:
        raise RenderError(f"literals: `{source}`: expected key=value")
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, value.encode("utf-8", "surrogateescape")


def _file_source(source: str) -> tuple[str, str]:
    key, equals, path = source.partition("=")
    if not equals:
        return source.rstrip("/").rpartition("/")[2] or source, source
    if not key or not path or "=" in path:
        raise RenderError(f"files: `{source}`: expected path or key=path")
    return key, path


def _base64(value: bytes) -> str:
    """Base64, in lines when it is long."""
    import base64

    text = base64.b64encode(value).decode()
    if len(text) < _BASE64_LINE:
        return text
    lines = [text[at : at + _BASE64_LINE] for at in range(0, len(text), _BASE64_LINE)]
    return "".join(line + "\n" for line in lines)


# ── the hash ─────────────────────────────────────────────────────────────────────────────────────────────────────

_LETTERS: Final = str.maketrans("013ae", "ghkmt")


def add_hashes(resources: Resources) -> None:
    """Put the hash of its content after the name of every resource that wants it."""
    for resource in resources.items:
        if resource.is_enabled(NEEDS_HASH):
            content = content_hash(resource)
            resource.store_previous_id()
            resource.set_name(f"{resource.name}-{content}")


def content_hash(resource: Resource) -> str:
    """Ten letters and digits that name what a ConfigMap or Secret holds.

    Of any other kind Kustomize hashes its own syntax tree, lines and columns included: refused here.
    """
    import hashlib

    fields = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}.get(resource.kind)
    if fields is None:
        raise RenderError(f"{resource.current}: only a ConfigMap or a Secret can have a hash in its name")
    content: dict[str, Any] = {"kind": resource.kind, "name": "", "data": _content(resource.node, fields[0])}
    if resource.kind == "Secret":
        content["type"] = _content(resource.node, "type")
    extra = _content(resource.node, fields[1])
    if isinstance(extra, dict):
        content[fields[1]] = extra
    return hashlib.sha256(go_json(content).encode()).hexdigest()[:10].translate(_LETTERS)


def _content(node: Map, name: str) -> Any:
    field = node.fields.get(name)
    if field is None:
        return ""
    return field.value if isinstance(field, Scalar) else value_of(field)


def go_json(value: Any) -> str:
    """JSON as Go writes it: sorted keys, no spaces, HTML's characters escaped."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.translate(_HTML)


_HTML: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
