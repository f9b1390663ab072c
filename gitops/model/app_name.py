"""What a person's word for an Application means: one rule for every command."""

from collections.abc import Iterable

from gitops.model.errors import ConfigError


def fits(application: str, place: str, name: str, namespace: str = "") -> bool:
    """Whether `name` (NAME or NAMESPACE/NAME, "" = any) means `application` (NAMESPACE/NAME).

    `namespace` ("" = any) picks those that live in it, or whose objects go to it (`place`).
    """
    space, _, short = application.rpartition("/")
    return name in ("", application, short) and namespace in ("", space, place)


def several(name: str, found: Iterable[tuple[str, str]]) -> ConfigError:
    """The error for a word that means several Applications, each given with where its objects go."""
    places = [f"{application} (in namespace {place})" if place else application for application, place in found]
    return ConfigError(
        f"there are several Applications called {name}: {', '.join(sorted(places))}; say which as NAMESPACE/NAME, "
        "or with -n NAMESPACE"
    )
