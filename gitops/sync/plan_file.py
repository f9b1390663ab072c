"""A plan on paper: saved by one command, carried out by another, refused if anything that it touches has moved.

It holds the changes as they are shown (Secrets hidden), and a digest of each touched object's desired and live body.
A Secret's digest is salted and slow to make, so that its values cannot be guessed from the file.
"""

import hashlib
import secrets
from typing import Any

from gitops.engine.describe import described
from gitops.engine.diff import pair_digest
from gitops.manifests.key import Body
from gitops.model.errors import ConfigError
from gitops.model.plan import Change, Prune
from gitops.model.revision import short
from gitops.sync.context import PlannedSync

_VERSION = 1
# What scrypt takes: about 50 ms and 16 MB for each Secret.
_COST = {"n": 2**14, "r": 8, "p": 1}


def plan_facts(planned: PlannedSync) -> dict[str, Any]:
    """The plan as JSON values."""
    salt = secrets.token_hex(16)
    return {
        "version": _VERSION,
        "application": planned.plan.application,
        "source": planned.source,
        "revision": planned.plan.revision.sha,
        "changes": [described(change) for change in planned.plan.changes],
        "salt": salt,
        "objects": _digests(planned, salt),
    }


def moved_since(saved: Any, planned: PlannedSync) -> list[str]:
    """What is no longer as it was when `saved` (plan_facts) was made; [] when it still fits.

    Raises ConfigError when it is no plan file, or the plan of another Application.
    """
    objects = saved.get("objects") if isinstance(saved, dict) else None
    if not isinstance(objects, dict) or saved.get("version") != _VERSION or not isinstance(saved.get("salt"), str):
        raise ConfigError("not a plan file that this version can read (make one with gitops diff --out FILE)")
    if saved.get("application") != planned.plan.application:
        raise ConfigError(f"a plan of {saved.get('application')}, not of {planned.plan.application}")
    moved = []
    if saved.get("revision") != planned.plan.revision.sha:
        moved.append(f"the source is at {short(planned.plan.revision.sha)}, not at {short(str(saved.get('revision')))}")
    now = _digests(planned, saved["salt"])
    for name in sorted(now.keys() | objects.keys()):
        if name not in now:
            moved.append(f"{name} would no longer be changed")
        elif name not in objects:
            moved.append(f"{name} would now be changed too")
        elif now[name] != objects[name]:
            moved.append(f"{name} has changed, in the source or in the cluster")
    return moved


def _digests(planned: PlannedSync, salt: str) -> dict[str, str]:
    return {str(change.key): _digest(planned, change, salt) for change in planned.plan.changes}


def _digest(planned: PlannedSync, change: Change, salt: str) -> str:
    live: Body = planned.at.live.get(change.key) or {}
    desired: Body = {} if isinstance(change, Prune) else change.body
    found = pair_digest(desired, live)
    if change.key.kind == "Secret":
        return hashlib.scrypt(found.encode(), salt=salt.encode(), **_COST).hex()
    return found
