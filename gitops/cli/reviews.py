"""A plan for reviewers: as Markdown for a pull request, and as a unified diff of whole objects. Secrets stay hidden."""

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from gitops.cli.escape import printable
from gitops.cli.output import summary
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.secrets import HIDDEN, Hidden, veiled
from gitops.manifests.yaml_write import write_manifests
from gitops.model.plan import Change, Create, Prune, Recreate, RunHook, Update
from gitops.model.result import Hold

if TYPE_CHECKING:
    from gitops.cli.preview import Rendering
    from gitops.model.finding import Finding
    from gitops.sync.context import PlannedSync

# What only the API server writes: it would differ in each object, and is nobody's to review.
_NOT_SHOWN = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_SIGNS = {Create: "+", Update: "~", Recreate: "±", Prune: "-", RunHook: ">"}
_WORDS = {Create: "create", Update: "update", Recreate: "recreate", Prune: "prune", RunHook: "run"}
_TOLD = {"create": "created", "update": "changed", "prune": "removed"}
_MOST_FINDINGS = 30
_UNFOLDED = re.compile(r"<details><summary>(. \w+) <code>(.*)</code></summary>")
# GitHub takes 65,536 characters in one comment.
_MOST_TEXT = 60_000


def unified(planned: "PlannedSync") -> str:
    """Every object that changes as `diff -u` shows it, live before and desired after."""
    return "".join(f"{line}\n" for change in planned.plan.changes for line in _lines(planned, change))


def markdown(planned: "PlannedSync") -> str:
    """A heading with the counts, what holds it, and each object folded, with its diff inside."""
    plan = planned.plan
    parts = [f"### {_plain(plan.application)} {_plain(plan.revision)}: {_plain(summary(plan))}\n"]
    if isinstance(planned.decision, Hold):
        parts += [f"> **held**: {_plain(item.reason)}\n" for item in planned.decision.obstacles]
    parts += [f"> kept {_plain(kept.key)} although it left the source: {_plain(kept.reason)}\n" for kept in plan.kept]
    size = sum(map(len, parts))
    for number, change in enumerate(plan.changes):
        block = _block(planned, change)
        size += len(block)
        if size > _MOST_TEXT:
            parts.append(f"… and {len(plan.changes) - number} more objects (see `gitops diff`)\n")
            break
        parts.append(block)
    return "\n".join(parts)


def of_renderings(found: "Sequence[Rendering]", output: str, most: int = _MOST_TEXT) -> str:
    """What two renderings of each differ in, as `markdown` (of so many characters) or `unified`."""
    if output == "unified":
        return "".join(f"{line}\n" for one in found for key in one.changed for line in _rendered_lines(one, key))
    parts: list[str] = []
    for one in found:
        parts.append(f"### {_plain(one.title)}: {_counted(one)}\n")
        if one.error:
            parts.append(f"> **does not render**: {_plain(one.error)}\n")
            continue
        if one.findings:
            parts.append(_listed(one.findings))
        for number, key in enumerate(one.changed):
            block = _folded(*_sign_of(one, key), key, "\n".join(_rendered_lines(one, key)))
            if sum(map(len, parts)) + len(block) > most:
                parts.append(f"… and {len(one.changed) - number} more objects (see `gitops preview`)\n")
                break
            parts.append(block)
    return "\n".join(parts)


def _listed(findings: "Sequence[Finding]") -> str:
    lines = [f"- {_plain(finding.severity)}: {_plain(finding)}\n" for finding in findings[:_MOST_FINDINGS]]
    if len(findings) > _MOST_FINDINGS:
        lines.append(f"- … and {len(findings) - _MOST_FINDINGS} more (see `gitops policy check`)\n")
    return "".join(lines)


def _counted(one: "Rendering") -> str:
    if one.error:
        return "fails"
    words = [_sign_of(one, key)[1] for key in one.changed]
    counts = [f"{words.count(word)} {told}" for word, told in _TOLD.items() if word in words]
    return ", ".join(counts) or "renders to the same"


def _sign_of(one: "Rendering", key: ResourceKey) -> tuple[str, str]:
    if key not in one.before:
        return "+", "create"
    return ("~", "update") if key in one.after else ("-", "prune")


def _rendered_lines(one: "Rendering", key: ResourceKey) -> Iterator[str]:
    sides = [side[key].body if key in side else {} for side in (one.before, one.after)]
    before, after = _shown(sides[0], sides[1], "before"), _shown(sides[1], sides[0], "after")
    return _differing(before, after, (f"before {printable(key)}", f"after {printable(key)}"))


def _block(planned: "PlannedSync", change: Change) -> str:
    kind = type(change)
    return _folded(_SIGNS[kind], _WORDS[kind], change.key, "\n".join(_lines(planned, change)))


def _folded(sign: str, word: str, key: ResourceKey, lines: str) -> str:
    title = f"<summary>{sign} {word} <code>{_plain(key)}</code></summary>"
    fence = "```"
    while fence in lines:  # a value may hold one
        fence += "`"
    return f"<details>{title}\n\n{fence}diff\n{lines}\n{fence}\n</details>\n"


def unfolded(text: str) -> str:
    """Markdown for a host that shows HTML as it is written; no line of a diff begins with a tag."""
    lines = [_UNFOLDED.sub(r"**\1** \2", line) for line in text.splitlines() if line != "</details>"]
    return "\n".join(lines) + "\n"


def _plain(said: object) -> str:
    """Text from a repository or a cluster is no markup."""
    text = printable(said)
    for mark, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "&#96;"), ("[", "&#91;"), ("@", "&#64;")):
        text = text.replace(mark, escaped)
    return text


def _lines(planned: "PlannedSync", change: Change) -> Iterator[str]:
    before, after = _sides(planned, change)
    name = printable(change.key)
    return _differing(before, after, (f"live {name}", f"desired {name}"))


def _differing(before: Body, after: Body, names: tuple[str, str]) -> Iterator[str]:
    one, other = (write_manifests([body]).splitlines() if body else [] for body in (before, after))
    for line in unified_diff(one, other, *names, lineterm=""):
        yield printable(line)


def _sides(planned: "PlannedSync", change: Change) -> tuple[Body, Body]:
    live = planned.at.live.get(change.key) or {}
    match change:
        case Update():
            after = change.after or change.body
        case Prune():
            after = {}
        case _:
            after = change.body
    if isinstance(change, RunHook):
        live = {}
    return _shown(live, after, "before"), _shown(after, live, "after")


def _shown(body: Body, other: Body, side: str) -> Body:
    """What is to be seen of `body`; a hidden value says whether it is another one than on the `other` side."""
    if not body:
        return {}
    metadata = {name: value for name, value in body["metadata"].items() if name not in _NOT_SHOWN}
    plain = {**{name: value for name, value in body.items() if name != "status"}, "metadata": metadata}
    found: Body = _marked(veiled(plain, other), veiled(other, plain) if other else {}, side)
    return found


def _marked(value: Any, other: Any, side: str) -> Any:
    if isinstance(value, Hidden):
        return HIDDEN if value == other else f"{HIDDEN} {side}"
    if isinstance(value, dict):
        sides = other if isinstance(other, dict) else {}
        return {name: _marked(value[name], sides.get(name), side) for name in sorted(value)}
    return [_marked(item, None, side) for item in value] if isinstance(value, list) else value
