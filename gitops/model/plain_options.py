"""How plain manifests are chosen: apart from the Application, which a path alone is rendered without."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlainOptions:
    """Which files the plain renderer takes; globs are matched against paths under `source.path`, commas separate."""

    recurse: bool = True
    include: str = ""
    exclude: str = ""
