"""The managed objects of one kind as the last watch event left them: small in memory, found by key or by owner.

A body is kept as compact JSON (a fifth of what it takes as Python objects) and decoded when it is asked for.
"""

import hashlib
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from gitops.engine.inventory import PART_OF, SET_ID
from gitops.manifests.key import Body, ResourceKey, key_of
from gitops.model.errors import ApiError

_GONE_KEPT = 1000
_VOLATILE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


class Seen(NamedTuple):
    """A change of one object: `body` is None when it is gone from our sight, which may mean a stripped label.

    `external_change` when something that can be desired changed, and not by a write of ours whose answer we have.
    `left` is the set that it was in before, if that is another one: it is gone from there.
    """

    set_id: str
    key: ResourceKey
    body: Body | None
    external_change: bool
    left: str = ""


@dataclass(slots=True)
class _Entry:
    data: bytes
    version: str
    api_version: str
    set_id: str
    content: bytes
    serial: int


class ObjectStore:
    """Objects by key; `serial` counts changes, so that a reader can ask what came after a moment."""

    def __init__(self) -> None:
        self._entries: dict[ResourceKey, _Entry] = {}
        self._sets: dict[str, set[ResourceKey]] = {}
        self._names: dict[str, set[ResourceKey]] = {}
        self._gone: deque[tuple[int, str, Body]] = deque(maxlen=_GONE_KEPT)
        self.serial = 0
        self.version = ""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: ResourceKey) -> bool:
        return key in self._entries

    def check(self, version: str) -> None:
        """Raise ApiError (410) for an event that is older than what is known: the cluster was restored from a backup.

        Its resource versions are given once more then, and only a list tells what there is.
        """
        if self.version and version != self.version and not _is_newer(version, self.version):
            raise ApiError(410, "Expired", "the cluster counts from an earlier version than before; list again")

    def is_past(self, body: Body) -> bool:
        """Whether the watch was further than this object already, and it is not here: then it is gone again."""
        version = body["metadata"]["resourceVersion"]
        return key_of(body) not in self._entries and bool(self.version) and not _is_newer(version, self.version)

    def put(self, body: Body, *, ours: bool = False, listed_from: int | None = None) -> Seen | None:
        """Take an object in; None when it is not newer than what is known. `ours` when our own write returned it.

        What a list (begun at the serial `listed_from`) says holds even if it is older, unless something came since: the
        cluster may have been restored from a backup.
        """
        key, metadata = key_of(body), body["metadata"]
        content = content_of(body)
        known = self._entries.get(key)
        if known is not None and not _is_newer(metadata["resourceVersion"], known.version):
            is_restored = listed_from is not None and known.serial <= listed_from
            if not is_restored or metadata["resourceVersion"] == known.version:
                return None
        set_id = _set_of(metadata)
        left = ""
        self.serial += 1
        if known is not None and known.set_id != set_id:
            left = known.set_id
            self._sets[left].discard(key)
            self._gone.append((self.serial, left, orjson.loads(known.data)))
        entry = _Entry(
            orjson.dumps(body), metadata["resourceVersion"], body["apiVersion"], set_id, content, self.serial
        )
        self._entries[key] = entry
        self._sets.setdefault(set_id, set()).add(key)
        self._names.setdefault(key.name, set()).add(key)
        changed = known is None or known.content != content
        return Seen(set_id, key, body, changed and not ours, left)

    def take_away(self, key: ResourceKey) -> Seen | None:
        """An object that is out of sight."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        for index, value in ((self._sets, entry.set_id), (self._names, key.name)):
            index[value].discard(key)
            if not index[value]:
                del index[value]
        self.serial += 1
        self._gone.append((self.serial, entry.set_id, orjson.loads(entry.data)))
        return Seen(entry.set_id, key, None, external_change=True)

    def keys(self) -> set[ResourceKey]:
        return set(self._entries)

    def get(self, key: ResourceKey, api_version: str = "") -> Body | None:
        """The object, if it is known in this API version (GROUP/VERSION; "" = any)."""
        entry = self._entries.get(key)
        if entry is None or (api_version and entry.api_version != api_version):
            return None
        body: Body = orjson.loads(entry.data)
        return body

    def members(self, set_id: str, namespace: str = "", name: str = "") -> list[Body]:
        """The objects of one ApplySet ("" = of every one), in a namespace and of a name ("" = all of them)."""
        if set_id:
            keys: Collection[ResourceKey] = self._sets.get(set_id, ())
        else:
            keys = self._names.get(name, ()) if name else self._entries
        chosen = (key for key in keys if namespace in ("", key.namespace) and name in ("", key.name))
        return [orjson.loads(self._entries[key].data) for key in sorted(chosen)]

    def since(self, serial: int, set_id: str) -> Iterator[tuple[Any, Body]] | None:
        """(event type, object) of what happened to a set after `serial`; None when that is no longer known."""
        if self._gone and len(self._gone) == _GONE_KEPT and self._gone[0][0] > serial:
            return None
        gone = [("DELETED", body) for number, owner, body in self._gone if number > serial and owner == set_id]
        fresh = [
            ("MODIFIED", orjson.loads(self._entries[key].data))
            for key in sorted(self._sets.get(set_id, ()))
            if self._entries[key].serial > serial
        ]
        return iter([*gone, *fresh])


def content_of(body: Body) -> bytes:
    """A name for all of an object but its status and what the server counts up on every write."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in _VOLATILE}
    rest = {name: value for name, value in body.items() if name not in ("status", "metadata")}
    data = orjson.dumps([metadata, rest], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=12).digest()


def _set_of(metadata: Body) -> str:
    """Whose the object is by its labels: a member's set, or the set that an inventory parent stands for."""
    labels = metadata.get("labels") or {}
    return str(labels.get(PART_OF) or labels.get(SET_ID) or "")


def _is_newer(version: str, known: str) -> bool:
    """Resource versions of one collection compare as numbers (KEP-5504); what is no number is taken as it comes."""
    return int(version) > int(known) if version.isdigit() and known.isdigit() else version != known
