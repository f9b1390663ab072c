"""The kinds that a cluster serves, as its discovery tells: which version and path to use, and the scope."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KindInfo:
    """One kind in one version, and how it is reached over HTTP."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class Kinds:
    """Look-up of KindInfo; a group's versions are in the server's order, its preferred one first.

    `away` are the groups whose kinds cannot be told now, wholly or in part, with the reason.
    """

    def __init__(self, infos: Iterable[KindInfo], away: Mapping[str, str] | None = None) -> None:
        self.away = away or {}
        self._by_kind: dict[tuple[str, str], list[KindInfo]] = {}
        for info in infos:
            self._by_kind.setdefault((info.group, info.kind), []).append(info)

    def find(self, group: str, kind: str, version: str = "") -> KindInfo | None:
        """The kind in `version` ("" = the preferred one), or None where the cluster does not serve it."""
        versions = self._by_kind.get((group, kind), [])
        return next((info for info in versions if version in ("", info.version)), None)

    def is_gone(self, group: str, kind: str) -> bool:
        """Whether the cluster does not serve it, and says so: of a group that is away nobody knows."""
        return group not in self.away and (group, kind) not in self._by_kind

    def versions(self, group: str, kind: str) -> list[str]:
        return [info.version for info in self._by_kind.get((group, kind), [])]

    def groups_with(self, kind: str) -> list[str]:
        """The groups that serve a kind of this name: what a message suggests when the group is wrong."""
        return sorted(group for group, name in self._by_kind if name == kind)

    def with_infos(self, infos: Iterable[KindInfo]) -> "Kinds":
        """These kinds and `infos`: used for custom kinds whose definition is in the set that is planned."""
        return Kinds([*self, *infos], self.away)

    def __iter__(self) -> Iterator[KindInfo]:
        for versions in self._by_kind.values():
            yield from versions
