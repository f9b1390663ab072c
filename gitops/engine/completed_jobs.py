"""Jobs that remove themselves (`ttlSecondsAfterFinished`): one that has run may be gone until its manifest changes.

The inventory holds, for each that a sync has carried out, a digest of what it was made of.
"""

import hashlib
import json
from collections.abc import Iterable

from gitops.engine.annotations import hook_phases_of
from gitops.engine.hooks import removes_itself
from gitops.engine.inventory import Inventory
from gitops.manifests.key import ResourceKey
from gitops.manifests.manifest import Manifest

_DIGITS = 16


def ended(manifests: Iterable[Manifest]) -> dict[ResourceKey, str]:
    """What the inventory remembers when all of `manifests` have been carried out."""
    return {found.key: _digest(found) for found in manifests if _is_one(found)}


def has_ended(inventory: Inventory, manifest: Manifest) -> bool:
    """Whether the Job was carried out as it stands in the manifest: it is not missing then when it is gone."""
    return _is_one(manifest) and inventory.completed_jobs.get(manifest.key) == _digest(manifest)


def _is_one(manifest: Manifest) -> bool:
    return removes_itself(manifest.body) and not hook_phases_of(manifest)


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest.body, sort_keys=True).encode()).hexdigest()[:_DIGITS]
