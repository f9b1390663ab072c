"""What a controller knows of one Application, small enough to be kept where whoever asks can read it."""

import dataclasses
import json

from gitops.bounds import parsed_map
from gitops.model.health import HealthWord
from gitops.model.reading import read_as

# The settings of an Application in the store that controllers write: its record, and a file that cannot be read.
RECORD, WRONG_FILE = "record", "wrong-file"
# When a controller that shares the store was last there: (application, name) of a setting.
CONTROLLER, SEEN = "", "controller-seen"
SEEN_SECONDS = 10.0


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
    project: str = ""

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


def record_in(text: str) -> Record:
    """The record that `text` holds; what another version wrote besides is left out, and what it did not is as new.

    One that was damaged says so.
    """
    try:
        found = read_as(Record, parsed_map(text))
        HealthWord(found.health)
    except ValueError as exc:
        return Record(problem=f"what the store holds of it is damaged ({exc}); the controller writes it anew")
    return found
