"""The Status answers of an API server, and the exception that carries one.

Texts are those of k8s.io/apimachinery/pkg/api/errors and pkg/util/validation/field.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from gitops.manifests.fields import go_json
from gitops.manifests.key import Body


class ApiFailure(Exception):
    """A request that an API server refuses: the HTTP code and the Status body; `plain` answers text instead."""

    def __init__(
        self, code: int, status: Body, *, plain: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status.get("message", plain))
        self.code = code
        self.status = status
        self.plain = plain
        self.headers = headers or {}


def failure(code: int, message: str, reason: str = "", details: Body | None = None) -> ApiFailure:
    """A Failure Status."""
    status: Body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    return ApiFailure(code, {**status, "code": code})


def qualified(group: str, plural: str) -> str:
    """`deployments.apps`, `configmaps`."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, kind: str, name: str = "", **more: Any) -> Body:
    details: Body = {"name": name} if name else {}
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return {**details, **more}


def page_not_found() -> ApiFailure:
    """What an unknown group or path gets: not even a Status."""
    return ApiFailure(404, {}, plain="404 page not found\n")


def no_such_resource() -> ApiFailure:
    return failure(404, "the server could not find the requested resource", "NotFound", {})


def not_found(group: str, plural: str, name: str) -> ApiFailure:
    return failure(404, f'{qualified(group, plural)} "{name}" not found', "NotFound", _details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> ApiFailure:
    message = f'{qualified(group, plural)} "{name}" already exists'
    return failure(409, message, "AlreadyExists", _details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str) -> ApiFailure:
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return failure(409, message, "Conflict", _details(group, plural, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def bad_request(message: str) -> ApiFailure:
    return failure(400, message, "BadRequest")


def internal(message: str) -> ApiFailure:
    """An error that the server did not foresee: no reason is given."""
    return failure(500, message)


def unauthorized() -> ApiFailure:
    return failure(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str, causes: list[Body] | None = None) -> ApiFailure:
    shown = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    details = _details(group, plural, name, **({"causes": causes} if causes else {}))
    return failure(403, f"{shown} is forbidden: {why}", "Forbidden", details)


def method_not_allowed() -> ApiFailure:
    return failure(405, "the server does not allow this method on the requested resource", "MethodNotAllowed", {})


def operation_not_supported(group: str, plural: str, verb: str) -> ApiFailure:
    message = f'{verb} is not supported on resources of kind "{qualified(group, plural)}"'
    return failure(405, message, "MethodNotAllowed", _details(group, plural))


def unsupported_media_type() -> ApiFailure:
    return failure(415, "415: Unsupported Media Type", "UnsupportedMediaType", {})


def unknown_patch_type(accepted: Iterable[str]) -> ApiFailure:
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return failure(415, message, "UnsupportedMediaType")


def bad_patch() -> ApiFailure:
    """A patch that cannot be carried out: the server says no more than this."""
    return failure(422, "the server rejected our request due to an error in our request", "Invalid", {})


def expired(message: str) -> ApiFailure:
    return failure(410, message, "Expired")


def too_large_version(wanted: int, current: int, retry_after: int) -> ApiFailure:
    """504 for a version that a server has not come to, be it that its storage was set back."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details: Body = {"causes": [cause], **({"retryAfterSeconds": retry_after} if retry_after else {})}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    answer = failure(504, message, "Timeout", details)
    if retry_after:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def too_many_requests(message: str, retry_after: int = 1) -> ApiFailure:
    answer = failure(429, message, "TooManyRequests", {"retryAfterSeconds": retry_after})
    answer.headers["Retry-After"] = str(retry_after)
    return answer


def success(name: str, group: str, kind: str, uid: str) -> Body:
    """What deleting an object that is gone at once answers."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(group, kind, name, uid=uid),
    }


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `text` is what follows the field's path."""

    reason: str
    field: str
    text: str

    def cause(self) -> Body:
        return {"reason": self.reason, "message": self.text, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def shown(value: Any) -> str:
    """A value as field errors write it."""
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    return go_json(value)


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, _with_detail("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, _with_detail(f"Invalid value: {shown(value)}", detail))


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", field, _with_detail(f"Invalid value: {shown(value)}", detail))


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    listed = ", ".join(f'"{item}"' for item in supported)
    return FieldError("FieldValueNotSupported", field, f"Unsupported value: {shown(value)}: supported values: {listed}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def forbidden_field(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, _with_detail("Forbidden", detail))


def field_not_found(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", field, f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    return FieldError("FieldValueTooMany", field, f"Too many: {count}: must have at most {limit} items")


def invalid_object(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> ApiFailure:
    """422 with one cause per error; the message names each once."""
    listed = list(errors)
    texts = list(dict.fromkeys(str(error) for error in listed))
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(group, kind, name, causes=[error.cause() for error in listed])
    return failure(422, f'{qualified(group, kind)} "{name}" is invalid: {text}', "Invalid", details)
