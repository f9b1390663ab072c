"""What changed in the objects of an Application from one release to another, as JSON values. Pure.

Both are sets of manifests as they were rendered, so nothing of the cluster is asked; values of Secrets are hidden.
"""

from dataclasses import asdict
from typing import Any, Final

from gitops.engine.describe import field_row
from gitops.engine.diff import changes_between
from gitops.manifests.key import Body
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.views.plan_data import MOST_CHANGES, MOST_FIELDS, cut


def comparison_data(
    application: str, releases: tuple[Release, Release], sets: tuple[RenderedSet, RenderedSet]
) -> dict[str, Any]:
    """The objects that the second release has other than the first, with the fields that differ."""
    before, after = ({found.key: found.body for found in one.manifests} for one in sets)
    rows: list[dict[str, Any]] = []
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            rows.append({"change": "create", "object": str(key)})
        elif key not in after:
            rows.append({"change": "prune", "object": str(key)})
        elif fields := _fields(before[key], after[key]):
            more = max(len(fields) - MOST_FIELDS, 0)
            rows.append({"change": "update", "object": str(key), "fields": fields[:MOST_FIELDS], "moreFields": more})
    return {
        "application": application,
        "from": asdict(releases[0]),
        "to": asdict(releases[1]),
        "objects": len(after),
        "total": len(rows),
        "more": max(len(rows) - MOST_CHANGES, 0),
        "changes": rows[:MOST_CHANGES],
    }


_NO_OWNER: Final = ("path", "live", "desired")


def _fields(before: Body, after: Body) -> list[dict[str, Any]]:
    rows = [field_row(change) for change in changes_between(before, after)]
    return [{name: cut(row[name]) for name in _NO_OWNER if name in row} for row in rows]
