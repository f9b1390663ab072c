"""Why the API server refused a dry-run: in words, with the object, the field and the way out.

Not every 422 means an immutable field: the API server says so in words, and each kind in words of its own.
"""

import re
from collections.abc import Iterable, Sequence

from gitops.engine.diff import changes_between
from gitops.manifests.key import Body, ResourceKey
from gitops.model.errors import ApiError, ClusterError
from gitops.model.plan import FieldChange
from gitops.model.result import Failure

_IMMUTABLE = re.compile(
    r"immutable"
    r"|may not change once set|cannot be (?:modified|cleared) once set|may not be changed in an update"
    r"|cannot change roleRef"
    r"|updates to [\w ]+ (?:are forbidden|for fields other than)"
    r"|updates may not change fields other than"
)
# What a refusal of a whole spec says may change all the same: 'replicas', resources.requests
_FREE = re.compile(r"'(\w+)'|\bexcept (\w+)|\band (\w+) for\b")
# `spec.containers[*].image`, but not what may change in one way only, which is said in brackets behind it
_FREE_PATH = re.compile(r"`([\w.*\[\]]+)`(?! ?\()")

# A field that a server complains of by another name than it has in manifests.
_TWIN = {"spec.clusterIPs[0]": "spec.clusterIP"}


_MOST_NAMED = 3  # fields of one manager, and managers


def conflict_reason(error: ApiError) -> str:
    """The fields that others own, by their managers: of many fields or managers the first, and how many more."""
    fields: dict[str, list[str]] = {}
    for cause in error.causes:
        fields.setdefault(cause.get("message", ""), []).append(cause.get("field", "").lstrip("."))
    told = [f"{first_of(names, 'field')} ({message})" for message, names in fields.items()]
    rest = [len(names) for names in fields.values()][_MOST_NAMED:]
    others = f"{len(rest)} other manager{'' if len(rest) == 1 else 's'}"
    more = f" and {_counted(sum(rest), 'field')} of {others}" if rest else ""
    return ", ".join(told[:_MOST_NAMED]) + more


def told(error: ApiError) -> str:
    """The server's words; of a conflict, which it lists field by field, and of a silent webhook in short."""
    if error.code == 409 and error.causes:
        return f"another manager owns {conflict_reason(error)}"
    return unanswered(error) or str(error)


def first_of(names: Sequence[str], noun: str) -> str:
    """The first few of the names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {_counted(more, noun)}" if more > 0 else "")


def _counted(more: int, noun: str) -> str:
    return f"{more} more {noun}{'' if more == 1 else 's'}"


# A port or an address that another Service has, which may give it up in the same sync.
_TAKEN = "already allocated"


def is_taken(error: ApiError) -> bool:
    """True when a Service is refused for nothing but a port or an address that another one has now."""
    texts = [cause.get("message", "") for cause in error.causes] or [str(error)]
    return error.code == 422 and all(_TAKEN in text for text in texts)


_MISFIT = re.compile(r"failed to (?:create typed patch object|convert new (?:typed )?object) \(")
_OF_OTHERS = ("admission webhook", "ValidatingAdmissionPolicy", _TAKEN, "dry run", "dryRun", "dry-run")


def is_of_itself(error: ApiError) -> bool:
    """True when a create is refused for what is written in it, and so would be whatever else is there by then.

    Webhooks and policies may ask for what the same sync brings, a port may be given up in it, and quotas, rights and
    admission by other objects (403) change.
    """
    if any(word in str(error) for word in _OF_OTHERS):
        return False
    return error.code in (400, 413, 422) or (error.code == 500 and is_misfit(str(error)))


def is_misfit(message: str) -> bool:
    """Whether a 500 says that what was to be applied does not fit its type: an API server finds that out so.

    As k8s.io/apimachinery/pkg/util/managedfields has it: a field of another kind, a Secret's data that is no base64.
    """
    return _MISFIT.match(message) is not None and "conversion webhook" not in message


_UNANSWERED = re.compile(
    r'failed calling webhook (?P<name>"[^"]+"): (?:failed to call webhook: )?(?P<why>.*)'
    r"|(?P<conversion>conversion webhook for .+?) failed: (?P<reason>.*)",
    re.DOTALL,
)

_NO_SERVER = (429, 502, 503)


def unanswered(error: ApiError) -> str:
    """What gave the API server no answer, and why; "" where that is not what stands in the way.

    A webhook, of which one that denies is named in other words, or the server of an aggregated API.
    """
    if error.code in _NO_SERVER:
        return str(error)
    found = _UNANSWERED.search(str(error)) if error.code >= 500 else None
    if found is None:
        return ""
    name = f"the webhook {found['name']}" if found["name"] else f"the {found['conversion']}"
    return f"{name} does not answer: {found['why'] or found['reason']}"


_NO_RIGHT = re.compile(
    r'\bcannot \w+ resource "|is forbidden: ?$|attempting to grant RBAC permissions not currently held'
)


def is_without_right(error: ApiError) -> bool:
    """True when RBAC refused it: another admission (quotas, Pod Security) says 403 as well, but of the object."""
    return error.code == 403 and _NO_RIGHT.search(str(error)) is not None


def failure_of(key: ResourceKey | None, reason: str, error: ClusterError) -> Failure:
    """A write that the cluster did not take, with what that says of the revision."""
    if not isinstance(error, ApiError):
        return Failure(key, reason)
    return Failure(key, reason, forbidden=is_without_right(error), unanswered=bool(unanswered(error)))


def is_immutable(error: ApiError) -> bool:
    """True when nothing but immutable fields stands in the way: what is wrong besides would be refused anew."""
    texts = [cause.get("message", "") for cause in error.causes] or [str(error)]
    return error.code == 422 and all(_IMMUTABLE.search(text) for text in texts)


def bare_twin(body: Body) -> Body:
    """`body` as a new object whose name the server would choose: in a dry-run it shows what is defaulted."""
    metadata = {field: value for field, value in body["metadata"].items() if field != "name"}
    return {**body, "metadata": {**metadata, "generateName": f"{body['metadata']['name']}-"}}


def changes_of(live: Body, answer: Body, guess: Body | None) -> tuple[FieldChange, ...]:
    """What an update changes, by the server's answer: only fields that it sets or removes (by our `guess`, if given).

    Beside them a webhook may write the time into each answer, or another manager may have written in between.
    """
    changes = changes_between(live, answer)
    if guess is None:
        return changes
    guessed = [change.path for change in changes_between(live, guess)]
    return tuple(change for change in changes if any(_is_one_way(change.path, path) for path in guessed))


def changes_by_recreation(live: Body, predicted: Body, preview: Body | None) -> tuple[FieldChange, ...]:
    """What differs once `live` is made anew, of all that leads to `predicted`, our own guess.

    The guess knows no defaults; `preview`, made of the same manifest by the server (None: it would not), has them, but
    also what the server chooses for each object anew.
    """
    guessed = changes_between(live, predicted)
    if preview is None:
        return guessed
    return tuple(
        change
        for change in changes_between(live, preview)
        if any(_is_one_way(change.path, one.path) for one in guessed)
    )


def _is_one_way(path: str, other: str) -> bool:
    """Whether one of two paths is within the other; an item may be named by a part of its key, which has defaults."""
    steps = (re.findall(r"\[[^\]]*\]|[^.\[\]]+", text) for text in (path, other))
    return all(one == two or _is_one_item(one, two) for one, two in zip(*steps, strict=False))


def _is_one_item(one: str, two: str) -> bool:
    keys, others = ({*text.strip("[]").split(",")} if "=" in text else set() for text in (one, two))
    return bool(keys and others) and (keys <= others or others <= keys)


def _is_within(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}.", f"{field}["))


def frozen_fields(error: ApiError, changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """Those of `changes` that an immutable field forbids."""
    return tuple(change for change in changes if any(_forbids(cause, change.path) for cause in error.causes))


def immutable_reason(error: ApiError, frozen: tuple[FieldChange, ...]) -> str:
    """ "spec.selector cannot be changed (field is immutable)"; what the server adds for its own developers is cut."""
    paths = [change.path for change in frozen] or [cause.get("field", "") for cause in error.causes]
    said = dict.fromkeys(_short(cause.get("message", "")) for cause in error.causes)
    return f"{', '.join(paths)} cannot be changed ({'; '.join(said) or error})"


def _forbids(cause: Body, path: str) -> bool:
    field, message = cause.get("field", ""), cause.get("message", "")
    if path != _TWIN.get(field) and not _is_within(path, field):
        return False
    if any(re.fullmatch(_as_pattern(free), path) for free in _FREE_PATH.findall(message)):
        return False
    free = {name for names in _FREE.findall(message) for name in names if name}
    return path.removeprefix(f"{field}.").partition(".")[0].partition("[")[0] not in free


def _as_pattern(path: str) -> str:
    """`spec.containers[*].image` → what fits that field of each item."""
    return re.escape(path).replace(re.escape("[*]"), r"\[[^\]]*\]")


def _short(message: str) -> str:
    """`Invalid value: {...}: field is immutable` → `field is immutable`; of several lines the first."""
    line = message.partition("\n")[0]
    return line.rpartition(": ")[2] if line.startswith("Invalid value") else line.removeprefix("Forbidden: ")
