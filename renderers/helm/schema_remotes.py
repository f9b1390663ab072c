"""The schemas of other places that a `values.schema.json` names by their URL: they are fetched by the caller (`Needs`).

As in Helm, which fetches them when it checks values. Of a schema that was fetched the same is asked in turn.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

import orjson

from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.helm.chart_schema import SchemasNeededError
from renderers.result import REMOTE_FILE, Remote

_MOST_SCHEMAS: Final = 200
_MOST_BYTES: Final = 32 * 1024 * 1024
# Of the language itself; whoever checks values has these.
_KNOWN: Final = ("http://json-schema.org/draft-", "https://json-schema.org/draft")
# What stands below these is no schema, whatever it looks like.
_DATA: Final = frozenset(("const", "default", "enum", "examples"))


def schemas_of(schema: Any, where: str, remotes: Mapping[Remote, Tree]) -> Callable[[str], Any]:
    """What gives the schema at a URL (without a fragment), ValueError for one that `schema` does not name.

    Raises SchemasNeededError, and RenderError for what was fetched and is no JSON, or more than there may be.
    """
    found: dict[str, Any] = {}
    size, level = 0, set(_named_in(schema, ""))
    while level:
        if len(found) + len(level) > _MOST_SCHEMAS:
            raise RenderError(f"{where}: names more than {_MOST_SCHEMAS} schemas of other places")
        needed = tuple(remote for url in sorted(level) if (remote := Remote(url, kind="schema")) not in remotes)
        if needed:
            raise SchemasNeededError(needed)
        named: set[str] = set()
        for url in sorted(level):
            data = remotes[Remote(url, kind="schema")].read(REMOTE_FILE)
            size += len(data)
            if size > _MOST_BYTES:
                raise RenderError(f"{where}: the schemas that it names take more than {_MOST_BYTES >> 20} MiB")
            found[url] = _parsed(data, f"{where}: {url}")
            named |= set(_named_in(found[url], url))
        level = named - found.keys()

    def schema_at(url: str) -> Any:
        if url not in found:
            raise ValueError(f"{url}: a schema that is not named by its whole URL")
        return found[url]

    return schema_at


def _parsed(data: bytes, where: str) -> Any:
    try:
        return orjson.loads(data)
    except ValueError as error:
        raise RenderError(f"{where}: is no JSON: {error}") from None


def _named_in(schema: Any, base: str) -> Iterator[str]:
    """The URLs, without their fragments, of what a schema at `base` ("" for none) refers to."""
    own = schema.get("$id") if isinstance(schema, dict) else None
    base = _joined(base, own) if isinstance(own, str) else base
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            reference = item.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                url = urldefrag(_joined(base, reference))[0]
                if url.startswith(("https://", "http://")) and not url.startswith(_KNOWN) and url != base:
                    yield url
            waiting += [value for name, value in item.items() if name not in _DATA]


def _joined(base: str, reference: str) -> str:
    """The URL of a reference; "" for what is none, which whoever checks values tells of."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return ""
