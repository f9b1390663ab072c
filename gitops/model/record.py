"""What a controller knows of one Application, small enough to be kept where whoever asks can read it."""

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """How the controller sees it; `at` (RFC 3339) is when that became so.

    `sync` and `health` are Argo CD's words. `head` is the newest commit of its target, `problem` what keeps it from
    being known how it stands, `reason` what it waits for or what was found, `plan` the digest that waits for approval.
    `failures` syncs in a row failed, all of them `tried` (a name for a commit with a spec).
    """

    namespace: str = ""
    cluster: str = ""
    is_resource: bool = False
    sync: str = "Unknown"
    health: str = "Unknown"
    head: str = ""
    ref: str = ""
    problem: str = ""
    reason: str = ""
    suspended: bool = False
    plan: str = ""
    failures: int = 0
    tried: str = ""
    at: str = ""

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


def record_in(text: str) -> Record:
    """The record that `text` holds; what another version wrote besides is left out, and what it did not is as new."""
    found: Any = json.loads(text)
    known = {field.name for field in dataclasses.fields(Record)}
    return Record(**{name: value for name, value in found.items() if name in known})
