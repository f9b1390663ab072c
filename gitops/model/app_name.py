"""What a person's word for an Application means: one rule for every command."""

import difflib
from collections.abc import Iterable

from gitops.model.errors import ConfigError

_MOST_MEANT = 3


def fits(application: str, place: str, name: str, namespace: str = "") -> bool:
    """Whether `name` (NAME or NAMESPACE/NAME, "" = any) means `application` (NAMESPACE/NAME).

    `namespace` ("" = any) picks those that live in it, or whose objects go to it (`place`).
    """
    space, _, short = application.rpartition("/")
    return name in ("", application, short) and namespace in ("", space, place)


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a word that means none of `known`: "did you mean NAMESPACE/NAME?", or ""."""
    words: dict[str, list[str]] = {}
    for application in sorted(set(known)):
        words.setdefault(application if "/" in name else application.rpartition("/")[2], []).append(application)
    near = [application for word in difflib.get_close_matches(name, words, 2) for application in words[word]]
    return f"did you mean {' or '.join(near[:_MOST_MEANT])}?" if near else ""


def several(name: str, found: Iterable[tuple[str, str]]) -> ConfigError:
    """The error for a word that means several Applications, each given with where its objects go."""
    places = [f"{application} (in namespace {place})" if place else application for application, place in found]
    return ConfigError(
        f"there are several Applications called {name}: {', '.join(sorted(places))}; say which as NAMESPACE/NAME, "
        "or with -n NAMESPACE"
    )
