"""The OpenAPI 3.1 document, made of the operations that are served: what is not served is not in it, nor less."""

import re
from collections.abc import Iterable
from typing import Any, Final

from gitops.server.api.audit import EXPORT
from gitops.server.api.logs import LOG_STREAM
from gitops.server.api.operations import Operation
from gitops.server.api.parameters import Parameter
from gitops.server.api.schemas import SCHEMAS, TEXT
from gitops.server.problems import CONTENT_TYPE

PREFIX: Final = "/api/v1"
_NAME: Final = "[a-z0-9][a-z0-9.-]{0,252}"
NAMES: Final = {"namespace": _NAME, "name": _NAME, "project": _NAME, "number": "[0-9]{1,15}"}
_ERRORS: Final = {
    "400": "Not understood: `detail` names the parameter.",
    "401": "No valid token, and reading is not open.",
    "403": "Not allowed, or acts are off.",
    "404": "There is no such thing.",
    "409": "Not as things stand; `detail` says why.",
    "413": "The body is too large.",
    "415": "The body is not sent as application/json.",
    "421": "Reading is open to this machine only.",
    "502": "The cluster refused.",
    "503": "Something it needs does not answer now.",
}
_OF_BODIES: Final = ("413", "415")


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _described(operation)
    paths[f"{PREFIX}/stream"] = {"get": _stream()}
    paths[PREFIX + LOG_STREAM.path] = {"get": _log_stream()}
    paths[PREFIX + EXPORT.path] = {"get": _export()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gitops",
            "version": version,
            "description": "What the controller knows and does, by the same functions as its page.",
        },
        "paths": paths,
        "security": [{"bearer": []}, {}],
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    ref = {"$ref": f"#/components/schemas/{operation.answer}"}
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.about,
        "parameters": [*map(_in_path, re.findall(r"{(\w+)}", operation.path)), *map(_in_query, operation.query)],
        "responses": {
            str(operation.status): {"description": operation.about, "content": {"application/json": {"schema": ref}}},
            **({"304": {"description": "As the ETag has it."}} if operation.body is None else {}),
            **_errors(has_body=operation.body is not None),
        },
    }
    if operation.body is not None:
        found["security"] = [{"bearer": []}]
        schema = {
            "type": "object",
            "properties": {one.name: {**one.schema, "description": one.about} for one in operation.body},
            "required": [one.name for one in operation.body if one.required],
            "additionalProperties": False,
        }
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _errors(*, has_body: bool) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        code: {"description": about, "content": {CONTENT_TYPE: {"schema": schema}}}
        for code, about in _ERRORS.items()
        if has_body or code not in _OF_BODIES
    }


def _in_path(name: str) -> dict[str, Any]:
    is_number = name == "number"
    schema = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1} if is_number else _named(name)
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _named(name: str) -> dict[str, Any]:
    return {**TEXT, "pattern": f"^{NAMES[name]}$"}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }
    return {**found, "style": "form", "explode": False} if parameter.schema["type"] == "array" else found


def _log_stream() -> dict[str, Any]:
    about = (
        "Server-sent events. `lines`: new lines as getLogs gives them (`lines`, `errors`, `cut`), each line once. "
        "`ended`: `why`; nothing comes after it. The id is the time of the last line, for Last-Event-ID. "
        "It ends after 15 minutes or 16 MiB."
    )
    found = _described(LOG_STREAM)
    events = {"description": about, "content": {"text/event-stream": {"schema": TEXT}}}
    errors = {code: told for code, told in found["responses"].items() if code not in ("200", "304")}
    header = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": TEXT}
    parameters = [*found["parameters"], header]
    return {**found, "description": about, "parameters": parameters, "responses": {"200": events, **errors}}


def _export() -> dict[str, Any]:
    about = (
        "JSON lines (one `StoredEntry` each), chain by chain in order. `hash` is the SHA-256 of the JSON list of the "
        "other fields in their order, without spaces, keys sorted; `previous_hash` is that of the entry before."
    )
    found = _described(EXPORT)
    schema = {"$ref": "#/components/schemas/StoredEntry"}
    lines = {"description": about, "content": {"application/jsonl": {"schema": schema}}}
    errors = {code: told for code, told in found["responses"].items() if code not in ("200", "304")}
    return {**found, "description": about, "responses": {"200": lines, **errors}}


def _stream() -> dict[str, Any]:
    about = (
        "Server-sent events. `application`: one that changed, as a row of the list. `gone`: one that is no more. "
        "`reset`: what was missed is not known, read everything again. Each has an id, for Last-Event-ID."
    )
    return {
        "operationId": "stream",
        "summary": "What changes, as it changes.",
        "description": about,
        "parameters": [{"name": "Last-Event-ID", "in": "header", "required": False, "schema": TEXT}],
        "responses": {
            "200": {"description": about, "content": {"text/event-stream": {"schema": TEXT}}},
            **_errors(has_body=False),
        },
    }
