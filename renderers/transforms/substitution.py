"""`source.postBuild`: variables in what a renderer made, whichever that was, as a Kustomization of Flux has them.

Each object is written as YAML, its variables get their values, and the text is read again: so a value may become a
number, or more of the object. An object with the label or annotation `kustomize.toolkit.fluxcd.io/substitute: disabled`
is left alone. Values are never in a message, since a Secret may hold them.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from gitops.manifests.key import Body, key_of
from gitops.manifests.manifest import Manifest
from gitops.manifests.yaml_documents import Composer
from gitops.manifests.yaml_values import YamlProblem
from gitops.manifests.yaml_write import write_document
from gitops.model.errors import RenderError
from gitops.model.transforms import PostBuild, SubstituteFrom
from renderers.result import Context, Look, Needs, Rendered
from renderers.transforms.envsubst.expand import expand
from renderers.transforms.envsubst.parse import BadExpressionError

_FIELD: Final = "source.postBuild"
_SWITCH: Final = "kustomize.toolkit.fluxcd.io/substitute"
_NAME: Final = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")
_QUOTES: Final = "to keep a value as text, write ${quote}${x}${quote} with a variable quote: '\"'"


def with_substitution(rendered: Rendered, options: PostBuild, context: Context) -> Rendered | Needs:
    """What was rendered, with the values of its variables; what has none stays as it is, to the last digit.

    Raises RenderError, which names the object, for an expression that cannot be read, a variable without a value where
    `strict` forbids it, and a text that is no object any more; and for variables that cannot be had.
    """
    if all(_is_switched_off(one.body) for one in rendered.manifests):
        return rendered  # nobody asks for values that may not be there
    values = _values(options, context)
    if isinstance(values, Needs):
        return values
    if not values and options.substituteStrategy == "WithVariables":
        return rendered
    manifests = tuple(_substituted(one, values, options.strict) for one in rendered.manifests)
    return rendered._replace(manifests=manifests)


# ── variables ────────────────────────────────────────────────────────────────────────────────────────────────────


def _values(options: PostBuild, context: Context) -> Mapping[str, bytes] | Needs:
    """The value of each variable: of the objects of `substituteFrom` in their order, and above all of `substitute`."""
    found: dict[str, bytes] = {}
    missing: list[Look] = []
    for number, one in enumerate(options.substituteFrom):
        where = f"{_FIELD}.substituteFrom[{number}]: {one.kind} {context.home}/{one.name}"
        look = Look("v1", one.kind, context.home, one.name)
        try:
            found |= _held(context.held(look, where), one, where)
        except KeyError:
            missing.append(look)
    if missing:
        return Needs((), tuple(missing))
    for name, text in options.substitute.items():
        _check_name(name, f"{_FIELD}.substitute")
        found[name] = text.encode("utf-8", "surrogatepass")
    return {name: value.replace(b"\n", b"") for name, value in found.items()}


def _held(body: Body | None, one: SubstituteFrom, where: str) -> dict[str, bytes]:
    if body is None and not one.optional:
        raise RenderError(f"{where}: is not there (optional: true takes that for no variables)")
    data = (body or {}).get("data")
    found: dict[str, bytes] = {}
    for name, text in data.items() if isinstance(data, dict) else ():
        _check_name(name, where)
        try:
            found[name] = base64.b64decode(text) if one.kind == "Secret" else text.encode("utf-8", "surrogatepass")
        except (binascii.Error, ValueError, TypeError, AttributeError):
            raise RenderError(f"{where}: what its key {name} holds is no text") from None
    return found


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise RenderError(f"{where}: {name[:100]!r} is no name of a variable (letters, digits and _, no digit first)")


# ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _substituted(manifest: Manifest, values: Mapping[str, bytes], strict: bool) -> Manifest:
    body = manifest.body
    if _is_switched_off(body) or not _has_dollar(body):
        return manifest
    text = write_document(body, sort=True)
    try:
        expanded = expand(text, values, strict)
        if expanded == text.encode():
            return manifest
        found = _read(expanded)
        return manifest._replace(key=key_of(found), body=found)
    except BadExpressionError as error:
        # Only part of a secret may look like an expression.
        start = "" if manifest.key.kind == "Secret" else error.variable[:100]
        raise RenderError(
            f"{_place(manifest)}: ${{{start}… cannot be read: {error} (write $${{ where ${{ is meant as text)"
        ) from None
    except RenderError as error:
        raise RenderError(f"{_place(manifest)}: {error}") from None


def _place(manifest: Manifest) -> str:
    return f"{manifest.origin}: {manifest.key}: {_FIELD}"


def _is_switched_off(body: Body) -> bool:
    metadata = body["metadata"]
    return any((metadata.get(part) or {}).get(_SWITCH) == "disabled" for part in ("labels", "annotations"))


def _has_dollar(value: Any) -> bool:
    if isinstance(value, str):
        return "$" in value
    if isinstance(value, dict):
        return any("$" in name or _has_dollar(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(_has_dollar, value))


def _read(data: bytes) -> Body:
    """The object that a text is. Raises RenderError, which quotes nothing of it."""
    try:
        body = Composer(data.decode()).document()
    except UnicodeDecodeError:
        raise RenderError("with its variables' values it is no UTF-8") from None
    except YamlProblem as problem:
        line = f"line {problem.line + 1} of the object as YAML"
        raise RenderError(f"with its variables' values it is no YAML ({line}); {_QUOTES}") from None
    if not isinstance(body, dict):
        raise RenderError("with its variables' values it is no object")
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            raise RenderError(f"with its variables' values, {field} is no text, or empty; {_QUOTES}")
    _check_metadata(body.get("metadata"))
    return body


def _check_metadata(metadata: Any) -> None:
    """A name, and only text (or nothing) in labels and annotations."""
    if not isinstance(metadata, dict):
        raise RenderError("with its variables' values, metadata is no map")
    for field in ("name", "generateName", "namespace"):
        if metadata.get(field) is not None and not isinstance(metadata[field], str):
            raise RenderError(f"with its variables' values, metadata.{field} is no text; {_QUOTES}")
    if not metadata.get("name") and not metadata.get("generateName"):
        raise RenderError("with its variables' values, metadata.name is empty")
    for field in ("labels", "annotations"):
        entries = metadata.get(field)
        if entries is not None and not isinstance(entries, dict):
            raise RenderError(f"with its variables' values, metadata.{field} is no map")
        for value in (entries or {}).values():
            if value is not None and not isinstance(value, str):
                raise RenderError(f"with its variables' values, one of metadata.{field} is no text; {_QUOTES}")
