"""An Application as a tree of what it owns, and what its inventory remembers of it, as JSON values."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from gitops.engine.inventory import Inventory
from gitops.manifests.key import ResourceKey
from gitops.model.health import HealthWord
from gitops.sync.standing import Member, Standing

_MOST: Final = 2000
_ORDER: Final = {word: place for place, word in enumerate(HealthWord)}
_MOST_TEXT: Final = 2000


def resource_tree(standing: Standing, failures: Mapping[ResourceKey, str]) -> dict[str, Any]:
    """The objects that it owns, by kind, what is not well first; `failures` is what is wrong with their Pods.

    `more` says how many are left out where there are very many.
    """
    members = sorted(standing.objects, key=lambda member: (_ORDER[member.health.word], member.key))[:_MOST]
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for member in members:
        key = member.key
        kinds.setdefault((key.kind, key.group), []).append(_node(member, failures.get(key, "")))
    return {
        "application": standing.inventory.application,
        "health": standing.health.word.value,
        "total": len(standing.objects),
        "more": len(standing.objects) - len(members),
        "counts": dict(Counter(member.health.word.value for member in standing.objects)),
        "kinds": [{"kind": kind, "group": group, "objects": nodes} for (kind, group), nodes in kinds.items()],
    }


def _node(member: Member, failure: str) -> dict[str, Any]:
    key, health = member.key, member.health
    message = "; ".join(filter(None, (health.message, failure)))
    return {
        "object": str(key),
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "health": health.word.value,
        "kstatus": member.kstatus,
        "message": message[:_MOST_TEXT],
        "problem": health.word in (HealthWord.DEGRADED, HealthWord.MISSING, HealthWord.UNKNOWN),
    }


def inventory_facts(inventory: Inventory) -> dict[str, Any]:
    """What was synced, what was healthy, and what is quarantined."""
    quarantine = inventory.quarantine
    return {
        "objects": len(inventory.keys),
        "lastSync": asdict(inventory.last) if inventory.last else None,
        "applied": inventory.synced,
        "partial": bool(inventory.partially_applied),
        "source": inventory.source,
        "lastHealthy": asdict(inventory.healthy) if inventory.healthy else None,
        "quarantine": quarantine
        and {"revision": quarantine.revision, "reason": quarantine.reason[:_MOST_TEXT], "at": quarantine.at},
    }
