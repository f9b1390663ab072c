"""Objects that SOPS encrypted, decrypted after whatever renderer made them, and after the patches.

An object with a block of SOPS is decrypted as a whole; its MAC is of the file that it was, and nobody can hold it
against that any more. A Secret may hold encrypted files as its values: those are whole. An object of another kind than
Secret that was encrypted is annotated, so that its values are hidden as a Secret's are.
"""

import base64
import binascii
import json
from typing import Any

from gitops.manifests.key import Body, key_of
from gitops.manifests.manifest import Manifest
from gitops.manifests.secrets import HIDDEN_VALUES, is_secret
from gitops.model.errors import RenderError
from renderers.decryption import looks_encrypted, opened
from renderers.result import Decrypt, Rendered

_BLOCK = "sops"
_MARK = {"gitops": "decrypted"}  # left where a file's block was
_FLUX = "kustomize.toolkit.fluxcd.io/decrypt"


def with_decryption(rendered: Rendered, decrypt: Decrypt | None) -> Rendered:
    """The same with all objects in the clear. Raises RenderError for what cannot be decrypted."""
    if decrypt is None:
        return rendered
    return rendered._replace(manifests=tuple(_decrypted(manifest, decrypt) for manifest in rendered.manifests))


def _decrypted(manifest: Manifest, decrypt: Decrypt) -> Manifest:
    body = manifest.body
    block = body.get(_BLOCK)
    if block == _MARK:
        return _taken(manifest, {name: value for name, value in body.items() if name != _BLOCK})
    if _is_left(body):
        return manifest
    if isinstance(block, dict) and "mac" in block:
        name = f"{manifest.origin}: {manifest.key.kind} {manifest.key.name}"
        plain = opened(decrypt, json.dumps(body).encode(), name, "object")
        return _taken(manifest, _object(plain, name))
    if is_secret(body):
        return manifest._replace(body=_with_values(body, manifest, decrypt))
    return manifest


def _object(plain: bytes, name: str) -> Body:
    found = json.loads(plain)
    if not isinstance(found, dict) or _BLOCK in found:
        raise RenderError(f"{name}: its sops block cannot be read; encrypt it again")
    return found


def _taken(manifest: Manifest, body: Body) -> Manifest:
    """The manifest with what was decrypted; any other kind than Secret is one whose values are hidden."""
    if not is_secret(body):
        metadata = body.get("metadata") or {}
        annotations = {**(metadata.get("annotations") or {}), HIDDEN_VALUES: "hidden"}
        body = {**body, "metadata": {**metadata, "annotations": annotations}}
    return Manifest(key_of(body), body, manifest.origin)


def _is_left(body: Body) -> bool:
    """Whether it asks to be left as it is, as Flux has it."""
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(_FLUX) or "").lower() == "disabled"


def _with_values(body: Body, manifest: Manifest, decrypt: Decrypt) -> Body:
    """A Secret whose values may be encrypted files."""

    def plain(field: str, name: str, value: Any) -> Any:
        data = _bytes_of(value, encoded=field == "data")
        if not looks_encrypted(data):
            return value
        found = opened(decrypt, data, f"{manifest.origin}: Secret {manifest.key.name}: {field}.{name}")
        return base64.b64encode(found).decode() if field == "data" else found.decode()

    fields = {
        field: {name: plain(field, name, value) for name, value in body[field].items()}
        for field in ("data", "stringData")
        if isinstance(body.get(field), dict)
    }
    return {**body, **fields}


def _bytes_of(value: Any, *, encoded: bool) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value) if encoded else value.encode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return b""
