"""What a file that SOPS encrypted says of itself: who can decrypt it, which of its values are encrypted, its MAC."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from gitops.model.errors import RenderError

# The rules of which a file has at most one; where it has none, what ends in this is not encrypted.
_RULES: Final = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)
_NOT_ENCRYPTED: Final = "_unencrypted"
_KINDS: Final = ("age", "pgp", "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault")
_MAP, _LIST = "__map_", "__list_"
_MOST_RECIPIENTS: Final = 200
_LONGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can decrypt the key of the data: `kind` is SOPS' word, `encrypted` that key as made for it."""

    kind: str
    encrypted: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The `sops` block. One of each of `threshold` groups has to decrypt its part of the key of the data."""

    groups: tuple[tuple[Recipient, ...], ...]
    threshold: int
    mac: str
    modified: str
    mac_of_encrypted_only: bool
    rule: str
    pattern: str
    block: Mapping[str, Any]  # as it was written


def is_metadata(value: Any) -> bool:
    """Whether a value under `sops` is what SOPS writes."""
    return isinstance(value, dict) and isinstance(value.get("mac"), str) and "lastmodified" in value


def read_metadata(block: Mapping[str, Any], name: str) -> Metadata:
    """The block of the file `name`. Raises RenderError for one that SOPS does not write."""
    wrong = RenderError(f"{name}: its sops block cannot be read; encrypt the file again")
    rules = [(rule, block[rule]) for rule in _RULES if block.get(rule)]
    rule, pattern = rules[0] if rules else (_RULES[0], _NOT_ENCRYPTED)
    flat = _group(block, wrong)
    nested = block.get("key_groups") or ()
    if len(rules) > 1 or not isinstance(pattern, str) or not isinstance(nested, (list, tuple)):
        raise wrong
    groups = (flat,) if flat else tuple(_group(group, wrong) for group in nested)
    if sum(map(len, groups)) > _MOST_RECIPIENTS:
        raise RenderError(f"{name}: is encrypted for more than {_MOST_RECIPIENTS} recipients")
    try:
        threshold = int(block.get("shamir_threshold") or 0)
    except (TypeError, ValueError):
        raise wrong from None
    only = str(block.get("mac_only_encrypted", "")).lower() == "true"
    modified = str(block.get("lastmodified"))
    return Metadata(groups, threshold, str(block.get("mac")), modified, only, rule, pattern, block)


def _group(block: Any, wrong: RenderError) -> tuple[Recipient, ...]:
    if not isinstance(block, dict):
        raise wrong
    found = []
    for kind in _KINDS:
        entries = block.get(kind) or ()
        for entry in entries if isinstance(entries, (list, tuple)) else ():
            encrypted = entry.get("enc") if isinstance(entry, dict) else None
            if not isinstance(encrypted, str) or len(encrypted) > _LONGEST:
                raise wrong
            found.append(Recipient(kind, encrypted))
    return tuple(found)


def encrypted_paths(metadata: Metadata) -> Callable[[tuple[str, ...], bool], bool]:
    """Whether the file's rule says that the value at a path is encrypted, given whether it looks so.

    Which comments stand before a value is not known here: where they decide, a value is what it looks like, and the
    MAC tells whether that is right.
    """
    if metadata.rule.endswith("comment_regex"):
        return lambda _, looks_encrypted: looks_encrypted
    fits = cache(_fits(metadata))
    names_encrypted = metadata.rule.startswith("encrypted")
    return lambda path, _: any(map(fits, path)) == names_encrypted


def _fits(metadata: Metadata) -> Callable[[str], bool]:
    if metadata.rule.endswith("suffix"):
        return lambda part: part.endswith(metadata.pattern)
    from renderers.expressions import compiled

    expression = compiled(metadata.pattern)
    return lambda part: bool(expression.search(part))


def unflattened(pairs: Mapping[str, str], name: str) -> dict[str, Any]:
    """`age__list_0__map_enc` → {"age": [{"enc": ...}]}, as dotenv and ini files have it. Raises RenderError."""
    root: dict[Any, Any] = {}
    for key, text in pairs.items():
        steps = _steps(key, name)
        here = root
        for step in steps[:-1]:
            here = here.setdefault(step, {})
            if not isinstance(here, dict):
                raise RenderError(f"{name}: its sops entries contradict each other at {key[:100]}")
        here[steps[-1]] = text.replace("\\n", "\n")
    return {str(key): _lists(value) for key, value in root.items()}


def _steps(key: str, name: str) -> list[Any]:
    steps: list[Any] = []
    for number, part in enumerate(key.replace(_LIST, f"{_MAP}{_LIST}").split(_MAP)):
        if not part.startswith(_LIST):
            steps.append(part)
            continue
        place = part.removeprefix(_LIST)
        if number == 0 or not place.isascii() or not place.isdigit() or len(place) > 4:
            raise RenderError(f"{name}: its sops entry {key[:100]} cannot be read")
        steps.append(int(place))
    return steps


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_lists(value[key]) for key in sorted(value)]
    return {str(key): _lists(item) for key, item in value.items()}
