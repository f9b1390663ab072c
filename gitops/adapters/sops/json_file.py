"""JSON that SOPS encrypted: a file, an object that was rendered, or any bytes in an envelope of JSON."""

import json
import math
from collections.abc import Callable
from typing import Any, Final

from gitops.adapters.sops.metadata import Metadata, is_metadata, read_metadata
from gitops.adapters.sops.values import Time, Walk
from gitops.manifests.yaml_scalars import as_json_number
from gitops.model.errors import RenderError

_BLOCK: Final = "sops"
MARK: Final = {"gitops": "decrypted"}
_MOST_DEPTH: Final = 100
_HTML: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_INT64: Final = range(-(2**63), 2**63)


def opened(
    data: bytes, name: str, walk_of: Callable[[Metadata], Walk], *, marked: bool, whole: bool = True
) -> bytes | None:
    """The file in the clear, as SOPS writes it; None where it has no block of SOPS. Raises RenderError.

    A file that is not `whole` any more (what was rendered of it) has no MAC to be held against.
    """
    try:
        document = json.loads(data, parse_int=_integer)
    except (ValueError, RecursionError):
        raise RenderError(f"{name}: holds what SOPS encrypted, and is no JSON") from None
    if not isinstance(document, dict) or not is_metadata(document.get(_BLOCK)):
        return None
    walk = walk_of(read_metadata(document[_BLOCK], name))
    plain = {key: _walked(walk, (key,), value, name) for key, value in document.items() if key != _BLOCK}
    if whole:
        walk.check()
    if marked:
        plain[_BLOCK] = MARK
    text = json.dumps(plain, indent="\t", separators=(",", ": "), ensure_ascii=False).translate(_HTML)
    return f"{text}\n".encode()


def opened_binary(data: bytes, name: str, walk_of: Callable[[Metadata], Walk]) -> bytes | None:
    """What an envelope of JSON holds."""
    plain = opened(data, name, walk_of, marked=False)
    if plain is None:
        return None
    content = json.loads(plain).get("data")
    if not isinstance(content, str):
        raise RenderError(f"{name}: its envelope holds no data")
    return content.encode()


def is_envelope(data: bytes) -> bool:
    """Whether it has nothing but `data` and the block of SOPS."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.keys() == {"data", _BLOCK} and isinstance(document["data"], str)


def _walked(walk: Walk, path: tuple[str, ...], value: Any, name: str, depth: int = 0) -> Any:
    if depth > _MOST_DEPTH:
        raise RenderError(f"{name}: is nested more than {_MOST_DEPTH} deep")
    if isinstance(value, dict):
        return {key: _walked(walk, (*path, key), item, name, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_walked(walk, path, item, name, depth + 1) for item in value]
    plain = walk.leaf(path, value)
    if isinstance(plain, float) and math.isfinite(plain):
        return as_json_number(plain)
    return str(plain) if isinstance(plain, Time) else plain


def _integer(digits: str) -> int | float:
    value = int(digits)
    return value if value in _INT64 else float(digits)
