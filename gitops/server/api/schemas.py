"""The shapes of the API's answers, as JSON Schema of OpenAPI 3.1; tests hold every answer against them."""

from typing import Any, Final

from gitops.model.health import HealthWord
from gitops.model.project import KIND_LISTS
from gitops.server.auth.person import Way
from gitops.views.listing import SYNC_WORDS
from gitops.views.waiting import WAITS

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": _COUNT}
_HEALTH: Final[Schema] = {"type": "string", "enum": [word.value for word in HealthWord]}
_ANY: Final[Schema] = {}


def _object(**members: Schema) -> Schema:
    """All members are there, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def _open(**members: Schema) -> Schema:
    """Any of these members may be missing."""
    return {"type": "object", "properties": members, "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_ROW: Final[dict[str, Schema]] = {
    **dict.fromkeys(("application", "project", "namespace", "cluster"), TEXT),
    **dict.fromkeys(("source", "targetRevision", "revision"), TEXT),
    "sync": {"type": "string", "enum": list(SYNC_WORDS)},
    "health": _HEALTH,
    **dict.fromkeys(("message", "note", "plan", "progress", "syncedAt"), TEXT),
    **dict.fromkeys(("problem", "suspended", "automated"), _FLAG),
    "pending": _COUNT,
    "drift": _list(TEXT),
}
_CHANGE: Final[Schema] = {
    "type": "object",
    "properties": {
        "change": {"type": "string", "enum": ["create", "update", "recreate", "prune", "hook"]},
        "object": TEXT,
        "reason": TEXT,
        "uid": TEXT,
        "moreFields": _COUNT,
        "fields": _list(_ref("FieldChange")),
    },
    "required": ["change", "object"],
    "additionalProperties": False,
}
_PROJECT: Final[dict[str, Schema]] = {
    **dict.fromkeys(("project", "description"), TEXT),
    **dict.fromkeys(("defined", "limited"), _FLAG),
    **dict.fromkeys(("applications", "problems"), _COUNT),
}
_PLACE_STATE: Final[Schema] = {"type": "string", "enum": ["failing", "well", "waiting", "elsewhere"]}
_PLAN: Final[dict[str, Schema]] = {
    **dict.fromkeys(("application", "revision", "ref", "digest", "id", "note"), TEXT),
    "decision": {"type": "string", "enum": ["Go", "Hold", "InSync"]},
    "makes": _list(TEXT),
    "steps": _list(_object(phase=TEXT, wave={"type": "integer"}, changes=_list(_ref("Change")))),
    "kept": _list(_object(object=TEXT, reason=TEXT)),
    "held": _list(TEXT),
    "obstacles": _list(_object(kind=TEXT, object=TEXT, reason=TEXT)),
    "changes": _COUNT,
    "more": _COUNT,
}
_PAST: Final[Schema] = _object(**dict.fromkeys(("revision", "ref", "digest", "at"), TEXT))
_INVENTORY: Final[Schema] = _object(
    objects=_COUNT,
    applied=TEXT,
    partial=_FLAG,
    source=TEXT,
    lastSync=_or_null(_object(**dict.fromkeys(("revision", "ref", "at", "actor", "outcome"), TEXT))),
    lastHealthy=_or_null(_PAST),
    quarantine=_or_null(_object(**dict.fromkeys(("revision", "reason", "at"), TEXT))),
)
_NODE: Final[Schema] = _object(
    **dict.fromkeys(("object", "group", "kind", "namespace", "name", "kstatus", "message"), TEXT),
    health=_HEALTH,
    problem=_FLAG,
)
_CONTAINER: Final[Schema] = _object(
    **dict.fromkeys(("name", "image", "reason", "message", "since", "last"), TEXT),
    role={"type": "string", "enum": ["init", "main", "ephemeral"]},
    state={"type": "string", "enum": ["running", "waiting", "terminated", "unknown"]},
    exitCode=_or_null({"type": "integer"}),
    ready=_FLAG,
    restarts=_COUNT,
    problem=_FLAG,
)
_TREE_NODE: Final[Schema] = _object(
    **dict.fromkeys(("object", "group", "kind", "namespace", "name", "message", "createdAt"), TEXT),
    health=_HEALTH,
    problem=_FLAG,
    restarts=_COUNT,
    containers=_list(_CONTAINER),
    children=_list(_ref("TreeNode")),
    more=_COUNT,
)
_RELEASE: Final[Schema] = _object(
    number={"type": "integer"},
    **dict.fromkeys(
        ("application", "cluster", "revision", "ref", "digest", "health", "at", "actor", "namespace", "source"), TEXT
    ),
)
_ATTEMPT: Final[Schema] = _object(
    **dict.fromkeys(("kind", "revision", "subject", "author", "ref", "digest"), TEXT),
    **dict.fromkeys(("actor", "startedAt", "endedAt", "outcome", "reason"), TEXT),
    release=_or_null({"type": "integer"}),
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": _object(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT),
    "ApplicationRow": _object(**_ROW),
    "ApplicationList": _object(
        items=_list(_ref("ApplicationRow")),
        total=_COUNT,
        known=_COUNT,
        offset=_COUNT,
        limit=_COUNT,
        counts=_object(health=_COUNTS, sync=_COUNTS, only=_COUNTS),
        groups=_list(_object(name=TEXT, total=_COUNT, problems=_COUNT)),
        groupCount=_COUNT,
    ),
    "WaitingList": _object(
        items=_list(
            _object(
                **dict.fromkeys(("application", "why", "since", "revision", "ref", "plan", "command"), TEXT),
                waitsFor={"type": "string", "enum": list(WAITS)},
                act={"type": "string", "enum": ["", "approve", "sync", "resume"]},
                pending=_COUNT,
            )
        ),
        total=_COUNT,
        offset=_COUNT,
        limit=_COUNT,
        counts=_COUNTS,
    ),
    "Clusters": _object(
        items=_list(
            _object(
                **dict.fromkeys(("cluster", "server", "lastSync", "trouble"), TEXT),
                state=_PLACE_STATE,
                applications=_COUNT,
            )
        ),
        total=_COUNT,
        offset=_COUNT,
        limit=_COUNT,
    ),
    "Repositories": _object(
        items=_list(
            _object(
                **dict.fromkeys(("repository", "lookedAt", "trouble"), TEXT),
                state=_PLACE_STATE,
                applications=_COUNT,
                targets=_list(TEXT),
                interval={"type": "number"},
            )
        ),
        total=_COUNT,
        offset=_COUNT,
        limit=_COUNT,
    ),
    "Projects": _object(items=_list(_object(**_PROJECT)), total=_COUNT, offset=_COUNT, limit=_COUNT),
    "Project": _object(
        **_PROJECT,
        health=_COUNTS,
        sync=_COUNTS,
        limits=_object(
            **dict.fromkeys(("sourceRepos", "sourceNamespaces"), _list(TEXT)),
            destinations=_list(_object(server=TEXT, name=TEXT, namespace=TEXT)),
            **dict.fromkeys(KIND_LISTS, _list(_object(group=TEXT, kind=TEXT, name=TEXT))),
        ),
        roles=_list(_object(name=TEXT, description=TEXT, policies=_list(TEXT), groups=_list(TEXT))),
        syncWindows=_list(
            _object(
                kind={"type": "string", "enum": ["allow", "deny"]},
                **dict.fromkeys(("schedule", "timeZone", "description", "until", "next"), TEXT),
                duration={"type": "number"},
                **dict.fromkeys(("applications", "namespaces", "clusters"), _list(TEXT)),
                **dict.fromkeys(("manualSync", "andOperator", "open"), _FLAG),
            )
        ),
        unheeded=_list(TEXT),
    ),
    "Application": _object(
        **_ROW,
        ref=TEXT,
        held=_list(TEXT),
        failures=_COUNT,
        changedAt=TEXT,
        options=_object(automated=_FLAG, prune=_FLAG, drift=TEXT, serviceAccount=TEXT),
        **dict.fromkeys(("dependsOn", "images", "hosts"), _list(TEXT)),
        **{"pass": _FLAG},
    ),
    "Resources": _object(
        application=TEXT,
        health=_HEALTH,
        total=_COUNT,
        more=_COUNT,
        counts=_COUNTS,
        kinds=_list(_object(kind=TEXT, group=TEXT, objects=_list(_NODE))),
        inventory=_INVENTORY,
    ),
    "TreeNode": _TREE_NODE,
    "Tree": _object(
        application=TEXT,
        pods=_COUNT,
        more=_COUNT,
        unread=_list(TEXT),
        objects=_list(_ref("TreeNode")),
        tests=_list(TEXT),
    ),
    "Object": _object(
        **dict.fromkeys(("application", "object", "group", "kind", "namespace", "name", "madeBy", "why"), TEXT),
        **dict.fromkeys(("origin", "change", "reason", "desiredError", "eventsError"), TEXT),
        acts=_list(
            _object(act={"type": "string", "enum": ["restart", "scale", "delete"]}, why=TEXT, confirmable=_FLAG)
        ),
        health=_HEALTH,
        live=_or_null({"type": "object"}),
        desired=_or_null({"type": "object"}),
        fields=_list(_ref("FieldChange")),
        moreFields=_COUNT,
        containers=_list(_CONTAINER),
        managers=_list(
            _object(
                **dict.fromkeys(("manager", "operation", "time", "subresource"), TEXT), fields=_list(TEXT), more=_COUNT
            )
        ),
        events=_list(
            _object(**dict.fromkeys(("type", "reason", "message", "from", "at"), TEXT), count=_COUNT),
        ),
    ),
    "Logs": _object(
        object=TEXT,
        pods=_COUNT,
        containers=_list(TEXT),
        more=_COUNT,
        lines=_list(_object(**dict.fromkeys(("at", "pod", "container", "text", "level"), TEXT))),
        errors=_list(_object(**dict.fromkeys(("pod", "container", "why"), TEXT))),
        cut=_FLAG,
    ),
    "Explanation": _object(
        application=TEXT,
        headline=TEXT,
        health=_HEALTH,
        sync={"type": "string", "enum": list(SYNC_WORDS)},
        facts=_list(TEXT),
        objects=_list(_object(object=TEXT, health=_HEALTH, reason=TEXT)),
        more=_COUNT,
        next=TEXT,
    ),
    "History": _object(releases=_list(_RELEASE), attempts=_list(_ATTEMPT)),
    "Comparison": _object(
        application=TEXT,
        **{"from": _RELEASE, "to": _RELEASE},
        objects=_COUNT,
        total=_COUNT,
        more=_COUNT,
        changes=_list(_ref("Change")),
    ),
    "FieldChange": {
        **_open(path=TEXT, live=_ANY, desired=_ANY, owner=_object(manager=TEXT, operation=TEXT, time=TEXT)),
        "required": ["path"],
        "description": "A side where the field is absent has no entry; values of Secrets are hidden.",
    },
    "Change": _CHANGE,
    "Drift": _object(application=TEXT, drift=_list(_ref("Change")), underWay=TEXT, recorded=_or_null(_ref("Entry"))),
    "Plan": _object(**_PLAN, waits=_FLAG),
    "DeletionPlan": _object(
        **_PLAN, keep=_FLAG, objects=_COUNT, place=TEXT, broughtBack=TEXT, stays=TEXT, also=_list(TEXT)
    ),
    "RollbackPlan": _object(**_PLAN, release={"type": "integer"}),
    "Entry": _object(
        seq={"type": "integer"},
        **dict.fromkeys(("at", "actor", "application", "cluster", "fact", "revision", "hash"), TEXT),
        detail={"type": "object"},
    ),
    "StoredEntry": _object(
        seq={"type": "integer"},
        **dict.fromkeys(("at", "actor", "application", "cluster", "fact", "revision"), TEXT),
        detail={"type": "object"},
        **dict.fromkeys(("previous_hash", "hash"), TEXT),
    ),
    "Entries": _object(items=_list(_ref("Entry")), next=_or_null(TEXT)),
    "Proof": _object(
        at=TEXT,
        whole=_FLAG,
        **dict.fromkeys(("chains", "entries", "anchored", "wrong"), _COUNT),
        notes=_list(TEXT),
        items=_list(
            _object(application=TEXT, cluster=TEXT, entries=_COUNT, anchored=_or_null(_COUNT), whole=_FLAG, wrong=TEXT)
        ),
    ),
    "Done": _object(application=TEXT, act=TEXT, by=TEXT, request=_or_null({"type": "integer"})),
    "ObjectDone": _object(**dict.fromkeys(("application", "act", "by", "object", "note"), TEXT)),
    "Request": _object(request={"type": "integer"}, outcome=_or_null(TEXT), message=TEXT),
    "Person": _object(
        name=TEXT,
        by={"type": "string", "enum": [way.value for way in Way]},
        roles=_list(TEXT),
        groups=_list(TEXT),
        only=_list(TEXT),
        mayAct=_FLAG,
    ),
}
