"""The logs of a Pod, or of all Pods of a workload merged by time, within bounds, as JSON values.

Each line has its time and the names of its Pod and container. Control characters and colours of terminals are taken
out, and values of the Application's Secrets are hidden. A log that cannot be read is named with the reason.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ClusterError
from gitops.model.log_part import LogPart
from gitops.ports import Cluster
from gitops.views.workloads import Hide, containers_of

MOST_LOGS: Final = 20
MOST_BYTES: Final = 2**20
_MOST_LINE: Final = 8000
_PARALLEL: Final = 8
_CONTROL: Final = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_LEVEL_WITHIN: Final = 160
LEVELS: Final = ("warning", "error")  # each with what is worse


def _says(letters: str, words: str) -> re.Pattern[str]:
    """`ERROR`, `[error]`, `error:`, `level=error`, `"severity":"ERROR"`, or klog's first letter (`E0102 …`)."""
    any_case = "|".join(f"{word}|{word.upper()}|{word.capitalize()}" for word in words.split())
    capitals = words.upper().replace(" ", "|")
    named = rf"(?:level|lvl|severity)\"?\s*[=:]\s*\"?(?:{any_case})\b"
    return re.compile(rf"^[{letters}]\d{{4}} |{named}|\b(?:{capitals})\b|[\[<(](?:{any_case})[\]>)]|\b(?:{any_case}):")


_SAYS: Final = (
    ("error", _says("EF", "error err fatal panic critical crit severe emerg")),
    ("warning", _says("W", "warning warn")),
)
_HINT: Final = "; the account needs the right to get pods/log"


class LogOf(NamedTuple):
    """One container of one Pod."""

    pod: ResourceKey
    container: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; `at` is RFC 3339 in UTC to the nanosecond, so that lines sort by it; "" where it has no time."""

    at: str
    pod: str
    container: str
    text: str

    def data(self) -> dict[str, str]:
        told = {"at": self.at, "pod": self.pod, "container": self.container, "text": self.text}
        return {**told, "level": level_of(self.text)}


def level_of(text: str) -> str:
    """What a line says of itself near its beginning: "error", "warning" or nothing, in the words that loggers have."""
    return next((level for level, says in _SAYS if says.search(text[:_LEVEL_WITHIN])), "")


def only_with(found: "Logs", text: str, level: str) -> "Logs":
    """The lines that hold the text, in whatever case, and say that they are that bad ("" for any)."""
    words, levels = text.casefold(), LEVELS[LEVELS.index(level) :] if level else ()
    fit = (line for line in found.lines if not level or level_of(line.text) in levels)
    return replace(found, lines=tuple(line for line in fit if words in line.text.casefold()))


@dataclass(frozen=True, slots=True)
class Logs:
    """The lines of several logs, the oldest first; `errors` are those that could not be read, with the reason.

    `is_cut` when lines are left out because there are too many.
    """

    lines: tuple[LogLine, ...]
    errors: tuple[tuple[LogOf, str], ...] = ()
    is_cut: bool = False


def logs_of(pods: Iterable[Body], container: str) -> tuple[list[LogOf], int]:
    """The logs that there are of these Pods: of one container, or of each but those that only prepare.

    Only so many are read; the number of the others comes with them.
    """
    found = []
    for pod in pods:
        for one in containers_of(pod, str):
            is_wanted = one["name"] == container if container else one["role"] != "init"
            found += [LogOf(key_of(pod), one["name"])] if is_wanted else []
    return found[:MOST_LOGS], max(len(found) - MOST_LOGS, 0)


def container_names(pods: Iterable[Body]) -> list[str]:
    """The names of all containers of these Pods."""
    return list(dict.fromkeys(one["name"] for pod in pods for one in containers_of(pod, str)))[:100]


async def read_logs(cluster: Cluster, wanted: Sequence[LogOf], parts: Sequence[LogPart], hidden: Hide) -> Logs:
    """The part of each log, merged by time."""
    places = asyncio.Semaphore(_PARALLEL)

    async def read(one: LogOf, part: LogPart) -> str | ClusterError:
        async with places:
            try:
                return await cluster.log(one.pod, one.container, part)
            except ClusterError as exc:
                return exc

    answers = await asyncio.gather(*(read(one, part) for one, part in zip(wanted, parts, strict=True)))
    texts = [(one, text) for one, text in zip(wanted, answers, strict=True) if isinstance(text, str)]
    errors = [(one, _why(exc)) for one, exc in zip(wanted, answers, strict=True) if not isinstance(exc, str)]
    found = await asyncio.to_thread(_merged, texts, hidden)
    return replace(found, errors=tuple(errors))


def _why(exc: ClusterError) -> str:
    is_refused = getattr(exc, "code", 0) == 403
    return f"{exc}{_HINT if is_refused else ''}"[:1000]


def _merged(texts: Iterable[tuple[LogOf, str]], hidden: Hide) -> Logs:
    listed = list(texts)
    is_cut = any(len(text.encode()) >= MOST_BYTES for _, text in listed)
    lines = sorted((line for one, text in listed for line in lines_in(one, hidden(text))), key=lambda line: line.at)
    size, first = 0, len(lines)
    while first and size < MOST_BYTES:
        first -= 1
        size += len(lines[first].text) + 100
    return Logs(tuple(lines[first:]), is_cut=is_cut or first > 0)


def lines_in(one: LogOf, text: str) -> list[LogLine]:
    """The lines of a log that was asked for with times."""
    found, last = [], ""
    for line in text.split("\n"):
        if not line:
            continue
        stamp, _, rest = line.partition(" ")
        at = moment(stamp)
        last = at or last
        plain = _CONTROL.sub("", rest if at else line)
        more = len(plain) - _MOST_LINE
        shown = f"{plain[:_MOST_LINE]}… ({more} more characters)" if more > 0 else plain
        found.append(LogLine(last, one.pod.name, one.container, shown))
    return found


def moment(stamp: str) -> str:
    """An RFC 3339 time in UTC with nine digits behind the second, "" for a text that is none."""
    match = _TIME.fullmatch(stamp)
    if match is None:
        return ""
    try:
        at = datetime.fromisoformat(match[1] + match[3]).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{(match[2] or ''):0<9}Z"


def logs_data(found: Logs) -> dict[str, Any]:
    """Logs as JSON values."""
    return {
        "lines": [line.data() for line in found.lines],
        "errors": [{"pod": one.pod.name, "container": one.container, "why": why} for one, why in found.errors],
        "cut": found.is_cut,
    }


class Follower:
    """Reads on where it was, look by look; each line is given once."""

    def __init__(self, lines: int, since: str = "") -> None:
        """`since` is the time of a line that was seen already, "" to begin with the last `lines`."""
        self._lines = lines
        self._since = since
        self._seen: dict[LogOf, str] = {}

    async def read(self, cluster: Cluster, wanted: Sequence[LogOf], hidden: Hide) -> Logs:
        """What is new in these logs; in one that is new itself, all since the first look."""
        seen = [self._seen.get(one, self._since) for one in wanted]
        found = await read_logs(cluster, wanted, [LogPart(self._lines, since=at) for at in seen], hidden)
        before = {(one.pod.name, one.container): at for one, at in zip(wanted, seen, strict=True)}
        new = tuple(line for line in found.lines if line.at > before[line.pod, line.container])
        for one in wanted:
            times = [line.at for line in new if (line.pod, line.container) == (one.pod.name, one.container)]
            self._seen[one] = max(times, default=self._seen.get(one, self._since))
        return replace(found, lines=new)
