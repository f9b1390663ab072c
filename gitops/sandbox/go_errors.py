"""What Go's JSON decoder says of text that is no JSON, or says one thing twice."""

import json
from typing import Any


def go_json_error(text: str, position: int) -> str:
    """The message for text that stops being JSON at `position`."""
    if not text.strip() or position >= len(text):
        return "unexpected end of JSON input"
    found = text[position]
    before = text[:position].rstrip()
    if before.endswith("{"):
        return f"invalid character '{found}' looking for beginning of object key string"
    if before.endswith(("[", ":", ",")) or not before:
        return f"invalid character '{found}' looking for beginning of value"
    return f"invalid character '{found}' after top-level value"


def summary(data: bytes, limit: int = 30) -> str:
    """Data as an error quotes it: the beginning of text, hexadecimal for anything else."""
    if not data:
        return "<empty>"
    if data.startswith(b"{"):
        text = data[:limit].decode(errors="replace")
        return text + " ..." if len(data) > limit else text
    return data[:limit].hex() + " ..." if len(data) > limit else data.hex()


class _Pairs(list[tuple[str, Any]]):
    """An object of which some key occurs twice."""


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    twice = len(found) != len(pairs) or any(isinstance(value, _Pairs) for value in found.values())
    within = any(
        isinstance(value, list) and any(isinstance(item, _Pairs) for item in value) for value in found.values()
    )
    return _Pairs(pairs) if twice or within else found


def duplicate_fields(raw: bytes) -> list[str]:
    """The paths of fields that JSON text gives more than once, in its order."""
    document = json.loads(raw, object_pairs_hook=_object)
    return list(dict.fromkeys(_duplicates(document, ""))) if isinstance(document, _Pairs) else []


def _duplicates(node: Any, at: str) -> list[str]:
    found: list[str] = []
    if isinstance(node, _Pairs):
        seen: set[str] = set()
        for name, value in node:
            path = f"{at}.{name}" if at else name
            if name in seen:
                found.append(path)
            seen.add(name)
            found.extend(_duplicates(value, path))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            found.extend(_duplicates(item, f"{at}[{index}]"))
    return found
