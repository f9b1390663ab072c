"""Why the API server refused a dry-run: in words, with the object, the field and the way out.

Not every 422 means an immutable field: the API server says so in words, and each kind in words of its own.
"""

import re

from gitops.engine.diff import changes_between
from gitops.manifests.key import Body
from gitops.model.errors import ApiError
from gitops.model.plan import FieldChange

_IMMUTABLE = re.compile(
    r"immutable"
    r"|may not change once set|cannot be (?:modified|cleared) once set|may not be changed in an update"
    r"|cannot change roleRef"
    r"|updates to [\w ]+ (?:are forbidden|for fields other than)"
    r"|updates may not change fields other than"
)
# What a refusal of a whole spec says may change all the same: 'replicas', resources.requests
_FREE = re.compile(r"'(\w+)'|\bexcept (\w+)|\band (\w+) for\b")

# A field that a server complains of by another name than it has in manifests.
_TWIN = {"spec.clusterIPs[0]": "spec.clusterIP"}


def conflict_reason(error: ApiError) -> str:
    """Each field that another manager owns, and who that is."""
    return ", ".join(f"{cause.get('field', '').lstrip('.')} ({cause.get('message', '')})" for cause in error.causes)


def is_immutable(error: ApiError) -> bool:
    """True when nothing but immutable fields stands in the way: what is wrong besides would be refused anew."""
    texts = [cause.get("message", "") for cause in error.causes] or [str(error)]
    return error.code == 422 and all(_IMMUTABLE.search(text) for text in texts)


def frozen_fields(error: ApiError, live: Body, predicted: Body) -> tuple[FieldChange, ...]:
    """The changes that an immutable field forbids, of all that lead from `live` to `predicted`."""
    changes = changes_between(live, predicted)
    return tuple(change for change in changes if any(_forbids(cause, change.path) for cause in error.causes))


def immutable_reason(error: ApiError, frozen: tuple[FieldChange, ...]) -> str:
    """ "spec.selector cannot be changed (field is immutable)"; what the server adds for its own developers is cut."""
    paths = [change.path for change in frozen] or [cause.get("field", "") for cause in error.causes]
    said = dict.fromkeys(_short(cause.get("message", "")) for cause in error.causes)
    return f"{', '.join(paths)} cannot be changed ({'; '.join(said) or error})"


def _forbids(cause: Body, path: str) -> bool:
    field = cause.get("field", "")
    if path not in (field, _TWIN.get(field)) and not path.startswith((f"{field}.", f"{field}[")):
        return False
    free = {name for names in _FREE.findall(cause.get("message", "")) for name in names if name}
    return path.removeprefix(f"{field}.").partition(".")[0].partition("[")[0] not in free


def _short(message: str) -> str:
    """`Invalid value: {...}: field is immutable` → `field is immutable`; of several lines the first."""
    line = message.partition("\n")[0]
    return line.rpartition(": ")[2] if line.startswith("Invalid value") else line.removeprefix("Forbidden: ")
