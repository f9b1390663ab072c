"""Which commit is meant: a remote's refs and a target (branch, tag, commit, semver range or nothing) in, a ref out.

Pure rules. A branch goes before a tag of the same name, exact names before ranges, ranges before commits. In a range
the highest tag that fits wins; pre-releases count only when the range names one, as npm and Cargo have it.

Not here: asking the remote, and finding a commit by a part of its name (`git`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

FULL_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PART_OF_COMMIT = re.compile(r"[0-9a-f]{4,63}")
# What people copy from a log; fewer digits may be anything.
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_VERSION = re.compile(
    r"v?(0|[1-9][0-9]{0,17})(?:\.(0|[1-9][0-9]{0,17}))?(?:\.(0|[1-9][0-9]{0,17}))?"
    r"(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_PART: Final = r"(?:[xX*]|[0-9]{1,18})"
_TERM = re.compile(
    rf"(\^|~>?|>=|<=|>|<|!=|=)?\s*v?({_PART}(?:\.{_PART}){{0,2}}(?:-[0-9A-Za-z.-]+)?)(?:\+[0-9A-Za-z.-]+)?"
)

Version = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
# Sorts after every pre-release of the same version.
_RELEASE: Final = ((2, 0, ""),)


@dataclass(frozen=True, slots=True)
class RemoteRefs:
    """What `git ls-remote` tells: the default branch, and the commits of branches and tags (annotated ones peeled)."""

    head: str = ""
    default_branch: str = ""
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ref:
    """A name that stands for a commit."""

    name: str
    sha: str


def parse_refs(listing: str) -> RemoteRefs:
    """Read the output of `git ls-remote --symref`."""
    head, default = "", ""
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in listing.split("\n"):
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            head = value
        elif name.startswith("refs/heads/"):
            branches[name.removeprefix("refs/heads/")] = value
        elif name.startswith("refs/tags/"):
            tags[name.removeprefix("refs/tags/").removesuffix("^{}")] = value
    return RemoteRefs(head, default, branches, tags)


def find_ref(refs: RemoteRefs, target: str) -> Ref | None:
    """The ref that `target` names or, as a range, selects; None when it can only be a commit, or is unknown."""
    if target in ("", "HEAD"):
        return Ref(refs.default_branch or "HEAD", refs.head) if refs.head else None
    for prefix, names in (("refs/heads/", refs.branches), ("refs/tags/", refs.tags)):
        if target.startswith(prefix) and target.removeprefix(prefix) in names:
            return Ref(target.removeprefix(prefix), names[target.removeprefix(prefix)])
    for names in (refs.branches, refs.tags):
        if target in names:
            return Ref(target, names[target])
    return None if FULL_COMMIT.fullmatch(target) else _highest(refs.tags, target)


def nearest(refs: RemoteRefs, target: str) -> list[str]:
    """Names that someone who wrote `target` may have meant, the likeliest first."""
    names = list(dict.fromkeys((*refs.branches, *refs.tags)))
    close = get_close_matches(target, names, n=3, cutoff=0.5)
    return close or sorted(refs.branches)[:3]


def unknown(refs: RemoteRefs, target: str) -> str:
    """In words: nothing is called `target`, and what it may have been meant for."""
    return missing(target) + hint(refs, target)


def missing(target: str) -> str:
    """In words: nothing is called `target`."""
    if not target:
        return "the repository has no default branch"
    if is_range(target) and not _SHORT_COMMIT.fullmatch(target):
        return f"no tag fits {target}"
    return f"no branch or tag is called {target}"


def hint(refs: RemoteRefs, target: str) -> str:
    """What may have been meant by it, in parentheses after a space; "" when nobody knows."""
    if not target:
        return " (name one in targetRevision)"
    if is_range(target) and not _SHORT_COMMIT.fullmatch(target):
        newest = ", ".join(sorted(refs.tags)[-3:]) or "none"
        return f" (its tags: {newest})"
    near = " or ".join(nearest(refs, target))
    hints = [f"did you mean {near}?"] if near else []
    hints += ["A commit has to be given whole, by 40 digits"] if _SHORT_COMMIT.fullmatch(target) else []
    return f" ({' '.join(hints)})" if hints else ""


def is_range(target: str) -> bool:
    """Whether `target` reads as a semver range."""
    return parse_range(target) is not None


def _highest(tags: Mapping[str, str], target: str) -> Ref | None:
    wanted = parse_range(target)
    if wanted is None:
        return None
    fitting = [
        (version, name)
        for name in tags
        if (version := parse_version(name)) is not None and any(_fits(version, terms) for terms in wanted)
    ]
    return Ref(max(fitting)[1], tags[max(fitting)[1]]) if fitting else None


def parse_version(text: str) -> Version | None:
    """`v1.2.3-rc.1` as something that sorts; None for text that is no version."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre = match.groups()
    return int(major), int(minor or 0), int(patch or 0), _pre(pre)


def _pre(text: str | None) -> tuple[tuple[int, int, str], ...]:
    if not text:
        return _RELEASE
    return tuple((0, int(part), "") if _is_number(part) else (1, 0, part) for part in text.split("."))


def _is_number(part: str) -> bool:
    return part.isdecimal() and len(part) <= 18


@dataclass(frozen=True, slots=True)
class _Term:
    """Versions from `low` up to, not including, `high`; `names_pre` when the term itself has a pre-release."""

    low: Version
    high: Version
    names_pre: bool
    negated: bool = False


_LOWEST: Final[Version] = (0, 0, 0, ())
_HIGHEST: Final[Version] = (2**62, 0, 0, ())


def parse_range(text: str) -> list[list[_Term]] | None:
    """`^1.4`, `~1.2`, `>=1.0 <2`, `1.x || 2.0.1`, `1.2 - 1.4` as alternatives of terms; None for other text."""
    alternatives: list[list[_Term]] = []
    for part in text.split("||"):
        part = _without_hyphens(part)
        terms: list[_Term] = []
        at = 0
        while at < len(part):
            match = _TERM.match(part, at)
            if match is None:
                return None
            terms.append(_term(match[1] or "", match[2]))
            at = match.end()
            rest = part[at:].lstrip()
            if rest and rest == part[at:]:
                return None
            at = len(part) - len(rest)
        if not terms:
            return None
        alternatives.append(terms)
    return alternatives


def _without_hyphens(text: str) -> str:
    """`1.2 - 1.4` as `>=1.2 <=1.4`; commas are spaces."""
    words: list[str] = []
    for word in text.replace(",", " ").split():
        if len(words) > 1 and words[-1] == "-":
            words[-2:] = [f">={words[-2]}", f"<={word}"]
        else:
            words.append(word)
    return " ".join(words)


def _term(operator: str, text: str) -> _Term:
    numbers, _, pre = text.partition("-")
    parts = [int(part) for part in numbers.split(".") if part.isdecimal()]
    known = len(parts)
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    exact: Version = (major, minor, patch, _pre(pre))
    low: Version = exact if pre else (major, minor, patch, ())
    after = _after(parts)
    past: Version = (*exact[:3], (*exact[3], (0, 0, "")))  # the first that is higher, `exact.0` of a pre-release
    named = bool(pre)
    match operator:
        case "^":
            return _Term(low, _caret(parts), named)
        case "~" | "~>":
            return _Term(low, _after(parts[:2]), named)
        case ">=":
            return _Term(low, _HIGHEST, named)
        case ">":
            return _Term(past if known == 3 else after, _HIGHEST, named)
        case "<":
            return _Term(_LOWEST, exact if known == 3 else low, named)
        case "<=":
            return _Term(_LOWEST, past if known == 3 else after, named)
    return _Term(exact if known == 3 else low, past if known == 3 else after, named, negated=operator == "!=")


def _after(parts: list[int]) -> Version:
    """The first version past all that start with `parts`."""
    if not parts:
        return _HIGHEST
    following = [*parts[:-1], parts[-1] + 1, 0, 0]
    return following[0], following[1], following[2], ()


def _caret(parts: list[int]) -> Version:
    """The first version that may break users of `parts`: the first number that is not 0 goes up."""
    for number, part in enumerate(parts):
        if part or number == len(parts) - 1:
            return _after(parts[: number + 1])
    return _HIGHEST


def _fits(version: Version, terms: list[_Term]) -> bool:
    if version[3] != _RELEASE and not any(term.names_pre and term_base(term) == version[:3] for term in terms):
        return False
    return all((term.low <= version < term.high) != term.negated for term in terms)


def term_base(term: _Term) -> tuple[int, int, int]:
    """Major, minor and patch of the version that a term names."""
    named = term.low if term.low != _LOWEST else term.high
    return named[:3]
