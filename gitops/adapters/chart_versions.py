"""Which version of a chart is meant: the versions that there are and a target (a version, a range or nothing) in.

As Helm 3.17: an exact version goes before a range; of a range, or without a target, the highest version that fits, and
a pre-release only where the range names one. Of a registry, `RANGE =~ EXPRESSION` means those tags alone that the
expression (in Go's syntax) is found in.
"""

from collections.abc import Collection
from difflib import get_close_matches

from gitops.model.errors import RenderError, SourceError
from renderers.expressions import compiled
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.semver import Version, allows, parse_version

_ANY = "*"
_FILTER = " =~ "


def chosen_version(target: str, versions: Collection[str]) -> str | None:
    """The one of `versions` that `target` means; None where none does."""
    if target in versions:
        return target
    found = [version for text in versions if (version := _version(text)) is not None and _fits(target or _ANY, version)]
    best: Version | None = None
    for version in found:
        if best is None or version.compare(best) > 0:
            best = version
    return best.original if best is not None else None


def chosen_tag(target: str, versions: Collection[str]) -> str | None:
    """As `chosen_version`, of the versions that a registry has as tags. Raises SourceError for a bad expression."""
    wanted, filters, expression = target.partition(_FILTER)
    if not filters:
        return chosen_version(target, versions)
    try:
        fits = compiled(expression).search
    except RenderError as error:
        raise SourceError(f"targetRevision: {error}") from error
    return chosen_version(wanted, [found for found in versions if fits(found.replace("+", "_"))])


def closest(target: str, versions: Collection[str]) -> str:
    """What may have been meant, for the end of a message: " (...)", or "" where there is nothing to choose from."""
    known = sorted((found for text in versions if (found := _version(text)) is not None), key=_order, reverse=True)
    if not known:
        return ""
    near = get_close_matches(target, [version.original for version in known], 1)
    newest = f"the newest is {known[0].original}"
    return f" (did you mean {near[0]}? {newest})" if near else f" ({newest})"


def _order(version: Version) -> tuple[tuple[int, int, int], bool]:
    return version.numbers, not version.pre


def _version(text: str) -> Version | None:
    try:
        return parse_version(text)
    except (FunctionError, UnicodeError):
        return None


def _fits(constraint: str, version: Version) -> bool:
    try:
        return allows(constraint, version)
    except (FunctionError, UnicodeError):
        return False
