"""The part of Kubernetes' JSONPath that printer columns and scale paths use: names, indices, filters by equality."""

import re
from typing import Any

from gitops.manifests.fields import go_json

_STEP = re.compile(
    r"""\.?(?P<name>[A-Za-z_$][\w\-$]*)            # .spec
      | \.?\['(?P<quoted>[^']*)'\]                 # ['app.kubernetes.io/name']
      | \[(?P<index>-?\d+|\*)\]                    # [0], [*]
      | \[\?\(@\.(?P<field>[\w.\-]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]   # [?(@.type=="Ready")]
      | \.(?P<wild>\*)
    """,
    re.X,
)


def find(body: Any, path: str) -> list[Any]:
    """Every value at `path`; empty where a step leads nowhere or is not understood."""
    found = [body]
    at = 0
    path = path.strip().removeprefix("{").removesuffix("}").replace("\\.", "\0")
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or match.end() == at:
            return []
        found = [value for node in found for value in _step(node, match)]
        at = match.end()
    return [value for value in found if value is not None]


def _step(node: Any, match: re.Match[str]) -> list[Any]:
    name = match["name"] or match["quoted"]
    if name is not None:
        key = name.replace("\0", ".")
        return [node[key]] if isinstance(node, dict) and key in node else []
    if match["wild"] or match["index"] == "*":
        return list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, list) else []
    if not isinstance(node, list):
        return []
    if match["field"]:
        return [item for item in node if find(item, "." + match["field"]) == [match["value"]]]
    index = int(match["index"])
    return [node[index]] if -len(node) <= index < len(node) else []


def text(values: list[Any]) -> str:
    """Values as a cell shows them: strings plain, the rest as JSON, several separated by commas."""
    return ",".join(value if isinstance(value, str) else go_json(value) for value in values)
